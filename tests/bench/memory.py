#!/usr/bin/python3
"""How close the memory that a plan names is to what a render takes.

    tests/bench/memory.py [--sizes 128,256,512] [--precisions f32,bf16,auto] [--threads 1,2] [PROGRAM]

Renders square pictures in the keras preset with a checkpoint after every evaluation, and compares the
plan's bytes with the process's largest resident size. Ends with 1 if one is off by more than 10 %.
Sizes up to 2048 take minutes and some gigabytes.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cmd"))
from atelier import make_picture  # noqa: E402

LIMIT = 0.10


def settings(size, precision, evaluations):
    """auto hands over at an outer iteration's end, so it takes two, and where the loss hardly falls,
    as it does where every move away from the content costs more than it gains."""
    held = {"content_weight": 1e9} if precision == "auto" else {}
    return {**held, "preset": "keras", "size": size, "precision": precision, "tolerance": 0,
            "iterations": 2 if precision == "auto" else 1, "maxfun": evaluations}


def predicted(program, folder, row, threads):
    names = sorted(row)
    (folder / "jobs.csv").write_text(",".join(["content", "style", *names]) + "\ncontent.png,style.png,"
                                     + ",".join(str(row[name]) for name in names) + "\n")
    done = subprocess.run([program, "plan", "jobs.csv", "--output", "store", "--json", "--workers", "1", "--threads",
                           str(threads)], cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["list"][0]["bytes"]


def measured(program, folder, row, threads):
    words = [program, "render", "--content", "content.png", "--style", "style.png", "--output", "out.png", "--fresh",
             "--quiet", "--checkpoint-seconds", "0", "--threads", str(threads)]
    subprocess.run(words + [f"--{name}={value}" for name, value in row.items()], cwd=folder, check=True)
    import h5py
    with h5py.File(folder / "out.h5") as file:
        return int(file.attrs["peak_memory_bytes"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", nargs="?", default=ROOT / "build/release/atelier")
    parser.add_argument("--sizes", default="128,256,512")
    parser.add_argument("--precisions", default="f32,bf16,auto")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--evaluations", type=int, default=2)
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as name:
        folder = pathlib.Path(name)
        make_picture(folder / "content.png", 512, 512, seed=1)
        make_picture(folder / "style.png", 512, 512, seed=2)
        print(f"{'threads':>7} {'precision':>9} {'size':>5} {'plan':>8} {'peak':>8} {'error':>7}")
        for threads in map(int, options.threads.split(",")):
            for precision in options.precisions.split(","):
                for size in map(int, options.sizes.split(",")):
                    row = settings(size, precision, options.evaluations)
                    plan, peak = predicted(program, folder, row, threads), measured(program, folder, row, threads)
                    error = plan / peak - 1
                    worst = max(worst, abs(error))
                    print(f"{threads:7} {precision:>9} {size:5} {plan / 1e6:5.0f} MB {peak / 1e6:5.0f} MB "
                          f"{100 * error:+6.1f}%", flush=True)
    print(f"largest error {100 * worst:.1f} %  (limit {100 * LIMIT:.0f} %)")
    sys.exit(not worst <= LIMIT)


if __name__ == "__main__":
    main()
