"""atelier batch in surroundings that fail: a rank's or a host's trouble is left to it, the store's is
waited out, and what is only told of the batch never ends it."""
from batch import *  # noqa: F403


class Scopes(InStore):
    def test_trouble_that_passes_is_waited_out(self):
        self.manifest([1, FULL_FOR_NOW, FULL_FOR_NOW + 1])
        process = self.begin()
        wait_until(lambda: self.events("job_retry"), "the disk is full")
        self.let_go()
        self.expect(process, DONE)
        self.assertEqual(len(self.done()), 3)
        self.assertEqual(list((self.store / "failed").iterdir()), [])
        self.assertClean()

    def test_trouble_that_stays_ends_the_batch_when_patience_is_over(self):
        self.manifest([FULL, *range(40)], iterations=1)
        result = self.batch("--patience", "0", code=ENVIRONMENT)
        self.assertIn("ended early: no space left on device", result.stdout)
        self.assertLess(self.starts(), 42)
        self.assertEqual(self.verdict()["code"], ENVIRONMENT)
        self.assertEqual(self.failure(FULL)["end"], "environment")
        self.assertClean()

    def test_trouble_of_one_rank_is_its_own(self):
        self.manifest([FULL_THERE + i for i in range(12)])
        self.batch("--ranks", "3")
        self.assertEqual(len(self.done()), 12)
        self.assertEqual([line for line in self.events("job_done") if "rank=1" in line], [])

    def test_who_only_fails_gets_no_more_jobs(self):
        self.manifest([FULL_THERE + i for i in range(12)])
        result = self.batch("--ranks", "2", "--patience", "0")
        self.assertEqual(len(self.done()), 12)
        self.assertIn("agent 1 on ", result.stderr)
        self.assertIn("gets no more jobs, it only fails: no space left on device", result.stderr)
        self.assertEqual(len(self.events("agent_blocked")), 1)
        self.assertEqual(len([line for line in self.events("job_start") if "rank=1" in line]), 1)

    def test_a_disk_that_is_full_for_a_while(self):
        self.store = self.mount(64 << 10)
        self.manifest([HELD, 1, 2])
        with open(self.path("said"), "wb") as said:
            process = self.start(self.words("--heartbeat", "0.1"), env=mpi_environment(), stderr=said)
        self.wait_for_starts(1)
        filler = self.store / "filler"
        with open(filler, "wb", 0) as file, self.assertRaises(OSError):
            while True:
                file.write(bytes(1024))
        self.let_go()
        wait_until(lambda: "No space left" in self.path("said").read_text(), "it finds the disk full")
        filler.unlink()
        self.assertEqual(process.wait(PATIENCE), DONE, self.path("said").read_text())
        self.assertEqual(len(self.done()), 3)
        self.assertEqual(self.verdict()["code"], 0)


class Onlookers(InStore):
    """What cannot be written because something else has its name."""

    def block(self, *names):
        self.manifest([1, 2])
        for name in names:
            (self.store / name / "in the way").mkdir(parents=True)

    def test_progress_and_verdict(self):
        self.block("progress.json", "exit_status")
        result = self.batch("--heartbeat", "0.01")
        self.assertEqual(len(self.done()), 2)
        self.assertEqual(result.stderr.count("progress.json"), 1, result.stderr)
        self.assertEqual(result.stderr.count("exit_status"), 1, result.stderr)

    def test_verdict_under_mpirun(self):
        self.block("exit_status")
        self.batch("--ranks", "2")
        self.assertEqual(len(self.done()), 2)
        self.manifest([1, 2, BAD])
        self.batch("--ranks", "2", code=FAILED)

    def test_records_of_failures(self):
        self.manifest([BAD, 1])
        self.batch("--only", "seed=1")
        (self.store / "failed" / (self.ids()[BAD] + ".json") / "in the way").mkdir(parents=True)
        result = self.batch(code=FAILED)
        self.assertIn("tried again later", result.stderr)
        self.assertIn("the picture is no picture", result.stdout)


if __name__ == "__main__":
    main()  # noqa: F405
