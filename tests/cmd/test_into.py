#!/usr/bin/python3
"""A job of a store: published once and whole, whatever happens on the way."""
import os
import random
import resource
import shutil
import signal
import subprocess
import time
import unittest

from atelier import (DIVERGED, DONE, ENDLESS, ENVIRONMENT, INPUT, INTERRUPTED, PATIENCE, PROGRAM,
                     SEED, attributes, is_sanitized, main, make_picture, pixels, sha256, texts, wait_until)
from in_store import InStore, STORE


class Publishing(InStore):
    def test_leaves_picture_log_and_result_and_nothing_else(self):
        words, id = self.job(name="first of all")
        result = self.succeed(words)
        self.assertEqual(self.in_store(), self.finished(id))
        self.assertWords(result.stdout, f"{id}.png", f"{id}.h5")
        facts = attributes(self.file(id, ".h5"))
        self.assertEqual((facts["id"], facts["name"], facts["attempts"]), (id, "first of all", 1))
        self.assertEqual(facts["picture_sha256"], sha256(self.file(id, ".png")))
        self.assertGreater(facts["cpu_seconds"], 0)
        self.assertNotIn("output", facts)
        self.assertEqual(texts(self.file(id, ".png"))["style_layers"], facts["style_layers"])
        log = self.file(id, ".log").read_text()
        self.assertWords(log, "in the style of", "outer 2/2", "ended    all iterations done")

    def test_a_job_that_is_done_stays_as_it_is(self):
        words, id = self.job()
        self.succeed(words)
        before = self.listing()
        for ending in ("running/.h5", "running/.log", "failed/.json"):
            self.file(id, ending).write_text("left by a process that was killed")
        self.assertIn("is done already", self.succeed(words).stderr)
        self.assertEqual(self.listing(), before)

    def test_the_logs_first_line_reruns_the_job(self):
        names = ["two words.png", "it's \"quoted\".png", "caf\u00e9 \u96ea.png", "two\nlines.png",
                 "--dashes.png", "$HOME;`ls`\\.png"]
        for i, name in enumerate(names):
            with self.subTest(name):
                make_picture(self.path(name), 48, 36, seed=10 + i)
                words, id = self.job(content=name, name=f"{name}!", iterations=0)
                self.succeed(words)
                first = self.file(id, ".log").read_text().split("\n")[0]
                self.assertTrue(first.startswith("atelier render --into "), first)
                shutil.rmtree(self.path(STORE) / "jobs")
                (self.path(STORE) / "jobs").mkdir()
                program = first.replace("atelier", PROGRAM, 1)
                again = subprocess.run(["bash", "-c", program], cwd="/", capture_output=True)
                self.assertEqual(again.returncode, 0, again.stderr)
                self.assertEqual(self.in_store(), self.finished(id))
                self.assertEqual(attributes(self.file(id, ".h5"))["name"], f"{name}!")

    def test_relative_names_are_rerun_from_any_folder(self):
        _, id = self.job(iterations=0)
        words = ["render", "--into", STORE, "--id", id, "--content", "content.png", "--style",
                 "style.png", "--size=48", "--content-layers=relu1_2",
                 "--style-layers=relu1_1,relu2_1", "--iterations=0", "--maxfun=5"]
        self.succeed(words)
        first = self.file(id, ".log").read_text().split("\n")[0]
        self.assertTrue(first.startswith(f"cd {self.folder} && atelier render "), first)
        self.file(id, ".h5").unlink()
        again = subprocess.run(["sh", "-c", first.replace("atelier render", PROGRAM + " render")],
                               cwd="/", capture_output=True)
        self.assertEqual(again.returncode, 0, again.stderr)

    def test_facts_from_the_environment(self):
        words, id = self.job(iterations=0)
        facts = "attempts=2;rank=3;predicted_seconds=12.5;note=as told;"
        self.succeed(words, env={**os.environ, "ATELIER_FACTS": facts})
        got = attributes(self.file(id, ".h5"))
        self.assertEqual([got[key] for key in ("attempts", "rank", "predicted_seconds", "note")],
                         [2, 3, 12.5, "as told"])
        words, id = self.job(iterations=0, style_weight=3)
        for wrong in ("size=3", "host=me", "Up=1", "=1", "rank", "a=1;a=2"):
            result = self.succeed(words, INPUT, env={**os.environ, "ATELIER_FACTS": wrong})
            self.assertIn("ATELIER_FACTS", result.stderr)
        self.assertFalse(self.file(id, ".h5").exists())

    def test_the_failures_of_earlier_attempts_count(self):
        words, id = self.job(iterations=0)
        self.file(id, "failed/.json").write_text(
            '{"id": "%s", "end": "crashed", "attempts": [{"end": "lost"}, {"end": "crashed"}]}' % id)
        self.succeed(words)
        self.assertEqual(attributes(self.file(id, ".h5"))["attempts"], 3)
        self.assertEqual(self.in_store(), self.finished(id))

    def test_one_that_was_finished_elsewhere_meanwhile_is_not_replaced(self):
        words, id = self.job(iterations=6)
        self.succeed(words)
        theirs = self.keep(id)
        held = self.hold(words)
        held.go_on_to("outer 0/")
        shutil.copytree(theirs / "jobs", self.path(STORE) / "jobs", dirs_exist_ok=True)
        before = {ending: (self.file(id, ending).stat().st_ino, sha256(self.file(id, ending)))
                  for ending in (".png", ".log", ".h5")}
        code, _ = held.go_on_to_its_end()
        self.assertEqual(code, DONE, held.said)
        self.assertIn("another process has finished this job", held.said)
        self.assertEqual(self.in_store(), self.finished(id))
        for ending, what in before.items():
            file = self.file(id, ending)
            self.assertEqual((file.stat().st_ino, sha256(file)), what)

    def test_a_truncated_result_and_half_a_publication_are_replaced(self):
        words, id = self.job()
        self.succeed(words)
        expected = self.keep(id)
        whole = self.file(id, ".h5", "expected").read_bytes()
        for left in ({".h5": whole[:-1]}, {".h5": whole[:40], ".png": b"old"}, {".h5": b""},
                     {".png": b"old", ".log": b"old"}, {".png": b"old"}):
            with self.subTest(left=list(left)):
                self.file(id, ".h5").parent.mkdir(exist_ok=True)
                for ending, content in left.items():
                    self.file(id, ending).write_bytes(content)
                self.succeed(words)
                self.assertSame(id, expected)
                self.assertTrue(self.file(id, ".log").read_text().startswith("atelier render"))
                shutil.rmtree(self.path(STORE) / "jobs")
                (self.path(STORE) / "jobs").mkdir()

    def test_a_loss_that_is_not_finite_makes_no_result(self):
        words, id = self.job(optimizer="adam", learning_rate="1e300")
        result = self.succeed(words, DIVERGED)
        self.assertIn("not finite", result.stderr)
        self.assertEqual(self.in_store() - {f"running/{id}.h5"}, {f"running/{id}.log"})
        self.assertIn("not finite", self.file(id, "running/.log").read_text())


class Refusing(InStore):
    def refused(self, words, *said, code=INPUT, **options):
        before = self.in_store()
        result = self.succeed(words, code, **options)
        self.assertWords(result.stderr, *said)
        self.assertEqual(self.in_store(), before)

    def test_options_that_do_not_go_together(self):
        words, id = self.job()
        self.refused([*words, "--output=out.png"], "--into and --output exclude each other")
        self.refused([*words, "--save-every=1"], "--save-every does not go with --into")
        self.refused([word for word in words if word not in ("--id", id)], "--into needs --id")
        self.refused(["render", "--id", id, "--output=out.png", "--content=content.png",
                      "--style=style.png"], "--id needs --into")
        self.refused(["render", "--name=x", "--output=out.png", "--content=content.png",
                      "--style=style.png"], "--name needs --into")

    def test_ids_that_are_none(self):
        words, id = self.job()
        for wrong in ("x", id[:-1], id + "0", id.upper() + "", "../../../../etc"):
            if wrong != id:
                self.refused([wrong if word == id else word for word in words], "--id must be 16")

    def test_folders_that_are_no_store(self):
        words, id = self.job()
        self.path("empty").mkdir()
        for folder, said in (("nowhere", "there is no store"), ("content.png", "is not a folder"),
                             ("empty", "is no store")):
            store = str(self.path(STORE))
            self.refused([folder if word == store else word for word in words], said)

    def test_parameters_that_are_another_job(self):
        words, id = self.job()
        result = self.succeed([*words, "--style-weight=17"], INPUT)
        self.assertWords(result.stderr, f"not {id}", "is not what it was")
        self.assertIn(f"not {id}", self.file(id, "running/.log").read_text())

    def test_a_picture_that_has_changed_since(self):
        words, id = self.job()
        shutil.copy(self.path("job.csv"), self.path(STORE) / "manifest.csv")
        os.utime(self.path(STORE) / "manifest.csv", (1e9, 1e9))
        os.utime(self.path("content.png"), (9e8, 9e8))
        make_picture(self.path("style.png"), 40, 40, seed=99)
        result = self.succeed(words, INPUT)
        self.assertWords(result.stderr, f"not {id}", "style.png' has changed since")

    def test_a_store_that_takes_no_files(self):
        words, id = self.job()
        options = self.without_privileges()
        for path in self.path(STORE).iterdir():
            path.chmod(0o555)
        self.refused(words, "Permission denied", code=ENVIRONMENT, **options)

    def test_a_limit_on_file_sizes(self):
        words, id = self.job()
        self.succeed(words)
        sizes = [self.file(id, ending).stat().st_size for ending in (".png", ".h5")]
        expected = self.keep(id)
        for limit in (0, sizes[0] // 2, sizes[1] // 2):
            with self.subTest(limit):
                def little_room(limit=limit):
                    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                result = self.succeed(words, ENVIRONMENT, preexec_fn=little_room)
                self.assertWords(result.stderr, "cannot write", "File too large")
                self.assertFalse(self.in_store() - {f"running/{id}.log"})
        self.succeed(words)
        self.assertSame(id, expected)

    @unittest.skipIf(os.geteuid() != 0, "only root mounts file systems")
    def test_a_disk_that_fills_up_on_the_way(self):
        words, id = self.job()
        disk = self.mount("160k")
        store = str(self.path(STORE))
        there = [str(disk) if word == store else word for word in words]
        for name in ("jobs", "running", "failed"):
            (disk / name).mkdir()
        (disk / "ballast").write_bytes(bytes(160 * 1024 - 12 * 4096))
        for extra in ([], ["--checkpoint-seconds=0"]):
            result = self.succeed([*there, *extra], ENVIRONMENT)
            self.assertIn("No space left", result.stderr)
            self.assertFalse([path for path in disk.rglob("*.*") if path.name != f"{id}.log"])
        (disk / "ballast").unlink()
        self.succeed(there)
        self.assertTrue((disk / "jobs" / id[:2] / f"{id}.h5").exists())


class Interrupting(InStore):
    def setUp(self):
        super().setUp()
        self.random = random.Random(f"{SEED} {self.id()}")

    def undisturbed(self, words, id):
        started = time.monotonic()
        self.succeed(words)
        return time.monotonic() - started, self.keep(id)

    def test_by_a_signal_leaves_its_state_and_goes_on_to_the_same_bytes(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            with self.subTest(number):
                words, id = self.job(iterations=12, tolerance=0, seed=number)
                _, expected = self.undisturbed(words, id)
                held = self.hold(words)
                held.go_on_to("outer 1/")
                held.process.send_signal(number)
                self.assertEqual(held.go_on_to_its_end(), (INTERRUPTED, ""))
                self.assertEqual(self.in_store(), {f"running/{id}.h5", f"running/{id}.log"})
                log = self.file(id, "running/.log")
                self.assertIn(f"interrupted by {number.name}", log.read_text())
                self.succeed(words)
                self.assertSame(id, expected)
                log = self.file(id, ".log").read_text()
                self.assertWords(log, "interrupted by", "resuming after outer iteration")
                self.assertEqual(log.count("atelier render --into"), 2)  # and "to go on"
                shutil.rmtree(expected)
                shutil.rmtree(self.path(STORE) / "jobs")
                (self.path(STORE) / "jobs").mkdir()

    def check_after_kill(self, id):
        """A result is whole, or it is not there; temporary files are all that may be half."""
        result = self.file(id, ".h5")
        if result.exists():
            facts = attributes(result)
            self.assertEqual(facts["picture_sha256"], sha256(self.file(id, ".png")))
            self.assertTrue(self.file(id, ".log").exists())
        elif self.file(id, ".png").exists():
            pixels(self.file(id, ".png"))

    def test_by_kill_at_random_instants_leaves_nothing_or_a_whole_result(self):
        words, id = self.job(iterations=5, tolerance=0)
        words.append("--checkpoint-seconds=0")
        took, expected = self.undisturbed(words, id)
        for _ in range(5 if is_sanitized() else 20):
            process = self.start(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(self.random.uniform(0, 1.05 * took))
            process.kill()
            self.assertIn(process.wait(), (DONE, -signal.SIGKILL))
            self.check_after_kill(id)
            if process.returncode == DONE:
                self.begin_again(words, id, expected)
        self.begin_again(words, id, expected)

    def begin_again(self, words, id, expected):
        self.succeed(words)  # removes what the killed ones left
        self.assertSame(id, expected)
        shutil.rmtree(self.path(STORE) / "jobs")
        (self.path(STORE) / "jobs").mkdir()

    def test_by_kill_at_any_of_its_files_leaves_nothing_or_a_whole_result(self):
        words, id = self.job(iterations=2, tolerance=0)
        words.append("--checkpoint-seconds=0")
        _, expected = self.undisturbed(words, id)
        seen, number, stands = set(), 0, True
        while stands:
            steps = self.steps(id, words)
            number += 1
            stands = all(steps.step() for _ in range(number))
            steps.process.kill()
            steps.process.communicate()
            steps.close()
            self.check_after_kill(id)
            seen.add(tuple(self.file(id, what).exists()
                           for what in ("running/.h5", ".png", ".log", ".h5")))
            self.begin_again(words, id, expected)
        self.assertLessEqual({(False,) * 4, (True, False, False, False), (True, True, False, False),
                              (True, True, True, False), (True,) * 4, (False, True, True, True)},
                             seen)


class OnALeash(InStore):
    def led(self, words, seconds, start=None, **options):
        """Starts it as an agent does; returns the process and the agent's ends of both pipes."""
        inner_in, outer_in = os.pipe()
        outer_out, inner_out = os.pipe()
        leash = f"{inner_in}:{inner_out}:{seconds}"
        start = start or self.start
        process = start(words, env={**os.environ, "ATELIER_LEASH": leash},
                        pass_fds=(inner_in, inner_out), **options)
        os.close(inner_in)
        os.close(inner_out)
        self.addCleanup(quietly_close, outer_in)
        self.addCleanup(quietly_close, outer_out)
        return process, outer_in, outer_out

    def wait_for_outer(self, id, number=1):
        log = self.file(id, "running/.log")
        wait_until(lambda: log.exists() and f"outer {number}/" in log.read_text(), "it renders")

    def test_what_it_says(self):
        words, id = self.job(iterations=4)
        process, pulses, lines = self.led(words, 60)
        process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0)
        said = os.read(lines, 65536).decode().splitlines()
        self.assertEqual((said[0].split()[0], said[1].split()[0], said[-1]), ("ready", "row", "done"))
        self.assertGreater(float(said[0].split()[1]), 0)
        iteration, evaluation, total = map(float, said[1].split()[1:])
        self.assertTrue(iteration == 0 and evaluation == 1 and total > 0)
        self.assertEqual(self.in_store(), self.finished(id))

    def test_what_it_writes_goes_to_its_log(self):
        words, id = self.job(iterations=1)
        process, pulses, lines = self.led(words, 60)
        self.assertEqual(process.communicate(timeout=PATIENCE), (b"", b""))
        log = self.file(id, ".log").read_text()
        self.assertEqual(log.count("in the style of"), 1)
        self.assertEqual(log.count("ended  "), 1)

    def test_what_it_says_of_an_error(self):
        words, id = self.job()
        self.path("style.png").write_bytes(b"no picture")
        process, pulses, lines = self.led(words, 60)
        process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, INPUT)
        said = os.read(lines, 65536).decode().splitlines()
        self.assertTrue(said[-1].startswith("error 2 "), said)
        self.assertIn("style.png", said[-1])
        self.assertIn("style.png", self.file(id, "running/.log").read_text())

    def test_nobody_listens(self):
        words, id = self.job(iterations=1)
        process, pulses, lines = self.led(words, 60)
        os.close(lines)
        process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0)

    def test_a_full_pipe_is_not_waited_for(self):
        words, id = self.job(iterations=1)
        process, pulses, lines = self.led(words, 60, preexec_fn=None)
        # The pipe is read by nobody; fill it from a second end of its own.
        end = os.open(f"/proc/self/fd/{lines}", os.O_WRONLY | os.O_NONBLOCK)
        try:
            while os.write(end, bytes(4096)):
                pass
        except BlockingIOError:
            pass
        os.close(end)
        process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0)

    def test_it_ends_when_the_pulses_end(self):
        words, id = self.job(**ENDLESS)
        lease = 4
        process, pulses, lines = self.led(words, lease)
        end = time.monotonic() + 1.5 * lease
        while time.monotonic() < end:
            os.write(pulses, b".")
            time.sleep(0.1)
        self.assertIsNone(process.poll(), "it lives while there are pulses")
        process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, INTERRUPTED)
        self.assertIn("no pulse from its agent", self.file(id, "running/.log").read_text())
        self.assertFalse([name for name in self.in_store() if name.startswith("jobs/")])

    def test_it_ends_when_its_agent_has_gone(self):
        words, id = self.job(**ENDLESS)
        process, pulses, lines = self.led(words, 1000)
        self.wait_for_outer(id)
        os.close(pulses)
        process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, INTERRUPTED)
        self.assertIn("its agent is gone", self.file(id, "running/.log").read_text())

    def freeze(self, words, id, when, lease):
        """Freezes it past its lease when so it is, and thaws it when pulses have piled up. Returns
        what it published then."""
        started = []
        def begin(words, **options):
            started.append(self.steps(id, words, **options))
            return started[0].process
        process, pulses, lines = self.led(words, lease, start=begin)
        steps, = started
        while not when():
            os.write(pulses, b".")
            self.assertTrue(steps.step(), "it ended before it was frozen")
        frozen = self.in_store()
        time.sleep(lease)
        os.write(pulses, b".")
        steps.close()
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, INTERRUPTED)
        return self.in_store() - frozen

    def test_frozen_past_its_lease_it_never_publishes(self):
        words, id = self.job(iterations=1)
        picture, log = self.file(id, ".png"), self.file(id, ".log")
        for when in (lambda: len(list(picture.parent.iterdir())) == 3,  # about to be published
                     picture.exists, log.exists):
            self.assertEqual(self.freeze(words, id, when, lease=3), set())
            self.assertFalse(self.file(id, ".h5").exists())
        self.succeed(words)
        self.assertEqual(self.in_store(), self.finished(id))

    def test_it_dies_with_its_parent(self):
        words, id = self.job(**ENDLESS)
        script = ("import os, subprocess, sys; a, b = os.pipe(); c, d = os.pipe();"
                  "os.environ['ATELIER_LEASH'] = f'{a}:{d}:1000';"
                  "p = subprocess.Popen(sys.argv[1:], pass_fds=(a, d)); print(p.pid, flush=True);"
                  "p.wait()")
        keeper = os.pipe()  # keeps the pulse pipe from ending: the kernel has to kill it
        parent = subprocess.Popen(["/usr/bin/python3", "-c", script, PROGRAM, *words],
                                  stdout=subprocess.PIPE, cwd=self.folder)
        self.addCleanup(parent.stdout.close)
        child = int(parent.stdout.readline())
        self.wait_for_outer(id)
        parent.kill()
        parent.wait()
        wait_until(lambda: is_gone(child), "it is gone")
        for end in keeper:
            os.close(end)

    def test_leashes_that_make_no_sense(self):
        words, id = self.job()
        for leash in ("", "1", "0:1:x", "-1:1:1", "0:1:0", "0:1:2:3", "900:901:5"):
            result = self.atelier(*words, env={**os.environ, "ATELIER_LEASH": leash})
            self.assertIn(result.returncode, (INPUT, ENVIRONMENT), leash)
            self.assertIn("ATELIER_LEASH", result.stderr)


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def quietly_close(descriptor):
    try:
        os.close(descriptor)
    except OSError:
        pass


if __name__ == "__main__":
    main()
