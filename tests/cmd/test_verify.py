#!/usr/bin/python3
"""atelier verify: what is damaged, stale, missing or unlisted is named, and repaired."""
import csv
import json
import os
import pathlib
import shutil
import subprocess

import h5py

from atelier import ENVIRONMENT, FAILED, INPUT, main, make_picture, sha256
from in_store import InStore, STORE


class Verifying(InStore):
    """A store of three finished jobs: style_weight 1, 2 and 3."""

    def setUp(self):
        super().setUp()
        self.jobs = [self.job(f"job {i}", iterations=0, style_weight=i) for i in (1, 2, 3)]
        self.ids = [id for _, id in self.jobs]
        self.list_jobs(self.ids)
        if not hasattr(Verifying, "made"):
            for words, _ in self.jobs:
                self.succeed(words)
            Verifying.made = {path: (self.path(STORE) / path).read_bytes()
                              for path in self.in_store() if path.startswith("jobs/")}
        self.restore()

    def restore(self):
        for path, content in Verifying.made.items():
            path = self.path(STORE) / path
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def list_jobs(self, ids):
        """The manifest, as a batch writes it: the jobs with these ids, with absolute paths."""
        with open(self.path("all.csv"), "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["name", "content", "style", "size", "style_weight", "content_layers",
                             "style_layers", "iterations", "maxfun"])
            for i in (1, 2, 3):
                if self.ids[i - 1] in ids:
                    writer.writerow([f"job {i}", self.path("content.png"), self.path("style.png"),
                                     48, i, "relu1_2", "relu1_1,relu2_1", 0, 5])
        manifest = self.succeed(["expand", "all.csv"]).stdout
        for id in ids:
            self.assertIn(id, manifest)
        (self.path(STORE) / "manifest.csv").write_text(manifest)

    def verify(self, *options, code=FAILED):
        result = self.atelier("verify", STORE, "--json", *options)
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        found = json.loads(result.stdout)
        self.assertEqual(sum(found["counts"].values()), len(found["findings"]))
        return found

    def assertFinds(self, kind, id, *words):
        """It names this and nothing else."""
        found = self.verify()
        self.assertEqual([(one["kind"], one["id"]) for one in found["findings"]], [(kind, id)])
        self.assertWords(found["findings"][0]["why"], *words)
        self.assertEqual(found["sound"], 2)

    def change(self, id, change):
        """Edits a result, which keeps its length right."""
        with h5py.File(self.file(id, ".h5"), "r+") as file:
            change(file)


class Findings(Verifying):
    def test_a_store_that_is_as_it_should_be(self):
        found = self.verify(code=0)
        self.assertEqual((found["jobs"], found["sound"], found["findings"]), (3, 3, []))
        self.assertEqual(self.atelier("verify", STORE).stdout, "3 jobs: 3 sound\n")
        self.assertEqual(self.atelier("verify", STORE, "--quiet").stdout, "")

    def test_results_of_several_numerics_are_told_apart(self):
        """One rendered again with other instructions, as on another kind of processor."""
        words, id = self.jobs[1]
        for ending in (".h5", ".png", ".log"):
            self.file(id, ending).unlink()
        self.succeed(words, env={**os.environ, "ATELIER_ISA": "baseline"})
        found = self.verify(code=0)
        if len(found["numerics"]) == 1:
            self.skipTest("this machine has nothing but baseline instructions")
        self.assertEqual(sorted(kind["results"] for kind in found["numerics"]), [1, 2])
        self.assertIn("baseline", next(kind["numerics"] for kind in found["numerics"] if kind["results"] == 1))
        self.assertWords(self.atelier("verify", STORE).stdout, "3 jobs: 3 sound", "2 results, precision",
                         "1 result, precision", "comparable bit for bit")

    def test_a_result_cut_short(self):
        self.file(self.ids[0], ".h5").write_bytes(self.file(self.ids[0], ".h5").read_bytes()[:-10])
        self.assertFinds("damaged", self.ids[0], "truncated")

    def test_a_result_with_a_changed_byte_is_never_sound(self):
        result = self.file(self.ids[1], ".h5")
        whole = result.read_bytes()
        with h5py.File(result) as file:
            picture = file["image"].id.get_chunk_info(0)
        for at in (picture.byte_offset + picture.size // 2, 60):
            with self.subTest(at):
                torn = bytearray(whole)
                for i in range(at, at + 40):
                    torn[i] ^= 0xFF
                result.write_bytes(torn)
                found = self.verify()
                self.assertEqual([(one["kind"], one["id"]) for one in found["findings"]],
                                 [("damaged", self.ids[1])])

    def test_a_picture_that_is_another(self):
        shutil.copy(self.file(self.ids[0], ".png"), self.file(self.ids[1], ".png"))
        self.assertFinds("damaged", self.ids[1], "not the file that was published")

    def test_a_picture_that_does_not_match_its_pixels(self):
        make_picture(self.file(self.ids[1], ".png"), 48, 36, seed=5)
        digest = sha256(self.file(self.ids[1], ".png"))
        def claim(file):
            file.attrs["picture_sha256"] = digest
        self.change(self.ids[1], claim)
        self.assertFinds("damaged", self.ids[1], "its picture is not the one beside it")

    def test_a_picture_or_a_log_that_is_gone(self):
        self.file(self.ids[2], ".png").unlink()
        self.assertFinds("damaged", self.ids[2], "its picture is gone")
        self.restore()
        self.file(self.ids[2], ".log").unlink()
        self.assertFinds("damaged", self.ids[2], "its log is gone")

    def test_a_result_in_anothers_place(self):
        for ending in (".h5", ".png", ".log"):
            self.file(self.ids[0], ending).write_bytes(self.file(self.ids[1], ending).read_bytes())
        self.assertFinds("damaged", self.ids[0], f"those of job {self.ids[1]}")

    def test_a_parameter_that_was_changed_or_removed(self):
        self.change(self.ids[0], lambda file: file.attrs.__setitem__("style_weight", 7.0))
        self.assertFinds("damaged", self.ids[0], "its parameters and inputs are those of job")
        self.restore()
        self.change(self.ids[0], lambda file: file.attrs.__delitem__("style_weight"))
        self.assertFinds("damaged", self.ids[0], "lacks the parameter style_weight")
        self.restore()
        self.change(self.ids[0], lambda file: file.attrs.__delitem__("content_sha256"))
        self.assertFinds("damaged", self.ids[0], "lacks the digests")

    def test_a_text_that_nothing_else_depends_on(self):
        self.change(self.ids[0], lambda file: file.attrs.__setitem__("command_line", "rm -r /"))
        self.assertFinds("damaged", self.ids[0], "has changed since it was written")
        self.restore()
        result = self.file(self.ids[0], ".h5")
        result.write_bytes(result.read_bytes().replace(b"accepted optimiser step",
                                                       b"excepted optimiser step"))
        self.assertFinds("damaged", self.ids[0], "has changed since it was written")

    def test_a_result_of_before_there_were_digests_is_sound(self):
        self.change(self.ids[0], lambda file: file.attrs.__delitem__("file_sha256"))
        self.assertEqual(self.verify(code=0)["sound"], 3)

    def test_a_history_that_is_gone(self):
        self.change(self.ids[0], lambda file: file.__delitem__("history"))
        self.assertFinds("damaged", self.ids[0], "history")
        self.restore()
        self.change(self.ids[0], lambda file: file["history/total"].__setitem__(0, float("nan")))
        self.assertFinds("damaged", self.ids[0], "not finite in row 0")

    def test_a_job_that_is_missing_and_why(self):
        for ending in (".h5", ".png", ".log"):
            self.file(self.ids[0], ending).unlink()
        self.assertFinds("missing", self.ids[0], "not begun")
        self.file(self.ids[0], "running/.h5").write_bytes(b"")
        self.assertFinds("missing", self.ids[0], "begun, and not finished")
        self.file(self.ids[0], "failed/.json").write_text(json.dumps(
            {"id": self.ids[0], "end": "timed_out", "message": "after 3 h", "attempts": []}))
        self.assertFinds("missing", self.ids[0], "took too long: after 3 h")
        self.file(self.ids[0], "failed/.json").write_text("{")
        self.assertFinds("missing", self.ids[0], "nobody can say why")

    def test_a_result_of_no_job_is_listed_and_no_fault(self):
        self.list_jobs(self.ids[:2])
        found = self.verify(code=0)
        self.assertEqual([(one["kind"], one["id"]) for one in found["findings"]],
                         [("unlisted", self.ids[2])])

    def test_a_photograph_that_has_changed_or_gone_makes_results_stale(self):
        make_picture(self.path("style.png"), 40, 40, seed=77)
        found = self.verify()
        self.assertEqual(found["counts"]["stale"], 3)
        self.assertWords(found["findings"][0]["why"], "style.png' has changed")
        self.path("style.png").unlink()
        self.assertWords(self.verify("--repair")["findings"][0]["why"], "style.png' is gone")
        self.assertEqual(len(self.in_store()), 10)

    def test_stores_that_cannot_be_verified(self):
        self.assertEqual(self.atelier("verify", "nowhere").returncode, INPUT)
        self.assertEqual(self.atelier("verify").returncode, INPUT)
        (self.path(STORE) / "manifest.csv").unlink()
        result = self.atelier("verify", STORE)
        self.assertEqual(result.returncode, INPUT)
        self.assertIn("manifest.csv", result.stderr)

    def test_a_summary_for_people(self):
        self.file(self.ids[0], ".png").unlink()
        self.file(self.ids[1], ".h5").unlink()
        result = self.atelier("verify", STORE)
        self.assertWords(result.stdout, f"damaged   {self.ids[0]}  job 1: its picture is gone\n",
                         f"missing   {self.ids[1]}  job 2: not begun\n",
                         "3 jobs: 1 sound, 1 damaged, 1 missing\n")


class Repairing(Verifying):
    def test_removes_what_is_damaged_and_what_killed_processes_left(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        host = os.uname().nodename
        self.file(self.ids[0], ".png").write_bytes(b"no picture")
        leftovers = [self.path(STORE) / f"running/.x.h5.tmp.{host}.{gone.pid}",
                     self.file(self.ids[1], ".h5").with_name(f".x.png.tmp.{host}.{gone.pid}"),
                     self.path(STORE) / f".progress.json.tmp.elsewhere.1"]
        for path in leftovers:
            path.write_bytes(b"half")
        os.utime(leftovers[2], (1e9, 1e9))
        alive = self.path(STORE) / f"running/.y.h5.tmp.{host}.{os.getpid()}"
        alive.write_bytes(b"half")
        self.file(self.ids[1], "running/.h5").write_bytes(b"a checkpoint of a job that is done")
        found = self.verify("--repair")
        self.assertEqual((found["removed"], found["temporaries_removed"]), (1, 3))
        self.assertEqual(self.in_store(), {str(alive.relative_to(self.path(STORE))), "manifest.csv"} |
                         self.finished(self.ids[1]) | self.finished(self.ids[2]))
        alive.unlink()
        self.succeed(self.jobs[0][0])
        self.assertEqual(self.verify(code=0)["sound"], 3)

    def test_leaves_damaged_results_that_no_batch_would_render_again(self):
        self.list_jobs(self.ids[:2])
        self.file(self.ids[2], ".png").write_bytes(b"no picture")
        found = self.verify("--repair", code=0)
        self.assertEqual((found["counts"]["damaged"], found["removed"]), (1, 0))
        self.assertTrue(self.file(self.ids[2], ".h5").exists())

    def test_waits_for_no_batch(self):
        self.file(self.ids[0], ".png").unlink()
        start = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        claim = {"host": "here", "pid": os.getpid(), "pid_start": int(start), "nonce": "0" * 32,
                 "boot": pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
                 "pid_space": os.readlink("/proc/self/ns/pid"), "started": "2026-01-01T00:00:00Z"}
        (self.path(STORE) / "claim").write_text(json.dumps(claim))
        before = self.listing()
        result = self.atelier("verify", STORE, "--repair")
        self.assertEqual(result.returncode, ENVIRONMENT)
        self.assertWords(result.stderr, "at work", f"process {os.getpid()}")
        self.assertEqual(self.listing(), before)
        self.assertEqual(self.verify()["counts"]["damaged"], 1)

    def test_of_a_store_that_is_read_only(self):
        self.file(self.ids[0], ".png").unlink()
        options = self.without_privileges()
        for path in [self.path(STORE), *self.path(STORE).rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        self.addCleanup(lambda: [path.chmod(0o755) for path in self.path(STORE).rglob("*")])
        self.assertEqual(self.atelier("verify", STORE, "--repair", **options).returncode, ENVIRONMENT)
        self.assertEqual(self.atelier("verify", STORE, **options).returncode, FAILED)


if __name__ == "__main__":
    main()
