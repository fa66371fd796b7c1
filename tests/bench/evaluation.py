#!/usr/bin/python3
"""One evaluation of the keras preset, loss and gradient, in float32 and in bfloat16: atelier beside
PyTorch (autocast for bfloat16).

Both run in one go, taking turns, on all processors; PyTorch's best memory layout counts. What is
printed are ratios: absolute times on shared machines mean little. The second ratio is of processor
seconds, both programs' threads together: it bears other work on the machine.

usage: evaluation.py BENCH_EVALUATION [--rounds N] [--sizes 128x96,...] [--precision f32|bf16] [--json FILE]
"""
import argparse
import itertools
import json
import os
import subprocess
import sys
import time

SIZES = ((128, 96), (256, 192), (512, 384), (512, 512))
MEMORY_SIZES = ((512, 512), (1024, 1024))
BLOCKS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512, 512))
PAUSE, TURN = 0.05, 0.5  # seconds; of the slower runner
STYLE_CONVS = (0, 2, 4, 8, 12)


def make_torch():
    """PyTorch, on all processors. Debian's takes whatever BLAS is there, if need be the reference one: no rival."""
    import torch

    with open("/proc/self/maps") as maps:
        mapped = {line.split()[-1] for line in maps if "blas" in line}
    if any(os.path.basename(path).startswith("libblas.so") and "/openblas" not in path for path in mapped):
        raise SystemExit(f"PyTorch runs on a slow BLAS here ({sorted(mapped)}): install libopenblas0-openmp")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return torch


class Network:
    """VGG-19 to block5_conv2 with the keras preset's losses, in plain PyTorch."""

    def __init__(self, torch, width, height, channels_last, half=False):
        self.torch = torch
        self.half = half
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        torch.manual_seed(0)
        self.kernels, self.biases, before = [], [], 3
        for block in BLOCKS:
            for channels in block:
                kernel = torch.randn(channels, before, 3, 3) * (2 / (9 * before)) ** 0.5
                self.kernels.append(kernel.contiguous(memory_format=self.layout))
                self.biases.append(torch.zeros(channels))
                before = channels
        self.pixels = width * height
        self.picture = self.make(width, height)
        with torch.no_grad():
            self.content, self.grams = self.targets(self.make(width, height) * 0.9)

    def make(self, width, height):
        picture = self.torch.rand(1, 3, height, width) * 255 - 120
        return picture.contiguous(memory_format=self.layout)

    def features(self, x):
        functional = self.torch.nn.functional
        styles, conv = [], 0
        for number, block in enumerate(BLOCKS):
            for _ in block:
                x = functional.conv2d(x, self.kernels[conv], self.biases[conv], padding=1)
                x = functional.relu(x)
                if conv in STYLE_CONVS:
                    styles.append(x)
                conv += 1
            if number + 1 < len(BLOCKS):
                x = functional.max_pool2d(x, 2)
        return x, styles

    @staticmethod
    def gram(x):
        flat = x.flatten(2)[0]
        return flat @ flat.t()

    def targets(self, x):
        content, styles = self.features(x)
        return content, [self.gram(s) for s in styles]

    def evaluate(self):
        with self.torch.autocast("cpu", dtype=self.torch.bfloat16, enabled=self.half):
            return self.loss_gradient()

    def loss_gradient(self):
        x = self.picture.detach().requires_grad_(True)
        content, styles = self.features(x)
        loss = 0.025 * ((content - self.content) ** 2).sum()
        for style, target in zip(styles, self.grams):
            loss = loss + ((self.gram(style) - target) ** 2).sum() / (5 * 36 * self.pixels ** 2)
        dx = x[:, :, :-1, 1:] - x[:, :, :-1, :-1]
        dy = x[:, :, 1:, :-1] - x[:, :, :-1, :-1]
        loss = loss + ((dx * dx + dy * dy + 1e-12) ** 1.25).sum()
        (gradient,) = self.torch.autograd.grad(loss, x)
        return loss, gradient


class Atelier:
    def __init__(self, program, width, height, half):
        words = [program, str(width), str(height)] + ["bf16"] * half
        self.process = subprocess.Popen(words, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={"GOMP_SPINCOUNT": "20000", **os.environ})

    def evaluate(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        words = self.process.stdout.readline().split()
        stages = {words[i]: float(words[i + 1]) for i in range(2, len(words), 2)}
        return (float(words[0]), float(words[1])), stages

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def timed(function):
    start = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def turn(function, count):
    """Evaluations one after the other, as in a render; the other runner's threads have stopped spinning before."""
    time.sleep(PAUSE)
    return [function() for _ in range(count)]


def compare(torch, program, width, height, half, rounds):
    ours = Atelier(program, width, height, half)
    theirs = {name: Network(torch, width, height, name == "channels last", half)
              for name in ("contiguous", "channels last")}
    times = {name: [] for name in theirs}
    mine, stages = [], []
    ours.evaluate()
    slowest = max(timed(network.evaluate)[0] for network in theirs.values())
    count = max(1, round(TURN / slowest))
    for _ in range(rounds):
        for seconds, parts in turn(ours.evaluate, count):
            mine.append(seconds)
            stages.append(parts)
        for name, network in theirs.items():
            times[name] += turn(lambda: timed(network.evaluate), count)
    ours.close()
    best = min(range(len(mine)), key=lambda i: mine[i])
    layout = min(times, key=lambda name: min(times[name]))
    wall = min(times[layout])[0]
    processor = min(t[1] for all_times in times.values() for t in all_times)
    return {"width": width, "height": height, "precision": "bf16" if half else "f32",
            "atelier_s": mine[best][0], "stages_s": stages[best], "pytorch_s": wall,
            "pytorch_layout": layout, "ratio": wall / mine[best][0],
            "processor_ratio": processor / min(t[1] for t in mine)}


def peak_of_torch(width, height, channels_last):
    code = (f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})\n"
            "import evaluation\n"
            f"n = evaluation.Network(evaluation.make_torch(), {width}, {height}, {channels_last})\n"
            "n.evaluate()\n"
            "print([l for l in open('/proc/self/status') if l.startswith('VmHWM')][0].split()[1])")
    return 1024 * int(subprocess.check_output([sys.executable, "-c", code], text=True))


def compare_memory(program, width, height):
    ours = int(subprocess.check_output([program, str(width), str(height), "memory"], text=True))
    theirs = min(peak_of_torch(width, height, last) for last in (False, True))
    return {"width": width, "height": height, "atelier_bytes": ours, "pytorch_bytes": theirs,
            "ratio": ours / theirs}


def sizes(text):
    return [tuple(int(side) for side in size.split("x")) for size in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=sizes, default=SIZES)
    parser.add_argument("--precision", choices=("f32", "bf16"))
    parser.add_argument("--json")
    options = parser.parse_args()
    precisions = [options.precision] if options.precision else ["f32", "bf16"]
    torch = make_torch()
    results = {"torch": torch.__version__, "threads": torch.get_num_threads(), "time": [],
               "memory": []}
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads each")
    print("one evaluation        atelier   PyTorch   times faster   by processor seconds")
    for (width, height), precision in itertools.product(options.sizes, precisions):
        row = compare(torch, options.program, width, height, precision == "bf16", options.rounds)
        results["time"].append(row)
        print(f"{width:5} x {height:<5} {row['precision']:4} {row['atelier_s']:8.3f} s"
              f" {row['pytorch_s']:7.3f} s {row['ratio']:8.2f} {row['processor_ratio']:16.2f}"
              f"   ({row['pytorch_layout']})")
        total = sum(row["stages_s"].values())
        print("    " + "  ".join(f"{name} {100 * seconds / total:.0f}%"
                                 for name, seconds in row["stages_s"].items()))
    print("peak memory      atelier   PyTorch   ratio")
    for width, height in MEMORY_SIZES:
        row = compare_memory(options.program, width, height)
        results["memory"].append(row)
        print(f"{width:5} x {height:<5} {row['atelier_bytes'] / 1e6:9.0f} MB"
              f" {row['pytorch_bytes'] / 1e6:6.0f} MB {row['ratio']:6.2f}")
    steps = subprocess.check_output([options.program, "512", "512", "steps"], text=True)
    print("L-BFGS, 512 x 512: " + steps.strip())
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
