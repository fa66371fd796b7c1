#!/usr/bin/python3
"""weights/train: a narrow network learns to tell the samples apart for some steps, is exported, and
atelier renders with it. Ends with code 77 where there is no PyTorch.

    ATELIER=build/release/atelier python3 tests/weights/test_train.py [-v] [Class.test]
"""
import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

try:
    import torch
except ImportError:
    sys.exit(77)
import numpy as np
import torch.nn.functional as F
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("ATELIER", ROOT / "build/release/atelier"))
TRAIN = ROOT / "weights/train"
SAMPLES = ROOT / "tests/samples"
sys.path.insert(0, str(TRAIN))

import export  # noqa: E402
import network  # noqa: E402
import pack  # noqa: E402
import train  # noqa: E402
from files import Trouble  # noqa: E402
from tensors import read_tensors  # noqa: E402

DONE, INPUT, ENVIRONMENT, INTERRUPTED = 0, 2, 3, 75
CLASSES = ("harbour", "mosaic", "swirls", "woodcut")
STEPS = 24
NARROW = 8
HOW = ["--narrow", str(NARROW), "--batch", "16", "--sizes", "32,48@0.75", "--rate", "0.05",
       "--threads", "1", "--report-every", "1"]
WHOLE = [*HOW, "--steps", str(STEPS)]
ENDLESS = [*HOW, "--steps", "1000000"]


def make_classes(folder, count=10, side=64):
    """A class for each sample picture: pieces of it, in all the kinds of file that are packed."""
    for name in CLASSES:
        (folder / name / "below").mkdir(parents=True)
        with Image.open(SAMPLES / f"{name}.jpg") as sample:
            for i in range(count):
                x, y = i % 5 * 2 * side, i // 5 * 2 * side
                where = folder / name / ("below" if i == 0 else "")
                suffix = ("png", "jpg", "webp", "JPEG")[i % 4]
                sample.crop((x, y, x + side, y + side)).save(where / f"{i}.{suffix}")


def quietly(main, *arguments):
    """A program's main, in this process. -> exit code, what it told"""
    told = io.StringIO()
    kept = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM,
                                                      signal.SIGUSR1)}
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
            code = main(list(map(str, arguments)))
    finally:
        for name, handler in kept.items():
            signal.signal(name, handler)
    return code or DONE, told.getvalue()


def as_program(name, *arguments):
    return [sys.executable, "-B", str(TRAIN / name), *map(str, arguments)]


def read_file(path):
    """A safetensors file, read by its specification. -> tensors by name, metadata"""
    content = path.read_bytes()
    length, = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    metadata = header.pop("__metadata__")
    types = {"F16": np.float16, "F32": np.float32}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(content[8 + length + begin:8 + length + end], types[entry["dtype"]])
        tensors[name] = torch.from_numpy(values.reshape(entry["shape"]).astype(np.float32))
    return tensors, metadata


class Trained(unittest.TestCase):
    """Class folders, a pack, an undisturbed run and its export, made once for all tests."""

    @classmethod
    def make(cls, folder):
        cls.classes, cls.pack, cls.run_folder, cls.weights = (
            folder / name for name in ("classes", "pack.npz", "run", "narrow.safetensors"))
        make_classes(cls.classes)
        quietly(pack.main, cls.classes, cls.pack, "--side", 32, "--held-out", 0.2)
        cls.told = quietly(train.main, cls.pack, cls.run_folder, *WHOLE)[1]
        cls.export(cls.run_folder, cls.weights)

    @classmethod
    def export(cls, run_folder, output):
        quietly(export.main, run_folder, output, "--photos", cls.classes, "--count", 8, "--side",
                64)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-train-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def assertTrouble(self, words, main, *arguments):
        with self.assertRaises(Trouble) as caught:
            quietly(main, *arguments)
        for word in words:
            self.assertIn(str(word), str(caught.exception))

    def assertRefused(self, words, main, *arguments):
        """By the parser of arguments."""
        told = io.StringIO()
        with contextlib.redirect_stderr(told), self.assertRaises(SystemExit) as caught:
            main(list(map(str, arguments)))
        self.assertEqual(caught.exception.code, INPUT)
        self.assertIn(words, told.getvalue())


def setUpModule():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-train-"))
    unittest.addModuleCleanup(shutil.rmtree, folder, ignore_errors=True)
    Trained.make(folder)


class Packing(Trained):
    def test_every_kind_of_picture_is_packed_with_its_class(self):
        packed = pack.Pack(self.pack)
        self.assertEqual(packed.classes, list(CLASSES))
        self.assertEqual(packed.source, "classes")
        self.assertEqual(packed.pictures.shape, (40, 32, 32, 3))
        self.assertEqual(list(np.bincount(packed.labels)), [10] * 4)
        for label, name in enumerate(CLASSES):
            with Image.open(self.classes / name / "below" / "0.png") as picture:
                wanted = np.asarray(picture.resize((32, 32), Image.BICUBIC), float)
            some = packed.pictures[packed.labels == label].astype(float)
            self.assertLess(np.abs(some - wanted).mean((1, 2, 3)).min(), 12, name)

    def test_held_out_part_depends_on_names_alone(self):
        again, grown = self.folder / "again.npz", self.folder / "grown.npz"
        copy = self.folder / "elsewhere"
        shutil.copytree(self.classes, copy)
        quietly(pack.main, copy, again, "--side", 32, "--held-out", 0.2)
        first, second = pack.Pack(self.pack), pack.Pack(again)
        np.testing.assert_array_equal(first.held_out, second.held_out)
        np.testing.assert_array_equal(first.pictures, second.pictures)
        self.assertEqual([first.held_out[first.labels == k].sum() for k in range(4)], [2] * 4)
        quietly(pack.main, copy, grown, "--side", 32, "--held-out", 0.5)
        more = pack.Pack(grown).held_out
        self.assertEqual(more.sum(), 20)
        self.assertTrue((more | ~first.held_out).all())

    def test_transparency_sixteen_bits_and_orientation_are_taken_as_meant(self):
        for name in "ab":
            folder = self.folder / "classes" / name
            folder.mkdir(parents=True)
            grey = np.full((20, 20), 40000, np.uint16)
            Image.fromarray(grey).save(folder / "grey.png")
            Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(folder / "clear.png")
            exif = Image.Exif()
            exif[0x112] = 3  # upside down
            upside = Image.new("RGB", (20, 20), "white")
            upside.paste("black", (0, 0, 20, 10))
            upside.save(folder / "turned.jpg", exif=exif, quality=95)
            (folder / "notes.txt").write_text("no picture")
            (folder / ".hidden.png").write_text("no picture")
        quietly(pack.main, self.folder / "classes", self.folder / "p.npz", "--side", 16)
        clear, grey, turned = pack.Pack(self.folder / "p.npz").pictures[:3].astype(int)
        self.assertLess(abs(grey - 40000 // 257).max(), 4)
        self.assertGreater(clear.min(), 250)
        self.assertGreater(turned[:6].min(), 200)
        self.assertLess(turned[10:].max(), 55)

    def test_folders_that_cannot_be_packed_are_refused(self):
        def lay(*paths):
            folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
            for path in paths:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                if path.endswith("/"):
                    (folder / path).mkdir(exist_ok=True)
                else:
                    Image.new("RGB", (8, 8)).save(folder / path)
            return folder
        two = ("a/1.png", "a/2.png")
        for folder, words in ((self.folder / "none", "is not a folder"),
                              (lay(), "has no class folders"),
                              (lay("1.png", "2.png"), "has no class folders"),
                              (lay(*two), "has one class only, 'a'"),
                              (lay(*two, "b/"), "b' has 0 pictures"),
                              (lay(*two, "b/1.png"), "b' has 1 pictures")):
            with self.subTest(words=words):
                self.assertTrouble([folder, words], pack.main, folder, self.folder / "p.npz")
        self.assertFalse((self.folder / "p.npz").exists())

    def test_unreadable_pictures_are_all_named(self):
        copy = self.folder / "classes"
        shutil.copytree(self.classes, copy)
        whole = (copy / "mosaic/1.jpg").read_bytes()
        broken = {"mosaic/1.jpg": whole[:300], "swirls/4.png": b"", "swirls/5.jpg": b"\x89PNG"}
        for name, content in broken.items():
            (copy / name).write_bytes(content)
        ended = subprocess.run(as_program("pack.py", copy, self.folder / "p.npz"),
                               capture_output=True, text=True)
        self.assertEqual(ended.returncode, INPUT, ended.stderr)
        self.assertTrue(ended.stderr.startswith("pack.py: cannot read picture '"), ended.stderr)
        self.assertEqual(ended.stderr.count("cannot read picture"), len(broken))
        for name in broken:
            self.assertIn(f"'{copy / name}'", ended.stderr)
        self.assertEqual(os.listdir(self.folder), ["classes"])

    def test_output_is_proved_writable_first(self):
        for output, words in ((self.folder / "no/p.npz", f"{self.folder}/no/"),
                              (self.folder, f"{self.folder}: is a folder")):
            ended = subprocess.run(as_program("pack.py", self.folder, output),
                                   capture_output=True, text=True)
            self.assertEqual(ended.returncode, ENVIRONMENT)
            self.assertIn(words, ended.stderr)


class Learning(Trained):
    def notes(self, folder, name="checkpoint.npz"):
        return read_tensors(folder / name)[0]

    def assertSameNetwork(self, a, b):
        for name, tensor in read_tensors(a / "network.npz")[1]["network"].items():
            other = read_tensors(b / "network.npz")[1]["network"][name]
            self.assertTrue(torch.equal(tensor, other), name)

    def start(self, *arguments):
        process = subprocess.Popen(as_program("train.py", self.pack, self.folder / "run",
                                              *arguments), stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def read_until(self, process, words):
        for line in process.stderr:
            if line.startswith(words):
                return
        self.fail(f"it ended without '{words}'")

    def test_loss_falls_and_sizes_follow_the_schedule(self):
        report = json.loads((self.run_folder / "training.json").read_text())
        steps, sizes, losses, _ = map(list, zip(*report["history"]))
        self.assertEqual(steps, list(range(1, STEPS + 1)))
        self.assertEqual(sizes, [32] * 18 + [48] * 6)
        self.assertLess(np.mean(losses[-4:]), np.mean(losses[:4]) - .1)
        self.assertEqual(report["pictures"], 32)
        self.assertEqual(report["held_out"], 8)
        self.assertEqual(report["right"].keys(), {"32", "48"})
        self.assertIn(f"step {STEPS} of {STEPS}, 48 px, loss ", self.told)

    def test_interrupted_training_ends_as_an_undisturbed_one(self):
        run = self.folder / "run"
        for step in (5, 13):
            code, told = quietly(train.main, self.pack, run, *WHOLE, "--pause-at", step)
            self.assertEqual(code, INTERRUPTED)
            self.assertIn(f"stopped after step {step} of {STEPS}", told)
            self.assertFalse((run / "network.npz").exists())
        code, told = quietly(train.main, self.pack, run, *WHOLE)
        self.assertEqual(code, DONE)
        self.assertIn(f"going on from step 13 of {STEPS}", told)
        self.assertSameNetwork(self.run_folder, run)
        self.assertEqual(self.notes(run)["history"], self.notes(self.run_folder)["history"])
        self.export(run, self.folder / "again.safetensors")
        self.assertEqual((self.folder / "again.safetensors").read_bytes(),
                         self.weights.read_bytes())

    def test_another_seed_is_another_network(self):
        quietly(train.main, self.pack, self.folder, *WHOLE, "--seed", 1, "--pause-at", 1)
        first = [self.notes(folder)["history"][0][2] for folder in (self.folder, self.run_folder)]
        self.assertNotEqual(*first)

    def test_epochs_are_turned_into_steps(self):
        quietly(train.main, self.pack, self.folder, *HOW, "--epochs", 2.5, "--pause-at", 1)
        self.assertEqual(self.notes(self.folder)["settings"]["steps"], 5)

    def test_signal_ends_it_with_a_checkpoint(self):
        process = self.start(*ENDLESS)
        self.read_until(process, "step 1 ")
        process.send_signal(signal.SIGTERM)
        told = process.communicate()[1]
        self.assertEqual(process.returncode, INTERRUPTED, told)
        step = self.notes(self.folder / "run")["step"]
        self.assertIn(f"stopped after step {step} of 1000000", told)

    def test_killed_training_goes_on_from_its_last_checkpoint(self):
        process = self.start(*ENDLESS, "--checkpoint-every", 1)
        self.read_until(process, "step 3 ")
        process.kill()
        process.communicate()
        step = self.notes(self.folder / "run")["step"]
        self.assertGreaterEqual(step, 2)
        code, told = quietly(train.main, self.pack, self.folder / "run", *ENDLESS, "--pause-at",
                             step + 1)
        self.assertEqual(code, INTERRUPTED)
        self.assertIn(f"going on from step {step} ", told)

    def test_checkpoint_of_other_settings_is_refused_with_the_difference(self):
        quietly(train.main, self.pack, self.folder, *WHOLE, "--pause-at", 1)
        other = self.folder / "other.npz"
        quietly(pack.main, self.classes, other, "--side", 32, "--held-out", 0.3)
        for arguments, words in (((self.pack, "--seed", 7), "another seed: 0, now 7"),
                                 ((self.pack, "--steps", 25), "another steps: 24, now 25"),
                                 ((self.pack, "--narrow", 16), "another narrow: 8, now 16"),
                                 ((other,), "another pack: ")):
            with self.subTest(words=words):
                self.assertTrouble([words, "--fresh"], train.main, arguments[0], self.folder,
                                   *WHOLE, *arguments[1:])
        _, told = quietly(train.main, self.pack, self.folder, *WHOLE, "--seed", 7, "--fresh",
                          "--pause-at", 1)
        self.assertNotIn("going on", told)

    def test_damaged_checkpoint_is_named(self):
        quietly(train.main, self.pack, self.folder, *WHOLE, "--pause-at", 1)
        path = self.folder / "checkpoint.npz"
        whole = path.read_bytes()
        for content in (b"", b"no checkpoint", whole[:len(whole) // 2],
                        (self.run_folder / "network.npz").read_bytes()):
            path.write_bytes(content)
            self.assertTrouble([path], train.main, self.pack, self.folder, *WHOLE)

    def test_loss_that_is_not_finite_ends_it_and_leaves_the_checkpoint(self):
        how = [*WHOLE, "--rate", 1e30, "--checkpoint-every", 1]
        self.assertTrouble(["the loss is not finite at step", "--rate"], train.main, self.pack,
                           self.folder, *how)
        _, tensors = read_tensors(self.folder / "checkpoint.npz")
        self.assertTrue(tensors["network"])

    def test_what_is_no_pack_is_named(self):
        whole = self.pack.read_bytes()
        path = self.folder / "p.npz"
        for content in (b"", b"no pack", whole[:len(whole) // 2], whole[:-10],
                        (self.run_folder / "network.npz").read_bytes()):
            path.write_bytes(content)
            self.assertTrouble([f"'{path}' is not a file that pack.py wrote"], train.main, path,
                               self.folder, *WHOLE)
        with np.load(self.pack) as arrays:
            arrays = dict(arrays)
        arrays["label"] = arrays["label"] + 1
        np.savez(path, **arrays)
        self.assertTrouble([path, "is damaged"], train.main, path, self.folder, *WHOLE)

    def test_arguments_out_of_range_are_refused(self):
        for arguments, words in ((("--narrow", 3), "must divide 64, got 3"),
                                 (("--steps", 0), "must be from 1"),
                                 (("--batch", 1), "must be from 2"),
                                 (("--epochs", 0), "must be > 0"),
                                 (("--rate", "nan"), "must be > 0"),
                                 (("--rate", "fast"), "invalid number value: 'fast'"),
                                 (("--sizes", "64,96@0.5,32@0.2"), "must start at 0 and rise"),
                                 (("--sizes", "64@0.5"), "must start at 0 and rise"),
                                 (("--sizes", "8"), "at least 16"),
                                 (("--sizes", "big"), "--sizes: invalid")):
            with self.subTest(arguments=arguments):
                self.assertRefused(words, train.main, self.pack, self.folder, *arguments)
        for arguments, words in ((("--side", 8), "must be from 16"),
                                 (("--quality", 101), "to 100, got 101"),
                                 (("--held-out", 1), "must be > 0 and < 1, got 1")):
            with self.subTest(arguments=arguments):
                self.assertRefused(words, pack.main, self.classes, self.folder / "p", *arguments)
        self.assertEqual(os.listdir(self.folder), [])


class Exporting(Trained):
    @torch.no_grad()
    def layers(self, tensors):
        """Every layer's activation on the pictures that were exported with, from the file alone."""
        pictures = export.photographs(self.classes, 8, 64)
        bgr = pictures.float().flip(1) - torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)

        def convolve(i, x):
            name = network.NAMES[i]
            return F.conv2d(x, tensors[name + ".weight"], tensors[name + ".bias"], padding=1)
        return [layer.clone() for layer in network.activations(bgr, convolve)]

    def narrow(self):
        """The file's tensors without the channels it was widened with."""
        tensors, _ = read_file(self.weights)
        widths = [3] + [width // NARROW for width in network.WIDTHS]
        for i, name in enumerate(network.NAMES):
            kernel, bias = tensors[name + ".weight"], tensors[name + ".bias"]
            self.assertEqual(kernel.shape[0], network.WIDTHS[i])
            live = kernel[:widths[i + 1], :widths[i]]
            self.assertEqual(kernel.count_nonzero(), live.count_nonzero(), name)
            self.assertEqual(bias[widths[i + 1]:].count_nonzero(), 0, name)
            tensors[name + ".weight"], tensors[name + ".bias"] = live, bias[:widths[i + 1]]
        return tensors

    @torch.no_grad()
    def test_file_computes_the_trained_network_up_to_a_factor_a_channel(self):
        trained, _ = export.load(self.run_folder)
        x = network.centred(export.photographs(self.classes, 8, 64)) / network.SCALE
        wanted = network.activations(x, lambda i, x: trained.norms[i](trained.convs[i](x)))
        for name, a, b in zip(network.NAMES, self.layers(self.narrow()), wanted):
            factor = (a * b).sum((0, 2, 3)) / (b * b).sum((0, 2, 3)).clamp(min=1e-30)
            error = (a - b * factor.view(1, -1, 1, 1)).norm() / a.norm()
            self.assertTrue(error < 5e-3, f"{name}: {error}")

    def test_channels_of_a_layer_are_equally_loud(self):
        means = [layer.mean((0, 2, 3)) for layer in self.layers(self.narrow())]
        for name, mean, wanted in zip(network.NAMES, means, export.LAYER_MEANS):
            self.assertLess(abs(float(mean.median()) / wanted - 1), .02, name)
            self.assertLess(float(mean.max()) / wanted, 1.02, name)

    def test_metadata_says_what_it_is(self):
        _, metadata = read_file(self.weights)
        self.assertIn(f"channels divided by {NARROW}", metadata["network"])
        self.assertEqual(metadata["input"], "BGR minus 103.939, 116.779, 123.68 in 0..255")
        self.assertIn("classes: 4 classes, 32 pictures of 32 px, 12.0 epochs at 32, 48 px",
                      metadata["trained_on"])
        self.assertIn("of 8 held-out pictures right: ", metadata["validation"])

    def test_what_cannot_be_exported_is_named(self):
        def refused(words, run=self.run_folder, photos=self.classes):
            output = self.folder / "out.safetensors"
            self.assertTrouble(words, export.main, run, output, "--photos", photos, "--side", 32)
            self.assertFalse(output.exists())
        refused([self.folder, "not a folder of a training"], run=self.folder)
        (self.folder / "empty").mkdir()
        refused([self.folder / "empty", "has no pictures"], photos=self.folder / "empty")
        black = self.folder / "black"
        shutil.copytree(self.run_folder, black)
        notes, tensors = read_tensors(black / "network.npz")
        for name in ("weight", "bias"):
            tensors["network"][f"norms.6.{name}"].zero_()
        train.write_tensors(black / "network.npz", notes, **tensors)
        refused(["layer conv3_3 is 0 on all pictures"], run=black)
        (black / "network.npz").write_bytes(b"damaged")
        refused([black / "network.npz"], run=black)
        (black / "network.npz").unlink()
        refused([black, "training is not finished"], run=black)


class Using(Trained):
    def atelier(self, *arguments):
        ended = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
        self.assertEqual(ended.returncode, DONE, ended.stderr)
        return ended.stdout

    def test_atelier_reads_the_file(self):
        told = self.atelier("weights", self.weights)
        self.assertIn("format    safetensors", told)
        self.assertIn("caffe (BGR 0..255 minus the mean)", told)
        self.assertIn("conv5_4   3 x 3 x 512 x 512", told)

    def test_atelier_renders_with_the_file(self):
        picture = self.folder / "out.png"
        told = self.atelier("render", "--content", SAMPLES / "harbour.jpg", "--style",
                            SAMPLES / "swirls.jpg", "--size", 32, "--iterations", 1, "--maxfun", 5,
                            "--content-layers", "relu4_2", "--style-layers",
                            "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1", "--weights", self.weights,
                            "--output", picture)
        first, last = (float(word) for word in told.partition("loss ")[2].split()[:3:2])
        self.assertLess(last, first / 2)
        with Image.open(picture) as made:
            self.assertEqual(made.size, (32, 24))
            self.assertGreater(np.asarray(made.convert("L")).std(), 10)


if __name__ == "__main__":
    unittest.main()
