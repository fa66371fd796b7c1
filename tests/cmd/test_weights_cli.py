#!/usr/bin/python3
"""atelier weights: the list, what a file holds, comparing two, fetching."""
import hashlib
import os
import sys

import h5py
import numpy as np

from atelier import DONE, INPUT, InFolder, main

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "weights"))
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

    def test_says_what_a_file_holds(self):
        tensors = kernels(1, 16)
        write_h5(self.path("w.h5"), tensors)
        shown = self.weights("w.h5").stdout
        digest = hashlib.sha256(b"".join(k.tobytes() + b.tobytes() for k, b in tensors)).hexdigest()
        for words in ("Keras HDF5", "no published file", "caffe", digest, "3 x 3 x 512 x 512",
                      hashlib.sha256(self.path("w.h5").read_bytes()).hexdigest()):
            self.assertIn(words, shown)
        self.assertEqual(sum(line.startswith("conv") for line in shown.splitlines()), 16)

    def test_says_where_a_short_file_ends(self):
        write_h5(self.path("w.h5"), kernels(1, 3))
        shown = self.weights("w.h5").stdout
        self.assertEqual(sum(line.startswith("conv") for line in shown.splitlines()), 3)
        self.assertIn("block2_conv2", shown.splitlines()[-1])

    def test_shows_the_built_in_network(self):
        self.assertIn("built in", self.weights("builtin").stdout)

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
        self.assertIn("expected FILE", self.weights("--fetch", code=INPUT).stderr)

    def test_a_known_name_must_be_fetched_first(self):
        stderr = self.weights("vgg19-keras", code=INPUT, ATELIER_CACHE=str(self.path("."))).stderr
        self.assertIn("--fetch vgg19-keras", stderr)


if __name__ == "__main__":
    main()
