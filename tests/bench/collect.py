#!/usr/bin/python3
"""A large sweep collected into one file: seconds, processor seconds, memory.

The results are made up (make_store.c), in a folder that is removed afterwards; 10,000 jobs of 500
rows take 1 GB of it.

usage: collect.py ATELIER MAKE_STORE [--jobs N] [--rows N] [--folder DIR]
"""
import argparse
import os
import resource
import subprocess
import tempfile
import time


def measured(*command):
    """Wall and processor seconds of a command and its children, and the memory of the largest."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    out = subprocess.check_output(command, text=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return out, wall, cpu, after.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("atelier")
    parser.add_argument("make_store")
    parser.add_argument("--jobs", type=int, default=10000)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store = os.path.join(folder, "store")
        subprocess.check_call([options.make_store, store, str(options.jobs), str(options.rows)])
        for words in (["status"], ["collect"]):
            out, wall, cpu, memory = measured(options.atelier, words[0], store)
            print(f"{words[0]:8} {wall:6.1f} s, {cpu:6.1f} s of processor time, "
                  f"{memory / 1e6:.0f} MB of memory, load {os.getloadavg()[0]:.1f}")
        print(out, end="")


if __name__ == "__main__":
    main()
