#!/usr/bin/python3
"""A whole style transfer in PyTorch, as one would write it: the keras preset's losses, torch.optim.LBFGS, files read and
written. The other runner in whole_render.py's race.

usage: torch_render.py CONTENT STYLE WEIGHTS.pth OUTPUT.png HISTORY.h5 --evaluations N [--layout L] [--line-search S]
       torch_render.py --make-weights WEIGHTS.pth
"""
import argparse

import h5py
import numpy as np
from PIL import Image

from evaluation import BLOCKS, Network, make_torch

PLACES = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30]  # of torchvision's features, to block5_conv2
MEAN = (103.939, 116.779, 123.68)  # BGR: the convention of Caffe's weights
LAYOUTS = {"contiguous": False, "channels-last": True}
LINE_SEARCHES = {"strong_wolfe": "strong_wolfe", "none": None}


class Enough(Exception):
    """All evaluations are spent."""


class Render(Network):
    """The losses between two picture files, with the kernels of a weight file."""

    def __init__(self, torch, options):
        self.torch = torch
        self.half = options.precision == "bf16"
        last = LAYOUTS[options.layout]
        self.layout = torch.channels_last if last else torch.contiguous_format
        state = torch.load(options.weights)
        self.kernels = [state[f"features.{n}.weight"].contiguous(memory_format=self.layout) for n in PLACES]
        self.biases = [state[f"features.{n}.bias"] for n in PLACES]
        self.picture = self.read(options.content)
        self.pixels = self.picture.shape[2] * self.picture.shape[3]
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.half):
            self.content = self.targets(self.picture)[0]
            self.grams = self.targets(self.read(options.style))[1]
        self.losses = []

    def read(self, path):
        rgb = np.asarray(Image.open(path).convert("RGB"), np.float32)
        bgr = rgb[:, :, ::-1] - np.array(MEAN, np.float32)
        picture = self.torch.from_numpy(bgr.transpose(2, 0, 1)[None].copy())
        return picture.contiguous(memory_format=self.layout)

    def write(self, path):
        bgr = self.picture.detach()[0].permute(1, 2, 0).contiguous().numpy() + np.array(MEAN, np.float32)
        Image.fromarray(np.clip(np.rint(bgr[:, :, ::-1]), 0, 255).astype(np.uint8)).save(path)

    def closure(self, budget):
        def evaluate():
            if len(self.losses) == budget:
                raise Enough
            loss, self.picture.grad = self.evaluate()
            self.losses.append(float(loss))
            return loss
        return evaluate

    def optimise(self, budget, line_search):
        """torch.optim.LBFGS, restarted after every 20 evaluations or so, as the preset asks."""
        self.picture.requires_grad_(True)
        while True:
            optimizer = self.torch.optim.LBFGS([self.picture], max_iter=20, max_eval=20, history_size=10,
                                               tolerance_grad=0, tolerance_change=0, line_search_fn=line_search)
            try:
                optimizer.step(self.closure(budget))
            except Enough:
                return


def make_weights(torch, path):
    """Kernels after He et al., in the names and shapes of torchvision's file, all 16 of them."""
    torch.manual_seed(0)
    state, before, place = {}, 3, 0
    for block in (*BLOCKS[:4], (512,) * 4):
        for channels in block:
            state[f"features.{place}.weight"] = torch.randn(channels, before, 3, 3) * (2 / (9 * before)) ** .5
            state[f"features.{place}.bias"] = torch.zeros(channels)
            before, place = channels, place + 2
        place += 1
    torch.save(state, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make-weights", metavar="FILE")
    for name in ("content", "style", "weights", "picture", "history"):
        parser.add_argument(name, nargs="?")
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--layout", choices=LAYOUTS, default="channels-last")
    parser.add_argument("--line-search", choices=LINE_SEARCHES, default="strong_wolfe")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="bf16")
    options = parser.parse_args()
    torch = make_torch()
    if options.make_weights:
        return make_weights(torch, options.make_weights)
    render = Render(torch, options)
    render.optimise(options.evaluations, LINE_SEARCHES[options.line_search])
    render.write(options.picture)
    with h5py.File(options.history, "w") as file:
        file["total"] = render.losses
    return 0


if __name__ == "__main__":
    main()
