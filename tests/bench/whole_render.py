#!/usr/bin/python3
"""A whole render of the keras preset at 256 x 256: atelier render beside a PyTorch program (torch_render.py), each a
process that reads the same pictures and weights, captures targets, optimises, and writes picture and history.

They take turns, on all processors, and make the same number of evaluations; PyTorch's memory layout is the one that is
faster in a short trial. Both start at the content image, so their first losses must agree. Prints the ratio of the
times, and of the processor seconds, which bears other work on the machine.

usage: whole_render.py ATELIER [--evaluations N] [--rounds R] [--precision bf16|f32] [--line-search S] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import h5py
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = HERE.parent / "samples"
SIDE, MAXFUN, TRIAL = 256, 20, 4
LIMITS = {"f32": 1e-3, "bf16": 0.03}  # of how far the first losses may be apart


def cut_square(name, path):
    """The middle of a sample picture."""
    picture = Image.open(SAMPLES / name).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.LANCZOS).save(path)


def run(words, folder):
    """Wall seconds, processor seconds, peak bytes."""
    start = time.monotonic()
    process = subprocess.Popen([str(w) for w in words], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{words[0]} ended with {process.returncode}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


class Race:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        cut_square("harbour.jpg", folder / "content.png")
        cut_square("swirls.jpg", folder / "style.png")
        self.torch("--make-weights", "vgg19.pth")
        trials = {layout: self.pytorch(TRIAL, layout)[0] for layout in ("contiguous", "channels-last")}
        self.layout = min(trials, key=trials.get)

    def torch(self, *words):
        return run([sys.executable, HERE / "torch_render.py", *words], self.folder)

    def pytorch(self, evaluations, layout):
        return self.torch("content.png", "style.png", "vgg19.pth", "theirs.png", "theirs.h5",
                          "--evaluations", evaluations, "--layout", layout, "--precision", self.options.precision,
                          "--line-search", self.options.line_search)

    def atelier(self):
        options = self.options
        return run([os.path.abspath(options.program), "render", "--content=content.png", "--style=style.png",
                    "--weights=vgg19.pth", "--weights-convention=caffe", "--preset=keras", f"--size={SIDE}",
                    f"--precision={options.precision}", f"--iterations={round(options.evaluations / MAXFUN)}",
                    f"--maxfun={MAXFUN - 1}", "--output=ours.png", "--fresh", "--quiet"], self.folder)

    def round(self):
        """Ours first: it ends at an accepted step, and theirs then makes as many evaluations."""
        ours = self.atelier()
        with h5py.File(self.folder / "ours.h5") as file:
            losses, evaluations = file["history/total"][:], int(file.attrs["evaluations"])
        theirs = self.pytorch(evaluations, self.layout)
        with h5py.File(self.folder / "theirs.h5") as file:
            totals = file["total"][:]
        apart = abs(totals[0] / losses[0] - 1)
        if not (apart <= LIMITS[self.options.precision] and len(totals) == evaluations):
            raise SystemExit(f"not the same work: first losses {losses[0]:g} and {totals[0]:g}, "
                             f"{evaluations} and {len(totals)} evaluations")
        return {"evaluations": evaluations, "atelier": ours, "pytorch": theirs,
                "ratio": theirs[0] / ours[0], "processor_ratio": theirs[1] / ours[1],
                "loss_fell": (losses[0] / losses.min(), totals[0] / totals.min())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="bf16")
    parser.add_argument("--line-search", choices=("strong_wolfe", "none"), default="strong_wolfe")
    parser.add_argument("--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        race = Race(options, pathlib.Path(folder))
        print(f"{SIDE} x {SIDE}, {options.precision}, PyTorch {race.layout}, line search {options.line_search}")
        print("evaluations   atelier    PyTorch   times faster   by processor seconds   loss fell   memory")
        rounds = []
        for _ in range(options.rounds):
            row = race.round()
            rounds.append(row)
            ours, theirs = row["atelier"], row["pytorch"]
            print(f"{row['evaluations']:11} {ours[0]:7.1f} s {theirs[0]:8.1f} s {row['ratio']:14.2f}"
                  f" {row['processor_ratio']:22.2f}   {row['loss_fell'][0]:.3g}, {row['loss_fell'][1]:.3g} times"
                  f"   {ours[2] / 1e6:.0f}, {theirs[2] / 1e6:.0f} MB", flush=True)
    print(f"median: {statistics.median(r['ratio'] for r in rounds):.2f} times faster, "
          f"{statistics.median(r['processor_ratio'] for r in rounds):.2f} by processor seconds")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"layout": race.layout, "rounds": rounds}, file, indent=1)


if __name__ == "__main__":
    main()
