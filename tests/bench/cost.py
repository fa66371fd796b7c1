#!/usr/bin/python3
"""How good atelier plan is: calibrates and renders a mixed sweep in turns, and compares.

    tests/bench/cost.py [--rounds N] [--threads T] [--precision f32,bf16] [PROGRAM]

Each round measures the machine afresh and renders every job once, one by one. Predictions and
measurements are the medians over the rounds. With one thread, seconds are the CPU's, as the
calibration takes them: then other work on the machine does not count. The makespan is that of two
workers: jobs handed out longest predicted first, once with the predicted and once with the measured
seconds. Ends with 1 if a median error is above its limit.
"""
import argparse
import heapq
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cmd"))
from atelier import make_picture  # noqa: E402

LIMITS = {"seconds": 0.15, "memory": 0.10, "makespan": 0.15}
WORKERS = 2

# size, iterations, maxfun, and what differs from the defaults
JOBS = [(128, 2, 10, {}), (128, 1, 20, {"preset": "keras"}), (192, 2, 6, {}), (256, 1, 12, {}),
        (256, 2, 5, {"style_layers": "relu1_1,relu2_1", "content_layers": "relu2_2"}),
        (320, 1, 6, {"optimizer": "adam"}), (384, 1, 5, {}), (448, 1, 4, {"pooling": "max"}), (512, 1, 4, {}),
        (512, 1, 3, {"preset": "keras", "style_scale": "0.5"}), (640, 1, 2, {}), (768, 1, 1, {})]


def write_manifest(folder, precisions):
    rows = [{"content": "content.png", "style": "style.png", "size": size, "iterations": iterations, "maxfun": maxfun,
             "tolerance": 0, "precision": precision, **more}
            for size, iterations, maxfun, more in JOBS for precision in precisions]
    names = sorted({name for row in rows for name in row})
    quoted = [[f'"{row.get(name, "")}"' for name in names] for row in rows]
    (folder / "jobs.csv").write_text("\n".join([",".join(names)] + [",".join(row) for row in quoted]) + "\n")
    return rows


def predict(program, folder, threads, environment):
    done = subprocess.run([program, "plan", "jobs.csv", "--output", "store", "--calibrate", "--json", "--workers", "1",
                           "--threads", str(threads)], cwd=folder, env=environment, capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)["list"]


def render(program, folder, row, threads):
    """Seconds (of the CPU with one thread), peak bytes, evaluations."""
    words = [program, "render", "--output", "out.png", "--threads", str(threads), "--fresh", "--quiet"]
    words += [f"--{name.replace('_', '-')}={value}" for name, value in row.items()]
    start = time.monotonic()
    process = subprocess.Popen(words, cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    seconds = usage.ru_utime + usage.ru_stime if threads == 1 else time.monotonic() - start
    import h5py
    with h5py.File(folder / "out.h5") as file:
        return seconds, usage.ru_maxrss * 1024, int(file.attrs["evaluations"])


def makespan(order, seconds):
    workers = [0.0] * WORKERS
    for job in order:
        heapq.heapreplace(workers, workers[0] + seconds[job])
    return max(workers)


def error(predicted, measured):
    return abs(predicted / measured - 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", nargs="?", default=ROOT / "build/release/atelier")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="f32")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as name:
        folder = pathlib.Path(name)
        make_picture(folder / "content.png", 960, 720, seed=1)
        make_picture(folder / "style.png", 800, 800, seed=2)
        rows = write_manifest(folder, options.precision.split(","))
        environment = dict(os.environ, ATELIER_CACHE=str(folder / "cache"))
        plans, measured = [], []
        for _ in range(options.rounds):
            plans.append(predict(program, folder, options.threads, environment))
            measured.append([render(program, folder, row, options.threads) for row in rows])
    jobs = range(len(rows))
    predicted_s = [statistics.median(plan[job]["seconds"] for plan in plans) for job in jobs]
    seconds = [statistics.median(round_[job][0] for round_ in measured) for job in jobs]
    predicted_b = [plans[0][job]["bytes"] for job in jobs]
    memory = [max(round_[job][1] for round_ in measured) for job in jobs]
    print(f"{'size':>5} {'precision':>9} {'planned':>8} {'done':>5} {'predicted':>10} {'measured':>9} {'error':>6}"
          f" {'predicted':>10} {'measured':>9} {'error':>6}")
    for job in jobs:
        print(f"{rows[job]['size']:5} {rows[job]['precision']:>9} {plans[0][job]['evaluations']:8.0f}"
              f" {measured[0][job][2]:5} {predicted_s[job]:8.2f} s {seconds[job]:7.2f} s"
              f" {100 * (predicted_s[job] / seconds[job] - 1):+5.0f}% {predicted_b[job] / 1e6:7.0f} MB"
              f" {memory[job] / 1e6:6.0f} MB {100 * (predicted_b[job] / memory[job] - 1):+5.0f}%")
    order = sorted(jobs, key=lambda job: -predicted_s[job])
    errors = {"seconds": statistics.median(error(predicted_s[job], seconds[job]) for job in jobs),
              "memory": statistics.median(error(predicted_b[job], memory[job]) for job in jobs),
              "makespan": error(makespan(order, predicted_s), makespan(order, seconds))}
    for what, limit in LIMITS.items():
        print(f"{what:9} error {100 * errors[what]:5.1f} %  (limit {100 * limit:.0f} %)")
    sys.exit(not all(errors[what] <= limit for what, limit in LIMITS.items()))


if __name__ == "__main__":
    main()
