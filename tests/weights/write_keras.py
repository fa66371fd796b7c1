#!/usr/bin/python3
"""Writes VGG-19 weight files as Keras does, in every layout in use, with made-up values.

    write_keras.py all FOLDER                    the files the tests read
    write_keras.py LAYOUT FILE [options]         one file

The value at flat index i of the kernel of convolution n (0..15) is
((i + 7919 n) * 2654435761 mod 1000) / 1000 - 0.5; of its bias the same with n + 16.
"""
import argparse
import os

import h5py
import numpy as np

CONVS = [(1, 1, 3, 64), (1, 2, 64, 64),
         (2, 1, 64, 128), (2, 2, 128, 128),
         (3, 1, 128, 256), (3, 2, 256, 256), (3, 3, 256, 256), (3, 4, 256, 256),
         (4, 1, 256, 512), (4, 2, 512, 512), (4, 3, 512, 512), (4, 4, 512, 512),
         (5, 1, 512, 512), (5, 2, 512, 512), (5, 3, 512, 512), (5, 4, 512, 512)]
TOP = [("fc1", 25088, 4096), ("fc2", 4096, 4096), ("predictions", 4096, 1000)]


def values(count, n, dtype):
    i = np.arange(count, dtype=np.uint64) + np.uint64(7919 * n)
    return ((i * np.uint64(2654435761) % np.uint64(1000)).astype(np.float64) / 1000 - .5).astype(dtype)


def tensors(n, dtype):
    _, _, cin, out = CONVS[n]
    return values(9 * cin * out, n, dtype).reshape(3, 3, cin, out), values(out, n + 16, dtype)


def fixed(texts):
    """As the files of 2016 hold them: fixed length, padded with zeros."""
    return np.array([t.encode() for t in texts])


def layers(args):
    """(name, [(suffix, array)]) in the order of the model, pooling layers without weights."""
    yield "input_1", []
    for n, (block, index, _, _) in enumerate(CONVS[:args.convs]):
        yield f"block{block}_conv{index}", tensors(n, args.dtype)
        if n + 1 == args.convs or CONVS[n + 1][0] != block:
            yield f"block{block}_pool", []
    if args.top != "none":
        yield "flatten", []
        for name, rows, columns in TOP:
            yield name, (rows, columns)


def write_top(group, names, shape, args):
    """Fully connected layers: only declared, or with values."""
    kernel = group.create_dataset(names[0], shape, args.dtype)
    bias = group.create_dataset(names[1], shape[1:], args.dtype)
    if args.top == "full":
        for row in range(0, shape[0], 1024):
            kernel[row:row + 1024] = np.float32(.01)
        bias[:] = 0


def write_named(root, args, weight_names, name_list, text_list, rename=lambda name: name):
    """Attributes layer_names and weight_names; text_list stores a list of strings."""
    listed = []
    for name, weights in layers(args):
        stored = rename(name)
        listed.append(stored)
        group = root.create_group(stored)
        names = [w.format(stored) for w in weight_names] if len(weights) else []
        group.attrs["weight_names"] = text_list(names) if names else np.zeros(0)
        if name in [t[0] for t in TOP]:
            write_top(group, names, weights, args)
        else:
            for path, array in zip(names, weights):
                group.create_dataset(path, data=array, **args.storage)
    name_list(root, listed)


def one_list(text_list):
    def store(root, listed):
        root.attrs["layer_names"] = text_list(listed)
    return store


def split_list(root, listed):
    """What Keras does with a list too large for one attribute."""
    for part in range(0, len(listed), 3):
        root.attrs[f"layer_names{part // 3}"] = fixed(listed[part:part + 3])


def as_published(file, args):
    file.attrs["keras_version"] = np.bytes_("1.1.0")
    write_named(file, args, ["{}_W_1:0", "{}_b_1:0"], one_list(fixed), fixed)


def as_keras2(file, args):
    write_named(file, args, ["{0}/kernel:0", "{0}/bias:0"], one_list(list), list)


def as_model(file, args):
    file.attrs["model_config"] = '{"class_name": "Functional"}'
    file.create_group("optimizer_weights")
    as_keras2(file.create_group("model_weights"), args)


def as_split(file, args):
    write_named(file, args, ["{0}/kernel:0", "{0}/bias:0"], split_list, fixed)


def as_unnamed(file, args):
    """Layers somebody named otherwise: only their order tells which is which."""
    count = iter(range(1000))
    write_named(file, args, ["{0}/kernel:0", "{0}/bias:0"], one_list(list), list,
                lambda name: f"mine_{next(count)}")


def write_counted(root, args, named):
    count = 0
    for name, weights in layers(args):
        if not name.endswith(tuple("1234")) or "conv" not in name:
            root.create_group(name).create_group("vars").attrs["name"] = name
            continue
        group = root.create_group(f"conv2d_{count}" if count else "conv2d").create_group("vars")
        if named:
            group.attrs["name"] = name
        for i, array in enumerate(weights):
            group.create_dataset(str(i), data=array, **args.storage)
        count += 1


def as_keras3(file, args):
    write_counted(file.create_group("layers"), args, True)
    file.create_group("vars")


def as_keras3_unnamed(file, args):
    write_counted(file.create_group("layers"), args, False)


def as_tf213(file, args):
    write_counted(file.create_group("_layer_checkpoint_dependencies"), args, False)


def nested(root, args, inner="vgg19"):
    """VGG-19 as one layer of a larger model, among others."""
    root.attrs["layer_names"] = ["rescaling", inner, "dense"]
    root.create_group("rescaling").attrs["weight_names"] = np.zeros(0)
    group = root.create_group(inner)
    names = []
    for name, weights in layers(args):
        for part, array in zip(("kernel:0", "bias:0"), weights):
            names.append(f"{name}/{part}")
            group.create_dataset(names[-1], data=array)
    group.attrs["weight_names"] = names
    group = root.create_group("dense")
    group.attrs["weight_names"] = ["dense/kernel:0"]
    group.create_dataset("dense/kernel:0", data=np.zeros((512, 2), "f4"))


def as_nested(file, args):
    nested(file.create_group("model_weights"), args)


def as_nested3(file, args, named=True, below="functional/layers"):
    group = file.create_group("layers")
    group.create_group("dense/vars")["0"] = np.zeros((512, 2), "f4")
    write_counted(group.create_group(below), args, named)


def as_nested3_unnamed(file, args):
    as_nested3(file, args, False)


def as_attribute3(file, args):
    """A model that is a class of somebody's."""
    write_counted(file.create_group("perceptual/vgg/layers"), args, True)


def as_twins(file, args):
    """Twice the same numbers."""
    root = file.create_group("model_weights")
    nested(root, args)
    root.copy("vgg19", "vgg19_1")


def as_rivals(file, args):
    as_twins(file, args)
    file["model_weights/vgg19_1/block1_conv1/bias:0"][3] += 1


def as_torch(file, args):
    """PyTorch's state dict, as people store it: not Keras' order."""
    for n in range(args.convs):
        kernel, bias = tensors(n, args.dtype)
        place = [0, 2, 5, 7, 10][n]
        file[f"net/features.{place}.weight"] = kernel.transpose(3, 2, 0, 1)
        file[f"net/features.{place}.bias"] = bias


LAYOUTS = {"nested": as_nested, "nested3": as_nested3, "nested3-unnamed": as_nested3_unnamed,
           "attribute3": as_attribute3, "twins": as_twins, "rivals": as_rivals, "torch": as_torch,
           "published": as_published, "keras2": as_keras2, "model": as_model, "split": as_split,
           "unnamed": as_unnamed, "keras3": as_keras3, "keras3-unnamed": as_keras3_unnamed,
           "tf213": as_tf213}
STORAGES = {"plain": {}, "packed": {"compression": "gzip", "compression_opts": 1, "shuffle": True,
                                    "fletcher32": True}}


def write(layout, path, args):
    with h5py.File(path, "w", libver=args.libver, userblock_size=args.userblock) as file:
        LAYOUTS[layout](file, args)


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layout", choices=[*LAYOUTS, "all"])
    parser.add_argument("path")
    parser.add_argument("--convs", type=int, default=16)
    parser.add_argument("--dtype", default="f4")
    parser.add_argument("--top", choices=["none", "declared", "full"], default="none")
    parser.add_argument("--storage", choices=STORAGES, default="plain")
    parser.add_argument("--libver", choices=["earliest", "v108", "latest"], default="earliest")
    parser.add_argument("--userblock", type=int, default=0)
    args = parser.parse_args(words)
    args.storage = STORAGES[args.storage]
    return args


# Read by test_keras.c.
SUITE = {
    **{layout: [layout, "--convs", "4"] for layout in LAYOUTS},
    "whole": ["published", "--top", "declared"],
    "half": ["keras2", "--convs", "4", "--dtype", "f2"],
    "double": ["keras2", "--convs", "4", "--dtype", ">f8"],
    "packed": ["keras2", "--convs", "4", "--storage", "packed"],
    "latest": ["published", "--convs", "4", "--libver", "latest"],
    "tiny": ["keras2", "--convs", "1"],
    "tiny3": ["keras3", "--convs", "1"],
    "userblock": ["published", "--convs", "4", "--userblock", "1024"],
}


def main(words=None):
    args = parse(words)
    if args.layout != "all":
        return write(args.layout, args.path, args)
    os.makedirs(args.path, exist_ok=True)
    for name, words in SUITE.items():
        path = os.path.join(args.path, name + ".h5")
        write(words[0], path, parse([words[0], path] + words[1:]))


if __name__ == "__main__":
    main()
