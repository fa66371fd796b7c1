#!/usr/bin/python3
"""atelier submit, and the script it writes, without a Slurm: its programs are stand-ins that note
how they were called. test_cluster.py has the real one."""
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

from sweeps import WithSweep
from atelier import ENVIRONMENT, INPUT, PATIENCE, ROOT, end, main, wait_until

# Notes its words in calls/, then does what answers/NAME says: a line of shell.
STAND_IN = """#!/bin/bash
name=$(basename "$0")
echo "$name $*" >> "{folder}/calls"
[ ! -e "{folder}/answers/$name" ] || . "{folder}/answers/$name"
"""


class WithSlurm(WithSweep):
    def setUp(self):
        super().setUp()
        self.path("bin").mkdir()
        self.path("answers").mkdir()
        for name in ["sbatch", "scontrol", "squeue", "scancel"]:
            self.path("bin").joinpath(name).write_text(STAND_IN.format(folder=self.folder))
            self.path("bin").joinpath(name).chmod(0o755)
        self.answer("sbatch", '[ "$1" = --test-only ] && { cat > "%s/tested"; echo "sbatch: Job 1 to start at noon" >&2; } || echo 77'
                    % self.folder)
        self.answer("scontrol", 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1')
        self.environment = dict(os.environ, PATH=f"{self.path('bin')}:{os.environ['PATH']}")
        for name in [key for key in self.environment if key.startswith("SLURM_")]:
            del self.environment[name]

    def answer(self, name, shell):
        self.path("answers").joinpath(name).write_text(shell + "\n")

    def calls(self):
        return self.path("calls").read_text().splitlines() if self.path("calls").exists() else []

    def submit(self, *words, code=0, path="sweep.csv", **options):
        options.setdefault("env", self.environment)
        return self.run_ok("submit", path, "--calibration", "machine.json", "--output", "runs/small",
                           "--node-cpus", 16, "--node-memory", "32G", *words, code=code, **options)

    def directives(self, script):
        return re.findall(r"^#SBATCH (.*)$", script, re.M)


class Submit(WithSlurm):
    def test_dry_run_prints_the_script_and_does_nothing(self):
        before = self.listing()
        script = self.submit("--dry-run", "--nodes", 2, "--workers", 3, "--threads", 2).stdout
        self.assertEqual(self.listing(), before)
        directives = self.directives(script)
        for line in ["--job-name=small", "--nodes=2", "--ntasks-per-node=3", "--cpus-per-task=2", "--time=00:10:00",
                     "--signal=B:USR1@150", "--requeue", "--no-kill", "--open-mode=append",
                     f'--output="{self.store}/slurm/%j.log"']:
            self.assertIn(line, directives)
        self.assertIn("arguments=(--ranks 6 --threads 2)\n", script)
        self.assertIn(f"sweep='{self.path('sweep.csv')}'\n", script)
        self.assertTrue(script.endswith((ROOT / "slurm/batch_body.sh").read_text()))

    def test_dry_run_needs_no_slurm(self):
        for name in ["sbatch", "scontrol", "squeue", "scancel"]:
            self.path("bin").joinpath(name).unlink()
        without = dict(self.environment, PATH=str(self.path("bin")))
        self.assertWords(self.submit("--dry-run", env=without).stdout, "#SBATCH --nodes=1")
        before = self.listing()
        refused = self.submit(code=ENVIRONMENT, env=without)
        self.assertWords(refused.stderr, "there is no Slurm here", "--dry-run", "atelier batch")
        self.assertEqual(self.listing(), before)

    def test_passes_on_what_slurm_should_know(self):
        self.path("my setup.sh").write_text("true\n")
        script = self.submit("--dry-run", "--partition", "short", "--account", "me", "--constraint", "a&b", "--qos",
                             "low", "--mail-user", "me@here", "--time", "2h", "--time-min", "30m", "--mem-per-cpu",
                             "2GiB", "--ntasks-per-node", 4, "--cpus-per-task", 2, "--job-name", "x", "--setup",
                             "my setup.sh", "--restarts", 3, "--signal", 120, "--no-requeue", "--batch-args=--retries 1", "--", "--gres", "lscratch:10", "--exclusive").stdout
        directives = self.directives(script)
        for line in ["--partition=short", "--account=me", '--constraint="a&b"', "--qos=low", "--mail-user=me@here",
                     "--mail-type=END,FAIL,REQUEUE", "--time=02:00:00", "--time-min=00:30:00", "--mem-per-cpu=2048M",
                     "--ntasks-per-node=4", "--cpus-per-task=2", "--job-name=x", "--signal=B:USR1@120",
                     "--no-requeue", "--gres lscratch:10", "--exclusive"]:
            self.assertIn(line, directives)
        self.assertWords(script, "restarts_most=3\n", f"setup='{self.path('my setup.sh')}'\n",
                         "arguments=(--ranks 4 --threads 2 '--retries' '1')\n")

    def test_keeps_the_script_and_says_the_number(self):
        said = self.submit()
        self.assertWords(said.stdout, "job 77\n", str(self.store / "slurm/batch.sh"), "77.log")
        script = self.store / "slurm/batch.sh"
        self.assertTrue(os.access(script, os.X_OK))
        self.assertEqual(script.read_text(), self.path("tested").read_text())
        self.assertEqual((self.store / "slurm/jobs").read_text(), "77\n")
        self.assertEqual([call.split()[:2] for call in self.calls()],
                         [["sbatch", "--test-only"], ["sbatch", "--parsable"]])
        self.assertTrue(self.calls()[1].endswith(str(script)))

    def test_passes_on_why_slurm_refuses_and_leaves_nothing(self):
        refuse = 'echo "sbatch: error: invalid partition specified: bad" >&2; exit 1'
        for answer in [refuse, f'[ "$1" = --test-only ] && exit 0; {refuse}']:
            self.answer("sbatch", answer)
            before = self.listing()
            refused = self.submit("--partition", "bad", code=INPUT)
            self.assertEqual(refused.stderr.splitlines()[-1],
                             "atelier submit: sbatch refuses: invalid partition specified: bad")
            self.path("calls").unlink()
            self.assertFalse(self.store.exists())
            self.assertEqual(set(self.listing()) - {"runs"}, set(before))

    def test_tells_a_silent_slurm_from_a_refusal(self):
        self.answer("sbatch", 'echo "sbatch: error: Unable to contact slurm controller (connect failure)" >&2; exit 1')
        self.assertWords(self.submit(code=ENVIRONMENT).stderr, "Unable to contact slurm controller")

    def test_a_second_job_for_the_same_store_is_refused_while_the_first_lives(self):
        self.submit()
        self.answer("scontrol", 'echo "JobId=77 JobState=PENDING Reason=Resources NodeList=(null) ExitCode=0:0"')
        refused = self.submit(code=INPUT)
        self.assertWords(refused.stderr, "job 77 of this store is in the queue already (PENDING)")
        self.answer("scontrol", 'echo "JobId=77 JobState=COMPLETED Reason=None NodeList=n1 ExitCode=0:0"')
        self.submit()
        self.assertEqual((self.store / "slurm/jobs").read_text(), "77\n77\n")

    def test_test_only_asks_and_submits_nothing(self):
        self.assertEqual(self.submit("--test-only").stdout, "Job 1 to start at noon\n")
        self.assertFalse(self.store.exists())

    def test_says_what_is_missing(self):
        refused = self.run_ok("submit", "sweep.csv", "--calibration", "machine.json", code=INPUT, env=self.environment)
        self.assertWords(refused.stderr, "where to?", "--output DIR")
        self.assertWords(self.submit("stray", code=INPUT).stderr, "unexpected argument 'stray'", "after --")
        self.assertWords(self.submit("--setup", "nowhere", code=ENVIRONMENT).stderr, "setup file 'nowhere'")
        self.assertWords(self.submit("--output", "a\nb", code=INPUT).stderr, "twice")

    def test_status_and_cancel(self):
        self.submit()
        words = ["submit", "runs/small"]
        self.answer("scontrol", 'echo "JobId=77 JobState=RUNNING Reason=None NodeList=n[1-2] ExitCode=0:0"')
        self.answer("squeue", 'echo 12:34')
        self.assertEqual(self.run_ok(*words, "--status", env=self.environment).stdout,
                         "job 77: RUNNING on n[1-2], 12:34 left\n")
        self.assertWords(self.run_ok(*words, "--cancel", env=self.environment).stdout, "keep their states first")
        self.assertEqual(self.calls()[-1], "scancel --batch --signal=USR2 77")
        self.run_ok(*words, "--cancel", "--now", env=self.environment)
        self.assertEqual(self.calls()[-1], "scancel 77")
        self.answer("scontrol", 'echo "JobId=77 JobState=PENDING Reason=Resources NodeList=(null) ExitCode=0:0"')
        self.assertEqual(self.run_ok(*words, "--status", env=self.environment).stdout, "job 77: PENDING (Resources)\n")
        self.run_ok(*words, "--cancel", env=self.environment)
        self.assertEqual(self.calls()[-1], "scancel 77")
        self.answer("scontrol", 'echo "JobId=77 JobState=FAILED Reason=NonZeroExitCode NodeList=n1 ExitCode=1:0"')
        self.assertEqual(self.run_ok(*words, "--status", env=self.environment).stdout,
                         "job 77: FAILED (NonZeroExitCode) on n1, exit code 1:0\n")
        self.assertWords(self.run_ok(*words, "--cancel", env=self.environment, code=INPUT).stderr, "has ended: FAILED")
        self.answer("scontrol", 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1')
        self.assertWords(self.run_ok(*words, "--status", env=self.environment).stdout, "knows it no longer")
        shutil.rmtree(self.store / "slurm")
        self.assertWords(self.run_ok(*words, "--status", env=self.environment, code=INPUT).stderr, "nothing of")


# Instead of atelier: `submit --advance` prints advance; `batch` notes its words, makes of advance
# what `leads` says, and ends with what `code` says, at once or when it gets a signal.
ATELIER = """#!/usr/bin/python3
import pathlib, signal, sys, time
here = pathlib.Path({folder!r})
if sys.argv[1] == "submit":
    print((here / "advance").read_text())
    sys.exit()
got = []
for number in [signal.SIGUSR1, signal.SIGTERM]:
    signal.signal(number, lambda n, _: got.append(signal.Signals(n).name))
(here / "batch").write_text(" ".join(sys.argv[1:]))
while (here / "wait").exists() and not got:
    time.sleep(0.02)
(here / "got").write_text(" ".join(got))
(here / "advance").write_text((here / "leads").read_text())
sys.exit(int((here / "code").read_text()))
"""


class Script(WithSlurm):
    """The script itself, run by hand."""

    def setUp(self):
        super().setUp()
        self.path("fake").write_text(ATELIER.format(folder=str(self.folder)))
        self.path("fake").chmod(0o755)
        self.write(advance="none", leads="none", code="0")

    def write(self, **files):
        for name, text in files.items():
            self.path(name).write_text(text)

    def script(self, *words):
        text = self.submit("--dry-run", "--workers", 2, "--threads", 2, *words).stdout
        text = re.sub(r"^atelier=.*$", f"atelier='{self.path('fake')}'", text, flags=re.M)
        (self.store / "slurm").mkdir(parents=True, exist_ok=True)
        self.path("batch.sh").write_text(text)
        self.path("calls").unlink(missing_ok=True)

    def start_script(self, **more):
        environment = dict(self.environment, **{name: str(value) for name, value in more.items()})
        process = subprocess.Popen(["bash", str(self.path("batch.sh"))], env=environment, cwd=self.folder,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True)
        self.addCleanup(end, process)
        return process

    def run_script(self, code, *words, **environment):
        self.script(*words)
        process = self.start_script(**environment)
        said, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, code, said)
        return said

    def run_and_signal(self, number, code, *words, **environment):
        self.script(*words)
        self.write(wait="")
        self.path("batch").unlink(missing_ok=True)
        process = self.start_script(SLURM_JOB_ID=5, **environment)
        wait_until(self.path("batch").exists, "the batch has begun")
        process.send_signal(number)
        said, _ = process.communicate(timeout=PATIENCE)
        self.path("wait").unlink()
        self.assertEqual(process.returncode, code, said)
        return said

    @unittest.skipUnless(shutil.which("shellcheck"), "shellcheck is not installed")
    def test_is_clean_to_shellcheck(self):
        self.script("--setup", "sweep.csv", "--batch-args=--retries 1")
        checked = subprocess.run(["shellcheck", str(self.path("batch.sh"))], capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked.stdout)

    def test_ends_as_the_batch_does(self):
        for code in [0, 1, 2, 70]:
            self.write(code=str(code))
            self.run_script(code, SLURM_JOB_ID=5)
            self.assertNotIn("scontrol requeue 5", self.calls())
        self.assertEqual(self.path("batch").read_text(),
                         f"batch {self.path('sweep.csv')} --output {self.store} --ranks 2 --threads 2")

    def test_requeues_when_interrupted_and_something_advanced(self):
        self.write(code="75", leads="more")
        self.answer("scontrol", "kill -9 $PPID")  # as Slurm ends the script at once
        self.run_script(-signal.SIGKILL, SLURM_JOB_ID=5)
        self.assertIn("scontrol requeue 5", self.calls())

    def test_requeues_a_few_times_when_disk_or_mount_may_come_back(self):
        self.write(code="3", leads="none")
        self.answer("scontrol", "kill -9 $PPID")
        for restarts in (0, 2):
            self.run_script(-signal.SIGKILL, SLURM_JOB_ID=5, SLURM_RESTART_COUNT=restarts)
            self.assertIn("scontrol requeue 5", self.calls())
        said = self.run_script(3, SLURM_JOB_ID=5, SLURM_RESTART_COUNT=3)
        self.assertIn("nothing came further after 3 restarts", said)
        self.assertNotIn("scontrol requeue 5", self.calls())
        self.write(advance="none", leads="more")
        self.run_script(-signal.SIGKILL, SLURM_JOB_ID=5, SLURM_RESTART_COUNT=3)
        self.assertIn("scontrol requeue 5", self.calls())
        self.write(advance="none", leads="more")
        said = self.run_script(3, "--restarts", "3", SLURM_JOB_ID=5, SLURM_RESTART_COUNT=3)
        self.assertIn("started again 3 times", said)

    def test_does_not_requeue_when_nothing_advanced(self):
        self.write(code="75", leads="none")
        said = self.run_script(75, SLURM_JOB_ID=5)
        self.assertIn("nothing was finished and no checkpoint came further", said)
        self.assertFalse([call for call in self.calls() if "requeue" in call or call.startswith("sbatch")])

    def test_caps_its_restarts(self):
        self.write(code="75", leads="more")
        said = self.run_script(75, "--restarts", "3", SLURM_JOB_ID=5, SLURM_RESTART_COUNT=1, ATELIER_RESTARTS=2)
        self.assertIn("started again 3 times", said)
        self.assertFalse([call for call in self.calls() if "requeue" in call])

    def test_goes_on_in_a_successor_where_it_may_not_be_requeued(self):
        self.write(code="75", leads="more")
        self.answer("scontrol", 'echo "Requested operation is presently disabled" >&2; exit 1')
        self.answer("sbatch", 'echo "$ATELIER_RESTARTS" > restarts; echo "88;cluster"')
        said = self.run_script(75, SLURM_JOB_ID=5, SLURM_RESTART_COUNT=1, ATELIER_RESTARTS=2)
        self.assertIn("job 88 goes on after it", said)
        self.assertIn(f"sbatch --parsable --dependency=afterany:5 {self.store}/slurm/batch.sh", self.calls())
        self.assertEqual(self.path("restarts").read_text(), "4\n")
        self.assertEqual((self.store / "slurm/jobs").read_text(), "88\n")

    def test_says_so_where_nothing_works(self):
        self.write(code="75", leads="more")
        self.answer("scontrol", "exit 1")
        self.answer("sbatch", "exit 1")
        self.assertIn("the same script goes on", self.run_script(75, SLURM_JOB_ID=5))

    def test_forwards_the_warning_and_goes_on(self):
        self.write(code="75", leads="more")
        self.answer("scontrol", "kill -9 $PPID")
        self.run_and_signal(signal.SIGUSR1, -signal.SIGKILL)
        self.assertEqual(self.path("got").read_text(), "SIGUSR1")
        self.assertIn("scontrol requeue 5", self.calls())

    def test_a_cancelled_job_is_not_started_again(self):
        self.write(code="75", leads="more")
        for number, forwarded in [(signal.SIGUSR2, "SIGUSR1"), (signal.SIGTERM, "SIGTERM")]:
            said = self.run_and_signal(number, 75)
            self.assertEqual(self.path("got").read_text(), forwarded)
            self.assertIn("not started again", said)
            self.assertFalse([call for call in self.calls() if "requeue" in call])

    def test_a_warning_that_comes_before_the_script_knows_its_batch_reaches_it(self):
        self.write(code="75", leads="more")
        self.script()
        self.write(wait="")
        text = self.path("batch.sh").read_text()
        self.path("batch.sh").write_text(text.replace(
            "\nbatch=$!\n", f"\nwhile [ ! -e {self.path('batch')} ]; do sleep 0.1; done; kill -USR1 $$\nbatch=$!\n"))
        self.answer("scontrol", "kill -9 $PPID")
        process = self.start_script(SLURM_JOB_ID=5)
        said, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, -signal.SIGKILL, said)
        self.assertEqual(self.path("got").read_text(), "SIGUSR1")

    def test_a_warning_that_comes_as_the_batch_ends_changes_nothing(self):
        self.write(code="0", leads="more")
        self.run_and_signal(signal.SIGUSR1, 0)

    def test_tells_the_batch_when_its_time_is_up(self):
        self.write(code="0")
        over, reserve = int(time.time()) + 6000, 30  # half of what --signal says
        self.answer("squeue", f"date -d @{over} +%Y-%m-%dT%H:%M:%S")
        for environment in [{"SLURM_JOB_END_TIME": over}, {}]:
            earliest = int(time.time())
            self.run_script(0, "--signal", "60", SLURM_JOB_ID=5, **environment)
            latest = time.time()
            left = int(re.search(r"--deadline (\d+)s", self.path("batch").read_text())[1])
            self.assertTrue(over - reserve - latest <= left <= over - reserve - earliest, left)
        self.answer("squeue", "echo N/A")
        self.run_script(0, SLURM_JOB_ID=5)
        self.assertNotIn("--deadline", self.path("batch").read_text())

    def test_the_setup_file_comes_first(self):
        self.write(setup="export FROM_SETUP=yes\n")
        fake = self.path("fake").read_text()
        self.path("fake").write_text(fake.replace('"batch").write_text(', '"batch").write_text(__import__("os").environ["FROM_SETUP"] + '))
        self.run_script(0, "--setup", "setup")
        self.assertTrue(self.path("batch").read_text().startswith("yesbatch"))
        self.write(setup="false\n")
        self.assertIn("failed", self.run_script(3, "--setup", "setup"))


if __name__ == "__main__":
    main()
