"""Tests with a result store: CHEAP jobs, one at a time, as an agent or a person would render them."""
import csv
import shutil
import time

from atelier import CHEAP, InFolder, history

STORE = "store"


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


def wait_for(condition, seconds=60):
    """Waits without sleeping much: what it waits for may be over soon."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it never happened")
        time.sleep(0.0002)
