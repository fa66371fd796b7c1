#!/usr/bin/python3
"""What leaves the program: all of it or exit code 3, and nothing that does something to a
terminal."""
import os
import pathlib
import signal
import sys

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


if __name__ == "__main__":
    main()
