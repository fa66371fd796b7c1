#!/usr/bin/python3
"""The memory that a plan names is what a render takes, within 10 %. tests/bench/memory.py has the
larger sizes."""
import pathlib
import subprocess
import sys
import unittest

from atelier import PROGRAM, InFolder, history, is_sanitized, main, make_picture

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
from memory import LIMIT, measured, predicted, settings  # noqa: E402


def has_bf16():
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True).stdout
    return "bf16: winograd-bf16" in said or "bf16: onednn-bf16" in said


@unittest.skipIf(is_sanitized(), "sanitizers take memory of their own")
class Peak(InFolder):
    def check(self, size, precision):
        make_picture(self.path("content.png"), 256, 256, seed=1)
        row = settings(size, precision, 2)
        plan = predicted(PROGRAM, self.folder, row, 2)
        peak = measured(PROGRAM, self.folder, row, 2)
        self.assertLessEqual(abs(plan / peak - 1), LIMIT, f"planned {plan}, took {peak}")

    def test_of_a_small_picture_is_that_of_its_weights(self):
        self.check(64, "f32")

    def test_of_a_larger_picture(self):
        self.check(320, "f32")

    def test_where_memory_is_saved(self):
        self.check(464, "f32")

    def test_across_a_hand_over(self):
        self.check(128, "auto")
        precision = history(self.path("out.h5"))["precision"]
        self.assertEqual((precision[0], precision[-1]), (1, 0) if has_bf16() else (0, 0))


if __name__ == "__main__":
    main()
