"""What the tests of `atelier batch` share: a store, a manifest for the stub renderer, ways to look
at what became of it, and processes that can be found and killed.

The stub renderer (stub_renderer.c) does what the thousands of a job's seed say. What a test kills or
stops is held: it ends when it is told to, or let go, and never because time has passed."""
import csv
import json
import os
import pathlib
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cmd"))
from atelier import *  # noqa: E402,F403  (the program, in a folder of its own)

STUB = os.path.abspath(os.environ.get("STUB_RENDERER", ROOT / "build/release/tests/mpi/stub_renderer"))
CRASH, BAD, DIVERGE, FULL, HANG, DEAF, KILLED, HELD, CRASH_ONCE, NO_RESULT, HOG, MEMORY, THIRD, \
    FULL_FOR_NOW, FULL_THERE = (1000 * i for i in range(1, 16))
BUG = 70

# For tests in which somebody is lost; the others do with the default, so that nobody is who is only
# slow.
QUICK = ["--heartbeat", "0.2", "--lost-after", "5"]


def mpi_environment():
    """What this machine was measured to do is left out: a render may stand still for ever."""
    return {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "ATELIER_CACHE": "/nonexistent"}


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def environment_of(pid):
    try:
        pairs = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def is_alive(pid):
    """A zombie is not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class InStore(InFolder):  # noqa: F405
    """A test with a store in its folder; whatever it starts is gone when it ends."""

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.addCleanup(self.kill_all)

    # --- what is asked ---

    def manifest(self, seeds, name="jobs.csv", **columns):
        with open(self.path(name), "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["content", "style", "size", "seed", *columns])
            table.writerows(["content.png", "style.png", 48, seed, *columns.values()] for seed in seeds)
        return name

    def words(self, *options, file="jobs.csv", stub=True):
        return ["batch", file, "--output", str(self.store), *options, *(["--renderer", STUB] if stub else [])]

    def begin(self, *options, **more):
        return self.start(self.words(*options, **more), env=mpi_environment())

    def batch(self, *options, code=DONE, **more):  # noqa: F405
        process = self.begin(*options, **more)
        out, err = process.communicate(timeout=PATIENCE)
        result = subprocess.CompletedProcess(options, process.returncode, out.decode(), err.decode())
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        return result

    def expect(self, process, code):
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, code, err.decode() + out.decode())
        self.assertNobodyLeft()
        return out.decode() + err.decode()

    # --- what came of it ---

    def done(self):
        return {path.stem for path in self.store.glob("jobs/*/*.h5")}

    def ids(self):
        """{seed: id}, from the store's manifest."""
        with open(self.store / "manifest.csv", newline="") as file:
            return {int(row["seed"]): row["id"] for row in csv.DictReader(file)}

    def starts(self, seed=None):
        """How often the stub was started, for this seed."""
        lines = (self.store / "stub.log").read_text().split("\n") if (self.store / "stub.log").exists() else []
        wanted = self.ids()[seed] if seed is not None else ""
        return sum(line.startswith(wanted) for line in lines if line)

    def failure(self, seed):
        path = self.store / "failed" / (self.ids()[seed] + ".json")
        return json.loads(path.read_text()) if path.exists() else None

    def events(self, kind):
        path = self.store / "batch.log"
        lines = path.read_text().split("\n") if path.exists() else []
        return [line for line in lines if line.split(" ")[1:2] == [kind]]

    def verdict(self):
        return json.loads((self.store / "exit_status").read_text())

    def wait_for_starts(self, count):
        """Of the stub, which heeds signals from then on."""
        wait_until(lambda: self.starts() >= count, f"{count} jobs have started")

    def let_go(self):
        """Jobs that are held are done, and those that would be are done at once."""
        (self.store / "go").touch()

    # --- its processes ---

    def processes(self):
        """{what: pid} of all that is at work for this store: launcher, mpirun, rank0 ..., child-ID."""
        found = {}
        for entry in os.listdir("/proc"):
            command = command_of(entry) if entry.isdigit() else []
            if str(self.store) not in command or not is_alive(entry):
                continue
            name = os.path.basename(command[0])
            rank = environment_of(entry).get("OMPI_COMM_WORLD_RANK")
            what = ("mpirun" if name in ("mpirun", "orterun") else
                    "child-" + command[command.index("--id") + 1] if "--id" in command else
                    "rank" + rank if rank else "launcher")
            found[what] = int(entry)
        return found

    def kill_all(self):
        for pid in self.processes().values():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass

    def assertNobodyLeft(self):
        wait_until(lambda: not self.processes(), "nobody is left")

    def assertClean(self):
        """Nothing is left of a batch that has ended well."""
        self.assertNobodyLeft()
        self.assertEqual(sorted(os.listdir(self.store / "running")), [])
        kept = {"claim", "progress.json"} & set(os.listdir(self.store))
        self.assertEqual(kept, set())
        self.assertEqual([str(path) for path in self.store.rglob(".*")], [])
