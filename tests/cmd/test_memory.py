#!/usr/bin/python3
"""The memory that a plan names is what a render takes, within 10 %. tests/bench/memory.py has the
larger sizes."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

from atelier import PROGRAM, InFolder, attributes, has_format, history, is_sanitized, main, make_picture

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
from memory import LIMIT, ROOT, measured, predicted, settings  # noqa: E402
from PIL import Image, TiffImagePlugin  # noqa: E402


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


@unittest.skipIf(is_sanitized(), "sanitizers take memory of their own")
class LargeFiles(InFolder):
    """Pictures whose decoding takes more than the render."""

    def check(self, name, *more, most=1.4):
        make_picture(self.path("style.png"), 32, 32, seed=2)
        words = [PROGRAM, "render", name, "style.png", "-o", "out.png", "--size", "64", "--iterations", "0",
                 "--margin", "0", "--content-layers", "relu1_1", "--style-layers", "relu1_1", "--threads", "1", *more]
        said = subprocess.run([*words, "--dry-run"], cwd=self.folder, capture_output=True, text=True, check=True)
        promised = float(re.search(r"about (\d+) MB of memory", said.stdout + said.stderr)[1])
        subprocess.run([*words, "--quiet"], cwd=self.folder, check=True)
        took = attributes(self.path("out.h5"))["peak_memory_bytes"] / 1e6
        self.assertGreater(took, 60, "decoding is not what takes memory here")
        self.assertLessEqual(took, promised)
        self.assertLess(promised, most * took)

    def test_of_weights_whose_every_layer_is_read(self):
        make_picture(self.path("a.png"), 32, 32, seed=1)
        self.check("a.png", "--weights", ROOT / "weights" / "vgg19.safetensors", most=2)

    def noise(self, width, height):
        return Image.frombytes("RGB", (width, height), os.urandom(3 * width * height))

    def test_of_scans_that_meet_in_memory(self):
        self.noise(2400, 2000).save(self.path("a.jpg"), progressive=True, subsampling=0)
        self.check("a.jpg")

    @unittest.skipUnless(has_format("TIFF"), "no TIFF here")
    def test_of_a_strip_that_is_larger_packed_than_unpacked(self):
        usual, TiffImagePlugin.STRIP_SIZE = TiffImagePlugin.STRIP_SIZE, 1 << 30
        self.addCleanup(setattr, TiffImagePlugin, "STRIP_SIZE", usual)
        self.noise(3600, 3000).save(self.path("a.tif"), compression="tiff_lzw")
        self.check("a.tif")

    @unittest.skipUnless(has_format("WebP"), "no WebP here")
    def test_of_a_lossless_webp(self):
        self.noise(2400, 2000).save(self.path("a.webp"), lossless=True, method=0, quality=0)
        self.check("a.webp")


if __name__ == "__main__":
    main()
