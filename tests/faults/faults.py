#!/usr/bin/python3
"""A small sweep in which one thing goes wrong, in every place in turn; then the same command again.

    ATELIER=build/release/atelier tests/faults/faults.py calls|kill|power|malloc [--count N] [--seed N] [--verbose]

calls   one system call fails: no space, no memory, an error of the disk, a stale handle, ...
kill    SIGKILL at a system call that changes the store
power   the power fails after a system call: of what was not synced to the disk, nothing, some or all
        is there (disk.py); no root needed, as it is replayed from a trace
malloc  one call of malloc gets no memory, in a render

After each, the same command has to end with 0, with results that are byte for byte those of an
undisturbed run and nothing left over; none that was published may be lost or replaced, and none
that is there may be damaged. --count: so many places, spread over all (default: every one); power
takes each place in three ways. Ends with 1 on any violation, and with 77 where strace cannot be
used.
"""
import argparse
import collections
import csv
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import disk
import trace

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/mpi"))
from chaos import processes_of  # noqa: E402
from soundness import Violation, demand, leftovers, outcome  # noqa: E402

PROGRAM = os.path.abspath(os.environ.get("ATELIER", ROOT / "build/release/atelier"))
SHIM = os.path.abspath(os.environ.get("FAILING_MALLOC", ROOT / "build/release/tests/faults/libfailing_malloc.so"))
ERRORS = {"openat": "ENOSPC EMFILE EIO ESTALE EACCES", "read": "EIO ESTALE", "write": "ENOSPC EIO EDQUOT",
          "fsync": "EIO ENOSPC", "renameat": "EIO ENOSPC ESTALE", "linkat": "EIO ENOSPC EMLINK",
          "unlinkat": "EIO EROFS", "mkdirat": "ENOSPC EROFS", "ftruncate": "EIO", "newfstatat": "EIO ESTALE ENOMEM",
          "fchmod": "EIO EPERM", "getdents64": "EIO ESTALE", "mmap": "ENOMEM", "clone3": "EAGAIN ENOMEM",
          "pipe2": "EMFILE", "lseek": "EIO", "utimensat": "EIO"}
MAY_END = {0, 1, 3, 75}  # done, a failed job, disk or memory, interrupted
ENDS_AFTER = 300         # s


class Faults:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.random = random.Random(options.seed)
        self.store = folder / "store"
        self.counts = collections.Counter()
        self.write_manifest()
        self.words = [PROGRAM, "batch", str(folder / "jobs.csv"), "--output", str(self.store),
                      "--threads", "1", "--quiet"]
        self.environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1",
                            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "ATELIER_CACHE": "/nonexistent"}
        self.how = dict(env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT, text=True, errors="replace", timeout=ENDS_AFTER)

    def write_manifest(self):
        """Two jobs that need the first layer alone."""
        with open(self.folder / "jobs.csv", "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["content", "style", "style_weight", "size", "content_layers", "style_layers",
                           "iterations", "maxfun", "tolerance"])
            for weight in (1, 2):
                rows.writerow([ROOT / "tests/samples/harbour.jpg", ROOT / "tests/samples/swirls.jpg",
                               weight, 24, "relu1_1", "relu1_1", 2, 4, 0])

    # --- what must be true ---

    def results(self):
        return {path.stem: path for path in self.store.glob("jobs/??/*.h5")}

    def begin_anew(self):
        shutil.rmtree(self.store, ignore_errors=True)

    def learn(self):
        """An undisturbed run: what is expected, and its calls."""
        code, calls = trace.record(self.words, self.folder / "trace", {*trace.CHANGES, *ERRORS, "execve"}, **self.how)
        demand(code == 0, f"an undisturbed run ends with {code}")
        self.expected = {name: outcome(path) for name, path in self.results().items()}
        demand(len(self.expected) == 2, "an undisturbed run has two results")
        return calls

    def inodes(self):
        return {name: (path.stat().st_ino, path.stat().st_mtime_ns) for name, path in self.results().items()}

    def look_at_the_damage(self):
        """What is there of results is whole. Returns what may not be replaced."""
        for name, path in self.results().items():
            demand(outcome(path) == self.expected[name], f"{name} is not that of an undisturbed run")
        return self.inodes()

    def go_on(self):
        """The same command: done, nothing lost, replaced or left over."""
        before = self.look_at_the_damage()
        again = subprocess.run(self.words, **self.how)
        demand(again.returncode == 0, f"the same command ends with {again.returncode}: {again.stdout}")
        after = self.inodes()
        demand(before.items() <= after.items(), "a published result was lost or replaced")
        demand({name: outcome(path) for name, path in self.results().items()} == self.expected, "bytes differ")
        demand(not leftovers(self.store), f"left over: {leftovers(self.store)}")

    def judge(self, run, place):
        """Of a batch in which something failed, but nobody was killed."""
        demand(run.returncode in MAY_END, f"{place}: exit {run.returncode}: {run.stdout}")
        demand(run.returncode != 0 or len(self.results()) == 2, f"{place}: exit 0 without all results: {run.stdout}")
        demand(run.returncode == 0 or run.stdout.strip(), f"{place}: exit {run.returncode} without a word")
        self.counts[f"exit {run.returncode}"] += 1

    def spread(self, places):
        count = min(self.options.count or len(places), len(places))
        return [places[(2 * i + 1) * len(places) // (2 * count)] for i in range(count)]

    def visit(self, places, strike):
        for place in self.spread(places):
            if self.options.verbose:
                print(place, flush=True)
            try:
                strike(place)
            except Violation as violation:
                raise Violation(f"{place}: {violation}") from None
            except subprocess.TimeoutExpired as late:
                raise Violation(f"{place}: it does not end: {late.stdout}") from None
            self.counts["tried"] += 1

    def demand_strikes(self):
        """What hit nothing has shown nothing."""
        demand(self.counts["struck"] > self.counts["missed"], f"few places were hit: {dict(self.counts)}")

    # --- the four ---

    def in_the_store(self, call):
        return any(str(self.store) in (word[1] if isinstance(word, tuple) else
                                       word.decode(errors="replace") if isinstance(word, bytes) else "")
                   for word in call.words)

    def own_places(self, calls, wanted):
        """(name, nth) of the calls that are wanted and, in no thread, the dynamic loader's or any
        other's before the first that has to do with the store."""
        at_work, own, others = set(), set(), set()
        for call in calls:
            if call.name == "execve":
                at_work.discard(call.thread)
            elif self.in_the_store(call):
                at_work.add(call.thread)
            (own if call.thread in at_work and wanted(call) else others if call.thread not in at_work else set()
             ).add((call.name, call.nth))
        return sorted(own - others)

    def inject(self, *what):
        self.begin_anew()
        run, struck = trace.inject(self.words, self.folder / "injected", *what, **self.how)
        self.counts["struck" if struck else "missed"] += 1
        end = time.monotonic() + ENDS_AFTER
        while processes_of(self.store):  # renders that notice that they are alone
            demand(time.monotonic() < end, "a process outlives its batch")
            time.sleep(0.02)
        return run

    def calls(self):
        own = self.own_places(self.learn(), lambda call: True)
        places = [(name, nth, error) for name, nth in own for error in ERRORS.get(name, "").split()]

        def strike(place):
            name, nth, error = place
            self.judge(self.inject(name, f"error={error}", nth), place)
            self.go_on()
        self.visit(places, strike)
        self.demand_strikes()

    def kill(self):
        own = self.own_places(self.learn(), lambda call: call.name in trace.CHANGES and self.in_the_store(call))

        def strike(place):
            self.counts[f"exit {self.inject(*place).returncode}"] += 1
            self.go_on()
        self.visit([(name, "signal=KILL", nth) for name, nth in own], strike)
        self.demand_strikes()

    def power(self):
        calls = self.learn()
        whole = disk.Disk(str(self.store))
        changes = [at for at, call in enumerate(calls) if whole.apply(call)]
        there = {str(path.relative_to(self.store)): path.read_bytes() if path.is_file() else None
                 for path in self.store.rglob("*")}
        demand(whole.content() == there, "the model of the disk is not what the disk holds")

        def strike(place):
            at, model = place
            state = disk.Disk(str(self.store))
            for call in calls[:at + 1]:
                state.apply(call)
            self.restore(state.after_cut(model, self.random))
            told = self.told(calls[:at + 1])
            self.counts["results told of"] += len(told)
            demand(told <= set(self.results()), f"told of and lost: {told - set(self.results())}")
            self.go_on()
        places = [(at, model) for at in self.spread(changes) for model in disk.MODELS]
        self.options.count = None
        self.visit(places, strike)
        demand(self.counts["results told of"] > 0, "no place came after a result")

    def told(self, calls):
        """The results that the batch had told of by then: whoever was told may rely on them."""
        return {id.decode() for call in calls if call.name == "write"
                for word in call.words if isinstance(word, bytes)
                for id in re.findall(rb" job_done id=(\w+)", word)}

    def restore(self, files):
        self.begin_anew()
        self.store.mkdir()
        for name, content in files.items():
            if content is None:
                (self.store / name).mkdir()
            else:
                (self.store / name).write_bytes(content)

    def malloc(self):
        self.learn()
        count = self.folder / "count"
        shim = {"LD_PRELOAD": SHIM, "ATELIER_FAILING_COMMAND": "render", "ATELIER_MALLOC_COUNT": str(count)}

        def run(nth):
            self.begin_anew()
            return subprocess.run(self.words, **{**self.how, "env": {
                **self.environment, **shim, "ATELIER_FAILING_MALLOC": str(nth)}})
        demand(run(0).returncode == 0 and count.exists(), "counting does not work")

        def strike(nth):
            self.judge(run(nth), nth)
            for record in self.store.glob("failed/*.json"):
                self.counts["failed: " + json.loads(record.read_text())["message"][:50]] += 1
            self.go_on()
        self.visit(list(range(1, int(count.read_text()) + 1)), strike)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["calls", "kill", "power", "malloc"])
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if options.what != "malloc" and not trace.available():
        print("skipped: strace cannot be used here")
        return 77
    folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-faults-"))
    faults = Faults(options, folder)
    print(f"program {PROGRAM}, seed {options.seed}", flush=True)
    try:
        getattr(faults, options.what)()
    except Violation as violation:
        print(f"VIOLATION after {dict(faults.counts)}: {violation}\nthe store is kept in {folder}", flush=True)
        return 1
    print(f"{options.what}: " + ", ".join(f"{count} {name}" for name, count in sorted(faults.counts.items())))
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
