"""atelier batch when somebody is killed, frozen or told to stop: the sweep goes on or says that it
can be gone on with; nobody is orphaned; nothing that was published is rendered again."""
from batch import *  # noqa: F403

RANKS = 3
QUICKLY_DONE = 4
JOBS = [*range(QUICKLY_DONE), *(HELD + i for i in range(5))]


class Killed(InStore):
    def begin_sweep(self):
        """Goes on until some jobs are done and every rank holds one that is not."""
        self.manifest(JOBS)
        process = self.begin("--ranks", str(RANKS), *QUICK)
        self.wait_until_held(RANKS)
        return process

    def wait_until_held(self, count):
        self.wait_for_starts(QUICKLY_DONE + count)
        wait_until(lambda: len(self.done()) == QUICKLY_DONE, "the quick jobs are done")

    def go_on(self):
        """Run again until done: what was there stays as it is."""
        there = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in self.store.glob("jobs/*/*.h5")}
        self.assertEqual(len(there), QUICKLY_DONE)
        self.let_go()
        self.batch("--ranks", "2", *QUICK)
        self.assertEqual(len(self.done()), len(JOBS))
        for path, (data, written) in there.items():
            self.assertEqual((path.read_bytes(), path.stat().st_mtime_ns), (data, written))
        self.assertClean()

    def end_well(self, process):
        self.let_go()
        said = self.expect(process, DONE)
        self.assertEqual(len(self.done()), len(JOBS))
        self.assertClean()
        return said

    def kill(self, *names):
        processes = self.processes()
        for name in names:
            os.kill(processes[name], signal.SIGKILL)

    def test_child(self):
        process = self.begin_sweep()
        victim = self.ids()[HELD]
        self.kill("child-" + victim)
        self.end_well(process)
        self.assertEqual(self.starts(), len(JOBS) + 1)
        self.assertEqual(len(self.events("job_retry")), 1)
        self.assertIn("id=" + victim, self.events("job_retry")[0])

    def test_agent(self):
        process = self.begin_sweep()
        self.kill("rank1")
        wait_until(lambda: self.events("agent_lost"), "the agent is lost")
        said = self.end_well(process)
        self.assertIn("agent 1", said)
        self.assertNotIn("PMIX ERROR", said)
        self.assertEqual(len(self.events("agent_lost")), 1)
        lines = (self.store / "batch.log").read_text().split(" agent_lost ")[1].split("\n")
        self.assertEqual([line for line in lines if " job_start " in line and "rank=1" in line], [])

    def test_all_other_agents(self):
        process = self.begin_sweep()
        self.kill("rank1", "rank2")
        self.end_well(process)

    def test_coordinator(self):
        process = self.begin_sweep()
        self.kill("rank0")
        self.expect(process, INTERRUPTED)
        self.go_on()

    def test_mpirun(self):
        process = self.begin_sweep()
        self.kill("mpirun")
        self.expect(process, INTERRUPTED)
        self.go_on()

    def test_launcher(self):
        process = self.begin_sweep()
        process.kill()
        process.communicate()
        self.assertNobodyLeft()
        self.go_on()

    def test_everybody_at_once(self):
        self.begin_sweep()
        self.kill_all()
        self.assertNobodyLeft()
        self.go_on()

    def test_alone(self):
        self.manifest(JOBS)
        process = self.begin(*QUICK)
        self.wait_until_held(1)
        process.kill()
        process.communicate()
        self.assertNobodyLeft()
        self.go_on()

    def test_frozen_agent_is_lost_and_its_job_given_to_another(self):
        process = self.begin_sweep()
        frozen = self.processes()["rank1"]
        os.kill(frozen, signal.SIGSTOP)
        wait_until(lambda: self.events("agent_lost"), "the frozen agent is lost")
        os.kill(frozen, signal.SIGCONT)
        self.end_well(process)

    def test_frozen_alone_goes_on_when_thawed(self):
        self.manifest(JOBS)
        process = self.begin("--heartbeat", "0.2", "--lost-after", "1")
        self.wait_until_held(1)
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: not any(name.startswith("child-") for name in self.processes()),
                   "its render has had no pulse for too long")
        process.send_signal(signal.SIGCONT)
        self.end_well(process)


class Told(InStore):
    """To stop: every render keeps its state, nothing new starts, 75."""
    seeds = [HELD + i for i in range(4)]

    def stop(self, whom, number):
        self.manifest(self.seeds)
        process = self.begin("--ranks", "2", "--heartbeat", "0.2")
        self.wait_for_starts(2)
        os.kill(self.processes()[whom], number)
        said = self.expect(process, INTERRUPTED)
        self.assertEqual(self.verdict()["code"], INTERRUPTED)
        self.assertIn("to go on: atelier batch jobs.csv", said)
        self.assertEqual(self.done(), set())
        self.assertClean()

    def test_usr1(self):
        self.stop("launcher", signal.SIGUSR1)

    def test_term(self):
        self.stop("launcher", signal.SIGTERM)

    def test_ctrl_c(self):
        self.stop("launcher", signal.SIGINT)

    def test_mpirun_told_to_end(self):
        self.stop("mpirun", signal.SIGTERM)

    def test_alone(self):
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
            self.manifest(self.seeds)
            process = self.begin("--heartbeat", "0.2")
            self.wait_for_starts(1)
            process.send_signal(number)
            self.expect(process, INTERRUPTED)
            self.assertEqual(self.verdict()["code"], INTERRUPTED)
            self.assertClean()
            (self.store / "stub.log").unlink()


class Many(InStore):
    def test_64_oversubscribed_ranks(self):
        self.manifest(range(200))
        self.batch("--ranks", "64", "--threads", "1")
        self.assertEqual((len(self.done()), self.starts()), (200, 200))
        self.assertEqual(len(self.events("agent_joined")), 64)
        self.assertClean()


if __name__ == "__main__":
    main()  # noqa: F405
