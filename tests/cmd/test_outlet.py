#!/usr/bin/python3
"""What leaves the program: all of it or exit code 3, and nothing that does something to a
terminal."""
import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import h5py

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "slurm"))
from sweeps import write_calibration  # noqa: E402

from atelier import DONE, ENVIRONMENT, INPUT, InFolder, flags, main, write_weights  # noqa: E402

SWEEP = """defaults: {size: 32, iterations: 0, content_layers: relu1_1, style_layers: relu1_1}
matrix: {content: [content.png], style: [style.png]}
"""
PLAN = ("--calibration", "machine.json")
# Every command, and every way in which one prints.
PRINTING = [
    ("--version",), ("--help",), ("help",), ("help", "render"), ("help", "--man"),
    ("help", "render", "--man"), ("help", "--completion", "bash"), ("help", "--completion", "zsh"),
    ("render", *flags({})), ("render", *flags({"output": "other.png"}), "--dry-run"),
    ("expand", "sweep.yaml"), ("expand", "sweep.yaml", "--json"), ("expand", "sweep.yaml", "--count"),
    ("expand", "sweep.yaml", "--count", "--json"), ("batch", "sweep.yaml", "-o", "new"),
    ("batch", "sweep.yaml", "-o", "other", "--dry-run"), ("plan", "sweep.yaml", "-o", "p", *PLAN),
    ("plan", "sweep.yaml", "-o", "p", "--json", *PLAN),
    ("submit", "sweep.yaml", "-o", "p", "--dry-run", *PLAN),
    ("status", "store"), ("status", "store", "--json"), ("show", "result.h5"),
    ("show", "result.h5", "--all"), ("collect", "store"), ("report", "store"),
    ("report", "store", "--curves", "curves.svg"), ("verify", "store"), ("verify", "store", "--json"),
    ("bench", "--sizes", "32", "--seconds", "0.01", "--threads", "1", "--precision", "f32", "--json"),
    ("weights",), ("weights", "vgg.h5"), ("weights", "vgg.h5", "vgg.h5"),
]


class Printing(InFolder):
    def test_what_cannot_be_printed_is_no_success(self):
        self.path("sweep.yaml").write_text(SWEEP)
        write_calibration(self.path("machine.json"))
        write_weights(self.path("vgg.h5"))
        self.atelier("batch", "sweep.yaml", "--output", "store", "--quiet")
        self.path("result.h5").symlink_to(next(self.path("store").rglob("*.h5")))
        os.environ["GOMP_SPINCOUNT"] = "1000"  # else it starts itself again with one
        self.addCleanup(os.environ.pop, "GOMP_SPINCOUNT")
        with open("/dev/full", "wb") as full:
            for words in PRINTING:
                with self.subTest(words):
                    result = self.atelier(*words, stdout=full)
                    self.assertEqual(result.returncode, ENVIRONMENT, result.stderr)
                    self.assertEqual(result.stderr.count("No space left on device"), 1)

    def test_every_command_is_among_them(self):
        overview = self.atelier("help").stdout.split("COMMAND [options]\n\n")[1].split("\n\n")[0]
        self.assertEqual({line.split()[0] for line in overview.splitlines()},
                         {words[0] for words in PRINTING if not words[0].startswith("-")})

    def test_what_went_wrong_before_is_what_counts(self):
        with open("/dev/full", "wb") as full:
            result = self.atelier("expand", "nowhere.yaml", stdout=full)
        self.assertEqual(result.returncode, INPUT, result.stderr)

    def test_a_reader_that_has_had_enough_is_no_trouble(self):
        for ignored in (False, True):
            with self.subTest(SIGPIPE_is_ignored=ignored):
                reading, writing = os.pipe()
                os.close(reading)
                result = self.atelier("help", stdout=writing, restore_signals=not ignored)
                os.close(writing)
                self.assertEqual(result.returncode, DONE if ignored else -signal.SIGPIPE)
                self.assertEqual(result.stderr, "")

    def test_a_closed_stream_is_nobody_to_tell(self):
        result = self.atelier("help", through=["sh", "-c", 'exec "$@" >&-', "sh"])
        self.assertEqual((result.returncode, result.stderr), (DONE, ""))


# Sets the clipboard, colours, reorders, makes a line; ESC, CSI of one character, DEL, override.
EVIL_NAME = "$(touch PWNED) caf\u00e9 \x1b]52;c;cm0=\x07\x9b31m\u202e\x7f\r"
EVIL = EVIL_NAME + "\nFORGED\tline"
TAME = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*")


class Hostile(InFolder):
    """A store that others have written into."""

    def setUp(self):
        super().setUp()
        self.path("sweep.yaml").write_text(SWEEP.replace("[style.png]", "[style.png, content.png]"))
        self.atelier("batch", "sweep.yaml", "-o", "store", "-q", "--max-failures", "1")
        self.store = self.path("sto're " + EVIL_NAME)
        self.path("store").rename(self.store)
        self.result, lost = sorted(self.store.rglob("*.h5"))
        lost.unlink()
        with h5py.File(self.result, "r+") as file:
            for name in ("content", "style", "host", "comment", "stopped", "command_line"):
                file.attrs[name] = EVIL
        attempt = {"attempt": 1, "host": EVIL, "started": EVIL, "end": "crashed", "message": EVIL}
        (self.store / "failed" / f"{lost.stem}.json").write_text(json.dumps(
            {"id": lost.stem, "end": "crashed", "message": EVIL, "final": True,
             "command": "touch PWNED", "attempts": [attempt]}))
        (self.store / "claim").write_text(json.dumps(
            {"host": EVIL, "pid": 1, "nonce": "0" * 32, "boot": "x", "pid_space": "x",
             "started": EVIL}))
        os.utime(self.store / "claim", (0, 0))
        with open(self.store / "batch.log", "a") as log:
            log.write(EVIL_NAME + "\n")

    def test_nothing_of_it_reaches_a_terminal(self):
        for words in (["status", "--all"], ["status", "--json"], ["verify"], ["verify", "--json"],
                      ["collect"], ["report"], ["batch"], ["batch", "--dry-run"], ["expand", "--count"],
                      ["status", EVIL], [EVIL_NAME], ["show", "--all", self.result], ["weights", EVIL]):
            with self.subTest(words):
                files = [] if len(words) > 1 and not words[1].startswith("--") else [self.store]
                result = self.atelier(*words, *files)
                for text in (result.stdout, result.stderr):
                    self.assertTrue(TAME.fullmatch(text), text)
                    self.assertNotRegex(text, "(?m)^FORGED")
                    self.assertEqual("\\u001b]" in text.lower(), "caf\u00e9 " in text)
                if "--json" in words and result.stdout:
                    self.assertIn(EVIL_NAME, json.loads(result.stdout)["store"])

    def test_what_is_to_be_pasted_names_the_store_and_runs_nothing(self):
        shown = self.atelier("status", str(self.store)).stdout
        self.assertNotIn("\n    touch", shown)
        for command in re.findall(r"^ +atelier (?:render|batch) .*", shown, re.M):
            words = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], check=True,
                                   cwd=self.folder, capture_output=True).stdout.decode().split("\0")
            self.assertIn(str(self.store), words)
        self.assertFalse(list(self.folder.rglob("PWNED")))

    def test_no_spreadsheet_runs_a_cell(self):
        names = ["=1+1", "+1", "-1", "@SUM(A1)", "'=x", "'", "a=b", "\t=1", "-"]
        with open(self.path("m.csv"), "w", newline="") as file:
            csv.writer(file).writerows([("content", "style", "size", "iterations", "seed", "name")] + [
                ("content.png", "style.png", 32, 0, number, "'" + name)
                for number, name in enumerate(names)])
        for command in (["expand", "m.csv"], ["expand", "again.csv"]):
            said = self.atelier(*command)
            self.assertEqual(said.returncode, DONE, said.stderr)
            cells = [row["name"] for row in csv.DictReader(said.stdout.splitlines())]
            self.assertEqual(cells, ["'" + name if name[0] in "=+-@\t'" and name != "'" else
                                     "''" if name == "'" else "'" + name for name in names])
            self.path("again.csv").write_text(said.stdout)


if __name__ == "__main__":
    main()
