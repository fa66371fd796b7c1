#!/usr/bin/python3
"""What becomes of a sweep's results: collect, show, status; and the README's lines in Python and R."""
import json
import os
import pty
import shutil
import subprocess
import sys
import time
import unittest

import h5py
import numpy as np
import pandas as pd
import xarray as xr

from atelier import CHEAP, DONE, FAILED, INPUT, PATIENCE, InFolder, history, main, make_picture
from readme import snippets

STYLE_WEIGHTS = [0.5, 1, 2, 4]
PYTHON = sys.executable


def missing(*modules):
    return [name for name in modules
            if subprocess.run([PYTHON, "-c", f"import {name}"], capture_output=True).returncode]


class Template(InFolder):
    """A store of four jobs, three of them done, made by a batch; tests work on copies."""

    def make(self):
        names = [name for name in CHEAP if name not in ("output", "content", "style")]
        rows = [",".join(["content", "style", "style_weight", "name", *names])]
        for number, weight in enumerate(STYLE_WEIGHTS):
            values = [f'"{CHEAP[name]}"' for name in names]
            style = ["style.png", "other.png"][number % 2]
            rows.append(",".join(["content.png", style, str(weight), f"job {number}",
                                  *values]))
        make_picture(self.path("other.png"), 40, 40, seed=3)
        self.path("manifest.csv").write_text("\n".join(rows) + "\n")
        batch = self.atelier("batch", "manifest.csv", "--output", "runs/starry", "--quiet")
        self.assertEqual(batch.returncode, DONE, batch.stderr)
        manifest = self.path("runs/starry/manifest.csv").read_text()
        self.ids = [line.split(",")[0] for line in manifest.splitlines()[1:]]
        for path in self.path("runs/starry/jobs").glob(f"*/{self.ids[3]}.*"):
            path.unlink()


def setUpModule():
    global template
    template = Template("make")
    template.setUp()
    template.make()


def tearDownModule():
    template.doCleanups()


class Sweep(InFolder):
    def setUp(self):
        super().setUp()
        self.ids = template.ids
        shutil.copytree(template.path("runs"), self.path("runs"))

    def results(self, number):
        identity = self.ids[number]
        return self.path(f"runs/starry/jobs/{identity[:2]}/{identity}.h5")

    def collect(self, *words, code=DONE):
        result = self.atelier("collect", "runs/starry", *words)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def table(self, name="runs"):
        with h5py.File(self.path("runs/starry/sweep.h5")) as file:
            return pd.DataFrame({key: column.asstr()[:] if column.dtype == object else column[:]
                                 for key, column in file[name].items()})


class Collect(Sweep):
    def test_runs_say_what_the_results_say(self):
        said = self.collect().stdout
        self.assertWords(said, "runs     4, of which 3 done")
        runs = self.table()
        self.assertEqual(list(runs.id), self.ids)
        self.assertEqual(list(runs.name), [f"job {i}" for i in range(4)])
        self.assertEqual(list(runs.status), ["done"] * 3 + ["waiting"])
        self.assertEqual(list(runs.style_weight), STYLE_WEIGHTS)
        for number in range(3):
            columns = history(self.results(number))
            with h5py.File(self.results(number)) as file:
                self.assertEqual(runs.seconds[number], file.attrs["seconds"])
                self.assertEqual(runs.host[number], file.attrs["host"])
                self.assertEqual(runs.threads[number], file.attrs["threads"])
            for name in ("total", "content", "style", "tv", "style_relu1_1", "content_relu1_2"):
                self.assertEqual(runs["final_" + name][number], columns[name][-1], name)
                self.assertEqual(runs["start_" + name][number], columns[name][0], name)
            self.assertEqual(runs.rows[number], len(columns["total"]))
            self.assertTrue(self.path("runs/starry").joinpath(runs.picture[number]).exists())
        self.assertTrue(np.isnan(runs.final_total[3]))
        with h5py.File(self.path("runs/starry/sweep.h5")) as file:
            self.assertEqual(file["runs"].attrs["size"], CHEAP["size"])
            self.assertNotIn("size", file["runs"])
            code = file["runs/status_code"]
            words = code.attrs["flag_meanings"].split()
            self.assertEqual([words[i] for i in code], list(runs.status))
            self.assertEqual(code.attrs["flag_values"].dtype, code.dtype)

    def test_history_is_that_of_all_results(self):
        self.collect()
        table = self.table("history")
        for number in range(3):
            part = table[table.run_id == number]
            for name, column in history(self.results(number)).items():
                if name != "row":
                    self.assertEqual(part[name].to_numpy().tobytes(), column.tobytes(), name)
        dataset = xr.open_dataset(self.path("runs/starry/sweep.h5"), group="history")
        self.assertEqual(dict(dataset.sizes), {"row": len(table)})
        np.testing.assert_array_equal(dataset.total, table.total)

    def test_tools_find_no_type_they_cannot_read(self):
        self.collect("--images")
        with h5py.File(self.path("runs/starry/sweep.h5")) as file:
            def look(name, item):
                if isinstance(item, h5py.Dataset) and not name.startswith("images"):
                    self.assertEqual(item.ndim, 1, name)
                    kind = h5py.check_string_dtype(item.dtype)
                    self.assertTrue(kind is None or kind.length is None, name)
                    self.assertIn(item.dtype.kind, "fiO", name)
                    self.assertIsNone(h5py.check_enum_dtype(item.dtype), name)
                    self.assertTrue(h5py.h5ds.is_scale(item.id) or len(item.dims[0]) == 1, name)
            file.visititems(look)
            for number in range(3):
                with h5py.File(self.results(number)) as result:
                    np.testing.assert_array_equal(file[f"images/run{number:06}"], result["image"])

    def test_again_gives_the_same_bytes(self):
        self.collect("--output", "a.h5", "--images")
        self.collect("--output", "b.h5", "--images")
        self.assertEqual(self.path("a.h5").read_bytes(), self.path("b.h5").read_bytes())

    def test_damaged_result_is_named_and_left_out(self):
        data = self.results(1).read_bytes()
        self.results(1).write_bytes(data[:len(data) // 2])
        result = self.collect(code=FAILED)
        self.assertWords(result.stderr, str(self.results(1)), "truncated", "1 result cannot")
        runs = self.table()
        self.assertEqual(list(runs.status), ["done", "unreadable", "done", "waiting"])
        self.assertIn("truncated", runs.error[1])
        self.assertEqual(set(self.table("history").run_id), {0, 2})

    def test_csv_reads_as_the_same_tables(self):
        self.collect("--csv", "tables")
        runs = pd.read_csv(self.path("tables/runs.csv"), float_precision="round_trip")
        self.assertEqual(list(runs.id.astype(str)), self.ids)
        np.testing.assert_array_equal(runs.final_total, self.table().final_total)
        rows = pd.read_csv(self.path("tables/history.csv"), float_precision="round_trip")
        np.testing.assert_array_equal(rows.total, self.table("history").total)

    def test_no_store_is_an_error(self):
        for store in ("nowhere", "."):
            result = self.atelier("collect", store)
            self.assertEqual(result.returncode, INPUT)
            self.assertWords(result.stderr, "atelier collect: ", store)


class Show(Sweep):
    def show(self, *words, code=DONE, **environment):
        result = self.atelier("show", *words, env={**os.environ, "COLUMNS": "80", **environment})
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def test_says_what_it_is_and_draws_its_loss(self):
        path = str(self.results(2))
        out = self.show(path, LC_ALL="C.UTF-8").stdout
        with h5py.File(path) as file:
            total = file["history/total"]
            self.assertWords(out, self.ids[2], f"loss       {total[0]:.4g} -> {total[-1]:.4g}",
                             "style_weight         2\n", "content_layers       relu1_2")
        self.assertNotIn("lbfgs_memory", out)
        self.assertTrue(any("\u2800" < c <= "\u28ff" for c in out))
        self.assertLessEqual(max(map(len, out.splitlines())), 80)
        self.assertWords(self.show(path, "--all").stdout, "lbfgs_memory", "content_sha256")

    def test_is_plain_ascii_where_the_locale_is(self):
        out = self.show(str(self.results(0)), "--curve", "style_relu1_1", LC_ALL="C").stdout
        self.assertTrue(out.isascii())
        self.assertIn("weighted style loss at relu1_1", out)

    def test_unknown_curve_names_the_nearest(self):
        err = self.show(str(self.results(0)), "--curve", "style_relu1_2", code=INPUT).stderr
        self.assertWords(err, "'style_relu1_2'", "'style_relu1_1'")

    def test_what_is_no_result_is_an_error(self):
        for name in ("content.png", "nowhere.h5"):
            self.assertWords(self.show(name, code=INPUT if "." in name and name != "nowhere.h5"
                                       else 3).stderr, name)


class Status(Sweep):
    def status(self, *words, **options):
        result = self.atelier("status", "runs/starry", *words, **options)
        self.assertEqual(result.returncode, DONE, result.stderr)
        return result.stdout

    def json(self):
        return json.loads(self.status("--json"))

    def put_failure(self, number):
        record = {"id": self.ids[number], "end": "timed_out", "message": "no end after 30 s",
                  "command": f"atelier render --into runs/starry --id {self.ids[number]}",
                  "final": True,
                  "attempts": [{"attempt": 1, "host": "node7", "rank": 1, "seconds": 30.5,
                                "started": "2026-11-24T14:20:01Z", "end": "timed_out",
                                "exit_code": -1, "signal": 9, "peak_memory_bytes": 1,
                                "cpu_seconds": 30, "message": ""}]}
        self.path(f"runs/starry/failed/{self.ids[number]}.json").write_text(json.dumps(record))

    def put_batch(self, pid, age=0):
        """A claim of a process that is there or not, and what its batch last said."""
        nonce = "0123456789abcdef" * 2
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))
        claim = {"host": os.uname().nodename, "pid": pid, "pid_start": 0, "boot": "",
                 "pid_space": "", "nonce": nonce, "started": now, "ending": False}
        running = {"id": self.ids[3], "rank": 2, "host": "node9", "attempt": 1, "started": now,
                   "evaluation": 12, "evaluations": 100, "total": 0.25, "seconds_left": 61}
        progress = {"nonce": nonce, "time": now, "host": "node1", "pid": pid, "jobs": 4,
                    "done": 3, "failed": 0, "waiting": 0, "seconds_left": 61,
                    "agents": [{"rank": 2, "host": "node9", "threads": 8, "state": "running"}],
                    "running": [running]}
        claim_path = self.path("runs/starry/claim")
        claim_path.write_text(json.dumps(claim))
        os.utime(claim_path, (time.time() - age,) * 2)
        self.path("runs/starry/progress.json").write_text(json.dumps(progress))

    def test_counts_and_goes_on(self):
        out = self.status()
        self.assertWords(out, "done      3 of 4", "75 %", "waiting   1", "exit code 0",
                         f"atelier batch {self.path('runs/starry')}\n")
        said = self.json()
        self.assertEqual([said[key] for key in ("jobs", "done", "waiting", "failed", "running")],
                         [4, 3, 1, 0, 0])
        size = sum(path.stat().st_size for path in self.path("runs/starry").rglob("*")
                   if path.is_file() and path.suffix in (".h5", ".png", ".log", ".csv"))
        self.assertLess(abs(said["bytes"] - size), 2000)

    def test_failed_job_has_its_reason_and_command(self):
        self.put_failure(3)
        self.assertWords(self.status(), "failed    1", "job 3", "no end after 30 s", "node7",
                         f"atelier render --into {self.path('runs/starry')} --id {self.ids[3]}")
        [failed] = self.json()["failed_jobs"]
        self.assertEqual((failed["id"], failed["end"], failed["attempts"]),
                         (self.ids[3], "timed_out", 1))

    def test_running_batch_is_told_and_left_alone(self):
        self.put_batch(os.getpid())
        before = self.listing()
        self.assertWords(self.status(), "running   1", "at work on", "left      about 1 min 01 s",
                         "node9 #2", "12/100", "0.25")
        said = self.json()
        self.assertEqual((said["batch"]["state"], said["running"]), ("alive", 1))
        self.assertEqual(said["running_jobs"][0]["evaluation"], 12)
        self.assertEqual(self.listing(), before)

    def test_killed_batch_is_not_said_to_run(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        self.put_batch(gone.pid, age=300)
        out = self.status()
        self.assertWords(out, "gone without a word", "last heard of 5 min", "waiting   1",
                         "running when it was killed", f"atelier batch {self.path('runs/starry')}\n")
        self.assertNotIn("at work on", out)
        said = self.json()
        self.assertEqual((said["batch"]["state"], said["running"], said["waiting"]),
                         ("gone", 0, 1))

    def test_reads_what_is_half_written_or_nonsense(self):
        for name in ("claim", "progress.json", "exit_status", f"failed/{self.ids[3]}.json"):
            self.path("runs/starry").joinpath(name).write_text('{"nonce": "12')
        self.path("runs/starry/batch.log").write_bytes(b"\xff\x00half a line")
        self.assertWords(self.status(), "done      3 of 4", "failed    1")

    def test_says_what_is_wrong_with_its_manifest(self):
        self.path("runs/starry/manifest.csv").write_text("id,content,style,sized\n")
        for words in ((), ("--json",)):
            result = self.atelier("status", "runs/starry", *words)
            self.assertEqual((result.returncode, result.stdout), (INPUT, ""))
            self.assertWords(result.stderr, "manifest.csv:1:18: unknown column 'sized'")

    def test_nobody_waits_for_a_fifo_in_a_store(self):
        store, id, done = self.path("runs/starry"), self.ids[3], self.ids[0]
        (store / "slurm").mkdir()
        for name in ("claim", "progress.json", "exit_status", "batch.log", f"running/{id}.h5",
                     f"running/{id}.log", f"running/{id}.aside.h5", f"failed/{id}.json",
                     f"jobs/{done[:2]}/{done}.h5", f"jobs/{done[:2]}/{done}.png", "slurm/jobs"):
            (store / name).unlink(missing_ok=True)
            os.mkfifo(store / name)
        commands = (["status"], ["status", "--json"], ["verify"], ["submit", "--status"],
                    ["collect", "--output", "out.h5"], ["report", "--output", "out.html"])
        for command, *options in commands:
            with self.subTest(command):
                self.atelier(command, store, *options)
        (store / "manifest.csv").unlink()
        os.mkfifo(store / "manifest.csv")
        for command, *options in commands:
            with self.subTest(command):
                self.assertIn(self.atelier(command, store, *options).returncode, (INPUT, 3))

    def test_watch_ends_when_nothing_is_left(self):
        self.put_failure(3)
        parent, child = pty.openpty()
        process = self.start(["status", "runs/starry", "--watch"], stdout=child, stderr=child)
        os.close(child)
        out = b""
        try:
            while chunk := os.read(parent, 4096):
                out += chunk
        except OSError:
            pass
        os.close(parent)
        self.assertEqual(process.wait(timeout=PATIENCE), DONE, out)
        self.assertIn(b"done      3 of 4", out)

    def test_watch_needs_a_terminal(self):
        result = self.atelier("status", "runs/starry", "--watch")
        self.assertEqual(result.returncode, INPUT)
        self.assertIn("--watch needs a terminal", result.stderr)


class Readme(Sweep):
    """The lines under "Analysing a sweep", as they stand."""

    def setUp(self):
        super().setUp()
        self.collect()

    def run_lines(self, program, lines, name):
        self.path(name).write_text(lines)
        result = subprocess.run([*program, name], cwd=self.folder, capture_output=True, text=True,
                                timeout=300, env={**os.environ, "MPLBACKEND": "Agg"})
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def snippet(self, word, language="python"):
        found = [lines for lines in snippets("Analysing a sweep", language) if word in lines]
        self.assertEqual(len(found), 1, f"snippets with '{word}'")
        return found[0]

    def minima(self):
        return [f"{history(self.results(number))['total'].min():.4g}" for number in range(3)]

    @unittest.skipIf(missing("matplotlib"), "python3-matplotlib is not installed")
    def test_pandas_lines_plot_and_rank(self):
        out = self.run_lines([PYTHON], self.snippet("matplotlib"), "plot.py")
        runs = self.table()
        best = runs.id[runs.final_content.idxmin()]
        self.assertEqual(out.splitlines()[1].split()[1], best)
        self.assertGreater(self.path("sweep-curves.png").stat().st_size, 5000)

    def test_xarray_lines(self):
        out = self.run_lines([PYTHON], self.snippet("xarray"), "x.py")
        got = [f"{float(word):.4g}" for word in out.strip("[]\n").split()]
        self.assertEqual(got, self.minima())

    @unittest.skipIf(missing("tables"), "python3-tables is not installed")
    def test_pytables_lines(self):
        out = self.run_lines([PYTHON], self.snippet("tables"), "t.py")
        got = [float(word) for word in out.strip("[]\n").split()]
        np.testing.assert_allclose(got, self.table().final_total[:3], rtol=1e-5)

    @unittest.skipUnless(shutil.which("Rscript"), "R is not installed")
    def test_r_lines(self):
        probe = subprocess.run(["Rscript", "-e", "library(hdf5r)"], capture_output=True)
        if probe.returncode:
            self.skipTest("r-cran-hdf5r is not installed")
        out = self.run_lines(["Rscript"], self.snippet("hdf5r", "r"), "t.R")
        rows = [line.split() for line in out.splitlines()[1:]]
        self.assertEqual([int(row[1]) for row in rows], [0, 1, 2])
        np.testing.assert_allclose([float(row[2]) for row in rows],
                                   [float(word) for word in self.minima()], rtol=1e-3)


if __name__ == "__main__":
    main()
