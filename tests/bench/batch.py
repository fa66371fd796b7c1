#!/usr/bin/env python3
"""What a batch costs beside its renders, and what its coordinator can do.

    tests/bench/batch.py efficiency [ROUNDS]   16 equal jobs of 128 px on 2 ranks x 1 thread, taking
                                               turns with the same renders by hand, two at a time
    tests/bench/batch.py dispatch              2,500 and 10,000 jobs of a stub renderer on 8 ranks
"""
import csv
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("ATELIER", str(ROOT / "build/release/atelier"))
STUB = os.environ.get("STUB_RENDERER", str(ROOT / "build/release/tests/mpi/stub_renderer"))
SAMPLES = ROOT / "tests/samples"
JOBS = 16


def write_manifest(path, rows):
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def timed(act):
    start = time.monotonic()
    act()
    return time.monotonic() - start


def processor_seconds(act):
    """What act took on all processors, in all it started: on a busy machine a steadier measure."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = timed(act)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(*words):
    subprocess.run([PROGRAM, *map(str, words)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def efficiency(folder, rounds):
    job = {"content": SAMPLES / "harbour.jpg", "style": SAMPLES / "swirls.jpg", "size": 128,
           "iterations": 1, "maxfun": 12, "tolerance": 0}
    rows = [{**job, "style_weight": 1 + 0.01 * i} for i in range(JOBS)]
    write_manifest(folder / "jobs.csv", rows)

    def batch():
        shutil.rmtree(folder / "store", ignore_errors=True)
        run("batch", folder / "jobs.csv", "--output", folder / "store", "--ranks", 2, "--threads", 1)

    def one(i):
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in rows[i].items()]
        run("render", *flags, "--threads", 1, "--fresh", "--output", folder / f"{i}.png")

    def by_hand():
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, range(JOBS)))

    walls, processors = [], []
    for i in range(rounds):
        order = (by_hand, batch) if i % 2 else (batch, by_hand)
        took = {act.__name__: processor_seconds(act) for act in order}
        (wall, cpu), (hand_wall, hand_cpu) = took["batch"], took["by_hand"]
        walls.append(wall / hand_wall)
        processors.append(cpu / hand_cpu)
        print(f"batch {wall:.1f} s, by hand {hand_wall:.1f} s, ratio {walls[-1]:.3f}; "
              f"processor seconds {cpu:.1f} and {hand_cpu:.1f}, ratio {processors[-1]:.3f}", flush=True)
    print(f"median ratio {statistics.median(walls):.3f} (at most 1.1), of processor seconds "
          f"{statistics.median(processors):.3f}")
    return not statistics.median(walls) <= 1.1


def dispatch(folder):
    rates = []
    for count in (2500, 10000):
        rows = [{"content": SAMPLES / "harbour.jpg", "style": SAMPLES / "swirls.jpg", "size": 64,
                 "style_weight": 1 + i} for i in range(count)]
        write_manifest(folder / "jobs.csv", rows)
        store = folder / f"store{count}"
        seconds = timed(lambda: run("batch", folder / "jobs.csv", "--output", store, "--ranks", 8,
                                    "--threads", 1, "--renderer", STUB, "--quiet"))
        end = (store / "batch.log").read_text().strip().split("\n")[-1]
        inside = float(end.rsplit("seconds=", 1)[1])
        rates.append(count / inside)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{count} jobs: {rates[-1]:.0f} a second, {seconds:.1f} s in all, {peak:.0f} MB at most",
              flush=True)
    print(f"four times the jobs at {rates[1] / rates[0]:.2f} times the rate (at least 0.67)")
    return not rates[1] >= 0.67 * rates[0]


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else "efficiency"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-bench-"))
    try:
        if what == "dispatch":
            return dispatch(folder)
        return efficiency(folder, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
