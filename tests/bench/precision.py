#!/usr/bin/python3
"""Where bfloat16 and auto end, against float32, after the same evaluations: renders each pair of pictures three times.

usage: precision.py ATELIER [--size N] [--iterations N] [--pair CONTENT STYLE PRESET]...

Without --pair: the sample pictures. One thread each, two at a time. Ends with 1 where bf16 ends more than 5 % above
float32's loss, or auto more than 1 %.
"""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py

SAMPLES = pathlib.Path(__file__).resolve().parents[1] / "samples"
PAIRS = [(SAMPLES / "harbour.jpg", SAMPLES / "swirls.jpg", "balanced"),
         (SAMPLES / "harbour.jpg", SAMPLES / "mosaic.jpg", "keras"),
         (SAMPLES / "harbour.jpg", SAMPLES / "woodcut.jpg", "gatys"),
         (SAMPLES / "swirls.jpg", SAMPLES / "harbour.jpg", "johnson")]
LIMITS = {"bf16": 0.05, "auto": 0.01}
MAXFUN = 20


def render(options, folder, number, pair, precision):
    """Losses, one a row, and the part of the rows that is in bfloat16."""
    content, style, preset = pair
    name = f"{number}-{precision}"
    subprocess.run([os.path.abspath(options.program), "render", f"--content={content}", f"--style={style}",
                    f"--preset={preset}", f"--precision={precision}", f"--size={options.size}",
                    f"--iterations={options.iterations}", f"--maxfun={MAXFUN}", "--tolerance=0", "--threads=1",
                    f"--output={folder}/{name}.png", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    with h5py.File(f"{folder}/{name}.h5") as file:
        return file["history/total"][:], float((file["history/precision"][:] == 1).mean())


def report(pair, runs):
    """Prints a pair's line; whether it is within the limits."""
    want, within = runs["f32"][0], True
    line = f"{pathlib.Path(pair[0]).stem} in the style of {pathlib.Path(pair[1]).stem}, {pair[2]}: " \
           f"float32 fell {want[0] / want[-1]:.3g} times"
    for precision, limit in LIMITS.items():
        totals, share = runs[precision]
        above = totals[-1] / want[-1] - 1
        within = within and above <= limit
        line += f"; {precision} {100 * above:+.2f} % ({100 * share:.0f} % of its rows in bfloat16)"
    print(line, flush=True)
    return within


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--iterations", type=int, default=8)
    parser.add_argument("--pair", nargs=3, action="append", metavar=("CONTENT", "STYLE", "PRESET"))
    options = parser.parse_args()
    pairs = options.pair or PAIRS
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [{precision: pool.submit(render, options, folder, number, pair, precision)
                 for precision in ("f32", *LIMITS)} for number, pair in enumerate(pairs)]
        within = [report(pair, {p: run.result() for p, run in of_pair.items()})
                  for pair, of_pair in zip(pairs, runs)]
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
