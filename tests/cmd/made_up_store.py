"""A store for tests of what reads stores: a few real renders of tiny pictures, and any number of
jobs that share their results. Ids in a manifest of a store are taken as they are written."""
import atexit
import csv
import functools
import json
import pathlib
import shutil
import subprocess
import tempfile

from atelier import CHEAP, PROGRAM, make_picture

BASES = 4

# What an attacker, or a careless person, may have put into names and messages.
HOSTILE = "</script><script>window.broken=1</script><!-- \"'&\\u003c \u2028 caf\u00e9 \u4e2d"


@functools.cache
def shared_folder():
    folder = tempfile.mkdtemp(prefix="atelier-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return pathlib.Path(folder)


def shared_picture(name, seed):
    path = shared_folder() / name
    if not path.exists():
        make_picture(path, 64, 48, seed)
    return str(path)


@functools.cache
def rendered(number, size):
    """Rendered once for all tests of a program."""
    out = shared_folder() / f"base-{number}-{size}.png"
    options = {**CHEAP, "content": shared_picture("content.png", 1), "size": size, "output": out,
               "style": shared_picture(f"style-{number}.png", 10 + number)}
    words = [word for name, value in options.items()
             for word in ("--" + name.replace("_", "-"), str(value))]
    subprocess.run([PROGRAM, "render", "--quiet", *words], check=True)
    return out


class MadeUpStore:
    """jobs: dicts of parameters, with `status` beside them: done, failed, waiting or damaged."""

    def __init__(self, folder, jobs, size=48):
        self.folder = pathlib.Path(folder)
        for name in ("jobs", "running", "failed"):
            (self.folder / name).mkdir(parents=True)
        self.size = size
        self.jobs = [self._add(number, dict(job)) for number, job in enumerate(jobs)]
        self._write_manifest()

    def _add(self, number, job):
        job["id"] = f"{number:02x}{number:014x}"[-16:]
        status = job.pop("status", "done")
        place = self.folder / "jobs" / job["id"][:2]
        if status in ("done", "damaged"):
            place.mkdir(exist_ok=True)
            base = rendered(number % BASES, self.size)
            shutil.copy(base, place / f"{job['id']}.png")
            shutil.copy(base.with_suffix(".h5"), place / f"{job['id']}.h5")
            (place / f"{job['id']}.log").write_text("atelier render\n")
        if status == "damaged":
            path = place / f"{job['id']}.h5"
            content = bytearray(path.read_bytes())
            content[200:2000] = bytes(1800)
            path.write_bytes(content)
        if status == "failed":
            self._fail(job["id"])
        return {**job, "status": status}

    def _fail(self, job_id):
        attempt = {"attempt": 1, "host": "node-1", "rank": 2, "started": "2026-01-31T12:00:00Z",
                   "seconds": 12.5, "end": "crashed", "exit_code": -1, "signal": 11,
                   "peak_memory_bytes": 5e8, "cpu_seconds": 20, "message": HOSTILE}
        record = {"id": job_id, "end": "crashed", "message": HOSTILE, "final": False,
                  "command": f"atelier render --id {job_id} --content '{HOSTILE}'",
                  "attempts": [attempt, {**attempt, "attempt": 2}]}
        (self.folder / "failed" / f"{job_id}.json").write_text(json.dumps(record))

    def _write_manifest(self):
        constant = {name: CHEAP[name] for name in ("content_layers", "style_layers", "iterations")}
        rows = [{"content": shared_picture("content.png", 1), "size": self.size, **constant,
                 **{name: value for name, value in job.items() if name != "status"}}
                for job in self.jobs]
        names = ["id", "name"] + sorted({name for row in rows for name in row} - {"id", "name"})
        with open(self.folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)

    def path(self, job, ending):
        return self.folder / "jobs" / job["id"][:2] / f"{job['id']}.{ending}"
