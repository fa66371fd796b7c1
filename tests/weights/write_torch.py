#!/usr/bin/python3
"""Writes VGG-19 weight files as torch.save does, in every form in use, with made-up values.

    write_torch.py all FOLDER                    the files the tests read
    write_torch.py FORM FILE [--convs N]         one file

The values are those of write_keras.py, by their place in a Keras kernel (height, width, in, out).
Ends with code 77 where there is no PyTorch.
"""
import argparse
import collections
import functools
import os
import sys

try:
    import numpy
    import torch
except ImportError:
    sys.exit(77)

CHANNELS = [3, 64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512]
NAMES = ["1_1", "1_2", "2_1", "2_2", *(f"{b}_{i}" for b in (3, 4, 5) for i in (1, 2, 3, 4))]
PLACES = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
OLD = {"_use_new_zipfile_serialization": False}


def values(count, n):
    i = torch.arange(count, dtype=torch.int64) + 7919 * n
    return ((i * 2654435761 % 1000).double() / 1000 - .5).float()


def tensors(n):
    kernel = values(9 * CHANNELS[n] * CHANNELS[n + 1], n)
    kernel = kernel.reshape(3, 3, CHANNELS[n], CHANNELS[n + 1]).permute(3, 2, 0, 1).contiguous()
    return kernel, values(CHANNELS[n + 1], n + 16)


def state(convs, name=lambda n: f"features.{PLACES[n]}", change=lambda t: t):
    out = collections.OrderedDict()
    for n in range(convs):
        kernel, bias = tensors(n)
        out[name(n) + ".weight"] = change(kernel)
        out[name(n) + ".bias"] = change(bias)
    return out


def layers(places, convs, norm=False, filled=False):
    """torchvision's VGG modules by their places: convolutions, and what follows them."""
    out = collections.OrderedDict()
    for n, place in enumerate(places):
        out[str(place)] = torch.nn.Conv2d(CHANNELS[n], CHANNELS[n + 1], 3, padding=1)
        if norm:
            out[str(place + 1)] = torch.nn.BatchNorm2d(CHANNELS[n + 1])
    model = torch.nn.Module()
    model.features = torch.nn.Sequential(out)
    if filled:
        model.load_state_dict(state(convs))
    return model


def slices(tensor):
    """A view into the middle of a larger tensor."""
    whole = torch.full((3 * tensor.numel(),), float("nan"), dtype=tensor.dtype)
    whole[tensor.numel():2 * tensor.numel()] = tensor.flatten()
    return whole[tensor.numel():2 * tensor.numel()].reshape(tensor.shape)


def strided(tensor):
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def declared(convs):
    """With the fully connected layers, zero."""
    out = state(convs)
    for layer, (rows, columns) in zip((0, 3, 6), ((4096, 25088), (4096, 4096), (1000, 4096))):
        out[f"classifier.{layer}.weight"] = torch.zeros(rows, columns)
        out[f"classifier.{layer}.bias"] = torch.zeros(rows)
    return out


def batch_norm(convs):
    """The first two layers and the last name."""
    out = layers([0, 3], convs, norm=True).state_dict()
    out["features.49.weight"] = torch.zeros(1)
    return out


def vgg16(convs):
    """All its names; small tensors where it differs."""
    out = state(7)
    for place in (17, 19, 21, 24, 26, 28):
        out[f"features.{place}.weight"], out[f"features.{place}.bias"] = torch.zeros(1), torch.zeros(1)
    return out


def adain(convs):
    out = state(1, lambda n: "2")
    out["0.weight"], out["0.bias"] = torch.zeros(3, 3, 1, 1), torch.zeros(3)
    return out


def shared(convs):
    """All values in one storage."""
    whole = torch.cat([t.flatten() for t in state(convs).values()])
    out, at = collections.OrderedDict(), 0
    for name, tensor in state(convs).items():
        out[name] = whole[at:at + tensor.numel()].reshape(tensor.shape)
        at += tensor.numel()
    return out


def checkpoint(convs):
    model = layers(PLACES[:convs], convs)
    optimiser = torch.optim.Adam(model.parameters(), .1)
    model.load_state_dict(state(convs))
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimiser.step()
    model.load_state_dict(state(convs))
    return {"epoch": 3, "lr": .1, "best": None, "state_dict": model.state_dict(),
            "optimizer": optimiser.state_dict(), "args": ["--x", ("y", True)]}


def scalars(convs):
    """As PyTorch's ImageNet example and others do."""
    return {"epoch": 3, "best_acc1": torch.tensor(71.2), "state_dict": state(convs),
            "scaler": {"scale": torch.tensor(2.0)}, "rng": torch.zeros(8, dtype=torch.uint8)}


class Settings(dict):
    """A class of somebody's program."""


def lightning(convs):
    settings = Settings(rate=.1)
    settings.note = "x"
    return {"epoch": 1, "pytorch-lightning_version": "2.0", "hyper_parameters": settings,
            "args": argparse.Namespace(a=1, b=[None]), "loss": numpy.float64(.5),
            "callbacks": {"best": {"score": torch.tensor(1.), "by": collections.defaultdict(list, a=[1])}},
            "step": functools.partial(max, 1), "device": torch.device("cpu"), "type": torch.float16,
            "state_dict": state(convs, lambda n: f"net.vgg.features.{PLACES[n]}")}


def copies(convs):
    return {"generator": state(convs), "loss": {"net": state(convs, lambda n: f"vgg.{PLACES[n]}")}}


def two(convs):
    return {"params": state(convs), "params_ema": state(convs, change=lambda t: t * .5)}


# What is saved, and how.
FORMS = {
    "zip": (state, {}),
    "legacy": (state, OLD),
    "protocol4": (state, {"pickle_protocol": 4}),
    "protocol4-legacy": (state, {"pickle_protocol": 4, **OLD}),
    "half": (lambda n: state(n, change=lambda t: t.half()), {}),
    "bfloat16": (lambda n: state(n, change=lambda t: t.bfloat16()), OLD),
    "double": (lambda n: state(n, change=lambda t: t.double()), {}),
    "double-legacy": (lambda n: state(n, change=lambda t: t.double()), OLD),
    "nested": (lambda n: {"model": {"state_dict": state(n)}}, {}),
    "checkpoint": (checkpoint, {}),
    "checkpoint-legacy": (checkpoint, OLD),
    "parallel": (lambda n: state(n, lambda i: f"module.features.{PLACES[i]}"), {}),
    "features": (lambda n: state(n, lambda i: str(PLACES[i])), {}),
    "strided": (lambda n: state(n, change=strided), {}),
    "strided-legacy": (lambda n: state(n, change=strided), OLD),
    "sliced": (lambda n: state(n, change=slices), OLD),
    "shared": (shared, {}),
    "parameters": (lambda n: state(n, change=torch.nn.Parameter), {}),
    "dict": (lambda n: dict(state(n)), {}),
    "gatys": (lambda n: state(n, lambda i: "conv" + NAMES[i]), OLD),
    "gatys-zip": (lambda n: state(n, lambda i: "conv" + NAMES[i]), {}),
    "declared": (declared, {}),
    "declared-legacy": (declared, OLD),
    "vgg19_bn": (batch_norm, {}),
    "vgg16": (vgg16, {}),
    "adain": (adain, {}),
    "integers": (lambda n: state(n, change=lambda t: t.long()), {}),
    "module": (lambda n: layers(PLACES[:n], n, filled=True), {}),
    "module-legacy": (lambda n: layers(PLACES[:n], n, filled=True), OLD),
    "scalars": (scalars, {}),
    "lightning": (lightning, {}),
    "copies": (copies, {}),
    "two": (two, OLD),
    "nothing": (lambda n: {"epoch": 3, "args": argparse.Namespace(a=1)}, {}),
    "list": (lambda n: list(state(n).values()), {}),
}
CONVS = {"declared": 16, "declared-legacy": 16}


def write(form, path, convs):
    if form == "script":
        torch.jit.script(torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3))).save(path)
    else:
        make, how = FORMS[form]
        torch.save(make(convs), path, **how)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form", choices=[*FORMS, "script", "all"])
    parser.add_argument("path")
    parser.add_argument("--convs", type=int, default=4)
    args = parser.parse_args()
    if args.form != "all":
        return write(args.form, args.path, args.convs)
    os.makedirs(args.path, exist_ok=True)
    for form in [*FORMS, "script"]:
        if form not in ("declared", "declared-legacy"):
            write(form, os.path.join(args.path, form + ".pth"), CONVS.get(form, args.convs))


if __name__ == "__main__":
    main()
