#!/usr/bin/python3
"""Writes a trained network as a weight file for atelier (safetensors).

Batch normalisation is folded into the kernels. Every channel is divided by its mean activation on
photographs, so that all channels of a layer speak equally loud (Gatys), and layers are multiplied
so that they are about as loud as the published VGG-19's. A narrow network is widened with channels
that are always 0: its file has VGG-19's shapes.
"""
import argparse
import hashlib
import json
import pathlib
import struct

import numpy as np
import torch
import torch.nn.functional as F

from arguments import whole
from files import Trouble, prove_writable, replacing, run
from network import NAMES, SCALE, WIDTHS, Network, activations, centred
from pictures import find_pictures, read_square
from tensors import read_tensors

# Mean activation of each layer in the file. Chen & Koltun (2017) divide the L1 distances between
# features of the published VGG-19 by 2.6, 4.8, 3.7, 5.6 and 0.15 times those between pixels, at
# conv1_2, conv2_2, ... conv5_2: these are the same ratios for a network with channels of one mean
# activation, geometric in between. So weights of other programs mean about what they mean there.
LAYER_MEANS = (140, 140, 165, 195, 173, 154, 168, 184, 201, 219, 89, 36, 14.6, 5.93, 5.93, 5.93)
QUIETEST = .05  # of its layer's mean: a channel that is quieter is not made louder than that
AT_ONCE = 8


def load(run_folder):
    """A finished training: its network, in evaluation mode, and facts."""
    path = run_folder / "network.npz"
    if not path.exists():
        there = (run_folder / "checkpoint.npz").exists()
        raise Trouble(f"'{run_folder}' has no network.npz: " +
                      ("its training is not finished, the same train.py command goes on" if there
                       else "it is not a folder of a training"))
    notes, tensors = read_tensors(path)
    if "facts" not in notes:
        raise Trouble(f"'{path}' is not a network of train.py")
    facts = notes["facts"]
    network = Network(facts["classes"], facts["settings"]["narrow"])
    network.load_state_dict(tensors["network"])
    return network.eval(), facts


# --- the numbers, in float64 ---

def fold(network):
    """Kernels [out][in][3][3] and biases [out] for RGB in 0..255 minus the mean."""
    kernels, biases = [], []
    for conv, norm in zip(network.convs, network.norms):
        gain = (norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()).detach()
        kernels.append(conv.weight.detach().double() * gain.view(-1, 1, 1, 1))
        biases.append(norm.bias.detach().double() - norm.running_mean.double() * gain)
    kernels[0] = kernels[0] / SCALE
    return kernels, biases


@torch.no_grad()
def mean_activations(kernels, biases, pictures):
    """Of every channel, for each layer, on uint8 pictures [n, 3, side, side]."""
    kernels, biases = [k.float() for k in kernels], [b.float() for b in biases]
    sums = [0] * len(kernels)
    for some in pictures.split(AT_ONCE):
        def convolve(i, x):
            return F.conv2d(x, kernels[i], biases[i], padding=1)
        for i, layer in enumerate(activations(centred(some), convolve)):
            sums[i] = sums[i] + layer.double().mean((2, 3)).sum(0)
    return [total / len(pictures) for total in sums]


def scale_channels(kernels, biases, means):
    """Every channel's mean activation becomes its layer's. A positive factor passes through ReLU
    and pooling, and the next layer's kernel takes it back."""
    before = torch.ones(3, dtype=torch.float64)
    for i, mean in enumerate(means):
        if not mean.mean() > 0:
            raise Trouble(f"layer {NAMES[i]} is 0 on all pictures: the network has not learned "
                          f"enough to be exported")
        gain = LAYER_MEANS[i] / mean.clamp(min=QUIETEST * float(mean.mean()))
        kernels[i] = kernels[i] * gain.view(-1, 1, 1, 1) / before.view(1, -1, 1, 1)
        biases[i] = biases[i] * gain
        before = gain


def widened(kernels, biases):
    """Zeros up to VGG-19's channels."""
    ins = [3] + WIDTHS
    for i, (kernel, bias) in enumerate(zip(kernels, biases)):
        out, into = kernel.shape[:2]
        kernels[i] = F.pad(kernel, (0, 0, 0, 0, 0, ins[i] - into, 0, WIDTHS[i] - out))
        biases[i] = F.pad(bias, (0, WIDTHS[i] - out))


# --- the file ---

def tensors_of(kernels, biases):
    """As the file has them, by name: float16 kernels, the first for BGR, and float32 biases."""
    tensors = {}
    for name, kernel, bias in zip(NAMES, kernels, biases):
        half = kernel.numpy().astype(np.float16)
        if not np.isfinite(half).all():
            raise Trouble(f"layer {name} does not fit float16: its kernel reaches "
                          f"{float(kernel.abs().max()):.3g}")
        tensors[f"{name}.weight"] = half
        tensors[f"{name}.bias"] = bias.numpy().astype(np.float32)
    first = f"{NAMES[0]}.weight"
    tensors[first] = np.ascontiguousarray(tensors[first][:, ::-1])
    return tensors


def metadata_of(facts, about):
    settings = facts["settings"]
    sizes = ", ".join(str(size) for _, size in settings["sizes"])
    right = ", ".join(f"{100 * part:.1f} % at {size} px" for size, part in facts["right"].items())
    narrow = "" if settings["narrow"] == 1 else \
        f", channels divided by {settings['narrow']} and widened with zeros"
    return {"format": "pt",
            "network": "VGG-19 convolutions, batch normalisation folded, channels of a layer "
                       "scaled to one mean activation on photographs, layers to about the "
                       "published sizes" + narrow,
            "input": "BGR minus 103.939, 116.779, 123.68 in 0..255",
            "trained_on": f"{about or facts['source']}: {facts['classes']} classes, "
                          f"{facts['pictures']} pictures of {facts['side']} px, "
                          f"{facts['epochs']:.1f} epochs at {sizes} px",
            "validation": f"of {facts['held_out']} held-out pictures right: {right}"}


def safetensors(tensors, metadata):
    """The format's bytes: the header's length, the header as JSON, the values."""
    types = {"float16": "F16", "float32": "F32"}
    header, at = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": types[tensor.dtype.name], "shape": tensor.shape,
                        "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *(t.tobytes() for t in tensors.values())])


# --- the command ---

def photographs(folder, count, side):
    """At most `count` of a folder's pictures, evenly spread over their names."""
    paths = find_pictures(folder)
    if not paths:
        raise Trouble(f"'{folder}' has no pictures")
    step = max(1, len(paths) / count)
    chosen = [paths[int(i * step)] for i in range(min(count, len(paths)))]
    pictures = np.stack([np.asarray(read_square(path, side)) for path in chosen])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=pathlib.Path, metavar="RUN", help="train.py's folder")
    parser.add_argument("output", type=pathlib.Path, metavar="FILE", help="ends in .safetensors")
    parser.add_argument("--photos", type=pathlib.Path, metavar="FOLDER", required=True,
                        help="pictures to measure activations on; the class folders will do")
    parser.add_argument("--count", type=whole(1), default=150,
                        help="of pictures used, at most (%(default)s)")
    parser.add_argument("--side", type=whole(16, 4096), default=224,
                        help="of a picture in pixels (%(default)s)")
    parser.add_argument("--about", help="what it was trained on, for the file's metadata")
    given = parser.parse_args(argv)
    prove_writable(given.output)
    network, facts = load(given.run)
    kernels, biases = fold(network)
    scale_channels(kernels, biases,
                   mean_activations(kernels, biases,
                                    photographs(given.photos, given.count, given.side)))
    widened(kernels, biases)
    content = safetensors(tensors_of(kernels, biases), metadata_of(facts, given.about))
    with replacing(given.output) as file:
        file.write(content)
    print(f"{given.output}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    run(main)
