#!/usr/bin/python3
"""Writes VGG-19 weight files by hand, byte by byte: safetensors, Caffe models and ONNX, with made-up
values. Needs nothing but Python's standard library.

    write_mapped.py FOLDER                 the files the tests read
    write_mapped.py --seeds FOLDER         one small file of each kind, to start fuzzing from
    write_mapped.py --published FOLDER     files as large as the published ones (fully connected
                                           layers are holes)

The value at flat index i of the (3, 3, in, out) kernel of convolution n (0..15) is
((i + 7919 n) * 2654435761 mod 1000) / 1000 - 0.5; of its bias the same with n + 16.
"""
import functools
import json
import math
import os
import struct
import sys
from array import array

CONVS = [(1, 1, 3, 64), (1, 2, 64, 64),
         (2, 1, 64, 128), (2, 2, 128, 128),
         (3, 1, 128, 256), (3, 2, 256, 256), (3, 3, 256, 256), (3, 4, 256, 256),
         (4, 1, 256, 512), (4, 2, 512, 512), (4, 3, 512, 512), (4, 4, 512, 512),
         (5, 1, 512, 512), (5, 2, 512, 512), (5, 3, 512, 512), (5, 4, 512, 512)]
TORCH = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
# Twice a period of 1000, so that a run of up to 512 values starts anywhere in it.
TABLE = array("d", [i * 2654435761 % 1000 / 1000 - .5 for i in range(2000)])


@functools.lru_cache(maxsize=None)
def kernel(n, order="OIHW"):
    _, _, cin, out = CONVS[n]
    values = array("d", bytes(8 * 9 * cin * out))
    for tap in range(9):
        for i in range(cin):
            start = (tap * cin + i) * out
            run = TABLE[(start + 7919 * n) % 1000:][:out]
            if order == "OIHW":
                values[i * 9 + tap::cin * 9] = run
            else:
                values[start:start + out] = run
    return values


def bias(n):
    start = 7919 * (n + 16) % 1000
    return TABLE[start:start + CONVS[n][3]]


def packed(values, dtype):
    if dtype == "F64":
        return values.tobytes()
    if dtype == "F16":
        return struct.pack(f"<{len(values)}e", *values)
    floats = array("f", values)
    if dtype == "F32":
        return floats.tobytes()
    return array("H", array("H", floats.tobytes())[1::2]).tobytes()  # BF16: the upper half


class Hole:
    """Zeros that are not written."""
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count


def save(path, pieces):
    with open(path, "wb") as file:
        for piece in pieces:
            if isinstance(piece, Hole):
                file.seek(len(piece), os.SEEK_CUR)
            else:
                file.write(piece)
        file.truncate()


# ---- safetensors ----

def safetensors(path, convs, names=("features.{0}.weight", "features.{0}.bias"), dtype="F32",
                order="OIHW", metadata=None, extra=(), keys=("dtype", "shape", "data_offsets"),
                space=b"", indent=None):
    header, data, at = {}, [], 0
    if metadata is not None:
        header["__metadata__"] = metadata

    def add(name, shape, values):
        nonlocal at
        entry = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(values)]}
        header[name] = {key: entry[key] for key in keys}
        data.append(values)
        at += len(values)

    for n, (block, index, cin, out) in enumerate(CONVS[:convs]):
        shape = [out, cin, 3, 3] if order == "OIHW" else [3, 3, cin, out]
        add(names[0].format(TORCH[n], block, index), shape, packed(kernel(n, order), dtype))
        add(names[1].format(TORCH[n], block, index), [out], packed(bias(n), dtype))
    for name, shape, values in extra:
        add(name, shape, values)
    text = json.dumps(header, indent=indent).encode() + space
    save(path, [struct.pack("<Q", len(text)), text] + data)


# ---- protobuf ----

def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, *pieces):
    """A length-delimited field, as a list of pieces that may be holes."""
    pieces = flat(pieces)
    return [varint(field << 3 | 2) + varint(sum(len(p) for p in pieces))] + pieces


def flat(pieces):
    out = []
    for piece in pieces:
        out.extend(flat(piece) if isinstance(piece, (list, tuple)) else [piece])
    return out


def text(field, value):
    return message(field, value.encode())


def numbers(field, values, style):
    if style == "unpacked":
        return [number(field, value) for value in values]
    return message(field, b"".join(varint(value) for value in values))


def floats(field, data, width, style):
    """A repeated field of 4- or 8-byte values: packed, in two runs, or one by one."""
    if style == "unpacked":
        tag = varint(field << 3 | (5 if width == 4 else 1))
        return [b"".join(tag + data[i:i + width] for i in range(0, len(data), width))]
    if style == "runs":
        return [message(field, data[:16]), message(field, b""), message(field, data[16:])]
    return message(field, data)


# ---- Caffe ----

def caffe(path, convs, form="new", style="packed", legacy=False, double=False, fc=None):
    name_field, type_field, blobs_field, in_net = {"new": (1, 2, 7, 100), "v1": (4, 5, 6, 2)}[form]

    def blob(shape, data):
        if legacy:
            full = [1] * (4 - len(shape)) + list(shape)
            head = [number(1 + i, size) for i, size in enumerate(full)]
        else:
            head = message(7, numbers(1, shape, style))
        values = data if isinstance(data, Hole) else packed(data, "F64" if double else "F32")
        if isinstance(data, Hole):
            body = message(5, values)
        else:
            body = floats(8 if double else 5, values, 8 if double else 4, style)
        return message(blobs_field, body, head) if legacy else message(blobs_field, head, body)

    def layer(name, kind, *blobs):
        type_is = text(2, kind[0]) if form == "new" else [number(5, kind[1])]
        if form == "new":
            return message(100, text(1, name), type_is, text(3, "below"), text(4, name), blobs)
        return message(2, text(2, "below"), text(3, name), text(4, name), type_is, blobs)

    net = [text(1, "VGG_ILSVRC_19_layers"), text(3, "data")]
    for n, (block, index, cin, out) in enumerate(CONVS[:convs]):
        name = f"conv{block}_{index}"
        net.append(layer(name, ("Convolution", 4), blob((out, cin, 3, 3), kernel(n)),
                         blob((out,), bias(n))))
        net.append(layer(f"relu{block}_{index}", ("ReLU", 18)))
    if fc:
        net.append(layer("fc6", ("InnerProduct", 14), blob((fc, 25088), Hole(fc * 25088 * 4)),
                         blob((fc,), Hole(fc * 4))))
    save(path, flat(net))


# ---- ONNX ----

ONNX_TYPES = {"F32": 1, "F16": 10, "F64": 11, "BF16": 16}


def onnx_external(path, convs):
    """Values in a file beside the model."""
    held = bytearray(b"junk")

    def keep(data):
        entries = [("location", os.path.basename(path) + ".data"), ("offset", len(held)),
                   ("length", len(data))]
        held.extend(data)
        return [message(13, text(1, k), text(2, str(v))) for k, v in entries] + [number(14, 1)]

    onnx(path, convs, keep=keep)
    with open(path + ".data", "wb") as file:
        file.write(held)


def onnx_odd(path, convs):
    """Constants, values that go through other nodes, and biases that are added behind."""
    nodes = []
    for n, (_, _, cin, out) in enumerate(CONVS[:convs]):
        def tensor(shape, data):
            return [numbers(1, shape, "unpacked"), number(2, 1), message(9, data)]

        def constant(name, shape, data):
            value = message(5, text(1, "value"), message(5, tensor(shape, data)), number(20, 4))
            return message(1, text(2, name), text(4, "Constant"), value)

        def node(kind, output, *inputs):
            return message(1, [text(1, i) for i in inputs], text(2, output), text(4, kind))

        added = [f"c{n}", f"wide{n}"] if n % 2 else [f"wide{n}", f"c{n}"]
        shape = [1, out, 1, 1] if n == 0 else [out, 1, 1] if n == 1 else [out]
        nodes += [constant(f"k{n}", [out, cin, 3, 3], packed(kernel(n), "F32")),
                  constant(f"b{n}", shape, packed(bias(n), "F32")),
                  node("Identity", f"kk{n}", f"k{n}"), node("Cast", f"kkk{n}", f"kk{n}"),
                  node("Conv", f"c{n}", f"x{n}", f"kkk{n}"),
                  node("Reshape", f"wide{n}", f"b{n}", "shape"),
                  node("Add", f"y{n}", *added), node("Relu", f"x{n + 1}", f"y{n}")]
    save(path, flat([number(1, 7), text(2, "somebody"), message(7, nodes, text(2, "g")),
                     message(8, number(2, 9))]))


def onnx(path, convs, names=("features.{0}.weight", "features.{0}.bias"), dtype="F32",
         style="raw", fc=None, keep=None):
    nodes, initializers = [], []

    def tensor(name, shape, data):
        if keep:
            body = keep(data)
        elif style == "raw" or isinstance(data, Hole):
            body = message(9, data)
        else:
            body = floats(10 if dtype == "F64" else 4, data, 8 if dtype == "F64" else 4, style)
        initializers.append(message(5, numbers(1, shape, "unpacked" if style == "raw" else style),
                                    number(2, ONNX_TYPES[dtype]), body, text(8, name)))

    for n, (block, index, cin, out) in enumerate(CONVS[:convs]):
        both = [name.format(TORCH[n], block, index, n) for name in names]
        nodes.append(message(1, text(1, f"x{n}"), text(1, both[0]), text(1, both[1]),
                             text(2, f"y{n}"), text(4, "Conv")))
        nodes.append(message(1, text(1, f"y{n}"), text(2, f"x{n + 1}"), text(4, "Relu")))
        # Initializers stand in any order.
        tensor(both[1], [out], packed(bias(n), dtype))
        tensor(both[0], [out, cin, 3, 3], packed(kernel(n), dtype))
    if fc:
        tensor("classifier.0.weight", [fc, 25088], Hole(fc * 25088 * 4))
    save(path, flat([number(1, 7), text(2, "pytorch"), text(3, "1.13"),
                     message(7, nodes, text(2, "torch_jit"), initializers),
                     message(8, number(2, 9))]))


# ---- what to write ----

LAYER = ("conv{1}_{2}.weight", "conv{1}_{2}.bias")
FC = [("pre_logits.fc1.weight", [2, 3, 7, 7], bytes(2 * 3 * 49 * 4)), ("head.fc.bias", [0], b"")]


def suite(folder, n):
    def at(name):
        return os.path.join(folder, name)

    safetensors(at("torch.safetensors"), n, metadata={"format": "pt"}, extra=FC)
    safetensors(at("prefixed.safetensors"), n, ("module.model.features.{0}.weight",
                                                "module.model.features.{0}.bias"))
    safetensors(at("bare.safetensors"), n, ("{0}.weight", "{0}.bias"))
    safetensors(at("layers.safetensors"), n, LAYER)
    safetensors(at("keras.safetensors"), n, ("block{1}_conv{2}.kernel", "block{1}_conv{2}.bias"),
                order="HWIO")
    safetensors(at("spaced.safetensors"), n, metadata={"a \"quoted\"\n\u00e9": "{", "b": ""},
                keys=("data_offsets", "shape", "dtype"), space=b" " * 13, indent=2)
    for dtype in "F16", "BF16", "F64":
        safetensors(at(f"{dtype}.safetensors"), n, LAYER, dtype)
    caffe(at("v1.caffemodel"), n, "v1", legacy=True)
    caffe(at("new.caffemodel"), n)
    caffe(at("v1-unpacked.caffemodel"), n, "v1", "unpacked", legacy=True)
    caffe(at("unpacked.caffemodel"), n, style="unpacked")
    caffe(at("runs.caffemodel"), n, style="runs")
    caffe(at("F64.caffemodel"), n, double=True)
    caffe(at("F64-unpacked.caffemodel"), n, style="unpacked", double=True)
    onnx(at("torch.onnx"), n)
    onnx_external(at("external.onnx"), n)
    onnx_odd(at("odd.onnx"), n)
    onnx(at("mxnet.onnx"), n, ("vgg0_conv{3}_weight", "vgg0_conv{3}_bias"), style="packed")
    onnx(at("caffe2.onnx"), n, ("conv{1}_{2}_w_0", "conv{1}_{2}_b_0"))
    onnx(at("unpacked.onnx"), n, ("conv{1}_{2}_w_0", "conv{1}_{2}_b_0"), style="unpacked")
    onnx(at("runs.onnx"), n, ("conv{1}_{2}_w_0", "conv{1}_{2}_b_0"), style="runs")
    for dtype in "F16", "BF16", "F64":
        onnx(at(f"{dtype}.onnx"), n, LAYER, dtype)
    onnx(at("F64-packed.onnx"), n, LAYER, "F64", "packed")


def seeds(folder):
    def at(kind, name):
        os.makedirs(os.path.join(folder, kind), exist_ok=True)
        return os.path.join(folder, kind, name)

    safetensors(at("safetensors", "torch"), 1, dtype="F16", metadata={"format": "pt"}, extra=FC[1:])
    safetensors(at("safetensors", "keras"), 1, ("block{1}_conv{2}.kernel", "block{1}_conv{2}.bias"),
                "BF16", "HWIO", space=b"  ", indent=1)
    caffe(at("caffe", "v1"), 1, "v1", legacy=True)
    caffe(at("caffe", "new"), 1)
    caffe(at("caffe", "unpacked"), 1, style="unpacked")
    onnx(at("onnx", "torch"), 1, dtype="F16")
    onnx_external(at("onnx", "external"), 1)
    onnx_odd(at("onnx", "odd"), 1)
    onnx(at("onnx", "caffe2"), 1, LAYER, style="runs")
    onnx(at("onnx", "unpacked"), 1, LAYER, style="unpacked")


def whole(folder, fc):
    layers = [(0, 4096, 25088), (3, 4096, 4096), (6, 1000, 4096)]
    safetensors(os.path.join(folder, "whole.safetensors"), 16, extra=[
        (f"classifier.{n}.{part}", shape, Hole(4 * math.prod(shape)))
        for n, out, cin in layers for part, shape in (("weight", [out, cin]), ("bias", [out]))])
    caffe(os.path.join(folder, "whole.caffemodel"), 16, "v1", legacy=True, fc=fc)
    onnx(os.path.join(folder, "whole.onnx"), 16, fc=fc)


def main():
    folder = sys.argv[-1]
    os.makedirs(folder, exist_ok=True)
    if "--seeds" in sys.argv:
        seeds(folder)
    elif "--published" in sys.argv:
        whole(folder, 4096)
    else:
        suite(folder, 4)
        whole(folder, 16)


if __name__ == "__main__":
    main()
