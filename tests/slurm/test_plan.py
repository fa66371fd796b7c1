#!/usr/bin/python3
"""atelier plan: predictions of a made-up machine whose answers are known, and of this one."""
import json
import shutil
import statistics
import unittest

from sweeps import RATE, WithSweep, os, tiled
from atelier import INPUT, attributes, is_sanitized, main


def job_seconds(width, height, evaluations):
    """Two convolutions: forward for both targets (the style looks at one only), forward and
    backward for each evaluation."""
    positions = tiled(width) * tiled(height)
    style = tiled(width)**2  # style.png is square
    return RATE * (2 * positions + style + evaluations * 6 * positions)


class Plan(WithSweep):
    def plan(self, *words, code=0, path="sweep.csv", **options):
        return self.run_ok("plan", path, "--calibration", "machine.json", *words, code=code, **options)

    def json(self, *words, **options):
        return json.loads(self.plan("--json", *words, **options).stdout)

    def test_adds_up_every_job(self):
        plan = self.json("--threads", 1, "--workers", 1)
        small, large = job_seconds(48, 36, 11), job_seconds(96, 72, 11)
        self.assertEqual([round(job["seconds"], 9) for job in plan["list"]],
                         [round(s, 9) for s in [small, small, large, large]])
        self.assertEqual([job["evaluations"] for job in plan["list"]], [11] * 4)
        self.assertAlmostEqual(plan["makespan_seconds"], 2 * (small + large))
        self.assertAlmostEqual(plan["core_hours"], 2 * (small + large) / 3600, 9)
        self.assertAlmostEqual(plan["seconds"]["smallest"], small)
        self.assertAlmostEqual(plan["seconds"]["largest"], large)
        self.assertEqual(plan["jobs"], 4)
        self.assertEqual(plan["left"], 4)
        self.assertTrue(all(job["bytes"] > 40e6 for job in plan["list"]))

    def test_workers_share_the_work_longest_first(self):
        small, large = job_seconds(48, 36, 11), job_seconds(96, 72, 11)
        for nodes, workers, makespan in [(1, 2, small + large), (1, 3, max(large, 2 * small)), (2, 2, large)]:
            plan = self.json("--threads", 1, "--workers", workers, "--nodes", nodes, "--node-cpus", 64,
                             "--node-memory", "64G")
            self.assertAlmostEqual(plan["makespan_seconds"], makespan)
            self.assertEqual((plan["slurm"]["nodes"], plan["slurm"]["ntasks_per_node"]), (nodes, workers))

    def test_threads_divide_what_runs_in_parallel(self):
        one = self.json("--threads", 1, "--workers", 1, "--node-cpus", 64)
        four = self.json("--threads", 4, "--workers", 1, "--node-cpus", 64)
        self.assertAlmostEqual(four["makespan_seconds"], one["makespan_seconds"] / (2 * 0.9)**2)

    def test_says_what_to_ask_of_slurm(self):
        said = self.plan("--threads", 2, "--workers", 3, "--nodes", 2, "--node-cpus", 8, "--node-memory", "64G").stdout
        self.assertWords(said, "--nodes=2 --ntasks-per-node=3 --cpus-per-task=2 --mem-per-cpu=", "--time=00:10:00",
                         "a made-up machine", "core-hours", "2 nodes x 3 workers x 2 threads")

    def test_says_when_jobs_may_stop_early(self):
        self.assertNotIn("tolerance", self.plan().stdout)
        self.write_sweep(tolerance="0.01")
        self.assertWords(self.plan().stdout, "4 jobs may stop early by `tolerance`; predicted at the whole budget")
        self.assertEqual(self.json()["may_stop_early"], 4)

    def test_refuses_what_no_node_has(self):
        refused = self.plan("--workers", 8, "--threads", 2, "--node-cpus", 8, code=INPUT)
        self.assertWords(refused.stderr, "8 workers of 2 threads need 16 processors, a node has 8")
        refused = self.plan("--node-memory", "10M", code=INPUT)
        self.assertWords(refused.stderr, "the largest job needs", "a node has 0.0 GB")

    def test_shows_what_is_wrong_with_a_sweep(self):
        self.write_sweep(weights=(1, -10))
        self.assertWords(self.plan(code=INPUT).stderr, "style_weight", "-10")
        self.assertWords(self.plan(code=INPUT, path="nowhere.csv").stderr, "nowhere.csv")
        self.path("machine.json").write_text("{}")
        self.write_sweep()
        self.assertWords(self.plan(code=INPUT).stderr, "'machine.json' is not a calibration of this version")

    def test_reads_a_manifest(self):
        listed = self.run_ok("expand", "sweep.csv").stdout
        self.path("manifest.csv").write_text(listed)
        by_sweep, by_manifest = self.json(), self.json(path="manifest.csv")
        self.assertEqual(by_sweep["list"], by_manifest["list"])

    def test_finished_jobs_correct_the_prediction(self):
        self.run_ok("batch", "sweep.csv", "--output", "runs/small", "--threads", 1, "--quiet")
        self.assertWords(self.plan(path="runs/small").stdout, "jobs      4, 4 done, 0 left", "seen      4 finished jobs",
                         "error     median")
        self.write_sweep(weights=(1, 10, 100))
        fresh = self.json("--output", "elsewhere", "--threads", 1)
        grown = self.json("--output", "runs/small", "--threads", 1)
        seen = grown["experience"]
        self.assertEqual((grown["left"], seen["jobs"], seen["compared"], seen["early"]), (2, 4, 4, 0))
        self.assertEqual(sum(job["done"] for job in grown["list"]), 4)
        took = []
        for path in self.store.glob("jobs/*/*.h5"):
            attributes_ = attributes(path)
            predicted = RATE * 6 * tiled(int(attributes_["width"])) * tiled(int(attributes_["height"])) * \
                attributes_["evaluations"]
            took.append(attributes_["seconds"] / predicted)
        factor = statistics.median(took)**(4 / 5)  # drawn towards 1 as by one more job
        self.assertAlmostEqual(seen["seconds_factor"]["f32"], factor, delta=1e-6 * factor)
        self.assertEqual(seen["seconds_factor"]["bf16"], 1)
        for before, now in zip(fresh["list"], grown["list"]):
            self.assertAlmostEqual(now["seconds"], factor * before["seconds"], delta=1e-6 * now["seconds"])
            self.assertAlmostEqual(now["bytes"], seen["bytes_factor"] * before["bytes"], delta=2)

    @unittest.skipIf(is_sanitized(), "measures this machine, which takes a sanitized build too long")
    def test_measures_this_machine_once(self):
        words = ["plan", "sweep.csv", "--threads", "1", "--workers", "1", "--json"]
        environment = dict(os.environ, ATELIER_CACHE=str(self.path("cache")))
        first = self.run_ok(*words, env=environment)
        again = self.run_ok(*words, env=environment)
        self.assertWords(first.stderr, "measuring this machine")
        self.assertNotIn("measuring", again.stderr)
        self.assertEqual(first.stdout, again.stdout)
        kept = list(self.path("cache").glob("machine-*.json"))
        self.assertEqual(len(kept), 1)
        measured = json.loads(kept[0].read_text())
        conv = measured["convolutions"]["f32"]["layers"]
        for layer in conv:
            self.assertGreater(layer["forward"][3], layer["forward"][0])
            self.assertGreater(layer["backward"][3], layer["backward"][0])
        self.assertGreater(measured["rates"]["lbfgs_gradient"] + measured["rates"]["lbfgs_step"], 0)
        for job in json.loads(first.stdout)["list"]:
            self.assertGreater(job["seconds"], 0)
        dry = ["render", "content.png", "style.png", "-o", "out.png", "--size", 48, "--threads", 1, "--dry-run"]
        self.assertWords(self.run_ok(*dry, env=environment).stdout, "time     about", "this machine's measurements")
        nowhere = dict(environment, ATELIER_CACHE="/nonexistent")
        self.assertWords(self.run_ok(*dry, env=nowhere).stdout, "time     not known", "atelier plan")
        shutil.copy(kept[0], self.path("other.json"))
        other = self.run_ok(*words, "--calibration", "other.json")
        self.assertEqual(json.loads(other.stdout)["list"], json.loads(first.stdout)["list"])
        self.run_ok("batch", "sweep.csv", "--output", "runs/small", "--threads", 1, "--quiet", env=environment)
        for job in json.loads(first.stdout)["list"]:
            recorded = attributes(self.store / f"jobs/{job['id'][:2]}/{job['id']}.h5")
            self.assertAlmostEqual(recorded["predicted_seconds"], job["seconds"], delta=1e-4 * job["seconds"])
            self.assertAlmostEqual(recorded["predicted_bytes"], job["bytes"], delta=0.02 * job["bytes"])


if __name__ == "__main__":
    main()
