#!/usr/bin/python3
"""The command line as hands meet it: what it accepts, what it says of what it does not, and that
help, manual pages and completion have all of it."""
import unittest

from atelier import DONE, INPUT, InFolder, flags, main, write_weights

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
        for picture in self.path("runs/small/jobs").rglob("*.h5"):
            picture.unlink()
            break
        self.assertIn("1 to do", self.said("batch", "runs/small", "--dry-run"))
        self.said("batch", "runs/small", "--quiet")
        self.assertIn("2 done, 0 to do", self.said("batch", "runs/small/", "--dry-run"))
        self.said("batch", "runs/small", "--output", "runs/other", "--quiet")
        self.assertIn("2 done", self.said("batch", "runs/other", "--dry-run"))

    def test_a_folder_that_stands_for_no_sweep_says_so(self):
        self.path("photos").mkdir()
        for name in ("jobs", "running", "failed"):
            self.path("empty", ).joinpath(name).mkdir(parents=True)
        for command in ("batch", "expand", "plan", "submit"):
            with self.subTest(command):
                self.assertIn("is a folder, but no store", self.said(command, "photos", code=INPUT))
                self.assertIn("has no sweep yet", self.said(command, "empty", code=INPUT))
                self.assertIn("no sweep, manifest or store 'nope'", self.said(command, "nope", code=INPUT))


if __name__ == "__main__":
    main()
