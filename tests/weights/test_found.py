#!/usr/bin/python3
"""VGG-19 is found wherever it lies: in .keras archives, among the other networks of an ONNX model, and
by shapes and order where names say nothing. Files are written by the formats' own libraries."""
import pathlib
import re
import subprocess
import sys
import unittest
import zipfile

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cmd"))
from atelier import PROGRAM, InFolder, main  # noqa: E402

try:
    import onnx
    from onnx import helper, numpy_helper
except ImportError:
    onnx = None
try:
    import torch
except ImportError:
    torch = None

SIDES = [3, 64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512]
VGG16 = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
BLOCKS = [2, 2, 4, 4, 4]
NAMES = [f"block{block + 1}_conv{conv + 1}" for block, convs in enumerate(BLOCKS) for conv in range(convs)]
POOLED = {1, 3, 7, 11, 15}
FEW = SIDES[:10]  # so many layers tell VGG-19 from others, and make small files


def kernel(conv, sides=tuple(SIDES), seed=0):
    """(out, in, 3, 3): each layer has a number of its own."""
    return np.full((sides[conv + 1], sides[conv], 3, 3), (conv + 1 + seed) / 256, np.float16)


def bias(conv, sides=tuple(SIDES), seed=0):
    return np.full(sides[conv + 1], (conv + 100 + seed) / 256, np.float16)


class Found(InFolder):
    def look(self, name):
        """What `atelier weights` says of a file."""
        done = subprocess.run([PROGRAM, "weights", name], cwd=self.folder, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def digest(self, name):
        code, said = self.look(name)
        self.assertEqual(code, 0, said)
        return re.search(r"^numbers +([0-9a-f]{64})", said, re.M)[1], said

    def refusal(self, name):
        code, said = self.look(name)
        self.assertEqual(code, 2, said)
        return said

    def write_h5(self, name, prefix="", names=True):
        with h5py.File(self.path(name), "w") as file:
            for conv in range(len(FEW) - 1):
                variables = file.create_group(f"{prefix}layers/conv2d{f'_{conv}' if conv else ''}/vars")
                if names:
                    variables.attrs["name"] = NAMES[conv]
                variables["0"] = kernel(conv).transpose(2, 3, 1, 0)
                variables["1"] = bias(conv)


class Keras(Found):
    def archive(self, name, members, method=zipfile.ZIP_STORED):
        with zipfile.ZipFile(self.path(name), "w", method, compresslevel=1) as archive:
            for member, source in members.items():
                if source is None:
                    archive.writestr(member, "{}")
                else:
                    archive.write(self.path(source), member)

    def test_an_archive_is_read_like_the_file_in_it(self):
        self.write_h5("plain.weights.h5")
        plain, _ = self.digest("plain.weights.h5")
        model = {"metadata.json": None, "config.json": None, "model.weights.h5": "plain.weights.h5"}
        self.archive("stored.keras", model)
        self.archive("deflated.keras", model, zipfile.ZIP_DEFLATED)
        self.archive("other.zip", {"readme.txt": None, "my/vgg19.h5": "plain.weights.h5"})
        for name in "stored.keras", "deflated.keras", "other.zip":
            with self.subTest(name):
                digest, said = self.digest(name)
                self.assertEqual(digest, plain)
                self.assertIn("Keras archive", said)

    def test_vgg19_inside_a_larger_model_without_names(self):
        self.write_h5("plain.weights.h5")
        self.write_h5("nested.weights.h5", "layers/functional/", names=False)
        self.archive("nested.keras", {"config.json": None, "model.weights.h5": "nested.weights.h5"})
        self.assertEqual(self.digest("nested.keras")[0], self.digest("plain.weights.h5")[0])

    def test_what_is_there_instead_is_named(self):
        with h5py.File(self.path("a.h5"), "w") as file:
            file["dense/kernel"] = np.zeros((3, 4))
        self.archive("pictures.zip", {"a.jpg": None, "b.jpg": None})
        self.assertRegex(self.refusal("pictures.zip"), r"without a 'model.weights.h5'.*'a.jpg', 'b.jpg'")
        self.archive("two.zip", {"a.h5": "a.h5", "b.h5": "a.h5"})
        self.assertRegex(self.refusal("two.zip"), r"several files of weights: it holds 'a.h5', 'b.h5'")
        self.archive("dense.keras", {"config.json": None, "model.weights.h5": "a.h5"})
        self.assertIn("dense/kernel", self.refusal("dense.keras"))

    def test_a_damaged_archive_is_refused(self):
        with h5py.File(self.path("a.h5"), "w") as file:
            file["kernel"] = np.zeros((300, 40))
        for method in zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED:
            self.archive("a.keras", {"config.json": None, "model.weights.h5": "a.h5"}, method)
            whole = self.path("a.keras").read_bytes()
            for cut in (1, len(whole) // 2):
                self.path("cut.keras").write_bytes(whole[:-cut])
                self.refusal("cut.keras")
                self.path("bad.keras").write_bytes(whole[:cut] + b"\xff\xff\xff\xff" + whole[cut + 4:])
                self.refusal("bad.keras")
        self.archive("odd.keras", {"model.weights.h5": "a.h5"}, zipfile.ZIP_BZIP2)
        self.assertIn("packed in a way that is not read", self.refusal("odd.keras"))


@unittest.skipUnless(onnx, "python3-onnx is not installed")
class Onnx(Found):
    def setUp(self):
        super().setUp()
        self.nodes, self.initializers = [], []

    def stack(self, name, entry, sides=tuple(FEW), seed=0, end="", shared=None):
        """Convolutions one behind the other; `shared`: the tensors of a stack that is there already."""
        value = entry
        for conv in range(len(sides) - 1):
            tensors = [f"{shared or name}_{part}{conv}" for part in "wb"]
            if not shared:
                self.initializers += [numpy_helper.from_array(kernel(conv, sides, seed), tensors[0]),
                                      numpy_helper.from_array(bias(conv, sides, seed), tensors[1])]
            self.node("Conv", [value, *tensors], f"{name}_c{conv}", pads=[1, 1, 1, 1])
            value = self.node("Relu", [f"{name}_c{conv}"], f"{name}_r{conv}")
            if conv in POOLED:
                value = self.node("MaxPool", [value], f"{name}_p{conv}", kernel_shape=[2, 2], strides=[2, 2])
        return self.node("Identity", [value], end) if end else value

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def save(self, name, outputs, interleaved=False):
        nodes = sorted(self.nodes, key=lambda n: int(re.sub(r"\D", "", n.output[0]) or 99)) if interleaved else self.nodes
        take = [helper.make_tensor_value_info(v, onnx.TensorProto.FLOAT16, None) for v in ("x", "y")]
        give = [helper.make_tensor_value_info(v, onnx.TensorProto.FLOAT16, None) for v in outputs]
        onnx.save(helper.make_model(helper.make_graph(nodes, "g", take, give, self.initializers)), str(self.path(name)))

    def alone(self, sides=tuple(FEW)):
        self.stack("vgg", "x", sides, end="out")
        self.save("alone.onnx", ["out"])
        self.nodes, self.initializers = [], []
        return self.digest("alone.onnx")[0]

    def test_among_other_networks(self):
        alone = self.alone()
        self.stack("before", "x", [3, 32, 64, 64, 128], 5)
        vgg = self.stack("vgg", "y")
        self.stack("head", vgg, [512, 256, 10], 7)
        self.save("among.onnx", ["head_r1"])
        digest, said = self.digest("among.onnx")
        self.assertEqual(digest, alone)
        self.assertNotIn("guessed: which", said)
        self.save("interleaved.onnx", ["head_r1"], interleaved=True)
        self.assertEqual(self.digest("interleaved.onnx")[0], alone)

    def test_one_network_that_sees_two_pictures(self):
        alone = self.alone()
        self.stack("vgg", "x")
        self.stack("again", "y", shared="vgg")
        self.save("twice.onnx", ["vgg_r8", "again_r8"])
        self.assertEqual(self.digest("twice.onnx")[0], alone)

    def test_two_networks(self):
        alone = self.alone()
        self.stack("one", "x")
        self.stack("two", "y")
        self.save("same.onnx", ["one_r8", "two_r8"])
        self.assertEqual(self.digest("same.onnx")[0], alone)
        self.nodes, self.initializers = [], []
        self.stack("one", "x")
        self.stack("two", "y", seed=3)
        self.save("differ.onnx", ["one_r8", "two_r8"])
        self.assertRegex(self.refusal("differ.onnx"), "2 networks like VGG-19 with different numbers.*'one_w0', 'two_w0'")

    def test_order_alone_is_called_a_guess(self):
        alone = self.alone(SIDES)
        self.stack("other", "x", [3, 8, 8])
        self.stack("vgg", "y", SIDES)
        for node in self.nodes:
            if node.op_type == "Conv":
                node.input[0] = "x"
        self.save("loose.onnx", ["vgg_p15"])
        digest, said = self.digest("loose.onnx")
        self.assertEqual(digest, alone)
        self.assertIn("guessed: which tensor is which is told by shapes and order alone", said)

    def test_other_networks_are_refused_with_what_they_have(self):
        self.stack("vgg", "x", VGG16[:9])
        self.stack("more", "vgg_p7", [512] + [8] * 10)
        self.save("vgg16.onnx", ["more_r9"])
        self.assertRegex(self.refusal("vgg16.onnx"), r"none of its 18 convolutions .*'vgg_w0' \(64, 3, 3, 3\)")
        self.nodes, self.initializers = [], []
        self.stack("vgg", "x", SIDES)
        self.stack("more", "y", [8] * 4)
        for node in self.nodes:
            if node.op_type == "Relu":
                node.op_type = "BatchNormalization"
        self.save("bn.onnx", ["vgg_p15"])
        self.refusal("bn.onnx")


class Order(Found):
    def save(self, name, tensors):
        """As safetensors writes it: sorted by name."""
        import json
        import struct
        header, at = {}, 0
        for key in sorted(tensors):
            count = tensors[key].nbytes
            header[key] = {"dtype": "F16", "shape": tensors[key].shape, "data_offsets": [at, at + count]}
            at += count
        text = json.dumps(header).encode()
        with open(self.path(name), "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for key in sorted(tensors):
                file.write(tensors[key].tobytes())

    def named(self, weight, offset):
        tensors = {weight.format(conv, "weight"): kernel(conv) for conv in range(16)}
        tensors.update({offset.format(conv, "bias"): bias(conv) for conv in range(16)})
        return tensors

    def plain(self):
        numbers = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
        self.save("plain.safetensors", {f"features.{numbers[c]}.{part}": make(c) for c in range(16)
                                        for part, make in (("weight", kernel), ("bias", bias))})
        return self.digest("plain.safetensors")[0]

    def test_names_that_say_nothing(self):
        plain = self.plain()
        for weight, offset in (("net.convs.{}.weight", "net.convs.{}.bias"), ("w{}", "b{}")):
            with self.subTest(weight):
                tensors = self.named(weight, offset)
                tensors["head.weight"], tensors["head.bias"] = np.zeros((4, 512), np.float16), np.zeros(4, np.float16)
                self.save("mute.safetensors", tensors)
                digest, said = self.digest("mute.safetensors")
                self.assertEqual(digest, plain)
                self.assertIn("guessed: which tensor is which is told by shapes and order alone", said)
                self.assertIn("unknown: give --weights-convention", said)

    def test_another_network_is_not_taken_for_it(self):
        more = self.named("w{}", "b{}")
        more["w16"] = np.zeros((4, 512, 3, 3), np.float16)
        self.save("more.safetensors", more)
        self.assertRegex(self.refusal("more.safetensors"), r"'b0' \(64\)")
        normalised = self.named("w{}", "b{}")
        normalised.update({f"n{conv}": bias(conv) for conv in range(16)})
        self.save("normalised.safetensors", normalised)
        self.refusal("normalised.safetensors")
        turned = self.named("w{}", "b{}")
        turned["w3"], turned["w4"] = turned["w4"], turned["w3"]
        self.save("turned.safetensors", turned)
        self.refusal("turned.safetensors")

    @unittest.skipUnless(torch, "PyTorch is not installed")
    def test_the_order_of_a_dict_and_of_names_must_agree(self):
        plain = self.plain()
        tensors = self.named("w{}", "b{}")
        torch.save({key: torch.from_numpy(value) for key, value in tensors.items()}, self.path("mute.pth"))
        self.assertEqual(self.digest("mute.pth")[0], plain)
        keys = list(tensors)
        keys[10], keys[11] = keys[11], keys[10]
        torch.save({key: torch.from_numpy(tensors[key]) for key in keys}, self.path("doubt.pth"))
        self.refusal("doubt.pth")


if __name__ == "__main__":
    main()
