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
HELD_RENDER = pathlib.Path(__file__).resolve().parent / "held_render.py"
SLURM = None  # the cluster, for all tests


class Cluster(WithSweep):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        self.write_sweep(sizes=(48, 56), iterations=8)
        self.path("atelier").symlink_to(PROGRAM)
        self.path("renderer").symlink_to(HELD_RENDER)
        self.addCleanup(self.end_jobs)
        SLURM.wait(SLURM.all_idle, "idle nodes")

    def end_jobs(self):
        SLURM.run("scancel", "--user=root", check=False)
        SLURM.wait(lambda: not SLURM.run("squeue", "-h").stdout.strip(), "an empty queue")
        for name in SLURM.nodes:
            if name not in SLURM.daemons:
                SLURM.start_node(name)
        SLURM.wait(SLURM.all_idle, "idle nodes")

    # --- doing ---

    def submit(self, *words, code=0, nodes=2):
        return self.run_ok("submit", "sweep.csv", "--calibration", "machine.json", "--output", "runs/small", "--nodes",
                           nodes, "--workers", 1, "--threads", 1, "--mem-per-cpu", "1000M",
                           f"--batch-args=--heartbeat 0.5 --lost-after 15 --renderer {self.path('renderer')}", *words,
                           code=code, env=SLURM.environment)

    def look(self, *words, code=0):
        return self.run_ok("submit", "runs/small", *words, code=code, env=SLURM.environment).stdout

    def last_job(self):
        return (self.store / "slurm/jobs").read_text().split()[-1]

    def wait_for_state(self, job, *states):
        SLURM.wait(lambda: SLURM.state(job) in states, f"job {job} to be {states}",
                   lambda: f"it is {SLURM.state(job)}; {self.log(job)}")

    def log(self, job):
        path = self.store / f"slurm/{job}.log"
        return path.read_text() if path.exists() else "no log"

    def submit_held(self, *words):
        """Until both nodes hold a render in the middle of its work; returns the job."""
        self.path("hold").touch()
        self.submit(*words)
        job = self.last_job()
        SLURM.wait(lambda: len(list(self.folder.glob("held-*"))) == 2, f"renders of job {job}", lambda: self.log(job))
        return job

    def let_go(self):
        self.path("hold").unlink()

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
        job = self.submit_held(*(["--time", "2m", "--signal", 60] if LONG else []))
        if not LONG:
            SLURM.run("scancel", "--batch", "--signal=USR1", job)
        SLURM.wait(lambda: SLURM.state(job) in ("PENDING", "COMPLETED", "FAILED", "TIMEOUT"),
                   f"job {job} to be interrupted", lambda: self.log(job))
        self.assertEqual(SLURM.state(job), "PENDING", self.log(job))
        self.assertEqual(len(list(self.store.glob("running/*.h5"))), 2, self.log(job))
        self.assertEqual(self.results(), {})
        self.let_go()
        self.start_again(job)
        self.wait_for_state(job, "COMPLETED", "FAILED")
        self.assertEqual(SLURM.state(job), "COMPLETED", self.log(job))
        self.assertEqual(SLURM.job(job)["Restarts"], "1")
        self.assertAllDone(job)

    def test_goes_on_in_another_job_where_it_may_not_be_requeued(self):
        first = self.submit_held("--no-requeue")
        SLURM.run("scancel", "--batch", "--signal=USR1", first)
        SLURM.wait(lambda: self.last_job() != first, "a successor", lambda: self.log(first))
        second = self.last_job()
        self.let_go()
        self.wait_for_state(first, "FAILED")
        self.assertEqual(SLURM.job(first)["ExitCode"], "75:0")
        self.wait_for_state(second, "COMPLETED", "FAILED")
        self.assertIn("start 1 on", self.log(second))
        self.assertAllDone(second)

    def test_scancel_keeps_what_is_done_and_a_new_job_finishes(self):
        job = self.submit_held()
        self.assertWords(self.submit(code=INPUT).stderr, f"job {job} of this store is in the queue already")
        SLURM.run("scancel", job)
        self.wait_for_state(job, "CANCELLED")
        SLURM.wait(lambda: not self.renders(), "the renders to be gone")
        self.let_go()
        self.submit()
        self.wait_for_state(self.last_job(), "COMPLETED", "FAILED")
        self.assertAllDone(self.last_job())

    def test_cancel_keeps_every_state(self):
        job = self.submit_held()
        self.assertWords(self.look("--cancel"), "keep their states first")
        self.wait_for_state(job, "FAILED")
        self.assertEqual(SLURM.job(job)["ExitCode"], "75:0", self.log(job))
        self.assertEqual(len(list(self.store.glob("running/*.h5"))), 2, self.log(job))
        self.assertEqual(SLURM.job(job)["Restarts"], "0")

    def test_a_killed_worker_costs_nothing_but_time(self):
        job = self.submit_held()
        workers = [pid for pid, node in self.processes("batch").items() if node == "n2"]
        self.assertTrue(workers)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        SLURM.wait(lambda: "agent_lost" in (self.store / "batch.log").read_text(), "a lost worker",
                   lambda: self.log(job))
        self.let_go()
        self.wait_for_state(job, "COMPLETED", "FAILED")
        self.assertEqual(SLURM.job(job)["ExitCode"], "0:0", self.log(job))
        self.assertAllDone(job)

    def test_a_lost_machine_costs_nothing_but_time(self):
        job = self.submit_held()
        self.assertEqual(set(self.renders().values()), {"n1", "n2"})
        SLURM.lose_node("n2")
        self.let_go()
        self.wait_for_state(job, "COMPLETED", "FAILED", "NODE_FAIL", "PENDING")
        if SLURM.state(job) == "PENDING": # mpirun did not outlive its second and last daemon
            SLURM.start_node("n2")
            self.start_again(job)
            self.wait_for_state(job, "COMPLETED", "FAILED")
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
