"""atelier batch with a stub renderer: every job once on any number of ranks, every end told apart,
exit codes, growing and resuming, two batches on one store."""
from batch import *  # noqa: F403


class Ranks(InStore):
    def check(self, jobs, *options):
        self.manifest(range(jobs))
        result = self.batch(*options)
        self.assertEqual(len(self.done()), jobs)
        self.assertEqual(self.starts(), jobs)
        self.assertIn(f"{jobs} of {jobs} jobs done", result.stdout)
        self.assertEqual(self.verdict()["code"], 0)
        self.assertEqual(self.verdict()["counts"], {"jobs": jobs, "done": jobs, "failed": 0, "left": 0})
        self.assertClean()
        return result

    def test_alone_without_mpirun(self):
        self.check(7)
        self.assertEqual(len(self.events("agent_joined")), 1)

    def test_two_ranks(self):
        self.check(20, "--ranks", "2")
        self.assertEqual(len(self.events("agent_joined")), 2)
        self.assertEqual(len(self.events("job_done")), 20)

    def test_more_ranks_than_jobs(self):
        self.check(1, "--ranks", "4")

    def test_coordinator_only_renders_on_the_others(self):
        self.check(6, "--ranks", "2", "--coordinator-only")
        self.assertEqual([line for line in self.events("job_start") if "rank=0" in line], [])

    def test_under_an_mpirun_of_the_users_own(self):
        self.manifest(range(9))
        words = ["mpirun", "--oversubscribe", "-n", "3", PROGRAM, *self.words()]
        done = subprocess.run(words, cwd=self.folder, env=mpi_environment(), capture_output=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual((len(self.done()), self.starts()), (9, 9))
        self.assertEqual(len(self.events("agent_joined")), 3)
        self.assertClean()

    def test_own_mpirun_returns_the_verdict(self):
        self.manifest([1, BAD])
        words = ["mpirun", "--oversubscribe", "-n", "2", PROGRAM, *self.words()]
        done = subprocess.run(words, cwd=self.folder, env=mpi_environment(), capture_output=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, FAILED, done.stderr.decode())

    def test_a_rank_that_sends_nonsense_gets_no_jobs(self):
        self.manifest(range(4))
        nonsense = os.environ.get("NONSENSE_RANK", ROOT / "build/release/tests/mpi/nonsense_rank")
        words = ["mpirun", "--oversubscribe", "--enable-recovery", "-n", "1", PROGRAM, *self.words()]
        for bytes in ("3", "3000", "100000"):  # too short; none of ours; longer than any message
            words += [":", "-n", "1", nonsense, bytes]
        done = subprocess.run(words, cwd=self.folder, env=mpi_environment(), capture_output=True,
                              timeout=PATIENCE)
        self.assertEqual(self.verdict()["code"], 0, done.stderr.decode())
        self.assertEqual((len(self.done()), self.starts()), (4, 4))
        for rank in (1, 2, 3):
            self.assertIn(f"agent {rank} on elsewhere is lost: it sent what is no message",
                          done.stderr.decode())

    def test_closed_standard_streams(self):
        self.manifest(range(3))
        words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", PROGRAM, *self.words("--ranks", "2")]
        self.assertEqual(subprocess.run(words, cwd=self.folder, timeout=PATIENCE).returncode, 0)
        self.assertEqual(len(self.done()), 3)

    def test_what_a_parent_ignores_or_blocks(self):
        def be_unkind():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self.manifest([1, HELD])
        for options in ([], ["--ranks", "2"]):
            process = self.start(self.words(*options), env=mpi_environment(), preexec_fn=be_unkind)
            wait_until(lambda: len(self.done()) == 1 and self.starts(HELD) == 1, "one is left")
            process.send_signal(signal.SIGUSR1)
            self.expect(process, INTERRUPTED)
            (self.store / "stub.log").unlink()


class Ends(InStore):
    def test_every_end_is_told_apart(self):
        seeds = [1, 2, CRASH, BAD, DIVERGE, KILLED, CRASH_ONCE, NO_RESULT, MEMORY, THIRD, HOG]
        self.manifest(seeds)
        result = self.batch("--ranks", "2", "--job-memory", "200M", "--threads", "1", code=FAILED)
        ends = {CRASH: ("crashed", 3), BAD: ("bad_input", 1), DIVERGE: ("diverged", 1), KILLED: ("crashed", 3),
                NO_RESULT: ("crashed", 3), MEMORY: ("out_of_memory", 2), HOG: ("out_of_memory", 2)}
        ids = self.ids()
        self.assertEqual(self.done(), {ids[seed] for seed in seeds if seed not in ends})
        for seed, (end, attempts) in ends.items():
            failure = self.failure(seed)
            self.assertEqual((seed, failure["end"], len(failure["attempts"])), (seed, end, attempts))
            self.assertTrue(failure["final"])
            self.assertIn(ids[seed], result.stdout)
            self.assertIn(failure["command"], result.stdout)
        self.assertIn("the picture is no picture", self.failure(BAD)["message"])
        self.assertGreater(self.failure(HOG)["attempts"][0]["peak_memory_bytes"], 200e6)
        self.assertEqual(self.failure(CRASH)["attempts"][0]["signal"], signal.SIGABRT)
        self.assertIsNone(self.failure(THIRD))
        self.assertEqual(self.verdict()["counts"], {"jobs": 11, "done": 4, "failed": 7, "left": 0})
        self.assertClean()

    def test_a_job_that_does_not_end_has_timed_out(self):
        self.manifest([HANG, DEAF])
        self.batch("--ranks", "2", "--heartbeat", "0.5", "--lost-after", "8", "--timeout", "1", code=FAILED)
        for seed in (HANG, DEAF):
            failure = self.failure(seed)
            self.assertEqual((failure["end"], len(failure["attempts"])), ("timed_out", 1))
            self.assertIn("longer than 1 s", failure["message"])
        self.assertClean()

    def test_command_of_a_failed_job_reruns_it(self):
        self.manifest([BAD])
        self.batch(code=FAILED)
        command = self.failure(BAD)["command"]
        self.assertWords(command, "atelier render --into", self.ids()[BAD], f"--seed={BAD}")

    def test_bad_input_is_never_tried_again_and_everything_else_is(self):
        self.manifest([BAD, CRASH, 1])
        self.batch("--retries", "0", code=FAILED)
        result = self.batch("--retries", "0", code=FAILED)
        self.assertEqual([self.starts(seed) for seed in (BAD, CRASH, 1)], [1, 2, 1])
        self.assertIn("2 failed", result.stdout)
        self.assertIn("the picture is no picture", result.stdout)

    def test_max_failures(self):
        self.manifest([DIVERGE + i for i in range(10)])
        self.batch("--max-failures", "2", code=FAILED)
        self.assertEqual(self.starts(), 2)

    def test_retries(self):
        self.manifest([CRASH])
        self.batch("--retries", "4", code=FAILED)
        self.assertEqual(self.starts(), 5)

    def test_deadline(self):
        self.manifest([HELD + i for i in range(3)])
        result = self.batch("--deadline", "1s", "--ranks", "2", code=INTERRUPTED)
        self.assertIn("deadline", result.stderr)
        self.assertEqual(self.done(), set())
        self.assertClean()


class Going_on(InStore):
    def test_second_run_renders_nothing(self):
        self.manifest(range(5))
        self.batch()
        before = self.listing()
        result = self.batch("--ranks", "2")
        self.assertEqual(self.starts(), 5)
        self.assertIn("5 of 5 jobs done (0 now", result.stdout)
        after = self.listing()
        for name in before:
            if "/jobs/" in name:
                self.assertEqual(before[name], after[name])

    def test_grown_sweep_renders_only_what_is_new(self):
        self.manifest(range(3))
        self.batch()
        self.manifest([7, 2, 0, 1, 8])
        self.batch()
        self.assertEqual(self.starts(), 5)
        self.assertEqual(len(self.done()), 5)

    def test_sweep_without_the_stores_jobs_is_refused_unless_told(self):
        self.manifest(range(3))
        self.batch()
        missing = self.ids()[0]
        self.manifest([1, 2, 3])
        for options in ([], ["--dry-run"], ["--ranks", "2"]):
            result = self.batch(*options, code=INPUT)
            self.assertWords(result.stderr, "1 job", missing, "--replace")
        self.assertEqual(self.starts(), 3)
        self.batch("--replace")
        self.assertEqual(self.starts(), 4)
        self.assertIn(missing, self.done())

    def test_truncated_result_is_rendered_again(self):
        self.manifest(range(3))
        self.batch()
        result = next(self.store.glob("jobs/*/*.h5"))
        os.truncate(result, 20)
        self.batch()
        self.assertEqual(self.starts(), 4)
        self.assertEqual(result.stat().st_size, 48)

    def test_only_some_jobs(self):
        self.manifest(range(10))
        self.batch("--only", "seed>=3, seed<5")
        ids = self.ids()
        self.assertEqual(self.done(), {ids[3], ids[4]})
        self.batch()
        self.assertEqual((len(self.done()), self.starts()), (10, 10))

    def test_dry_run_writes_nothing(self):
        self.manifest(range(4))
        before = self.listing()
        result = self.batch("--dry-run", "--ranks", "2")
        self.assertIn("4 jobs, 0 done, 4 to do", result.stdout)
        self.assertEqual(self.listing(), before)

    def test_second_batch_is_refused_while_the_first_lives(self):
        self.manifest([HELD, HELD + 1])
        first = self.begin("--ranks", "2")
        self.wait_for_starts(2)
        for options in ([], ["--ranks", "2"]):
            result = self.batch(*options, code=ENVIRONMENT)
            self.assertWords(result.stderr, "at work", str(self.processes()["rank0"]))
        first.send_signal(signal.SIGUSR1)
        self.assertEqual(first.wait(PATIENCE), INTERRUPTED)
        self.assertEqual(self.starts(), 2)


class Misuse(InStore):
    def refused(self, *words, **more):
        return self.batch(*words, code=INPUT, **more).stderr

    def test_options(self):
        self.manifest([1])
        self.assertIn("--ranks", self.refused("--rank", "2"))
        self.assertIn("whole number", self.refused("--ranks", "two"))
        self.assertIn("--lost-after", self.refused("--heartbeat", "10", "--lost-after", "12"))
        self.assertIn("--deadline", self.refused("--deadline", "tomorrow"))
        self.assertIn("seed", self.refused("--only", "sed=1"))
        self.assertIn("other ranks", self.refused("--coordinator-only"))
        self.assertIn("there is no sweep", self.refused(file="nothing.csv"))
        self.assertFalse(self.store.exists())

    def test_wrong_manifest_is_refused_before_mpirun(self):
        self.path("jobs.csv").write_text("content,style,seed\ncontent.png,style.png,-1\nno.png,style.png,1\n")
        error = self.refused("--ranks", "2")
        self.assertWords(error, "jobs.csv:2", "jobs.csv:3", "no.png")
        self.assertFalse(self.store.exists())

    def test_output_that_cannot_be_a_store(self):
        self.manifest([1])
        self.path("store").write_text("a file")
        self.refused()
        self.path("store").unlink()
        process = self.atelier("batch", "jobs.csv", "--output", "/proc/store", "--renderer", STUB)
        self.assertIn(process.returncode, (INPUT, ENVIRONMENT))

    def test_without_mpirun(self):
        self.manifest([1])
        result = self.start(self.words("--ranks", "2"), env={**os.environ, "PATH": "/nowhere"})
        _, err = result.communicate(timeout=PATIENCE)
        self.assertEqual(result.returncode, ENVIRONMENT)
        self.assertIn(b"install Open MPI", err)


if __name__ == "__main__":
    main()
