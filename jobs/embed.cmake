# Makes a C file of the page of a report: its HTML, its style, and its scripts joined to one.
#   cmake -DFOLDER=jobs/report -DOUTPUT=report_page.c -P embed.cmake
set(scripts data state colour sheet viewer plot curves table story main) # each may use those before

set(script ${OUTPUT}.js)
file(WRITE ${script} "")
foreach(name ${scripts})
  file(READ ${FOLDER}/${name}.js text)
  file(APPEND ${script} "${text}")
endforeach()

function(embed name path)
  file(READ ${path} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  file(APPEND ${OUTPUT}.new "const char report_${name}[] = {${bytes}0};\n")
endfunction()

file(WRITE ${OUTPUT}.new "#include \"report_page.h\"\n")
embed(page ${FOLDER}/page.html)
embed(style ${FOLDER}/style.css)
embed(script ${script})
file(RENAME ${OUTPUT}.new ${OUTPUT})
