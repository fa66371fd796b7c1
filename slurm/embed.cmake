# SOURCE as the string constant NAME in HEADER.
file(READ ${SOURCE} text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REGEX REPLACE "([^\n]*)\n" "    \"\\1\\\\n\"\n" text "${text}")
file(WRITE ${HEADER} "static const char ${NAME}[] =\n${text};\n")
