#!/usr/bin/python3
"""The command line as hands meet it: what it accepts, what it says of what it does not, and that
help, manual pages and completion have all of it."""
import pathlib
import re
import shutil
import subprocess
import unittest

from atelier import (DONE, INPUT, PROGRAM, ROOT, InFolder, attributes, flags, is_sanitized, main,
                     parameter_table, write_weights)

COMMANDS = ("render", "expand", "batch", "plan", "submit", "status", "show", "collect", "report",
            "verify", "bench", "weights", "help")
TOPICS = ("security",)
SWEEP = """output: runs/small
defaults: {content: content.png, size: 32, iterations: 0, weights: vgg.h5,
           content_layers: relu1_1, style_layers: relu1_1}
matrix: {style: [style.png, content.png]}
"""


class Hands(InFolder):
    def said(self, *words, code=DONE):
        result = self.atelier(*words)
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        return result.stdout if code == DONE else result.stderr

    def options(self, command):
        """{--name: (letter or None, word of its value or None)}, from the help."""
        rows = re.findall(r"^  (?:(-\w), )?(--[\w-]+)(?: (\S.*))?$", self.said("help", command), re.M)
        return {name: (letter or None, word or None) for letter, name, word in rows}

    def table_words(self):
        """Every word that help must know: of choices, and what stands for no file."""
        return [(row, word) for row in parameter_table() for word in row.words]


class Stores(Hands):
    def setUp(self):
        super().setUp()
        write_weights(self.path("vgg.h5"))
        self.path("sweep.yaml").write_text(SWEEP)

    def test_a_store_stands_for_its_sweep(self):
        expanded = self.said("expand", "sweep.yaml")
        self.said("batch", "sweep.yaml", "--quiet", "--max-failures", "1")
        self.path("sweep.yaml").unlink()
        self.assertEqual(self.said("expand", "runs/small"), expanded)
        self.assertIn("2 jobs, 2 done, 0 to do", self.said("batch", "runs/small", "--dry-run"))
        next(self.path("runs/small/jobs").rglob("*.h5")).unlink()
        self.assertIn("1 to do", self.said("batch", "runs/small", "-n"))
        self.said("batch", "runs/small", "-q")
        self.assertIn("2 done, 0 to do", self.said("batch", "runs/small/", "-n"))
        self.said("batch", "runs/small", "-o", "runs/other", "-q")
        self.assertIn("2 done", self.said("batch", "runs/other", "--dry-run"))

    def test_a_folder_that_stands_for_no_sweep_says_so(self):
        self.path("photos").mkdir()
        for name in ("jobs", "running", "failed"):
            self.path("empty").joinpath(name).mkdir(parents=True)
        for command in ("batch", "expand", "plan", "submit"):
            with self.subTest(command):
                self.assertIn("is a folder, but no store", self.said(command, "photos", code=INPUT))
                self.assertIn("has no sweep yet", self.said(command, "empty", code=INPUT))
                self.assertIn("no sweep, manifest or store 'nope'",
                              self.said(command, "nope", code=INPUT))


class Words(Hands):
    def cheap(self, *without):
        return flags({name: None for name in without})

    def test_pictures_need_no_options(self):
        words = self.cheap("content", "style", "output")
        self.said("render", "content.png", "style.png", "-o", "out.png", *words)
        stored = attributes(self.path("out.h5"))
        self.assertEqual((stored["content"], stored["style"]), ("content.png", "style.png"))
        self.said("render", *words, "content.png", "--style", "style.png", "-oother.png", "-q")
        self.assertEqual(self.path("other.png").read_bytes()[:4], b"\x89PNG")
        shutil.copy(self.path("content.png"), self.path("-c.png"))
        self.said("render", *words, "--output=third.png", "-q", "--", "-c.png", "style.png")
        self.assertEqual(attributes(self.path("third.h5"))["content"], "-c.png")

    def test_a_picture_too_many_is_named(self):
        words = self.cheap()
        self.assertIn("two style pictures: 'content.png', and --style 'style.png'",
                      self.said("render", "style.png", "content.png", *self.cheap("content"),
                                code=INPUT))
        self.assertIn("unexpected argument 'c'", self.said("render", "a", "b", "c", *words, code=INPUT))
        self.assertIn("comes after -o",
                      self.said("render", "content.png", "style.png", "out.png", code=INPUT))

    def test_letters_mean_the_same_everywhere(self):
        known = {}
        for command in COMMANDS:
            for name, (letter, _) in self.options(command).items():
                if letter:
                    self.assertEqual(known.setdefault(letter, name), name)
        self.assertEqual(known, {"-n": "--dry-run", "-o": "--output", "-q": "--quiet",
                                 "-v": "--verbose"})

    def test_every_option_takes_its_value_after_an_equals_sign(self):
        for command in COMMANDS:
            words = [f"{name}={'nonsense' if word else 'no'}"
                     for name, (_, word) in self.options(command).items()]
            said = self.said(command, *words, "--zzz", "--zzz", code=INPUT)
            self.assertEqual(said.count("unknown option"), 2, said)
        self.assertIn("vgg19-kers", self.said("weights", "--fetch=vgg19-kers", code=INPUT))

    def test_an_option_of_another_command_is_said_to_be_one(self):
        for command in ("batch", "submit", "plan", "report"):
            said = self.said(command, "a.yaml", "--save-every=5", "--style-weight=2", code=INPUT)
            self.assertWords(said, "--save-every is an option of 'atelier render'",
                             "--style-weight is a parameter of a picture", "sweep file")
            self.assertNotIn("unknown option", said)

    def test_an_option_of_several_commands_is_said_to_be_of_all(self):
        said = self.said("submit", "a.yaml", "--checkpoint-seconds=5", code=INPUT)
        self.assertWords(said, "--checkpoint-seconds is an option of 'atelier render' and of 'atelier batch'")

    def test_all_that_is_wrong_is_said_at_once(self):
        said = self.said("render", "nope.png", "--zzz", "1", "--size", "banana", "--contnet=none.png",
                         "--pooling=mean", "--content-layers", "relu9_9", "--tv-weight=-1", "-x",
                         code=INPUT)
        self.assertWords(said, "unknown option '--zzz'", "--size must be", "'banana'",
                         "unknown option '--contnet'; did you mean --content?",
                         "--pooling must be max or avg", "no layer 'relu9_9'",
                         "--tv-weight must be", "unknown option '-x'", "output is missing",
                         "two content pictures: 'nope.png'",
                         "the content picture 'none.png': No such file", "atelier render: 10 errors")
        places = re.findall(r"^    (?:atelier render|\.\.\.).*\n( *)\^$", said, re.M)
        self.assertEqual(len(places), 7, said)
        self.assertEqual(len(places[0]), len("    atelier render nope.png "))
        self.assertFalse(self.path("out.png").exists())

    def test_what_is_missing_is_said_at_once(self):
        said = self.said("render", code=INPUT)
        self.assertWords(said, "content is missing", "style is missing", "output is missing",
                         "3 errors")
        self.assertEqual(self.said("render", "a.png", "-o", "x.png", code=INPUT).count("missing"), 1)
        for command in ("batch", "expand", "plan", "status", "show", "verify"):
            said = self.said(command, "--zzz", "--json=5", code=INPUT)
            self.assertWords(said, "unknown option '--zzz'", "expected", "errors; ")

    def test_one_error_is_one_line(self):
        said = self.said("render", *self.cheap(), "--zzz", code=INPUT)
        self.assertEqual(said, "atelier render: unknown option '--zzz'\n")

    def test_a_batch_says_all_too(self):
        said = self.said("batch", "--heartbeat", "9", "--lost-after=10", "--deadline", "noon",
                         "--ranks", "0", code=INPUT)
        self.assertWords(said, "--lost-after must be at least 4 times --heartbeat",
                         "--deadline must be", "--ranks must be", "expected a sweep file", "4 errors")

    def test_hints_name_no_strangers(self):
        for command in COMMANDS:
            said = self.said(command, "--zzz", "--foo-bar", "--input", "--xyzzy", "--colour-profile",
                             code=INPUT)
            self.assertEqual((said.count("unknown option"), said.count("did you mean")), (5, 0))
        for word, meant in (("--contnet", "--content"), ("--iter", "--iterations"),
                            ("--style-wieght", "--style-weight"), ("--hepl", "--help")):
            self.assertIn(f"did you mean {meant}?", self.said("render", word, code=INPUT))


class Help(Hands):
    def layers(self):
        counts = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4}
        convs = [(block, index + 1) for block, count in counts.items() for index in range(count)]
        return ([name % at for name in ("relu%d_%d", "conv%d_%d", "block%d_conv%d") for at in convs]
                + [name % block for name in ("pool%d", "block%d_pool") for block in counts])

    def presets(self):
        """{parameter: {preset: text}}, from the source."""
        text = (ROOT / "core/presets.c").read_text()
        rows = re.findall(r"\[PARAM_(\w+)\]\s*= (?:\{(.*)\}|ALL\((.*)\)),", text)
        names = next(row.choices for row in parameter_table() if row.name == "preset")
        return {row: dict(zip(names, re.findall(r'"([^"]*)"', each or all_) * (1 if each else 5)))
                for row, each, all_ in rows}

    def test_lists_every_choice_layer_and_preset(self):
        presets = self.presets()
        self.assertGreater(len(presets), 9)
        for text in (self.said("help"), self.said("help", "render")):
            words = set(re.split(r"[\s|;,]+", text))
            for row, word in self.table_words():
                self.assertIn(word, words, row.name)
            for layer in self.layers():
                self.assertIn(layer, words)
            table = text.split("what the presets set:\n")[1]
            for name, values in presets.items():
                [line] = re.findall(rf"^  {name} +(.*)$", table, re.M)
                if len(set(values.values())) == 1:
                    self.assertEqual(line, f"{values['balanced']} in all of them")
                else:
                    self.assertEqual(line.split(), list(values.values()))

    def test_of_every_command_explains_choices_and_fits(self):
        for command in COMMANDS:
            text = self.said("help", command)
            self.assertEqual(text, self.said(command, "--help"))
            self.assertWords(text, f"usage: atelier {command}", "exit codes")
            self.assertLessEqual(max(map(len, text.splitlines())), 100)
        self.assertWords(self.said("help", "report"), "evaluations|seconds|steps")

    def test_explains_topics(self):
        for topic in TOPICS:
            text = self.said("help", topic)
            self.assertIn(f"atelier help {topic}", self.said("help"))
            self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_refuses_what_does_not_go_together(self):
        self.assertIn("exclude each other",
                      self.said("help", "--man", "--completion", "zsh", code=INPUT))
        self.assertIn("must be one of", self.said("help", "--completion=fish", code=INPUT))
        self.assertIn("'rendr'", self.said("help", "rendr", "--man", code=INPUT))


class ManualPages(Hands):
    def setUp(self):
        super().setUp()
        self.said("help", "--write", "share")
        self.man = self.path("share/man/man1")

    def text(self, page):
        """As it is read, on a wide terminal."""
        rendered = subprocess.run(["groff", "-man", "-Tascii", "-P-cbou", "-rLL=400n"],
                                  input=(self.man / page).read_bytes(), capture_output=True, check=True)
        self.assertEqual(rendered.stderr, b"", page)
        text = " ".join(rendered.stdout.decode().split())
        self.assertNotRegex(text, r"\.(ft|nf|fi|PP|TP|br)\b")
        return text

    def test_have_a_page_for_every_command(self):
        self.assertEqual({page.name for page in self.man.iterdir()},
                         {"atelier.1"} | {f"atelier-{command}.1" for command in COMMANDS})
        self.assertEqual((self.man / "atelier-render.1").read_text(),
                         self.said("help", "render", "--man"))
        self.assertEqual((self.man / "atelier.1").read_text(), self.said("help", "--man"))

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_have_a_page_for_every_topic(self):
        for topic in TOPICS:
            page = self.path(f"share/man/man7/atelier-{topic}.7")
            self.assertEqual(page.read_text(), self.said("help", topic, "--man"))
            self.assertIn(f"atelier-{topic}(7)", self.text("atelier.1"))
            said = " ".join(self.said("help", topic).split(":", 1)[1].split())
            self.assertIn(said[-200:], self.text(page))

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_hold_what_the_help_holds(self):
        for command in COMMANDS:
            text = self.text(f"atelier-{command}.1")
            for name, (letter, word) in self.options(command).items():
                self.assertIn(f"{letter}, {name}" if letter else name, text)
                self.assertIn(f"{name} {word}" if word else name, text)
        text = self.text("atelier-render.1")
        for row in parameter_table():
            self.assertWords(text, row.flag, row.help)
        for _, word in self.table_words():
            self.assertIn(word, text)
        self.assertWords(self.text("atelier.1"), *COMMANDS, "relu5_4", "johnson")

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_are_clean(self):
        for page in sorted(self.man.parent.rglob("*.?")):
            linted = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], capture_output=True)
            said = [line for line in linted.stdout.decode().splitlines()
                    if "missing date" not in line]
            self.assertEqual(said, [], page.name)


class Completion(Hands):
    def setUp(self):
        super().setUp()
        self.said("help", "--write", "share")
        self.path("runs").mkdir()
        self.path("photo.jpg").touch()

    def bash(self, *words):
        """What is offered for the last word; "--size=5" is three to bash."""
        file = self.path("share/bash-completion/completions/atelier")
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _atelier; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        result = subprocess.run(["bash", "--norc", "-euc", script, "bash", file, "atelier", *words],
                                cwd=self.folder, capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""), words)
        return set(result.stdout.split("\n")) - {""}

    def test_bash_completes(self):
        self.assertEqual(self.bash(""), {*COMMANDS, "--help", "--version"})
        self.assertEqual(self.bash("re"), {"render", "report"})
        for command in COMMANDS:
            options = self.options(command)
            letters = {letter for letter, _ in options.values() if letter}
            self.assertEqual(self.bash(command, "-"), {*options, *letters, "--help"})
        for row in parameter_table():
            if row.words:
                offered = self.bash("render", row.flag, "")
                self.assertLessEqual(set(row.words), offered)
                self.assertEqual(offered, self.bash("render", row.flag, "="))
        self.assertEqual(self.bash("render", "--preset", "=", "g"), {"gdl", "gatys"})
        self.assertEqual(self.bash("render", "--content", "ph"), {"photo.jpg"})
        self.assertEqual(self.bash("render", "-o", "ph"), {"photo.jpg"})
        self.assertEqual(self.bash("render", "--quiet", "ph"), {"photo.jpg"})
        self.assertEqual(self.bash("status", ""), {"runs", "share"})
        self.assertEqual(self.bash("batch", "--output", "r"), {"runs"})
        self.assertEqual(self.bash("help", "b"), {"batch", "bench"})
        self.assertEqual(self.bash("weights", "--fetch", "vgg19-k"), {"vgg19-keras", "vgg19-keras-full"})
        self.assertEqual(self.bash("render", "--style-layers", "relu1_1,relu2"),
                         {"relu1_1,relu2_1", "relu1_1,relu2_2"})
        self.assertEqual(self.bash("render", "--size", ""), set())

    def test_bash_knows_the_program(self):
        script = 'source "$1"; complete -p atelier'
        file = self.path("share/bash-completion/completions/atelier")
        said = subprocess.run(["bash", "--norc", "-c", script, "bash", file], capture_output=True,
                              text=True, check=True).stdout
        self.assertEqual(said, "complete -F _atelier atelier\n")

    def zsh(self, *lines):
        """What a zsh at a terminal offers for each line."""
        (self.path("ask.zsh")).write_text(ZSH)
        result = subprocess.run(["zsh", "-f", "ask.zsh", self.path("share/zsh/site-functions"), *lines],
                                cwd=self.folder, capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [set(part.split("\n")) - {""} for part in result.stdout.split("----\n")[1:]]

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh_completes(self):
        file = self.path("share/zsh/site-functions/_atelier")
        subprocess.run(["zsh", "-n", file], check=True)
        lines = ["atelier ", "atelier render --preset=", "atelier render --preset ",
                 "atelier render --content ph", "atelier status ", "atelier help b",
                 "atelier render --style-layers relu1_1,relu2"]
        lines += [f"atelier {command} --" for command in COMMANDS]
        offered = self.zsh(*lines)
        self.assertEqual(len(offered), len(lines))
        commands, equals, after, files, stores, helped, layers, *options = offered
        self.assertLessEqual(set(COMMANDS), commands)
        self.assertLessEqual({"balanced", "keras", "gdl", "gatys", "johnson"}, equals)
        self.assertLessEqual({"balanced", "keras", "gdl", "gatys", "johnson"}, after)
        self.assertIn("photo.jpg", files)
        self.assertIn("runs", {name.rstrip("/") for name in stores})
        self.assertNotIn("photo.jpg", stores)
        self.assertEqual(helped, {"batch", "bench"})
        self.assertLessEqual({"relu2_1", "relu2_2"}, layers)
        for command, names in zip(COMMANDS, options):
            self.assertEqual({name.rstrip("=") for name in names},
                             {*self.options(command), "--help"}, command)


# Types each line and a tab into an interactive zsh, in which compadd says what it is given.
ZSH = r"""
zmodload zsh/zpty
folder=$1; shift
zpty z zsh -f -i
say() { zpty -w z "$1" }
say 'PROMPT=; unsetopt zle_bracketed_paste 2>/dev/null; stty -echo; export TERM=dumb'
say "fpath=($folder \$fpath); autoload -Uz compinit; compinit -u -D"
say 'compadd() { if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
    local -a hits; builtin compadd -A hits "$@"; local h; for h in $hits; do print -r -- "HIT $h END"; done
    builtin compadd "$@" }'
say 'after() { print "DONE END"; zle -I; BUFFER= }; ask() { zle list-choices; after }; zle -N ask; bindkey "^X^A" ask'
say 'zstyle ":completion:*" menu no; print READY "END"'
zpty -r z seen '*READY END*'
for line in "$@"; do
    print -- "----"
    zpty -w -n z "$line"$'\C-x\C-a'
    zpty -r z seen '*DONE END*'
    print -r -- "$seen" | tr -d '\r' | grep -ao 'HIT .* END' | sed 's/^HIT //; s/ END$//'
done
zpty -d z
exit 0
"""


@unittest.skipUnless((pathlib.Path(PROGRAM).parent / "cmake_install.cmake").exists()
                     and shutil.which("cmake"), "the program is not in its build folder")
class Install(Hands):
    def test_puts_everything_in_place(self):
        subprocess.run(["cmake", "--install", pathlib.Path(PROGRAM).parent, "--prefix",
                        self.path("prefix")], check=True, capture_output=True)
        prefix = self.path("prefix")
        found = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
        pages = {"atelier.1"} | {f"atelier-{command}.1" for command in COMMANDS}
        self.assertLessEqual({"bin/atelier", *(f"share/man/man1/{page}" for page in pages),
                              "share/bash-completion/completions/atelier",
                              "share/zsh/site-functions/_atelier",
                              "share/atelier/examples/demo.yaml"}, found)
        self.assertEqual(self.said("help", "--completion", "zsh"),
                         (prefix / "share/zsh/site-functions/_atelier").read_text())
        installed = prefix / "bin/atelier"
        counted = subprocess.run([installed, "expand", "share/atelier/examples/demo.yaml", "--count"],
                                 cwd=prefix, capture_output=True, text=True, check=True)
        self.assertTrue(counted.stdout.startswith("4 jobs"), counted.stdout)

    @unittest.skipIf(is_sanitized() or not all(map(shutil.which, ("cpack", "dpkg-deb", "file"))),
                     "no packages are made here")
    def test_cpack_makes_a_package(self):
        build = pathlib.Path(PROGRAM).parent
        subprocess.run(["cpack", "-G", "DEB", "-B", self.path("packed"), "--config",
                        build / "CPackConfig.cmake"], cwd=build, check=True, capture_output=True)
        [package] = self.path("packed").glob("atelier_*.deb")
        fields = subprocess.run(["dpkg-deb", "--field", package, "Depends"], capture_output=True,
                                text=True, check=True).stdout
        self.assertWords(fields, "openmpi-bin", "fonts-dejavu-core", "libhdf5", "libopenmpi", "libc6")
        files = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True,
                               check=True).stdout
        self.assertWords(files, "./usr/bin/atelier\n", "./usr/share/man/man1/atelier-batch.1\n",
                         "./usr/share/bash-completion/completions/atelier\n",
                         "./usr/share/zsh/vendor-completions/_atelier\n",
                         "./usr/share/atelier/examples/demo.yaml\n", "examples/harbour.jpg\n")


if __name__ == "__main__":
    main()
