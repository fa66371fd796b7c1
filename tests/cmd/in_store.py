"""Tests with a result store: CHEAP jobs, one at a time, as an agent or a person would render them."""
import csv
import fcntl
import os
import shutil
import signal
import unittest

from atelier import CHEAP, InFolder, history, wait_until

STORE = "store"


class Steps:
    """A process, step by step: whenever it has made, linked or renamed a file in one of some
    folders it stands still there, however fast it is. The kernel stops it (dnotify), so none can
    be missed. It has to begin like that, too: start it through Steps.BEGINNING."""
    BEGINNING = ["sh", "-c", 'kill -STOP $$; exec "$@"', "sh"]

    def __init__(self, process, folders):
        self.process = process
        self.folders = [os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in folders]
        self.stands()

    def step(self):
        """On to where it stands still next; False: to its end."""
        for folder in self.folders:
            fcntl.fcntl(folder, fcntl.F_SETOWN, self.process.pid)
            fcntl.fcntl(folder, fcntl.F_SETSIG, signal.SIGSTOP)
            try:
                fcntl.fcntl(folder, fcntl.F_NOTIFY, fcntl.DN_CREATE | fcntl.DN_RENAME)
            except OSError as error:
                raise unittest.SkipTest(f"this kernel tells of no files: {error}")
        self.process.send_signal(signal.SIGCONT)
        return self.stands()

    def stands(self):
        """Waits until it stands still, or has ended."""
        def look(what):
            return os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOHANG | what)
        wait_until(lambda: look(os.WEXITED | os.WNOWAIT), "it stands still")
        stopped = look(os.WEXITED | os.WNOWAIT).si_code == os.CLD_STOPPED
        return stopped and look(0) is not None

    def close(self):
        """From here on it does not stand still by itself."""
        while self.folders:
            os.close(self.folders.pop())


class InStore(InFolder):
    def setUp(self):
        super().setUp()
        for name in ("jobs", "running", "failed"):
            (self.path(STORE) / name).mkdir(parents=True)

    def job(self, name=None, **overrides):
        """Writes the manifest of a job and returns the words that render it, and its id."""
        row = {**CHEAP, **overrides, **({"name": name} if name else {})}
        row = {key: str(value) for key, value in row.items() if key != "output"}
        for key in ("content", "style"):
            row[key] = str(self.folder / row[key])
        with open(self.path("job.csv"), "w", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            writer.writeheader()
            writer.writerow(row)
        result = self.atelier("expand", "job.csv")
        self.assertEqual(result.returncode, 0, result.stderr)
        id = next(csv.DictReader(result.stdout.splitlines(True)))["id"]
        words = ["render", "--into", str(self.folder / STORE), "--id", id, "--threads=1"]
        words += [f"--{key.replace('_', '-')}={value}" for key, value in row.items()]
        return words, id

    def file(self, id, ending, store=STORE):
        """jobs/3f/ID.png, running/ID.h5, failed/ID.json."""
        folder, _, ending = ending.rpartition("/")
        folder = folder or f"jobs/{id[:2]}"
        return self.path(store) / folder / f"{id}{ending}"

    def in_store(self, store=STORE):
        """Its files, as paths in it."""
        folder = self.path(store)
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    def finished(self, id):
        return {f"jobs/{id[:2]}/{id}{ending}" for ending in (".png", ".log", ".h5")}

    def succeed(self, words, code=0, **options):
        result = self.atelier(*words, **options)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def keep(self, id, name="expected"):
        """Moves the store away and makes an empty one; returns where it is."""
        shutil.move(self.path(STORE), self.path(name))
        for folder in ("jobs", "running", "failed"):
            (self.path(STORE) / folder).mkdir(parents=True)
        return self.path(name)

    def steps(self, id, words, **options):
        """A render of this job that stands still at every file that it makes."""
        folder = self.file(id, "").parent
        folder.mkdir(exist_ok=True)
        process = self.start(words, through=Steps.BEGINNING, **options)
        steps = Steps(process, [folder, self.path(STORE) / "running"])
        self.addCleanup(steps.close)
        return steps

    def assertSame(self, id, expected):
        """The job's result is that of another store, and nothing else is there."""
        self.assertEqual(self.in_store(), self.finished(id))
        picture, other = self.file(id, ".png"), self.file(id, ".png", expected)
        self.assertEqual(picture.read_bytes(), other.read_bytes())
        ours, theirs = history(self.file(id, ".h5")), history(self.file(id, ".h5", expected))
        self.assertEqual(list(ours), list(theirs))
        for name in ours:
            if name != "seconds":
                self.assertEqual(ours[name].tobytes(), theirs[name].tobytes(), name)

