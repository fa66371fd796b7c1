#!/usr/bin/python3
"""Trains VGG-19's convolutions to tell the classes of a pack apart.

Writes into RUN: checkpoint.npz, from which the same command goes on; network.npz, the trained
network for export.py; training.json, how it went. Without arguments it is what made the built-in
network. SIGINT, SIGTERM and SIGUSR1 end it after the step at hand with exit code 75.
"""
import argparse
import hashlib
import json
import math
import os
import pathlib
import signal
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from arguments import between, whole
from augment import augment
from files import INTERRUPTED, Trouble, prove_writable, replacing, run
from network import NARROWEST, SCALE, Network, centred
from pack import Pack
from tensors import read_tensors, write_tensors

WARM_UP = 400            # steps in which the rate rises; at most a tenth of all
STATISTICS_BATCHES = 40  # from which the normalisation's statistics are taken at the end
TESTED_AT_ONCE = 500


# --- arguments ---

def schedule(text):
    """'64,96@0.63': 64 pixels, from 0.63 of the steps on 96 -> [[0, 64], [0.63, 96]]"""
    sizes = []
    for piece in text.split(","):
        size, _, start = piece.partition("@")
        sizes.append([float(start or 0), int(size)])
    starts = [start for start, _ in sizes]
    if starts[0] != 0 or starts != sorted(set(starts)) or not starts[-1] < 1:
        raise argparse.ArgumentTypeError(f"must start at 0 and rise to less than 1, got '{text}'")
    if min(size for _, size in sizes) < 16:
        raise argparse.ArgumentTypeError(f"sizes must be at least 16 (four poolings), got '{text}'")
    return sizes


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pack", type=pathlib.Path, metavar="PACK", help="what pack.py wrote")
    parser.add_argument("run", type=pathlib.Path, metavar="RUN", help="a folder for what is made")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=whole(1), default=13500,
                        help="of one batch each (%(default)s)")
    length.add_argument("--epochs", type=between(0, math.inf),
                        help="instead of --steps: passes over the pictures")
    parser.add_argument("--batch", type=whole(2), default=512,
                        help="pictures in a step (%(default)s)")
    parser.add_argument("--rate", type=between(0, math.inf),
                        help="highest learning rate (0.15 x batch / 512)")
    parser.add_argument("--sizes", type=schedule, default="64,96@0.63,128@0.94",
                        help="of pictures in pixels, from which part of the steps on (%(default)s)")
    parser.add_argument("--narrow", type=whole(1, NARROWEST // 2), default=1,
                        help="divides the channels of every layer: for trials (1)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of every random draw (0)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=whole(1), default=len(os.sched_getaffinity(0)),
                        help="on the CPU (all it may use: %(default)s)")
    parser.add_argument("--report-every", type=whole(1), default=50, metavar="STEPS")
    parser.add_argument("--checkpoint-every", type=whole(1), default=500, metavar="STEPS")
    parser.add_argument("--pause-at", type=whole(1), metavar="STEP",
                        help="end there with a checkpoint, to be gone on with")
    parser.add_argument("--fresh", action="store_true", help="start over, whatever RUN holds")
    given = parser.parse_args(argv)
    if NARROWEST % given.narrow:
        parser.error(f"--narrow must divide {NARROWEST}, got {given.narrow}")
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch finds no GPU here")
    if given.device == "auto":
        given.device = "cuda" if torch.cuda.is_available() else "cpu"
    return given


def settings_of(given, pack):
    """All that decides what comes out, as it is compared when a checkpoint is gone on with."""
    steps = given.steps
    if given.epochs is not None:
        steps = max(1, round(given.epochs * int((~pack.held_out).sum()) / given.batch))
    rate = .15 * given.batch / 512 if given.rate is None else given.rate
    return {"pack": pack.digest, "classes": len(pack.classes), "steps": steps, "batch": given.batch,
            "rate": rate, "sizes": given.sizes, "narrow": given.narrow, "seed": given.seed}


# --- learning ---

def start_draws(seed, what, number=0):
    """Step n draws from the seed and n alone: nothing needs to be remembered to go on with it."""
    digest = hashlib.sha256(f"{seed} {what} {number}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:4], "little"))


class Training:
    """A network on its way: `step` steps are done."""

    def __init__(self, settings, device):
        self.settings, self.device = settings, device
        self.step, self.seconds, self.history = 0, 0., []
        start_draws(settings["seed"], "start")
        self.network = Network(settings["classes"], settings["narrow"]).to(
            device, memory_format=torch.channels_last)
        kernels = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.SGD(
            [{"params": kernels, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0}],
            lr=settings["rate"], momentum=.9, nesterov=True)

    def scores(self, x):
        """On a GPU in bfloat16, which has the range of float32."""
        x = (x / SCALE).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            return self.network(x).float()

    def size(self, step):
        done = step / self.settings["steps"]
        return [size for start, size in self.settings["sizes"] if start <= done][-1]

    def rate(self):
        steps = self.settings["steps"]
        warm = min(1, (self.step + 1) / min(WARM_UP, max(1, steps // 10)))
        cosine = .5 * (1 + math.cos(math.pi * self.step / steps))
        return self.settings["rate"] * warm * (cosine + 1e-3)

    def advance(self, pictures, labels):
        """One step. -> loss and the part that was right, tensors of no dimension."""
        start_draws(self.settings["seed"], "step", self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        some = torch.randint(len(pictures), (self.settings["batch"],), device=self.device)
        scores = self.scores(augment(pictures[some], self.size(self.step)))
        loss = F.cross_entropy(scores, labels[some], label_smoothing=.1)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.)
        self.optimizer.step()
        self.step += 1
        return loss.detach(), (scores.detach().argmax(1) == labels[some]).float().mean()

    @torch.no_grad()
    def settle(self, pictures):
        """Takes the normalisation's statistics again, from pictures more like those to come."""
        self.network.train()
        self.network.drop.eval()
        for norm in self.network.norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean of all batches
        for batch in range(STATISTICS_BATCHES):
            start_draws(self.settings["seed"], "statistics", batch)
            some = torch.randint(len(pictures), (self.settings["batch"],), device=self.device)
            self.scores(augment(pictures[some], self.size(self.step), strong=False))
        self.network.eval()

    @torch.no_grad()
    def right(self, pictures, labels, size):
        """The part of the pictures, resized, whose class is recognised."""
        hits = 0
        for x, y in zip(pictures.split(TESTED_AT_ONCE), labels.split(TESTED_AT_ONCE)):
            x = F.interpolate(centred(x), (size, size), mode="bilinear", align_corners=False)
            hits += int((self.scores(x).argmax(1) == y).sum())
        return hits / len(pictures)


# --- the checkpoint ---

def save(training, path):
    """All that going on needs."""
    notes = {"settings": training.settings, "step": training.step, "seconds": training.seconds,
             "history": training.history}
    momentum = {name: training.optimizer.state[parameter]["momentum_buffer"]
                for name, parameter in training.network.named_parameters()}
    write_tensors(path, notes, network=training.network.state_dict(), momentum=momentum)


def restore(training, path):
    notes, tensors = read_tensors(path)
    if not {"settings", "step", "seconds", "history"} <= notes.keys():
        raise Trouble(f"'{path}' is not a checkpoint of train.py: --fresh starts over")
    for name, now in training.settings.items():
        before = notes["settings"].get(name)
        if before != now:
            raise Trouble(f"'{path}' was made with another {name}: {before}, now {now}; --fresh "
                          f"starts over")
    training.network.load_state_dict(tensors["network"])
    for name, parameter in training.network.named_parameters():
        buffer = torch.empty_like(parameter).copy_(tensors["momentum"][name])
        training.optimizer.state[parameter]["momentum_buffer"] = buffer
    training.step, training.seconds = notes["step"], notes["seconds"]
    training.history = notes["history"]


# --- the command ---

def tell(text):
    print(text, file=sys.stderr, flush=True)


class Stop:
    """Whether a signal asked to end."""

    def __init__(self):
        self.asked = False
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(name, self.ask)

    def ask(self, *_):
        self.asked = True


def report(training, loss, right):
    """Notes and tells how far it is. Raises Trouble when the loss is no number any more."""
    row = [training.step, training.size(training.step - 1), float(loss), float(right)]
    if not math.isfinite(row[2]):
        raise Trouble(f"the loss is not finite at step {training.step}: a lower --rate may help "
                      f"(--fresh starts over)")
    training.history.append(row)
    tell(f"step {row[0]} of {training.settings['steps']}, {row[1]} px, loss {row[2]:.3f}, "
         f"{100 * row[3]:.1f} % right, {training.seconds:.0f} s")


def learn(training, pictures, labels, given, checkpoint):
    """Goes on to the end, to --pause-at or to a signal, and leaves a checkpoint. -> all done"""
    stop, steps = Stop(), training.settings["steps"]
    last = min(steps, given.pause_at or steps)
    while training.step < last and not stop.asked:
        started = time.monotonic()
        loss, right = training.advance(pictures, labels)
        training.seconds += time.monotonic() - started
        due = training.step % given.checkpoint_every == 0
        ends = training.step >= last or stop.asked
        if training.step % given.report_every == 0 or due or ends:
            report(training, loss, right)
        if due or ends:
            save(training, checkpoint)
    return training.step == steps


def finish(training, pack, run_folder, learned, held_out):
    """Writes the trained network and how it was made."""
    training.settle(learned[0])
    sizes = sorted({size for _, size in training.settings["sizes"]})
    facts = {"source": pack.source, "classes": len(pack.classes), "pictures": len(learned[0]),
             "held_out": len(held_out[0]), "side": pack.side,
             "epochs": training.step * training.settings["batch"] / len(learned[0]),
             "right": {str(size): training.right(*held_out, size) for size in sizes},
             "seconds": training.seconds, "settings": training.settings}
    write_tensors(run_folder / "network.npz", {"facts": facts},
                  network=training.network.state_dict())
    with replacing(run_folder / "training.json") as file:
        columns = ["step", "size", "loss", "right"]
        file.write(json.dumps({**facts, "columns": columns, "history": training.history},
                              indent=1).encode())
    told = ", ".join(f"{100 * right:.1f} % at {size} px" for size, right in facts["right"].items())
    tell(f"{run_folder}/network.npz: of {facts['held_out']} held-out pictures right: {told}")


def main(argv=None):
    given = parse(argv)
    pack = Pack(given.pack)
    settings = settings_of(given, pack)
    given.run.mkdir(parents=True, exist_ok=True)
    checkpoint = given.run / "checkpoint.npz"
    prove_writable(checkpoint)
    torch.set_num_threads(given.threads)
    torch.backends.cudnn.benchmark = True
    training = Training(settings, given.device)
    if checkpoint.exists() and not given.fresh:
        restore(training, checkpoint)
        tell(f"going on from step {training.step} of {settings['steps']}")
    pictures = torch.from_numpy(pack.pictures).permute(0, 3, 1, 2).contiguous().to(given.device)
    labels = torch.from_numpy(pack.labels).to(given.device)
    held = torch.from_numpy(pack.held_out).to(given.device)
    learned, held_out = (pictures[~held], labels[~held]), (pictures[held], labels[held])
    del pictures
    if not learn(training, *learned, given, checkpoint):
        tell(f"stopped after step {training.step} of {settings['steps']}: the same command goes on")
        return INTERRUPTED
    finish(training, pack, given.run, learned, held_out)
    return 0


if __name__ == "__main__":
    run(main)
