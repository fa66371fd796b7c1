"""atelier batch when somebody is killed, frozen or told to stop: the sweep goes on or says that it
can be gone on with; nobody is orphaned; nothing that was published is rendered again."""
from batch import *  # noqa: F403

JOBS = [SLOW + 40 + i for i in range(8)]  # 0.4 s each


class Killed(InStore):
    def begin_sweep(self, *options, seeds=JOBS, starts=2):
        self.manifest(seeds)
        process = self.begin("--ranks", "3", *QUICK, *options)
        self.wait_for_start(starts)
        return process

    def go_on(self, jobs=len(JOBS)):
        """Run again until done: what was there stays as it is."""
        there = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in self.store.glob("jobs/*/*.h5")}
        self.batch("--ranks", "2", *QUICK)
        self.assertEqual(len(self.done()), jobs)
        for path, (data, written) in there.items():
            self.assertEqual((path.read_bytes(), path.stat().st_mtime_ns), (data, written))
        self.assertClean()

    def test_child(self):
        process = self.begin_sweep(seeds=[SLOW + 150 + i for i in range(len(JOBS))])
        wait_until(lambda: any(name.startswith("child-") for name in self.processes()), "a child runs")
        name, pid = next((n, p) for n, p in self.processes().items() if n.startswith("child-"))
        os.kill(pid, signal.SIGKILL)
        self.expect(process, DONE)
        self.assertEqual(len(self.done()), len(JOBS))
        self.assertEqual(self.starts(), len(JOBS) + 1)
        self.assertEqual(len(self.events("job_retry")), 1)
        self.assertIn("id=" + name[len("child-"):], self.events("job_retry")[0])
        self.assertClean()

    def test_agent(self):
        process = self.begin_sweep()
        os.kill(self.processes()["rank1"], signal.SIGKILL)
        said = self.expect(process, DONE)
        self.assertEqual(len(self.done()), len(JOBS))
        self.assertIn("agent 1", said)
        self.assertNotIn("PMIX ERROR", said)
        self.assertEqual(len(self.events("agent_lost")), 1)
        lost = self.events("agent_lost")[0][:20]
        self.assertEqual([line for line in self.events("job_start") if "rank=1" in line and line[:20] > lost], [])
        self.assertClean()

    def test_all_other_agents(self):
        process = self.begin_sweep()
        for name, pid in self.processes().items():
            if name in ("rank1", "rank2"):
                os.kill(pid, signal.SIGKILL)
        self.expect(process, DONE)
        self.assertEqual(len(self.done()), len(JOBS))
        self.assertClean()

    def test_coordinator(self):
        process = self.begin_sweep()
        os.kill(self.processes()["rank0"], signal.SIGKILL)
        self.expect(process, INTERRUPTED)
        self.go_on()

    def test_mpirun(self):
        process = self.begin_sweep()
        os.kill(self.processes()["mpirun"], signal.SIGKILL)
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
        self.wait_for_start()
        process.kill()
        process.communicate()
        self.assertNobodyLeft()
        self.go_on()

    def test_frozen_agent_is_lost_and_its_job_given_to_another(self):
        process = self.begin_sweep(seeds=[*JOBS, SLOW + 600], starts=3)
        frozen = self.processes()["rank1"]
        os.kill(frozen, signal.SIGSTOP)
        wait_until(lambda: self.events("agent_lost"), "the frozen agent is lost")
        os.kill(frozen, signal.SIGCONT)
        self.expect(process, DONE)
        self.assertEqual(len(self.done()), len(JOBS) + 1)
        self.assertClean()

    def test_frozen_alone_goes_on_when_thawed(self):
        self.manifest(JOBS)
        process = self.begin(*QUICK)
        self.wait_for_start()
        process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        process.send_signal(signal.SIGCONT)
        self.expect(process, DONE)
        self.assertEqual(len(self.done()), len(JOBS))
        self.assertClean()


class Told(InStore):
    """To stop: every render keeps its state, nothing new starts, 75."""
    seeds = [SLOW + 900 + i for i in range(4)]

    def stop(self, whom, number, *options):
        self.manifest(self.seeds)
        process = self.begin("--ranks", "2", "--heartbeat", "0.2", *options)
        self.wait_for_start(2)
        pid = self.processes()[whom]
        before = time.monotonic()
        os.kill(pid, number)
        said = self.expect(process, INTERRUPTED)
        self.assertLess(time.monotonic() - before, 12)
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
            self.wait_for_start(1)
            process.send_signal(number)
            self.expect(process, INTERRUPTED)
            self.assertEqual(self.verdict()["code"], INTERRUPTED)
            self.assertClean()
            (self.store / "batch.log").unlink()


class Many(InStore):
    def test_64_oversubscribed_ranks(self):
        self.manifest(range(200))
        self.batch("--ranks", "64", "--threads", "1")
        self.assertEqual((len(self.done()), self.starts()), (200, 200))
        self.assertEqual(len(self.events("agent_joined")), 64)
        self.assertClean()


if __name__ == "__main__":
    main()  # noqa: F405
