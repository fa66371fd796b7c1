#!/usr/bin/python3
"""Writes the golden values beside this file: losses, gradients and features, by PyTorch in float64.

    make_golden.py          needs python3-numpy and python3-torch; about a minute

The untrained weights are those of weights/random_filters.c, rebuilt here by the same integer
arithmetic and checked against the digest in tests/weights/test_random_filters.c; the trained ones
are read from weights/vgg19.safetensors by lines of this file's own. The pictures come from an integer formula that
tests/core/render_fixture.h repeats. The loss formulas are written from the table of the presets,
not from core/objective.c. Read by tests/core/test_golden.c.

A file is a sequence of cases, one item a line:
    case NAME
    weights random | trained | smooth   then, for smooth, 16 lines: bias CONVOLUTION VALUE
    set PARAMETER VALUE
    picture WIDTH HEIGHT            of the content image and of the picture
    style WIDTH HEIGHT
    loss NAME VALUE                 named as the history's columns; all are weighted
    gradient COUNT UNIT             then so many whole numbers, in multiples of the unit
    layer NAME COUNT NORM SAMPLES   features of the picture: elements, L2 norm, then so many
                                    values, evenly spaced: sample k is element k * COUNT / SAMPLES
    end
"""
import hashlib
import json
import pathlib
import re

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
DTYPE = torch.float64

# --- networks -------------------------------------------------------------------------------------

CONVS = [(1, 1, 3, 64), (1, 2, 64, 64),
         (2, 1, 64, 128), (2, 2, 128, 128),
         (3, 1, 128, 256), (3, 2, 256, 256), (3, 3, 256, 256), (3, 4, 256, 256),
         (4, 1, 256, 512), (4, 2, 512, 512), (4, 3, 512, 512), (4, 4, 512, 512),
         (5, 1, 512, 512), (5, 2, 512, 512), (5, 3, 512, 512), (5, 4, 512, 512)]
MEAN = np.array([123.68, 116.779, 103.939], np.float32)
GOLDEN = np.uint64(0x9e3779b97f4a7c15)


def mix(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
    return x ^ (x >> np.uint64(31))


def random_kernel(conv):
    """[3][3][in][out]: each value a sum of the twelve 16-bit parts of three splitmix64 outputs."""
    _, _, cin, out = CONVS[conv]
    stream = mix(mix(np.array([GOLDEN])) + np.uint64(conv + 1) * GOLDEN)
    index = np.arange(9 * cin * out, dtype=np.uint64)
    total = np.zeros(index.size, np.int64)
    for word in (1, 2, 3):
        bits = mix(stream + (np.uint64(3) * index + np.uint64(word)) * GOLDEN)
        for shift in (0, 16, 32, 48):
            total += ((bits >> np.uint64(shift)) & np.uint64(0xffff)).astype(np.int64)
    scale = np.sqrt(np.float32(2) / np.float32(9 * cin)) / np.float32(65536)
    return ((total - 6 * 65535).astype(np.float32) * scale).reshape(3, 3, cin, out)


def check_digest(kernels):
    """As in tests/weights: over every layer's kernel and its bias of zeros."""
    text = (HERE.parent / "weights" / "test_random_filters.c").read_text()
    known = re.search(r'\{0, "([0-9a-f]{64})"\}', text).group(1)
    digest = hashlib.sha256()
    for kernel in kernels:
        digest.update(kernel.tobytes())
        digest.update(bytes(4 * kernel.shape[3]))
    if digest.hexdigest() != known:
        raise SystemExit(f"random weights: digest {digest.hexdigest()}, expected {known}")


def without_response_to_constants(kernel):
    """Every tap's mean over the input channels subtracted: a constant over the channels, such as
    the bias of the layer before, then adds nothing, at the borders neither."""
    exact = kernel.astype(np.float64)
    return (exact - exact.mean(axis=2, keepdims=True)).astype(np.float32)


def trained_layers():
    """Kernels [3][3][in][out] for RGB and biases of the trained network."""
    raw = (HERE.parent.parent / "weights" / "vgg19.safetensors").read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])

    def tensor(name):
        begin, end = header[name]["data_offsets"]
        kind = {"F16": "<f2", "F32": "<f4"}[header[name]["dtype"]]
        values = np.frombuffer(raw[start + begin:start + end], kind)
        return values.reshape(header[name]["shape"]).astype(np.float32)

    names = [f"conv{block}_{index}" for block, index, _, _ in CONVS]
    kernels = [tensor(f"{name}.weight").transpose(2, 3, 1, 0) for name in names]
    kernels[0] = kernels[0][:, :, ::-1]  # BGR there
    return kernels, [tensor(f"{name}.bias") for name in names]


def torch_kernel(kernel):
    """[out][in][3][3], a cross-correlation there, too."""
    return torch.tensor(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), dtype=DTYPE)


class Network:
    """biases: of each convolution one number, or one for every channel."""

    def __init__(self, kind, kernels, biases):
        self.kind = kind
        self.kernels = [torch_kernel(k) for k in kernels]
        self.biases = biases
        self.lowest = np.inf  # pre-activation met so far

    def layers(self, picture, pooling, last=15):
        """Name -> features [C][H][W] of picture [H][W][3], up to convolution `last`."""
        x = (picture - torch.tensor(MEAN.astype(np.float64))).permute(2, 0, 1)[None]
        found = {}
        for n, (block, index, _, out) in enumerate(CONVS[:last + 1]):
            bias = torch.tensor(np.broadcast_to(np.float64(self.biases[n]), out).copy())
            x = torch.nn.functional.conv2d(x, self.kernels[n], bias, padding=1)
            self.lowest = min(self.lowest, x.min().item())
            found[f"conv{block}_{index}"] = x[0]
            x = torch.relu(x)
            found[f"relu{block}_{index}"] = x[0]
            if n == 15 or CONVS[n + 1][0] != block:
                if min(x.shape[2:]) < 2:
                    break
                pool = torch.nn.functional.max_pool2d if pooling == "max" else \
                    torch.nn.functional.avg_pool2d
                x = pool(x, 2)
                found[f"pool{block}"] = x[0]
        return found


# --- pictures -------------------------------------------------------------------------------------

CELL = 8  # px between the lattice points of the coarse part


def splitmix(x):
    return mix(x + GOLDEN)


def lattice(seed, kind, row, column, channel):
    """A byte from five whole numbers."""
    key = (np.uint64(seed) << np.uint64(40)) + (np.uint64(kind) << np.uint64(36)) + \
        (row << np.uint64(20)) + (column << np.uint64(4)) + channel
    return splitmix(key) >> np.uint64(56)


def picture(seed, width, height):
    """[height][width][3] in 0..255, multiples of 1/256: 3/4 bilinear noise, 1/4 white noise."""
    i, j, c = np.meshgrid(*(np.arange(n, dtype=np.uint64) for n in (height, width, 3)),
                          indexing="ij")
    cell = np.uint64(CELL)
    coarse = np.zeros(i.shape, np.uint64)
    for down in (0, 1):
        for right in (0, 1):
            weight = (i % cell if down else cell - i % cell) * (j % cell if right else cell - j % cell)
            coarse += weight * lattice(seed, 0, i // cell + np.uint64(down),
                                       j // cell + np.uint64(right), c)
    fine = lattice(seed, 1, i, j, c)
    return (np.uint64(3) * coarse + np.uint64(64) * fine).astype(np.float64) / 256


CONTENT, STYLE, PICTURE = 1, 2, 3  # seeds

# --- losses ---------------------------------------------------------------------------------------

STYLE_LAYERS = ",".join(f"relu{b}_1" for b in range(1, 6))
# Weights of the three losses and the content layer that a case has unless it says otherwise; they
# stand in the file, so that a preset's defaults may change.
PRESETS = {
    "balanced": (.01, 1, .02, "relu4_2"),
    "keras": (.025, 1, 1, "relu5_2"),
    "gdl": (1, 100, 20, "relu5_2"),
    "gatys": (1, 1e3, 0, "relu4_2"),
    "johnson": (5, 100, 1e-3, "relu4_2"),
}
NAMES = ("content_weight", "style_weight", "tv_weight", "content_layers")


def content_term(preset, f, p):
    squares = ((f - p) ** 2).sum()
    return {"keras": squares, "gdl": squares, "gatys": squares / 2,
            "johnson": squares / f.numel(),
            "balanced": squares / (p ** 2).sum()}[preset]


def gram(f):
    flat = f.reshape(f.shape[0], -1)
    return flat @ flat.T / flat.shape[1]


def style_term(preset, f, a, pixels, layers):
    channels, positions = f.shape[0], f.shape[1] * f.shape[2]
    delta = gram(f) - a
    squares = (delta ** 2).sum()
    keras = positions ** 2 * squares / (4 * 3 ** 2 * pixels ** 2)
    return {"keras": keras, "gdl": keras, "gatys": squares / (4 * channels ** 2),
            "johnson": layers * ((delta / channels) ** 2).mean(),
            "balanced": squares / (a ** 2).sum()}[preset]


def tv_term(preset, x):
    corner = x[:-1, :-1]
    s = (x[:-1, 1:] - corner) ** 2 + (x[1:, :-1] - corner) ** 2
    if preset in ("keras", "gdl"):
        return (s ** 1.25).sum()
    return {"gatys": s.sum(), "johnson": s.sum() / 2, "balanced": s.mean() / 255 ** 2}[preset]


def layer_list(text):
    """[(name, weight)], weights adding up to 1."""
    items = [item.partition(":") for item in text.split(",")]
    weights = [float(weight) if colon else 1. for _, colon, weight in items]
    return [(item[0], w / sum(weights)) for item, w in zip(items, weights)]


def evaluate(network, size, style_size, given):
    """({name: weighted loss}, gradient [H][W][3])."""
    preset, pooling = given["preset"], given["pooling"]
    content_weight, style_weight, tv_weight = (float(given[name]) for name in NAMES[:3])
    content, style = (torch.tensor(picture(seed, *s)) for seed, s in
                      ((CONTENT, size), (STYLE, style_size)))
    x = torch.tensor(picture(PICTURE, *size), requires_grad=True)
    p, a, f = (network.layers(t, pooling) for t in (content, style, x))
    terms = {}
    if content_weight > 0:
        for name, w in layer_list(given["content_layers"]):
            terms[f"content_{name}"] = content_weight * w * content_term(preset, f[name], p[name])
    if style_weight > 0:
        layers = layer_list(given["style_layers"])
        for name, w in layers:
            terms[f"style_{name}"] = style_weight * w * style_term(
                preset, f[name], gram(a[name]), size[0] * size[1], len(layers))
    sums = {kind: sum(t for name, t in terms.items() if name.startswith(kind + "_"))
            for kind in ("content", "style")}
    sums["tv"] = tv_weight * tv_term(preset, x)
    sums["total"] = sums["content"] + sums["style"] + sums["tv"]
    sums["total"].backward()
    return {name: float(v) for name, v in {**terms, **sums}.items()}, x.grad.numpy()


# --- files ----------------------------------------------------------------------------------------


def write_wrapped(out, texts):
    line = ""
    for text in texts:
        if len(line) + len(text) > 99:
            out.write(line.rstrip() + "\n")
            line = ""
        line += text + " "
    out.write(line.rstrip() + "\n")


def write_gradient(out, gradient, digits):
    largest = np.abs(gradient).max()
    unit = float(f"{largest / 10 ** digits:.6e}") if largest > 0 else 1.
    out.write(f"gradient {gradient.size} {unit:.6e}\n")
    write_wrapped(out, (str(int(v)) for v in np.rint(gradient / unit).ravel()))


def write_case(out, network, label, size, style_size, given, digits=0):
    """digits: of the gradient's largest value; 0 leaves the gradient out."""
    given = {**dict(zip(NAMES, PRESETS[given["preset"]])), "style_layers": STYLE_LAYERS, **given}
    losses, gradient = evaluate(network, size, style_size, given)
    out.write(f"case {label}\nweights {network.kind}\n")
    for n, bias in enumerate(network.biases if network.kind == "smooth" else []):
        out.write(f"bias {n} {bias}\n")
    for name, value in given.items():
        out.write(f"set {name} {value}\n")
    out.write(f"picture {size[0]} {size[1]}\nstyle {style_size[0]} {style_size[1]}\n")
    for name, value in losses.items():
        out.write(f"loss {name} {value:.12e}\n")
    out.write(f"loss gradient_norm {np.sqrt((gradient ** 2).sum()):.12e}\n")
    if digits:
        write_gradient(out, gradient, digits)
    out.write("end\n")


def write_features(out, network, pooling, size, samples=24):
    out.write(f"case features_{pooling}\nweights random\nset pooling {pooling}\n"
              f"picture {size[0]} {size[1]}\nstyle {size[0]} {size[1]}\n")
    for name, f in network.layers(torch.tensor(picture(PICTURE, *size)), pooling).items():
        flat = f.permute(1, 2, 0).reshape(-1).numpy()
        count = flat.size
        out.write(f"layer {name} {count} {np.sqrt((flat ** 2).sum()):.9e} {samples}\n")
        write_wrapped(out, (f"{flat[k * count // samples]:.6e}" for k in range(samples)))
    out.write("end\n")


def write_preset(out, network, preset):
    for pooling in ("max", "avg"):
        given = {"preset": preset, "pooling": pooling}
        label = f"{preset}_{pooling}"
        write_case(out, network, f"{label}_37x29", (37, 29), (41, 33), given, 4)
        write_case(out, network, f"{label}_16x16", (16, 16), (19, 16), given, 4)
        write_case(out, network, f"{label}_50x17", (50, 17), (29, 38), given)


def write_trained(out):
    """Each preset as it is used, on the network it is used with."""
    network = Network("trained", *trained_layers())
    for preset in PRESETS:
        pooling = "avg" if preset in ("balanced", "gatys") else "max"
        write_case(out, network, f"trained_{preset}", (37, 29), (41, 33),
                   {"preset": preset, "pooling": pooling}, 4)


VARIANTS = {
    "before_relu_deepest": ("balanced", "avg", dict(content_layers="conv3_2",
                                                    style_layers="relu1_1,relu2_1")),
    "before_relu_between": ("balanced", "max", dict(content_layers="conv3_2,relu3_2",
                                                    style_layers="conv1_1,relu4_1")),
    "pools_max": ("gatys", "max", dict(content_layers="pool3", style_layers="pool1,pool2")),
    "pools_avg": ("johnson", "avg", dict(content_layers="pool4", style_layers="relu1_2,pool1")),
    "layer_weights": ("johnson", "max", dict(style_layers="relu1_1:0.2,relu3_1:0.8")),
    "several_contents": ("keras", "avg", dict(content_layers="relu2_2:1,relu3_1:2,relu4_2:5",
                                              style_layers="relu3_1")),
    "no_content": ("balanced", "avg", dict(content_weight=0, style_layers="relu2_1")),
    "no_style": ("gdl", "max", dict(style_weight=0, content_layers="relu2_1")),
    "no_tv": ("keras", "max", dict(tv_weight=0, content_layers="relu2_1", style_layers="relu1_2")),
    "only_tv": ("keras", "max", dict(content_weight=0, style_weight=0)),
    "gatys_tv": ("gatys", "avg", dict(tv_weight=0.5, content_weight=0, style_weight=0)),
    "pool5": ("balanced", "max", dict(content_layers="pool5", style_layers="relu5_4")),
}


def write_variants(out, network):
    for label, (preset, pooling, more) in VARIANTS.items():
        size = (35, 33) if label == "pool5" else (21, 18)
        digits = 0 if label == "pool5" else 4
        write_case(out, network, label, size, (19, 23) if digits else (33, 40),
                   {"preset": preset, "pooling": pooling, **more}, digits)


# Enough to keep every sum above 0 in the three pictures at the sizes below; not much more, or
# float32 loses the picture beside them.
SMOOTH_BIASES = [340, 500, 540, 800, 850, 1000, 1550, 2150, 2050, 2250, 2800, 3500, 1600, 1400, 1150,
                 1100]


def write_smooth(out, kernels):
    network = Network("smooth", [without_response_to_constants(k) for k in kernels],
                      SMOOTH_BIASES)
    given = {"preset": "balanced", "pooling": "avg"}
    write_case(out, network, "smooth_balanced", (37, 29), (41, 33), given, 6)
    small = (21, 18), (19, 23)
    write_case(out, network, "smooth_keras", *small, {**given, "preset": "keras"}, 6)
    # One loss by itself, so that the other's larger gradient does not hide it.
    write_case(out, network, "smooth_content", *small,
               {**given, "preset": "gatys", "style_weight": 0, "tv_weight": 0,
                "content_layers": "relu1_1:1,conv2_2:2,pool2:1,relu4_2:9"}, 6)
    write_case(out, network, "smooth_style", *small,
               {**given, "preset": "johnson", "content_weight": 0, "tv_weight": 0,
                "style_layers": "relu1_1:1,pool1:2,conv3_1:1,relu4_1:1"}, 6)
    if not network.lowest > 0:
        raise SystemExit(f"the smooth network has a kink: {network.lowest}")


def main():
    torch.set_num_threads(1)
    np.seterr(over="ignore")
    kernels = [random_kernel(n) for n in range(16)]
    check_digest(kernels)
    network = Network("random", kernels, [0] * 16)
    jobs = {preset: lambda out, p=preset: write_preset(out, network, p) for preset in PRESETS}
    jobs["variants"] = lambda out: write_variants(out, network)
    jobs["features"] = lambda out: [write_features(out, network, pooling, (37, 35))
                                    for pooling in ("max", "avg")]
    jobs["trained"] = write_trained
    jobs["smooth"] = lambda out: write_smooth(out, kernels)
    for name, write in jobs.items():
        with open(HERE / f"{name}.txt", "w", encoding="ascii") as out:
            write(out)
        print(f"{name}.txt")


if __name__ == "__main__":
    main()
