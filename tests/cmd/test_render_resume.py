#!/usr/bin/python3
"""A render that is stopped, killed or moved to other threads ends with the same bytes."""
import os
import random
import shutil
import signal
import time
import unittest

import h5py
import numpy as np

from atelier import (DONE, ENDLESS, INPUT, INTERRUPTED, PATIENCE, SEED, TEMPORARY, InFolder, attributes,
                     flags, history, is_sanitized, main, make_picture, pixels, wait_until)

OUTERS = 12
OPTIMIZERS = {name: {"optimizer": name, "iterations": OUTERS, "tolerance": 0, "threads": 1}
              for name in ("lbfgs", "adam")}
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]
CHECKPOINT = "out.checkpoint.h5"
ASIDE = "out.checkpoint-1.h5"


class Disturbed(InFolder):
    def setUp(self):
        super().setUp()
        self.random = random.Random(f"{SEED} {self.id()}")

    def undisturbed(self, overrides):
        """Renders in peace and moves the results away; returns how long it took."""
        started = time.monotonic()
        self.render(**overrides)
        took = time.monotonic() - started
        self.path("expected").mkdir()
        for name in ("out.png", "out.h5"):
            shutil.move(self.path(name), self.path("expected"))
        return took

    def assertUndisturbed(self):
        """The results are there, equal to those of undisturbed(), and nothing else is."""
        expected = self.path("expected")
        self.assertEqual(self.path("out.png").read_bytes(), (expected / "out.png").read_bytes())
        ours, theirs = history(self.path("out.h5")), history(expected / "out.h5")
        self.assertEqual(list(ours), list(theirs))
        for name in ours:
            self.assertEqual(len(ours[name]), len(theirs[name]), name)
            if name != "seconds":
                self.assertEqual(ours[name].tobytes(), theirs[name].tobytes(), name)
        self.assertTrue((np.diff(ours["seconds"]) >= 0).all())
        with h5py.File(self.path("out.h5")) as a, h5py.File(expected / "out.h5") as b:
            np.testing.assert_array_equal(a["image"][:], b["image"][:])
        left = {name for name in self.listing() if not name.startswith("expected")}
        self.assertEqual(left, {"content.png", "style.png", "out.png", "out.h5"})

    def disturb(self, overrides, number, line="content.png in", delay=None, **options):
        """Sends a signal when it stands still after a line that begins so, or while it goes on, so
        long after that line. Returns exit code, stdout, stderr. The plan's first line comes after
        the handlers are installed."""
        held = self.hold(["render", *flags(overrides)], **options)
        held.go_on_to(line)
        if delay is not None:
            held.go_on_for(delay)
        held.process.send_signal(number)
        code, out = held.go_on_to_its_end()
        return code, out, held.said

    def interrupt(self, overrides, number=signal.SIGTERM, line="outer 2/", **options):
        """Interrupts it for certain: several outer iterations are left."""
        code, out, err = self.disturb(overrides, number, line, **options)
        self.assertEqual((code, out), (INTERRUPTED, ""), err)
        return err


@unittest.skipIf(is_sanitized(), "sanitizers see no more in the same bytes")
class Threads(Disturbed):
    def test_1_2_and_3_give_the_same_bytes(self):
        for name, overrides in OPTIMIZERS.items():
            with self.subTest(name):
                short = {**overrides, "iterations": 6}
                self.undisturbed(short)
                for threads in (2, 3):
                    self.render(**{**short, "threads": threads})
                    self.assertEqual(attributes(self.path("out.h5"))["threads"], threads)
                    self.assertUndisturbed()
                shutil.rmtree(self.path("expected"))

    def test_the_whole_network_gives_the_same_bytes(self):
        whole = {"content_layers": None, "style_layers": None, "iterations": 1, "maxfun": 3,
                 "size": 77}
        self.undisturbed({**whole, "threads": 1})
        for threads in (2, 3):
            self.render(**whole, threads=threads)
            self.assertUndisturbed()

    def test_it_may_go_on_with_another_number(self):
        overrides = OPTIMIZERS["lbfgs"]
        self.undisturbed(overrides)
        self.interrupt({**overrides, "threads": 2})
        self.render(**overrides)
        self.assertUndisturbed()


@unittest.skipIf(is_sanitized(), "sanitizers see no more in the same bytes")
class Engines(Disturbed):
    """Each that runs here, asked for by name."""
    PRECISION = {"winograd": "f32", "winograd-bf16": "bf16", "onednn-bf16": "bf16",
                 "onednn-split": "f32"}

    def setUp(self):
        super().setUp()
        self.addCleanup(os.environ.pop, "ATELIER_ENGINE", None)
        self.available = [name for name in self.PRECISION if self.runs(name)]

    def runs(self, name):
        os.environ["ATELIER_ENGINE"] = name
        dry = self.atelier("render", *flags({"precision": self.PRECISION[name]}), "--dry-run")
        if dry.returncode == INPUT:
            self.assertIn("needs", dry.stderr)
        return dry.returncode == 0

    def check_threads(self, name):
        whole = {"content_layers": None, "style_layers": None, "iterations": 1, "maxfun": 3,
                 "size": 77, "precision": self.PRECISION[name]}
        self.undisturbed({**whole, "threads": 1})
        for threads in (2, 3):
            self.render(**whole, threads=threads)
            facts = attributes(self.path("out.h5"))
            self.assertIn(f"{name}: ", facts["engines"])
            self.assertIn(name, facts["numerics"])
            self.assertUndisturbed()
        shutil.rmtree(self.path("expected"))

    def test_the_whole_network_gives_the_same_bytes_at_any_number_of_threads(self):
        for name in self.available:
            os.environ["ATELIER_ENGINE"] = name
            with self.subTest(name):
                self.check_threads(name)

    def check_resume(self, name):
        overrides = {**OPTIMIZERS["lbfgs"], "precision": self.PRECISION[name]}
        self.undisturbed(overrides)
        self.interrupt(overrides)
        self.assertIn("resuming after", self.render(**overrides).stderr)
        self.assertUndisturbed()
        shutil.rmtree(self.path("expected"))

    def test_goes_on_where_it_was(self):
        for name in self.available:
            os.environ["ATELIER_ENGINE"] = name
            if name != "winograd":  # the other tests'
                with self.subTest(name):
                    self.check_resume(name)

    def test_goes_on_with_another_engine_and_says_so(self):
        if "onednn-split" not in self.available:
            self.skipTest("there is one engine for float32")
        os.environ["ATELIER_ENGINE"] = "onednn-split"
        self.interrupt(OPTIMIZERS["lbfgs"])
        os.environ["ATELIER_ENGINE"] = "winograd"
        said = self.render(**OPTIMIZERS["lbfgs"]).stderr
        self.assertWords(said, "resuming after", "computed otherwise", "onednn-split")
        self.assertIn("onednn-split", attributes(self.path("out.h5"))["numerics_before"])


SAME_PRESS = 0.3  # s, STOP_SAME_PRESS_S of cmd/stop.h


def is_pending(process, number):
    with open(f"/proc/{process.pid}/status") as file:
        masks = [int(line.split()[1], 16) for line in file if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(mask >> (number - 1) & 1 for mask in masks)


class Interrupted(Disturbed):
    def test_leaves_a_checkpoint_and_says_how_to_go_on(self):
        for number in SIGNALS:
            with self.subTest(number.name):
                err = self.interrupt(OPTIMIZERS["lbfgs"], number)
                command = " ".join(["atelier", "render", *flags(OPTIMIZERS["lbfgs"])])
                self.assertWords(err, f"interrupted by {number.name} after outer iteration",
                                 "to go on", command)
                self.assertEqual(set(self.listing()), {"content.png", "style.png", CHECKPOINT})
                self.path(CHECKPOINT).unlink()

    def test_goes_on_where_it_was(self):
        overrides = OPTIMIZERS["lbfgs"]
        self.undisturbed(overrides)
        self.interrupt(overrides)
        rows = len(history(self.path(CHECKPOINT))["row"])
        with h5py.File(self.path(CHECKPOINT)) as file:
            done = int(file["state"].attrs["iteration"])
            evaluations = int(file["state"].attrs["evaluations"])
        self.assertGreaterEqual(done, 2)
        result = self.render(**overrides)
        self.assertIn(f"resuming after outer iteration {done}, {evaluations} evaluations",
                      result.stderr)
        shown = [line.split()[1] for line in result.stderr.splitlines() if line.startswith("outer")]
        last = int(history(self.path("expected/out.h5"))["iteration"][-1])
        self.assertEqual(shown, [f"{i}/{OUTERS}" for i in range(done, last + 1)])
        self.assertGreater(len(history(self.path("out.h5"))["row"]), rows)
        self.assertUndisturbed()

    def test_at_random_instants_it_ends_with_the_same_bytes(self):
        for name, overrides in OPTIMIZERS.items():
            with self.subTest(name):
                took = self.undisturbed(overrides)
                for number in SIGNALS * 2:
                    delay = self.random.uniform(0, took / 3)
                    code, _, err = self.disturb(overrides, number, delay=delay)
                    self.assertIn(code, (DONE, INTERRUPTED), err)
                    if code == DONE:
                        break
                    started = "after outer iteration 0;" not in err
                    self.assertTrue(self.path(CHECKPOINT).exists() or not started, err)
                    self.assertFalse(self.path("out.png").exists())
                    self.assertFalse([n for n in self.listing() if TEMPORARY.search(n)])
                self.render(**overrides)
                self.assertUndisturbed()
                shutil.rmtree(self.path("expected"))

    def test_again_and_again_it_ends_with_the_same_bytes(self):
        for name, overrides in OPTIMIZERS.items():
            with self.subTest(name):
                self.undisturbed(overrides)
                for outer in (1, 4, 7):
                    err = self.interrupt(overrides, line=f"outer {outer}/")
                    self.assertEqual("resuming after" in err, outer > 1)
                self.assertIn("resuming after", self.render(**overrides).stderr)
                self.assertUndisturbed()
                shutil.rmtree(self.path("expected"))

    def test_quietly_it_only_says_so_by_its_exit_code(self):
        process = self.start(["render", *flags({**ENDLESS, "quiet": True, "checkpoint_seconds": 0})])
        wait_until(lambda: self.path(CHECKPOINT).exists() or process.poll(), "it has a checkpoint")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.communicate(timeout=PATIENCE), (b"", b""))
        self.assertEqual(process.returncode, INTERRUPTED)
        self.assertTrue(self.path(CHECKPOINT).exists())

    def test_a_second_control_c_does_not_wait_for_the_evaluation(self):
        held = self.hold(["render", *flags(ENDLESS)])
        held.go_on_to("outer 1/")
        def press():
            held.process.send_signal(signal.SIGINT)
            return held.process.poll() is not None
        wait_until(press, "it ends")
        self.assertEqual(held.process.returncode, -signal.SIGINT)

    def test_two_signals_at_a_time_are_one_control_c(self):
        """As timeout(1) sends them: to the process, and to its group."""
        held = self.hold(["render", *flags(ENDLESS)])
        held.go_on_to("outer 1/")
        first = time.monotonic()
        for _ in range(2):
            held.process.send_signal(signal.SIGINT)
            wait_until(lambda: not is_pending(held.process, signal.SIGINT), "it heeds it")
        if time.monotonic() - first > SAME_PRESS:
            self.skipTest("this machine was too busy to do that within one press")
        self.assertEqual(held.go_on_to_its_end()[0], INTERRUPTED)
        self.assertTrue(self.path(CHECKPOINT).exists())

    def test_a_save_every_render_keeps_all_its_pictures(self):
        overrides = {**OPTIMIZERS["lbfgs"], "save_every": 1, "iterations": 12}
        self.interrupt(overrides)
        self.render(**overrides)
        self.assertEqual(sorted(p.name for p in self.folder.glob("out-*")),
                         [f"out-{i:04}.png" for i in range(1, 13)])

    def test_a_moved_folder_does_not_matter(self):
        self.undisturbed(OPTIMIZERS["lbfgs"])
        self.interrupt(OPTIMIZERS["lbfgs"])
        self.path("elsewhere").mkdir()
        shutil.move(self.path("content.png"), self.path("elsewhere/photo.png"))
        result = self.render(**OPTIMIZERS["lbfgs"], content="elsewhere/photo.png")
        self.assertIn("resuming after", result.stderr)
        np.testing.assert_array_equal(pixels(self.path("out.png")),
                                      pixels(self.path("expected/out.png")))


class Killed(Disturbed):
    def end_undisturbed(self, overrides):
        """Goes on to the end after it was killed."""
        self.render(**overrides)
        for temporary in self.folder.glob(".*"):  # what was being written when it died
            self.assertRegex(temporary.name, TEMPORARY)
            temporary.unlink()
        self.assertUndisturbed()
        shutil.rmtree(self.path("expected"))

    def test_at_random_instants_it_ends_with_the_same_bytes(self):
        for name, overrides in OPTIMIZERS.items():
            with self.subTest(name):
                took = self.undisturbed(overrides)
                often = {**overrides, "checkpoint_seconds": 0}
                for _ in range(8):
                    code, _, _ = self.disturb(often, signal.SIGKILL,
                                              delay=self.random.uniform(0, took / 2))
                    self.assertIn(code, (DONE, -signal.SIGKILL))
                    if code == DONE:
                        break
                self.end_undisturbed(often)

    def test_again_and_again_it_ends_with_the_same_bytes(self):
        for name, overrides in OPTIMIZERS.items():
            with self.subTest(name):
                self.undisturbed(overrides)
                often = {**overrides, "checkpoint_seconds": 0}
                for outer in (2, 5, 8):
                    code, _, err = self.disturb(often, signal.SIGKILL, line=f"outer {outer}/")
                    self.assertEqual(code, -signal.SIGKILL)
                    self.assertEqual("resuming after" in err, outer > 2)
                self.end_undisturbed(often)

    def test_what_it_published_is_always_whole(self):
        often = {**OPTIMIZERS["lbfgs"], "checkpoint_seconds": 0, "save_every": 1}
        for _ in range(6):
            self.disturb(often, signal.SIGKILL, delay=self.random.uniform(0, .6))
            for picture in self.folder.glob("*.png"):
                self.assertEqual(pixels(picture).shape[2], 3)
            for file in self.folder.glob("*.h5"):
                self.assertTrue(np.isfinite(history(file)["total"]).all())


class Checkpoint(Disturbed):
    def setUp(self):
        super().setUp()
        self.overrides = OPTIMIZERS["lbfgs"]

    def refused(self, *words, **changes):
        before = self.listing()
        result = self.render(INPUT, **{**self.overrides, **changes})
        self.assertWords(result.stderr, CHECKPOINT, "--fresh", "another output", *words)
        self.assertEqual(self.listing(), before)

    def test_of_other_parameters_is_refused_with_the_difference(self):
        self.interrupt(self.overrides)
        self.refused("style_weight is 1 there, 7 here", style_weight=7)
        self.refused("seed is 0 there, 3 here", seed=3)
        self.refused("optimizer is lbfgs there, adam here", optimizer="adam")
        self.refused("size is 48 there, 52 here", size=52)
        self.refused("style_layers is relu1_1,relu2_1 there, relu1_1 here", style_layers="relu1_1")
        self.refused("init is content there, noise here", "1 more", init="noise", seed=1)
        self.refused("weights is builtin there, random:4 here", weights="random:4")

    def test_of_another_image_is_refused_with_its_name(self):
        self.interrupt(self.overrides)
        make_picture(self.path("content.png"), 48, 36, seed=9)
        self.refused("content 'content.png' had other content there", "SHA-256")
        make_picture(self.path("content.png"), 48, 36, seed=1)
        make_picture(self.path("style.png"), 40, 40, seed=9)
        self.refused("style 'style.png' had other content there", "SHA-256")

    def test_of_another_picture_is_found_by_a_dry_run_too(self):
        self.interrupt(self.overrides)
        self.refused("style_weight is 1 there, 7 here", style_weight=7, dry_run=True)

    def test_is_ignored_when_told_to_start_afresh(self):
        changed = {**self.overrides, "style_weight": 7}
        self.undisturbed(changed)
        self.interrupt(self.overrides)
        result = self.render(**changed, fresh=True)
        self.assertNotIn("resuming", result.stderr)
        self.assertUndisturbed()

    def test_of_a_fresh_start_goes_on_without_that_flag(self):
        self.undisturbed(self.overrides)
        err = self.interrupt({**self.overrides, "fresh": True})
        self.assertIn("without --fresh", err)
        self.assertIn("resuming after", self.render(**self.overrides).stderr)
        self.assertUndisturbed()

    def test_damaged_in_any_way_is_reported_and_ignored(self):
        self.undisturbed(self.overrides)
        self.interrupt(self.overrides)
        good = self.path(CHECKPOINT).read_bytes()
        middle = len(good) // 2
        noise = self.random.randbytes(64)
        cases = {"truncated": good[:self.random.randrange(100, len(good) - 1)],
                 "overwritten": good[:middle] + noise + good[middle + 64:],
                 "empty": b"", "text": b"once upon a time\n" * 50,
                 "zeros": bytes(len(good)), "only its head": good[:96]}
        for name, content in cases.items():
            with self.subTest(name):
                self.path(CHECKPOINT).write_bytes(content)
                result = self.render(**self.overrides)
                self.assertWords(result.stderr, "starting over", CHECKPOINT, "cannot be used", ASIDE)
                self.assertEqual(self.path(ASIDE).read_bytes(), content)
                self.path(ASIDE).unlink()
                self.assertUndisturbed()

    def test_that_is_a_finished_result_is_reported_and_ignored(self):
        self.undisturbed(self.overrides)
        shutil.copy(self.path("expected/out.h5"), self.path(CHECKPOINT))
        result = self.render(**self.overrides)
        self.assertWords(result.stderr, "starting over", "finished result", ASIDE)
        self.path(ASIDE).unlink()
        self.assertUndisturbed()

    def test_that_cannot_be_used_replaces_no_earlier_one_of_that_kind(self):
        for text in ("first", "second"):
            self.path(CHECKPOINT).write_text(text)
            result = self.render(**self.overrides, quiet=True, fresh=None)
            self.assertIn("starting over", result.stderr)
            self.path("out.h5").unlink()
            self.path("out.png").unlink()
        self.assertEqual(self.path(ASIDE).read_text(), "first")
        self.assertEqual(self.path("out.checkpoint-2.h5").read_text(), "second")

    def isa(self, name):
        """The environment in which another kind of processor is stood in for."""
        other = {**os.environ, "ATELIER_ISA": name}
        if self.atelier("--version", env=other).stdout == self.atelier("--version").stdout:
            self.skipTest("there is one instruction set only here")
        return other

    def stop_after(self, line, environment, **overrides):
        process = self.start(["render", *flags(overrides)], env=environment)
        seen = ""
        while line not in (last := process.stderr.readline().decode()):
            self.assertTrue(last, seen)
            seen += last
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
        self.assertEqual(process.returncode, INTERRUPTED)
        return seen

    def test_whose_numbers_another_instruction_set_made_is_gone_on_from_and_said_so(self):
        other = self.isa("baseline")
        self.undisturbed(self.overrides)
        self.stop_after("outer 2/", other, **self.overrides)
        kept = history(self.path(CHECKPOINT))
        result = self.render(**self.overrides, quiet=True)
        self.assertWords(result.stderr, "going on", "baseline", "not be those of an undisturbed run")
        facts, rows = attributes(self.path("out.h5")), history(self.path("out.h5"))
        self.assertIn("baseline", facts["numerics_before"])
        self.assertNotIn("baseline", facts["numerics"])
        self.assertIn("not those of an undisturbed run", facts["comment"])
        for name in kept:
            self.assertEqual(kept[name].tobytes(), rows[name][:len(kept[name])].tobytes(), name)
        self.assertIn("undisturbed", self.atelier("show", "out.h5").stdout)

    def test_that_was_not_disturbed_says_nothing_of_other_numerics(self):
        self.interrupt(self.overrides)
        result = self.render(**self.overrides, quiet=True)
        self.assertEqual(result.stderr, "")
        self.assertNotIn("numerics_before", attributes(self.path("out.h5")))

    def test_advances_whatever_processors_it_alternates_between(self):
        others = [os.environ, self.isa("baseline"), self.isa("avx2")]
        reached = 0
        for turn in range(5):
            line = f"outer {reached + 2}/"
            self.stop_after(line, others[turn % 3], **self.overrides)
            now = attributes(self.path(CHECKPOINT))
            with h5py.File(self.path(CHECKPOINT)) as file:
                self.assertGreaterEqual(file["state"].attrs["iteration"], reached + 2)
                reached = int(file["state"].attrs["iteration"])
        self.assertEqual(len(now["numerics_before"].split(" | ")), 3)
        self.render(**self.overrides)
        self.assertEqual(attributes(self.path("out.h5"))["outer_iterations"], OUTERS)

    def test_names_no_build_and_no_library_that_computes_nothing(self):
        self.interrupt(self.overrides)
        facts = attributes(self.path(CHECKPOINT))
        for other in ("libpng", "libjpeg", "OpenSSL", facts["creator_version"], facts["git_commit"]):
            self.assertNotIn(other, facts["numerics"])

    def test_begun_in_bfloat16_is_gone_on_from_in_float32_without_it(self):
        auto = {**self.overrides, "precision": "auto"}
        if self.atelier("render", *flags({"precision": "bf16"}), "--dry-run").returncode != DONE:
            self.skipTest("this processor has no bfloat16")
        without = self.isa("avx2")
        self.stop_after("outer 1/", os.environ, **auto)
        with h5py.File(self.path(CHECKPOINT)) as file:
            self.assertEqual(file["state"].attrs["precision"], 1)
            rows = len(file["history/total"])
        result = self.render(**auto, options={"env": without})
        self.assertIn("goes on in float32", result.stderr)
        precision = history(self.path("out.h5"))["precision"]
        self.assertEqual(list(precision), [1] * rows + [0] * (len(precision) - rows))

    def test_in_bfloat16_is_refused_and_kept_without_it(self):
        bf16 = {**self.overrides, "precision": "bf16"}
        if self.atelier("render", *flags({"precision": "bf16"}), "--dry-run").returncode != DONE:
            self.skipTest("this processor has no bfloat16")
        self.stop_after("outer 1/", os.environ, **bf16)
        before = self.listing()
        result = self.render(INPUT, **bf16, options={"env": self.isa("avx2")})
        self.assertIn("bf16", result.stderr)
        self.assertEqual(self.listing(), before)

    def test_is_written_no_oftener_than_asked(self):
        self.disturb({**self.overrides, "checkpoint_seconds": 1000}, signal.SIGKILL,
                     line="outer 9/")
        self.assertFalse(self.path(CHECKPOINT).exists())
        self.disturb({**self.overrides, "checkpoint_seconds": 0}, signal.SIGKILL, line="outer 9/")
        self.assertTrue(self.path(CHECKPOINT).exists())

    def test_is_not_needed_to_evaluate_a_start(self):
        self.render(iterations=0, checkpoint_seconds=0)
        self.assertEqual(set(self.listing()), {"content.png", "style.png", "out.png", "out.h5"})


if __name__ == "__main__":
    main()
