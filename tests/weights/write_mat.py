#!/usr/bin/python3
"""Writes MatConvNet's .mat files as scipy.io.savemat does, with made-up values.

    write_mat.py FOLDER                 the files the tests read
    write_mat.py --seeds FOLDER         small ones, to start fuzzing from
    write_mat.py --published FOLDER     one as large as the published file

The values are those of write_mapped.py; the first kernel's channels stand in RGB order.
"""
import os
import sys

import numpy as np
from scipy.io import savemat

CONVS = [(1, 1, 3, 64), (1, 2, 64, 64),
         (2, 1, 64, 128), (2, 2, 128, 128),
         (3, 1, 128, 256), (3, 2, 256, 256), (3, 3, 256, 256), (3, 4, 256, 256),
         (4, 1, 256, 512), (4, 2, 512, 512), (4, 3, 512, 512), (4, 4, 512, 512),
         (5, 1, 512, 512), (5, 2, 512, 512), (5, 3, 512, 512), (5, 4, 512, 512)]


def made_up(n, shape):
    at = np.arange(np.prod(shape), dtype="u8") + 7919 * n
    return ((at * 2654435761 % 1000).astype("f8") / 1000 - .5).reshape(shape)


def struct(fields):
    out = np.empty((1, 1), dtype=[(name, "O") for name in fields])
    for name, value in fields.items():
        out[name][0, 0] = value
    return out


def cell(values):
    out = np.empty((1, len(values)), dtype=object)
    for i, value in enumerate(values):
        out[0, i] = value
    return out


def conv(n, dtype="f4", column=False, oldest=False, weights_first=False):
    block, index, cin, out = CONVS[n]
    kernel, bias = made_up(n, (3, 3, cin, out)), made_up(n + 16, (out,))
    if n == 0:
        kernel = kernel[:, :, ::-1]
    bias = bias.reshape((out, 1) if column else (1, out))
    numbers = ({"filters": kernel.astype(dtype), "biases": bias.astype(dtype)} if oldest else
               {"weights": cell([kernel.astype(dtype), bias.astype(dtype)])})
    words = {"name": f"conv{block}_{index}", "type": "conv"}
    rest = {"pad": np.ones((1, 4)), "stride": np.ones((1, 2))}
    return struct({**numbers, **words, **rest} if weights_first else {**words, **numbers, **rest})


def network(convs, fc=None, **how):
    layers = []
    for n in range(convs):
        block, index, _, _ = CONVS[n]
        layers.append(conv(n, **how))
        layers.append(struct({"name": f"relu{block}_{index}", "type": "relu"}))
    if fc:
        layers.append(struct({"name": "fc6", "type": "conv", "weights": cell(
            [np.zeros((7, 7, 512, fc), "f4"), np.zeros((1, fc), "f4")])}))
        layers.append(struct({"name": "fc7", "type": "conv", "weights": cell(
            [np.zeros((1, 1, fc, fc), "f4"), np.zeros((1, fc), "f4")])}))
    return cell(layers)


def save(path, layers, packed=True, meta_first=False):
    meta = struct({"classes": struct({"name": cell(["tench", "goldfish"])}),
                   "normalization": struct({"averageImage": np.full((1, 1, 3), 110.)})})
    variables = {"meta": meta, "layers": layers} if meta_first else {"layers": layers, "meta": meta}
    savemat(path, variables, do_compression=packed)


def suite(folder):
    def at(name):
        return os.path.join(folder, name + ".mat")

    save(at("packed"), network(4, fc=8))
    save(at("plain"), network(4), packed=False)
    save(at("meta"), network(4), meta_first=True)
    save(at("oldest"), network(4, oldest=True, weights_first=True))
    save(at("beta16"), network(4, weights_first=True, column=True))
    save(at("double"), network(4, dtype="f8"))
    save(at("tiny"), network(1))
    save(at("tiny-plain"), network(1), packed=False)
    save(at("whole"), network(16, fc=16), packed=False)
    vgg16 = network(7)
    vgg16 = cell([*vgg16[0], conv(8)])
    save(at("vgg16"), vgg16)
    bnorm = struct({"name": "bn1", "type": "bnorm", "weights": cell([np.ones((64, 1), "f4")] * 2)})
    save(at("bnorm"), cell([conv(0), bnorm]))
    save(at("unbiased"), cell([struct({"type": "conv", "weights": cell(
        [made_up(0, (3, 3, 3, 64)).astype("f4")])})]))
    save(at("integers"), cell([struct({"type": "conv", "weights": cell(
        [np.zeros((3, 3, 3, 64), "i4"), np.zeros((1, 64), "f4")])})]))
    save(at("complex"), cell([struct({"type": "conv", "weights": cell(
        [np.zeros((3, 3, 3, 64), "c8"), np.zeros((1, 64), "f4")])})]))
    save(at("narrow"), cell([struct({"type": "conv", "weights": cell(
        [np.zeros((3, 3, 3, 63), "f4"), np.zeros((1, 63), "f4")])})]))
    save(at("not-a-list"), np.zeros((3, 3)))
    twice = struct({"filters": made_up(0, (3, 3, 3, 64)), "biases": made_up(16, (1, 64)),
                    "weights": conv(0)["weights"][0, 0]})
    save(at("twice"), cell([twice]))
    savemat(at("other"), {"net": np.zeros(3), "x": "text"})


def seeds(folder):
    folder = os.path.join(folder, "mat")
    os.makedirs(folder, exist_ok=True)
    save(os.path.join(folder, "packed"), network(1), meta_first=True)
    save(os.path.join(folder, "plain"), network(1), packed=False)
    save(os.path.join(folder, "oldest"), network(1, oldest=True, weights_first=True), packed=False)


def main():
    folder = sys.argv[-1]
    os.makedirs(folder, exist_ok=True)
    if "--seeds" in sys.argv:
        seeds(folder)
    elif "--published" in sys.argv:
        save(os.path.join(folder, "whole.mat"), network(16, fc=4096))
    else:
        suite(folder)


if __name__ == "__main__":
    main()
