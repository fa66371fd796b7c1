#!/usr/bin/python3
"""A sweep under fire: SIGKILL and SIGSTOP at random instants, then run again until it is done.

    ATELIER=build/release/atelier tests/mpi/chaos.py [--kills 15] [--seconds S] [--seed N] [--hosts]

Victims are children, agents, the coordinator, mpirun, the launcher; an agent is also frozen beyond
its lease and thawed; with --hosts (as root) three network namespaces take part, and everything on one
of them dies at once. Whenever a sweep is done, its store is compared with that of an undisturbed run
and a new one begins, until so many kills have struck, or so many seconds have passed. All through
it, every published result is watched: none may vanish or be replaced. Ends with 1 on any violation,
and prints the counts.
"""
import argparse
import collections
import contextlib
import csv
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from soundness import Violation, demand, leftovers, outcome

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("ATELIER", ROOT / "build/release/atelier"))
HOSTS = ROOT / "tests/mpi/hosts.sh"
HEARTBEAT, LOST_AFTER = 0.2, 2
GONE_AFTER = 300              # s: no process may outlive the end of its batch, not on a busy machine either
TRIES = 40                    # batches that one store may need
BATCH_ENDS_AFTER = 600        # s: the work takes some, and a batch that never began is given up after 20 leases


# --- processes ---

Process = collections.namedtuple("Process", "pid parent name words rank")


def read_process(pid):
    entry = pathlib.Path("/proc") / str(pid)
    try:
        words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        name, fields = re.match(r"\d+ \((.*)\) (.*)", (entry / "stat").read_text(), re.S).groups()
        state, parent = fields.split()[:2]
        environment = (entry / "environ").read_bytes().split(b"\0")
    except (OSError, AttributeError):
        return None
    rank = [int(v.split(b"=")[1]) for v in environment if v.startswith(b"OMPI_COMM_WORLD_RANK=")]
    return None if state in "ZX" else Process(int(pid), int(parent), name, words, *rank or [None])


def processes_of(store):
    """Everything that has to do with a store: by its command line, or by standing above or below."""
    everybody = {p.pid: p for p in map(read_process, filter(str.isdigit, os.listdir("/proc"))) if p}
    return [p for p in everybody.values() if str(store) in p.words and p.pid != os.getpid()]


def role(process):
    if pathlib.Path(process.words[0]).name.startswith(("mpirun", "orterun", "prterun")):
        return "mpirun"
    if "render" in process.words[:2]:
        return "child"
    if process.rank is None:
        return "launcher"
    return "coordinator" if process.rank == 0 else "agent"


def listing(processes):
    return "; ".join(f"{p.pid} {role(p)} {' '.join(p.words[:6])}" for p in processes)


# --- the store ---

class Watch:
    """Remembers every result that was ever seen published, and demands that it stays."""

    def __init__(self, store):
        self.store, self.seen = store, {}

    def look(self):
        now = {path.stem: (path.stat().st_ino, path.stat().st_mtime_ns, path)
               for path in self.store.glob("jobs/??/*.h5")}
        for name, (inode, when, path) in self.seen.items():
            demand(name in now, f"the published result {name} is gone")
            demand(now[name][:2] == (inode, when), f"the published result {name} was replaced")
        self.seen.update(now)
        return len(now)


# --- one sweep ---

def write_sweep(folder):
    """Twelve short jobs: two contents, two styles, three weights."""
    with open(folder / "manifest.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["content", "style", "style_weight", "size", "content_layers", "style_layers",
                       "iterations", "maxfun", "tolerance"])
        for content in ("harbour", "mosaic"):
            for style in ("swirls", "woodcut"):
                for weight in (0.5, 1, 2):
                    rows.writerow([ROOT / f"tests/samples/{content}.jpg",
                                   ROOT / f"tests/samples/{style}.jpg", weight, 40,
                                   "relu2_2", "relu1_1,relu2_1", 8, 8, 0])
    return folder / "manifest.csv", 12


class Batch:
    def __init__(self, manifest, store, hosts):
        words = [PROGRAM, "batch", manifest, "--output", store, "--ranks", "3", "--threads", "1",
                 "--heartbeat", HEARTBEAT, "--lost-after", LOST_AFTER, "--quiet"]
        environment = dict(os.environ)
        if hosts:
            words += ["--hosts", ",".join(f"{hosts}{i}:1" for i in (1, 2, 3))]
            environment |= {"OMPI_MCA_plm": "rsh", "OMPI_MCA_plm_rsh_agent": f"{HOSTS} run",
                            "OMPI_MCA_oob_tcp_if_include": "10.77.0.0/24",
                            "OMPI_MCA_btl": "self,vader,tcp",
                            "OMPI_MCA_btl_tcp_if_include": "10.77.0.0/24"}
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(word) for word in words], env=environment,
                                        stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT)

    def said(self):
        self.output.seek(0)
        return self.output.read().decode(errors="replace")


class Chaos:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.random = random.Random(options.seed)
        self.struck = collections.Counter()
        self.sweeps = self.batches = self.reissued = 0
        self.undisturbed = 1  # s, an undisturbed sweep, here and now
        self.deadline = time.monotonic() + options.seconds
        self.roles = ["child", "child", "agent", "agent", "coordinator", "mpirun", "launcher", "freeze"]
        self.roles += ["host"] * 2 if options.hosts else []
        self.hosts = options.hosts and f"at{os.getpid() % 10000}h"

    # striking

    def victims(self, store, wanted):
        there = processes_of(store)
        return [p for p in there if role(p) == ("agent" if wanted == "freeze" else wanted)]

    def freeze(self, pid):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(LOST_AFTER * self.random.uniform(0.5, 2.5))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def strike_host(self):
        name = self.hosts + str(self.random.choice((1, 2, 3)))
        pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        return bool(pids)

    def strike(self, store):
        wanted = self.random.choice(self.roles)
        if wanted == "host":
            self.struck[wanted] += self.strike_host()
            return
        victims = self.victims(store, wanted)
        if not victims:
            return
        pid = self.random.choice(victims).pid
        with contextlib.suppress(ProcessLookupError):
            self.freeze(pid) if wanted == "freeze" else os.kill(pid, signal.SIGKILL)
            self.struck[wanted] += 1

    def enough(self):
        return sum(self.struck.values()) >= self.options.kills or time.monotonic() > self.deadline

    # surviving

    def wait_until_gone(self, store):
        end = time.monotonic() + GONE_AFTER
        while time.monotonic() < end:
            left = processes_of(store)
            if not left:
                return
            time.sleep(0.05)
        raise Violation(f"orphans: {listing(left)}")

    def run_batch(self, manifest, store, watch):
        """One `atelier batch`, struck at random; returns its exit code."""
        self.batches += 1
        batch = Batch(manifest, store, self.hosts)
        end = time.monotonic() + BATCH_ENDS_AFTER
        next_strike = time.monotonic() + self.undisturbed * self.random.uniform(0.1, 0.7)
        while batch.process.poll() is None:
            time.sleep(0.03)
            watch.look()
            demand(time.monotonic() < end, f"the batch does not end: {batch.said()} {listing(processes_of(store))}")
            if time.monotonic() > next_strike and not self.enough():
                self.strike(store)
                next_strike = time.monotonic() + self.undisturbed * self.random.uniform(0.05, 0.5)
        self.wait_until_gone(store)
        watch.look()
        code = batch.process.returncode
        demand(code in (0, 1, 3, 75) or code == -signal.SIGKILL, f"exit {code}: {batch.said()}")
        self.last_words = batch.said()
        return code

    def run_until_done(self, manifest, jobs, store):
        watch = Watch(store)
        for _ in range(TRIES):
            code = self.run_batch(manifest, store, watch)
            if code == 0:
                break
        demand(code == 0, f"not done after {TRIES} batches, last exit {code}: {self.last_words}")
        if leftovers(store):  # of a host that died with the last job: no longer young enough to be alive
            time.sleep(LOST_AFTER)
            self.run_batch(manifest, store, watch)
        demand(watch.look() == jobs, f"{watch.look()} results of {jobs}")
        demand(not leftovers(store), f"left behind: {leftovers(store)}")
        done = re.findall(r" job_done .*?id=(\w+)", (store / "batch.log").read_text())
        demand(max(collections.Counter(done).values()) == 1, "a published result was rendered again")
        self.sweeps += 1
        return {name: outcome(path) for name, (_, _, path) in watch.seen.items()}

    def run(self):
        manifest, jobs = write_sweep(self.folder)
        if self.hosts:
            subprocess.run([HOSTS, "up", self.hosts], check=True)
        kills, self.options.kills = self.options.kills, 0
        began = time.monotonic()
        expected = self.run_until_done(manifest, jobs, self.folder / "undisturbed")
        self.undisturbed = time.monotonic() - began
        self.options.kills, self.batches, self.sweeps = kills, 0, 0
        while not self.enough():
            store = self.folder / f"store-{self.sweeps}"
            found = self.run_until_done(manifest, jobs, store)
            demand(found == expected, f"bytes differ: {[n for n in expected if found.get(n) != expected[n]]}")
            shutil.rmtree(store)

    def report(self):
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.struck.items()))
        print(f"seed {self.options.seed}: {sum(self.struck.values())} strikes ({counts}) in {self.batches} "
              f"batches; {self.sweeps} sweeps finished, every byte as undisturbed", flush=True)


def have_hosts():
    """Network namespaces need root and a kernel that gives them."""
    name = f"at{os.getpid() % 10000}try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode == 0 \
        if shutil.which("ip") else False
    if made:
        subprocess.run(["ip", "netns", "delete", name], check=False)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--hosts", action="store_true")
    options = parser.parse_args()
    if options.hosts and not have_hosts():
        print("skipped: no network namespaces can be made here")
        return 77
    folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-chaos-"))
    chaos = Chaos(options, folder)
    print(f"program {PROGRAM}, seed {options.seed}", flush=True)
    try:
        chaos.run()
    except Violation as violation:
        print(f"VIOLATION after {dict(chaos.struck)}: {violation}\nstores are kept in {folder}", flush=True)
        return 1
    finally:
        for process in (p for store in folder.iterdir() for p in processes_of(store)):
            os.kill(process.pid, signal.SIGKILL)
        if chaos.hosts:
            subprocess.run([HOSTS, "down", chaos.hosts], check=False)
    chaos.report()
    shutil.rmtree(folder)
    enough = sum(chaos.struck.values()) >= options.kills
    print("" if enough else f"only {sum(chaos.struck.values())} of {options.kills} strikes in time")
    return 0 if enough and chaos.sweeps else 1


if __name__ == "__main__":
    sys.exit(main())
