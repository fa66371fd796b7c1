#!/usr/bin/python3
"""atelier submit under a real Slurm of two machines, which are network namespaces here.

    tests/slurm/test_cluster.py [-v] [Cluster.test]

ATELIER_TEST_LONG=1 waits for Slurm's own time limit and for the two minutes after which it starts a
requeued job again; otherwise the test sends the signal and moves the start to now. Exits with 77,
and says why, where there can be no private Slurm.
"""
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

import cluster
from sweeps import WithSweep
from atelier import INPUT, PROGRAM, is_sanitized, main

LONG = bool(os.environ.get("ATELIER_TEST_LONG"))
SKIP = 77
QUICK = "--batch-args=--heartbeat 0.5 --lost-after 8"
SLURM = None  # the cluster, for all tests


class Cluster(WithSweep):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        self.write_sweep(sizes=(48, 56))
        self.addCleanup(self.end_jobs)
        SLURM.wait(SLURM.all_idle, 60, "idle nodes")

    def end_jobs(self):
        SLURM.run("scancel", "--user=root", check=False)
        SLURM.wait(lambda: not SLURM.run("squeue", "-h").stdout.strip(), 60, "an empty queue")
        for name in SLURM.nodes:
            if name not in SLURM.daemons:
                SLURM.start_node(name)
        SLURM.wait(SLURM.all_idle, 90, "idle nodes")

    # --- doing ---

    def submit(self, *words, code=0, nodes=2):
        return self.run_ok("submit", "sweep.csv", "--calibration", "machine.json", "--output", "runs/small", "--nodes",
                           nodes, "--workers", 1, "--threads", 1, "--mem-per-cpu", "1000M", QUICK, *words, code=code,
                           env=SLURM.environment)

    def look(self, *words, code=0):
        return self.run_ok("submit", "runs/small", *words, code=code, env=SLURM.environment).stdout

    def last_job(self):
        return (self.store / "slurm/jobs").read_text().split()[-1]

    def wait_for_state(self, job, *states, seconds=120):
        SLURM.wait(lambda: SLURM.state(job) in states, seconds, f"job {job} to be {states}",
                   lambda: f"it is {SLURM.state(job)}; {self.log(job)}")

    def log(self, job):
        path = self.store / f"slurm/{job}.log"
        return path.read_text() if path.exists() else "no log"

    def wait_for_work(self, job, seconds=60):
        """Until renders run."""
        self.wait_for_state(job, "RUNNING")
        SLURM.wait(lambda: self.renders(), seconds, f"a render of job {job}", lambda: self.log(job))

    def processes(self, *words):
        """Processes of this program on the nodes whose command line has all words: {pid: node}."""
        found = {}
        for node in SLURM.nodes:
            listed = subprocess.run(["ip", "netns", "pids", SLURM.space(node)], capture_output=True, text=True)
            for pid in listed.stdout.split():
                try:
                    line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                except OSError:
                    continue
                if os.path.basename(line[0]) == "atelier" and all(word in line for word in words):
                    found[int(pid)] = node
        return found

    def renders(self):
        return self.processes("render", str(self.store))

    def results(self, store=None):
        """{id: digest of its picture}"""
        return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in (store or self.store).glob("jobs/*/*.png")
                if path.with_suffix(".h5").exists()}

    def undisturbed(self, store="plain"):
        """What the sweep gives when nothing happens."""
        process = self.start(["batch", "sweep.csv", "--output", store, "--threads", "1", "--quiet"])
        out, err = process.communicate(timeout=1800)
        self.assertEqual(process.returncode, 0, err)
        return self.results(self.path(store))

    def iterations_that_take(self, seconds):
        """Of a sweep whose undisturbed run takes so long, here and now."""
        self.write_sweep(sizes=(48, 56), iterations=50)
        start = time.monotonic()
        self.undisturbed("trial")
        return max(150, int(50 * seconds / (time.monotonic() - start)))

    def start_again(self, job):
        """As Slurm does by itself two minutes after a requeue; it counts in seconds, and in the very
        second of the requeue a node takes the new start for the old one ("Job credential revoked")."""
        if not LONG:
            time.sleep(2.1)
            SLURM.run("scontrol", "update", f"JobId={job}", "StartTime=now")

    def assertAllDone(self, job):
        self.assertEqual(self.results(), self.undisturbed(), self.log(job))

    # --- what should happen ---

    def test_submit_and_done(self):
        said = self.submit().stdout
        job = self.last_job()
        self.assertWords(said, f"job {job}\n")
        self.assertWords(self.look("--status"), f"job {job}: ")
        self.wait_for_state(job, "COMPLETED", "FAILED")
        self.assertEqual(SLURM.job(job)["ExitCode"], "0:0", self.log(job))
        self.assertEqual(SLURM.job(job)["NodeList"], "n[1-2]")
        self.assertWords(self.look("--status"), f"job {job}: COMPLETED", "exit code 0:0")
        self.assertAllDone(job)
        hosts = {line.split("host=")[1].split()[0] for line in (self.store / "batch.log").read_text().splitlines()
                 if "agent_joined" in line}
        self.assertEqual(hosts, {"n1", "n2"})
        self.assertWords(self.submit().stdout, "all 4 jobs are done: nothing to submit")

    def test_the_time_limit_interrupts_and_the_requeued_job_finishes(self):
        self.write_sweep(sizes=(48, 56), iterations=self.iterations_that_take(200) if LONG else 150)
        expected = self.undisturbed()
        self.submit("--time", "2m", "--signal", 60)
        job = self.last_job()
        self.wait_for_work(job)
        if not LONG:
            time.sleep(1)
            SLURM.run("scancel", "--batch", "--signal=USR1", job)
        restarts = 0
        while restarts < 6:
            SLURM.wait(lambda: SLURM.state(job) in ("PENDING", "COMPLETED", "FAILED", "TIMEOUT"), 200,
                       f"job {job} to be interrupted", lambda: self.log(job))
            if SLURM.state(job) != "PENDING":
                break
            if restarts == 0:
                self.assertLess(len(self.results()), 4, "too quick to be interrupted")
                self.assertTrue(list(self.store.glob("running/*.h5")), self.log(job))
            restarts += 1
            self.start_again(job)
            SLURM.wait(lambda: SLURM.state(job) != "PENDING", 200, f"job {job} to start again")
        self.assertEqual(SLURM.state(job), "COMPLETED", self.log(job))
        self.assertGreaterEqual(restarts, 1)
        self.assertEqual(SLURM.job(job)["Restarts"], str(restarts))
        self.assertEqual(self.results(), expected)
        print(f"restarts: {restarts}", file=sys.stderr)

    def test_goes_on_in_another_job_where_it_may_not_be_requeued(self):
        self.write_sweep(sizes=(48, 56), iterations=150)
        self.submit("--no-requeue")
        first = self.last_job()
        self.wait_for_work(first)
        time.sleep(1)
        SLURM.run("scancel", "--batch", "--signal=USR1", first)
        SLURM.wait(lambda: self.last_job() != first, 60, "a successor", lambda: self.log(first))
        second = self.last_job()
        self.wait_for_state(first, "FAILED")
        self.assertEqual(SLURM.job(first)["ExitCode"], "75:0")
        self.wait_for_state(second, "COMPLETED", "FAILED", seconds=200)
        self.assertIn("start 1 on", self.log(second))
        self.assertAllDone(second)

    def test_scancel_keeps_what_is_done_and_a_new_job_finishes(self):
        self.write_sweep(sizes=(48, 56), iterations=150)
        self.submit()
        job = self.last_job()
        self.wait_for_work(job)
        self.assertWords(self.submit(code=INPUT).stderr, f"job {job} of this store is in the queue already")
        SLURM.run("scancel", job)
        self.wait_for_state(job, "CANCELLED")
        SLURM.wait(lambda: not self.renders(), 30, "the renders to be gone")
        self.write_sweep(sizes=(48, 56), iterations=150)
        self.submit()
        self.wait_for_state(self.last_job(), "COMPLETED", "FAILED", seconds=200)
        self.assertAllDone(self.last_job())

    def test_cancel_keeps_every_state(self):
        self.write_sweep(sizes=(48, 56), iterations=1000)
        self.submit()
        job = self.last_job()
        self.wait_for_work(job)
        time.sleep(1)
        self.assertWords(self.look("--cancel"), "keep their states first")
        self.wait_for_state(job, "FAILED", seconds=60)
        self.assertEqual(SLURM.job(job)["ExitCode"], "75:0", self.log(job))
        self.assertTrue(list(self.store.glob("running/*.h5")), self.log(job))
        self.assertEqual(SLURM.job(job)["Restarts"], "0")

    def test_a_killed_worker_costs_nothing_but_time(self):
        self.write_sweep(sizes=(48, 56), iterations=100)
        self.submit()
        job = self.last_job()
        self.wait_for_work(job)
        workers = [pid for pid, node in self.processes("batch").items() if node == "n2"]
        self.assertTrue(workers)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        self.wait_for_state(job, "COMPLETED", "FAILED", seconds=200)
        self.assertEqual(SLURM.job(job)["ExitCode"], "0:0", self.log(job))
        self.assertIn("agent_lost", (self.store / "batch.log").read_text())
        self.assertAllDone(job)

    def test_a_lost_machine_costs_nothing_but_time(self):
        self.write_sweep(sizes=(48, 56), iterations=100)
        self.submit()
        job = self.last_job()
        self.wait_for_work(job)
        SLURM.wait(lambda: "n2" in self.renders().values(), 30, "a render on n2")
        SLURM.lose_node("n2")
        self.wait_for_state(job, "COMPLETED", "FAILED", "NODE_FAIL", "PENDING", seconds=200)
        if SLURM.state(job) == "PENDING": # mpirun did not outlive its second and last daemon
            SLURM.start_node("n2")
            self.start_again(job)
            self.wait_for_state(job, "COMPLETED", "FAILED", seconds=200)
        self.assertEqual(SLURM.state(job), "COMPLETED", self.log(job))
        self.assertAllDone(job)

    def test_srun_starts_a_batch_too(self):
        kinds = SLURM.run("srun", "--mpi=list")
        if "pmix" not in (kinds.stdout + kinds.stderr).split():
            self.skipTest("this Slurm has no PMIx")
        done = SLURM.run("srun", "--mpi=pmix", "-N1", "-n2", PROGRAM, "batch", "sweep.csv", "--output", "runs/small",
                         "--threads", "1", cwd=self.folder, timeout=300)
        self.assertWords(done.stdout, "4 of 4 jobs done")
        self.assertEqual(self.results(), self.undisturbed())

    def test_a_missing_log_folder_is_seen_in_the_status(self):
        self.submit("--", "--hold")
        job = self.last_job()
        self.assertWords(self.look("--status"), f"job {job}: PENDING")
        shutil.move(self.store / "slurm", self.path("away"))
        SLURM.run("scontrol", "release", job)
        self.wait_for_state(job, "FAILED")
        shutil.move(self.path("away"), self.store / "slurm")
        self.assertWords(self.look("--status"), f"job {job}: FAILED", "exit code")
        self.assertFalse(self.results())

    def test_a_refusal_is_passed_on_and_leaves_nothing(self):
        before = self.listing()
        refused = self.submit("--partition", "bad", code=INPUT)
        self.assertWords(refused.stderr, "sbatch refuses", "invalid partition specified: bad")
        refused = self.submit("--", "--mem-per-cpu=900G", code=INPUT)
        self.assertWords(refused.stderr, "sbatch refuses: Requested node configuration is not available")
        self.assertEqual(self.listing(), before)

    def test_asks_slurm_about_its_machines(self):
        plan = self.run_ok("plan", "sweep.csv", "--calibration", "machine.json", "--output", "runs/small",
                           env=SLURM.environment).stdout
        self.assertWords(plan, "--nodes=1 --ntasks-per-node=")
        refused = self.run_ok("plan", "sweep.csv", "--calibration", "machine.json", "--workers", 3, "--threads", 1,
                              code=INPUT, env=SLURM.environment)
        self.assertWords(refused.stderr, "a node has 2")
        self.assertWords(self.submit("--test-only").stdout, "to start at")


if __name__ == "__main__":
    try:
        if is_sanitized():
            raise cluster.Unavailable("minutes of waiting that find nothing more in a sanitized build")
        with cluster.Cluster(nodes=2, cpus=2) as SLURM:
            main()
    except cluster.Unavailable as reason:
        print(f"skipped: {reason}")
        sys.exit(SKIP)
