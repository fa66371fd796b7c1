#!/usr/bin/python3
"""atelier weights: the list, what a file holds, comparing two, fetching."""
import hashlib
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np

from atelier import DONE, ENVIRONMENT, INPUT, PROGRAM, SAMPLES, InFolder, attributes, history, main, pixels

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "weights"))
import write_keras  # noqa: E402
import write_mapped  # noqa: E402
import write_mat  # noqa: E402
import write_pth  # noqa: E402
from write_keras import CONVS  # noqa: E402

DIFFERENT = 1


def kernels(seed, convs):
    random = np.random.default_rng(seed)
    return [(random.standard_normal((3, 3, cin, out)).astype("f4"),
             random.standard_normal(out).astype("f4")) for _, _, cin, out in CONVS[:convs]]


def write_h5(path, tensors):
    with h5py.File(path, "w") as file:
        names = [f"block{b}_conv{i}" for b, i, _, _ in CONVS[:len(tensors)]]
        file.attrs["layer_names"] = [name.encode() for name in names]
        for name, (kernel, bias) in zip(names, tensors):
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}_W_1:0".encode(), f"{name}_b_1:0".encode()]
            group[f"{name}_W_1:0"], group[f"{name}_b_1:0"] = kernel, bias


class Weights(InFolder):
    def weights(self, *arguments, code=DONE, **environment):
        result = self.atelier("weights", *arguments, env={**os.environ, **environment})
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def test_lists_the_published_files(self):
        listed = self.weights().stdout
        for words in ("vgg19-keras\n", "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
                      "253f8cb515780f3b799900260a226db6", "https://", "vgg19-torchvision\n",
                      "licence", "caffe (BGR"):
            self.assertIn(words, listed)
        self.assertGreater(listed.count("\n  address "), 10)
        self.assertEqual(listed.count("\n  address "), listed.count("\n  input "))

    def test_says_what_a_file_holds(self):
        tensors = kernels(1, 16)
        write_h5(self.path("w.h5"), tensors)
        shown = self.weights("w.h5").stdout
        digest = hashlib.sha256(b"".join(k.tobytes() + b.tobytes() for k, b in tensors)).hexdigest()
        for words in ("Keras HDF5", "no published file", "caffe", digest, "3 x 3 x 512 x 512",
                      hashlib.sha256(self.path("w.h5").read_bytes()).hexdigest()):
            self.assertIn(words, shown)
        rows = [line.split() for line in shown.splitlines() if line.startswith("conv")]
        self.assertEqual(len(rows), 16)
        for row, (kernel, bias) in zip(rows, tensors):
            for value, text in zip((kernel, bias), row[-2:]):
                self.assertAlmostEqual(float(text), np.sqrt(np.mean(value.astype("f8")**2)), 3)

    def test_says_where_a_short_file_ends(self):
        write_h5(self.path("w.h5"), kernels(1, 3))
        shown = self.weights("w.h5").stdout
        self.assertEqual(sum(line.startswith("conv") for line in shown.splitlines()), 3)
        self.assertIn("block2_conv2", shown.splitlines()[-1])

    def test_shows_the_built_in_network(self):
        shown = self.weights("builtin").stdout
        self.assertWords(shown, "built in", "caffe (BGR", "Tiny ImageNet", "63.0 % right", "MIT",
                         hashlib.sha256((SAMPLES.parent.parent / "weights" / "vgg19.safetensors")
                                        .read_bytes()).hexdigest())
        self.assertIn("made from a seed", self.weights("random:3").stdout)

    def test_a_copy_of_the_program_alone_has_the_network(self):
        copy = shutil.copy(PROGRAM, self.path("elsewhere"))
        shown = subprocess.run([copy, "weights", "builtin"], cwd="/", capture_output=True,
                               text=True).stdout
        self.assertEqual(shown, self.weights("builtin").stdout)

    def test_lists_the_program_s_own_networks_first(self):
        lines = self.weights().stdout.splitlines()
        self.assertEqual(lines[0], "builtin")
        self.assertIn("random:SEED", lines)

    def test_compares_layer_by_layer_and_names_the_permutation(self):
        tensors = kernels(2, 3)
        write_h5(self.path("a.h5"), tensors)
        changed = [(tensors[0][0][:, :, ::-1], tensors[0][1]),
                   (tensors[1][0][::-1, ::-1], tensors[1][1]),
                   (tensors[2][0].transpose(1, 0, 2, 3), tensors[2][1])]
        write_h5(self.path("b.h5"), changed)
        lines = self.weights("a.h5", "b.h5").stdout.splitlines()
        self.assertIn("reversing the input channels (RGB and BGR); biases equal", lines[0])
        self.assertIn("turning by 180 degrees; biases equal", lines[1])
        self.assertIn("swapping rows and columns; biases equal", lines[2])
        self.assertIn("3 of 3 layers", lines[3])

    def test_compares_as_many_layers_as_both_have(self):
        tensors = kernels(2, 3)
        write_h5(self.path("a.h5"), tensors)
        write_h5(self.path("b.h5"), tensors[:2])
        for pair in ("a.h5", "b.h5"), ("b.h5", "a.h5"):
            self.assertIn("\n2 of 2 layers", self.weights(*pair).stdout)

    def test_another_bias_is_another_network(self):
        tensors = kernels(2, 2)
        write_h5(self.path("a.h5"), tensors)
        write_h5(self.path("b.h5"), [tensors[0], (tensors[1][0], tensors[0][1])])
        result = self.weights("a.h5", "b.h5", code=DIFFERENT)
        self.assertIn("conv1_2   kernels equal; biases differ\n1 of 2", result.stdout)

    def test_tells_different_networks_apart(self):
        write_h5(self.path("a.h5"), kernels(3, 2))
        write_h5(self.path("b.h5"), kernels(4, 2))
        result = self.weights("a.h5", "b.h5", code=DIFFERENT)
        self.assertIn("kernels differ by up to", result.stdout)
        self.assertIn("0 of 2 layers", result.stdout)
        self.assertIn("different networks", result.stderr)

    def test_refuses_what_it_cannot_read(self):
        self.path("page.h5").write_text("<!DOCTYPE html><html>404</html>")
        self.assertIn("HTML", self.weights("page.h5", code=INPUT).stderr)
        self.assertIn("there is no weight file", self.weights("nope.h5", code=INPUT).stderr)
        self.assertIn("'vgg19-keras'", self.weights("--fetch", "vgg19-kers", code=INPUT).stderr)
        self.assertIn("--fetch needs a value", self.weights("--fetch", code=INPUT).stderr)
        self.assertIn("expected FILE", self.weights("a", "b", "c", code=INPUT).stderr)
        self.assertIn("takes no FILE", self.weights("a", "--fetch=vgg19-keras", code=INPUT).stderr)

    def test_a_known_name_must_be_fetched_first(self):
        stderr = self.weights("vgg19-keras", code=INPUT, ATELIER_CACHE=str(self.path("."))).stderr
        self.assertIn("--fetch vgg19-keras", stderr)

    def test_a_fetched_name_is_a_weight_file_everywhere(self):
        cached = self.path("vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5")
        write_h5(cached, kernels(5, 3))
        os.truncate(cached, 80134624)  # the size that is published
        environment = {"ATELIER_CACHE": str(self.folder)}
        self.assertIn(f"weights   {cached}\n", self.weights("vgg19-keras", **environment).stdout)
        self.assertIn("3 of 3", self.weights("vgg19-keras", str(cached), **environment).stdout)
        self.render(weights="vgg19-keras", options={"env": {**os.environ, **environment}})
        self.assertEqual(attributes(self.path("out.h5"))["weights"], "vgg19-keras")
        os.truncate(cached, 80134623)
        self.assertIn("expected 80134624 bytes",
                      self.weights("vgg19-keras", code=INPUT, **environment).stderr)

    def test_without_a_network_it_says_what_to_download_and_where_to_put_it(self):
        dead = "http://127.0.0.1:1"  # a proxy that is not there
        stderr = self.weights("--fetch", "vgg19-keras", code=ENVIRONMENT, https_proxy=dead,
                              HTTPS_PROXY=dead, ATELIER_CACHE=str(self.path("cache"))).stderr
        self.assertWords(stderr, "download https://storage.googleapis.com/tensorflow/",
                         "kernels_notop.h5 elsewhere and put it into", str(self.path("cache")))


class EveryFormat(InFolder):
    """The same numbers, in every container there is."""
    LAYER = ("conv{1}_{2}.weight", "conv{1}_{2}.bias")
    WRITERS = {
        "published.h5": lambda path: write_keras.main(["published", path, "--convs", "4"]),
        "keras3.h5": lambda path: write_keras.main(["keras3", path, "--convs", "4"]),
        "zip.pth": lambda path: write_pth.write(path, 4),
        "legacy.pth": lambda path: write_pth.write(path, 4, legacy=True),
        "w.safetensors": lambda path: write_mapped.safetensors(path, 4),
        "v1.caffemodel": lambda path: write_mapped.caffe(path, 4, "v1", legacy=True),
        "w.caffemodel": lambda path: write_mapped.caffe(path, 4),
        "w.onnx": lambda path: write_mapped.onnx(path, 4, EveryFormat.LAYER),
        "w.mat": lambda path: write_mat.save(path, write_mat.network(4)),
    }

    def outcome(self, name):
        self.WRITERS[name](str(self.path(name)))
        self.render(weights=name, weights_convention="caffe", content_layers="relu2_2",
                    style_layers="relu1_1,relu2_1", fresh=True)
        columns = history(self.path("out.h5"))
        del columns["seconds"]
        return (attributes(self.path("out.h5"))["weights_sha256"],
                {key: column.tobytes() for key, column in columns.items()},
                pixels(self.path("out.png")).tobytes())

    def test_same_numbers_give_the_same_losses_bit_for_bit(self):
        first = self.outcome("published.h5")
        for name in self.WRITERS:
            with self.subTest(name):
                self.assertEqual(self.outcome(name), first)

    def test_other_numbers_give_other_losses(self):
        first = self.outcome("published.h5")
        write_h5(self.path("other.h5"), kernels(1, 4))
        self.WRITERS["other.h5"] = lambda path: None
        self.addCleanup(self.WRITERS.pop, "other.h5")
        other = self.outcome("other.h5")
        self.assertNotEqual(other[0], first[0])
        self.assertNotEqual(other[1]["total"], first[1]["total"])


if __name__ == "__main__":
    main()
