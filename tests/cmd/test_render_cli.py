#!/usr/bin/python3
"""atelier render, help and --version as a person sees them: output, files and what is in them."""
import fcntl
import os
import pathlib
import pty
import re
import struct
import subprocess
import termios
from datetime import datetime, timezone

import h5py
import numpy as np
from PIL import Image, PngImagePlugin

from atelier import (DIVERGED, DONE, ENDLESS, INPUT, INTERRUPTED, PATIENCE, PROGRAM, InFolder,
                     attributes, flags, history, main, make_picture, numbers_sha256,
                     parameter_table, pixels, sha256, texts, write_weights)

ESCAPES = re.compile(r"[\x1b\r]")
LOSSES = ["content", "style", "tv"]


class Rendering(InFolder):
    def assertRunsAgain(self, command_line):
        """As a shell takes it."""
        script = 'atelier() { "$0" "$@"; }; ' + command_line
        again = subprocess.run(["sh", "-c", script, PROGRAM], cwd=self.folder,
                               capture_output=True, timeout=PATIENCE)
        self.assertEqual(again.returncode, DONE, again.stderr)


class FinishedRender(Rendering):
    def setUp(self):
        super().setUp()
        self.result = self.render(threads=1)
        self.attributes = attributes(self.path("out.h5"))
        self.history = history(self.path("out.h5"))

    def test_leaves_a_picture_and_a_history_and_nothing_else(self):
        self.assertEqual(set(self.listing()), {"content.png", "style.png", "out.png", "out.h5"})

    def test_says_where_the_picture_is_and_how_the_loss_moved(self):
        total = self.history["total"]
        self.assertWords(self.result.stdout, "out.png", "48 x 36", "out.h5", f"{len(total)} rows",
                         f"{total[0]:.4g} -> {total[-1]:.4g}", "all iterations done",
                         "2 outer iterations")

    def test_says_before_what_it_will_do(self):
        self.assertWords(self.result.stderr, "content.png in the style of style.png", "48 x 36 px",
                         "balanced", "relu1_2", "relu1_1,relu2_1", "lbfgs from content", "1 thread",
                         "of memory", "an evaluation")

    def test_picture_is_8_bit_rgb_of_the_asked_size(self):
        with Image.open(self.path("out.png")) as picture:
            self.assertEqual((picture.format, picture.mode, picture.size), ("PNG", "RGB", (48, 36)))

    def test_result_file_holds_the_picture(self):
        with h5py.File(self.path("out.h5")) as file:
            np.testing.assert_array_equal(file["image"][:], pixels(self.path("out.png")))

    def test_picture_has_moved_away_from_the_content(self):
        moved = pixels(self.path("out.png")).astype(int) - pixels(self.path("content.png"))
        self.assertGreater(abs(moved).max(), 5)

    def test_picture_and_result_file_name_every_job_parameter(self):
        chunks = texts(self.path("out.png"))
        for row in parameter_table():
            with self.subTest(row.name):
                self.assertEqual(row.name in chunks, row.scope == "JOB")
                if row.scope == "RUN":
                    continue
                kind = {"REAL": float, "WHOLE": (int, np.integer)}.get(row.kind, str)
                value = self.attributes[row.name]
                self.assertIsInstance(value, kind)
                same = chunks[row.name] if kind is str else float(chunks[row.name])
                self.assertEqual(same, value)

    def test_parameters_have_the_values_given_and_else_the_defaults(self):
        given = {"size": 48, "content_layers": "relu1_2", "style_layers": "relu1_1,relu2_1",
                 "iterations": 2, "maxfun": 5, "content": "content.png", "style": "style.png"}
        self.assertEqual(self.attributes["preset"], "balanced")
        for row in parameter_table():
            expected = given.get(row.name, row.default)
            if row.scope == "JOB" and expected is not None:
                number = row.kind in ("REAL", "WHOLE")
                self.assertEqual(self.attributes[row.name],
                                 float(expected) if number else expected, row.name)

    def test_picture_tells_its_maker_and_final_losses(self):
        chunks = texts(self.path("out.png"))
        self.assertEqual(chunks["Software"], "atelier")
        self.assertEqual(int(chunks["evaluations"]), self.history["evaluation"][-1])
        for name in ["total", *LOSSES]:
            self.assertEqual(float(chunks["loss_" + name]), self.history[name][-1])

    def test_result_file_has_the_digests_of_its_inputs(self):
        self.assertEqual(self.attributes["content_sha256"], sha256(self.path("content.png")))
        self.assertEqual(self.attributes["style_sha256"], sha256(self.path("style.png")))
        self.assertRegex(self.attributes["weights_sha256"], "^[0-9a-f]{64}$")

    def test_result_file_says_who_made_it_how_and_when(self):
        a = self.attributes
        self.assertEqual(a["schema_name"], "atelier-result")
        self.assertEqual(a["creator"], "atelier")
        self.assertEqual(a["command_line"], " ".join(["atelier", "render", *flags({"threads": 1})]))
        self.assertEqual((a["stopped"], a["outer_iterations"]), ("iterations", 2))
        self.assertEqual(a["evaluations"], self.history["evaluation"][-1])
        self.assertEqual((a["width"], a["height"]), (48, 36))
        self.assertEqual(a["host"], os.uname().nodename)
        self.assertWords(a["libraries"], "liblbfgs", "HDF5")
        self.assertWords(a["numerics"], a["instruction_set"], "liblbfgs", "zimg")
        dates = [datetime.strptime(a[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
                 for name in ("date_started", "date_finished")]
        self.assertLessEqual(dates[0], dates[1])
        self.assertLess(abs((datetime.now(timezone.utc) - dates[1]).total_seconds()), 300)

    def test_recorded_command_runs_again_to_the_same_picture(self):
        before = self.path("out.png").read_bytes()
        self.assertRunsAgain(self.attributes["command_line"])
        self.assertEqual(self.path("out.png").read_bytes(), before)

    def test_losses_sum_to_the_total_and_layers_to_their_loss(self):
        h = self.history
        np.testing.assert_allclose(sum(h[name] for name in LOSSES), h["total"], rtol=1e-12)
        np.testing.assert_allclose(h["content_relu1_2"], h["content"], rtol=1e-12)
        np.testing.assert_allclose(h["style_relu1_1"] + h["style_relu2_1"], h["style"], rtol=1e-12)
        self.assertEqual(sorted(name for name in h if "relu" in name),
                         ["content_relu1_2", "style_relu1_1", "style_relu2_1"])

    def test_first_row_is_the_start_and_counters_rise(self):
        h = self.history
        first = [h[name][0] for name in ("row", "iteration", "evaluation", "step", "content")]
        self.assertEqual(first, [0, 0, 1, 0, 0])
        np.testing.assert_array_equal(h["row"], np.arange(len(h["row"])))
        self.assertTrue((np.diff(h["iteration"]) >= 0).all())
        self.assertEqual(h["iteration"][-1], 2)
        self.assertTrue((np.diff(h["evaluation"]) > 0).all())
        self.assertTrue((np.diff(h["seconds"]) >= 0).all())
        self.assertTrue((h["step"][1:] > 0).all())
        self.assertTrue((h["gradient_norm"] > 0).all())
        self.assertLess(h["total"][-1], h["total"][0])

    def test_an_outer_iteration_ends_at_the_first_step_beyond_maxfun_evaluations(self):
        h = self.history
        for outer in (1, 2):
            base = h["evaluation"][h["iteration"] < outer][-1]
            used = h["evaluation"][h["iteration"] == outer] - base + 1  # the start is evaluated again
            self.assertGreater(used[-1], 5)
            self.assertTrue((used[:-1] <= 5).all())


class Start(InFolder):
    """--iterations 0: the picture is the start, and one row tells its losses."""

    def evaluated(self, **overrides):
        self.render(iterations=0, **overrides)
        h = history(self.path("out.h5"))
        for name, column in h.items():
            self.assertEqual(len(column), 1, name)
            self.assertTrue(np.isfinite(column).all(), name)
        self.assertEqual((h["iteration"][0], h["evaluation"][0], h["step"][0]), (0, 1, 0))
        self.assertGreater(h["gradient_norm"][0], 0)
        np.testing.assert_allclose(sum(h[n][0] for n in LOSSES), h["total"][0], rtol=1e-12)
        return pixels(self.path("out.png"))

    def test_at_the_contents_own_size_is_the_content_itself(self):
        np.testing.assert_array_equal(self.evaluated(size=0), pixels(self.path("content.png")))
        self.assertEqual(history(self.path("out.h5"))["content"][0], 0)

    def test_a_margin_is_cut_off_again(self):
        for margin in (0, 1, 9):
            np.testing.assert_array_equal(self.evaluated(size=0, margin=margin),
                                          pixels(self.path("content.png")))

    def test_keeps_the_aspect_up_and_down(self):
        for size, expected in ((24, (24, 18)), (96, (96, 72)), (53, (53, 40))):
            shape = self.evaluated(size=size).shape
            self.assertEqual((shape[1], shape[0]), expected)

    def test_can_be_the_style(self):
        make_picture(self.path("style.png"), 48, 36, seed=5)
        np.testing.assert_array_equal(self.evaluated(init="style"), pixels(self.path("style.png")))

    def test_can_be_a_file_whose_digest_is_recorded(self):
        make_picture(self.path("third.png"), 48, 36, seed=6)
        np.testing.assert_array_equal(self.evaluated(init="third.png"),
                                      pixels(self.path("third.png")))
        self.assertEqual(attributes(self.path("out.h5"))["init_sha256"],
                         sha256(self.path("third.png")))

    def test_a_file_of_another_shape_is_resized_to_the_picture(self):
        make_picture(self.path("third.png"), 90, 20, seed=6)
        self.assertEqual(self.evaluated(init="third.png").shape, (36, 48, 3))

    def test_noise_is_uniform_and_its_seeds(self):
        first, again = self.evaluated(init="noise"), self.evaluated(init="noise")
        other = self.evaluated(init="noise", seed=7)
        np.testing.assert_array_equal(first, again)
        self.assertTrue((first != other).mean() > .9)
        self.assertEqual((first.min(), first.max()), (0, 255))
        self.assertLess(abs(first.mean() - 127.5), 5)
        self.assertLess(abs(first.std() - 255 / 12**.5), 5)


class Presets(InFolder):
    def test_each_renders_and_lowers_its_loss_to_every_layer_by_default(self):
        for preset in ("balanced", "keras", "gdl", "gatys", "johnson"):
            with self.subTest(preset):
                self.render(preset=preset, iterations=1, maxfun=4, content_layers=None,
                            style_layers=None)
                total = history(self.path("out.h5"))["total"]
                self.assertTrue(np.isfinite(total).all())
                self.assertLess(total[-1], total[0])
                self.assertEqual(attributes(self.path("out.h5"))["preset"], preset)

    def test_set_what_help_says(self):
        lines = self.atelier("help", "render").stdout.split("what the presets set:\n")[1].split("\n")
        presets = lines[0].split()
        rows = [line.split() for line in lines[1:] if len(line.split()) == 1 + len(presets)]
        self.assertGreaterEqual(len(rows), 9)
        for i, preset in enumerate(presets):
            self.render(preset=preset, content_layers="relu1_1", style_layers="relu1_1",
                        iterations=0)
            stored = attributes(self.path("out.h5"))
            for name, *values in rows:
                if name not in ("content_layers", "style_layers", "iterations", "maxfun"):
                    kind = type(stored[name])
                    self.assertEqual(stored[name], kind(values[i]), f"{preset} {name}")

    def test_yield_to_what_is_given(self):
        self.render(preset="keras", iterations=0, style_weight=7, pooling="avg")
        stored = attributes(self.path("out.h5"))
        self.assertEqual((stored["style_weight"], stored["pooling"], stored["tv_weight"]),
                         (7, "avg", 1))


class Finished(InFolder):
    """What a render meets that stands at its output already."""
    def setUp(self):
        super().setUp()
        self.render()
        self.before = self.listing()

    def again(self, code, *words, **overrides):
        return self.check(self.atelier("render", *flags(overrides), *words), code)

    def check(self, result, code):
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def refused(self, *said, **overrides):
        for dry in ((), ("--dry-run",)):
            result = self.again(INPUT, *dry, **overrides)
            self.assertWords(result.stderr, "out.png", *said, "--overwrite", "another output")
            self.assertEqual(self.listing(), self.before)

    def test_the_same_command_is_done_already(self):
        for words in ((), ("--overwrite",), ("--threads", "1"), ("--dry-run",)):
            result = self.again(DONE, *words)
            self.assertIn("already done: out.png", result.stdout)
            self.assertEqual(self.listing(), self.before)
        self.assertEqual(self.again(DONE, "--quiet").stdout, "")

    def test_another_processor_finds_it_done_too(self):
        result = self.atelier("render", *flags({}), env={**os.environ, "ATELIER_ISA": "baseline"})
        self.assertIn("already done", self.check(result, DONE).stdout)

    def test_other_parameters_are_refused_with_the_difference(self):
        self.refused("style_weight is 1 there, 100 here", style_weight=100)
        self.refused("iterations is 2 there, 3 here", iterations=3)
        self.refused("init is content there, noise here (and 1 more differs)", init="noise", seed=3)

    def test_another_picture_under_the_same_name_is_refused(self):
        make_picture(self.path("style.png"), 40, 40, seed=9)
        self.before = self.listing()
        self.refused("style 'style.png' had other content there", quiet=True)

    def test_it_is_replaced_when_asked(self):
        dry = self.again(DONE, "--overwrite", "--dry-run", style_weight=100)
        self.assertIn("replaces out.png: style_weight is 1 there, 100 here", dry.stdout)
        self.assertEqual(self.listing(), self.before)
        result = self.again(DONE, "--overwrite", style_weight=100)
        self.assertWords(result.stderr, "replaces 'out.png'", "style_weight is 1 there")
        self.assertEqual(attributes(self.path("out.h5"))["style_weight"], 100)

    def test_fresh_renders_it_again_but_not_another(self):
        self.assertIn("loss", self.again(DONE, "--fresh").stdout)
        self.before = self.listing()
        self.refused("style_weight is 1 there, 2 here", style_weight=2, fresh=True)

    def test_a_picture_without_its_result_is_kept(self):
        self.path("out.h5").unlink()
        self.before = self.listing()
        self.refused("'out.h5' is not there")
        self.again(DONE, "--overwrite")

    def test_a_picture_that_was_changed_is_kept(self):
        with Image.open(self.path("out.png")) as picture:
            info = PngImagePlugin.PngInfo()
            for key, value in picture.text.items():
                info.add_text(key, value)
            picture.transpose(Image.Transpose.ROTATE_180).save(self.path("out.png"), pnginfo=info)
        self.before = self.listing()
        self.refused("has been changed since")

    def test_a_result_whose_picture_is_gone_is_rendered_again(self):
        self.path("out.png").unlink()
        self.again(DONE)
        self.assertEqual(self.listing()["out.png"], self.before["out.png"])

    def test_a_picture_that_publishing_left_without_its_result_is_gone_on_from(self):
        self.path("out.png").rename(self.path("left.png"))
        process = self.start(["render", *flags({"iterations": 500, "tolerance": 0})])
        self.path("out.h5").unlink()
        while b"outer 1/" not in (line := process.stderr.readline()):
            self.assertTrue(line)
        process.terminate()
        process.communicate()
        self.assertEqual(process.returncode, INTERRUPTED)
        self.path("left.png").rename(self.path("out.png"))
        result = self.again(DONE, "--dry-run", iterations=500, tolerance=0)
        self.assertIn("resuming", result.stderr)

    def test_a_foreign_picture_is_never_replaced(self):
        make_picture(self.path("out.png"), 8, 8)
        result = self.again(INPUT, "--overwrite", style_weight=2)
        self.assertIn("was not made by atelier", result.stderr)

    def test_numbered_pictures_of_another_render_are_kept(self):
        self.render(save_every=1)
        for name in ("out.png", "out.h5"):
            self.path(name).unlink()
        self.before = self.listing()
        result = self.again(INPUT, save_every=1, style_weight=5)
        self.assertWords(result.stderr, "out-0001.png", "--overwrite")
        self.assertEqual(self.listing(), self.before)
        self.again(DONE, "--overwrite", save_every=1, style_weight=5)

    def test_numbered_pictures_of_a_killed_render_are_its_own(self):
        words = flags({"iterations": 500, "tolerance": 0, "save_every": 1, "output": "new.png"})
        process = self.start(["render", *words])
        while not self.path("new-0001.png").exists():
            self.assertIsNone(process.poll())
        process.kill()
        process.communicate()
        result = self.check(self.atelier("render", *words, "--dry-run"), DONE)
        self.assertIn("resuming", result.stderr)

    def test_a_store_replaces_nothing(self):
        result = self.atelier("render", *flags({"output": None}), "--into", "store", "--id", "0" * 16,
                              "--overwrite")
        self.assertIn("--overwrite does not go with --into", self.check(result, INPUT).stderr)


class Endings(InFolder):
    def ending(self, code=DONE, **overrides):
        result = self.render(code, **overrides)
        return result, attributes(self.path("out.h5"))["stopped"]

    def test_tolerance_ends_a_render_that_no_longer_falls(self):
        result, stopped = self.ending(tolerance=1, iterations=9)
        self.assertEqual(stopped, "tolerance")
        self.assertIn("no longer falls by the tolerance", result.stdout)
        self.assertEqual(history(self.path("out.h5"))["iteration"][-1], 1)

    def test_a_start_that_cannot_be_improved_is_stalled_and_fine(self):
        result, stopped = self.ending(style_weight=0, tv_weight=0)
        self.assertEqual(stopped, "stalled")
        self.assertIn("no step lowers the loss", result.stdout)
        np.testing.assert_array_equal(pixels(self.path("out.png")), pixels(self.path("content.png")))

    def test_a_loss_that_is_not_finite_fails_and_keeps_the_last_good_picture(self):
        result, stopped = self.ending(DIVERGED, optimizer="adam", learning_rate="1e300")
        self.assertEqual(stopped, "diverged")
        self.assertWords(result.stderr, "not finite", "out.png")
        np.testing.assert_array_equal(pixels(self.path("out.png")), pixels(self.path("content.png")))

    def test_a_search_that_ran_away_fails_and_keeps_the_best_picture(self):
        for precision in ("f32", "auto"):
            with self.subTest(precision):
                self.path("out.h5").unlink(missing_ok=True)
                result, stopped = self.ending(DIVERGED, optimizer="adam", learning_rate="1e6",
                                              quiet=True, precision=precision, overwrite=True)
                self.assertEqual(stopped, "diverged")
                self.assertWords(result.stderr, "diverged", "smaller --learning-rate", "out.png")
                np.testing.assert_array_equal(pixels(self.path("out.png")),
                                              pixels(self.path("content.png")))

    def test_the_best_picture_is_written_not_the_last(self):
        self.render(optimizer="adam", learning_rate=40, iterations=2, maxfun=6, tolerance=0)
        h, facts = history(self.path("out.h5")), attributes(self.path("out.h5"))
        best = int(np.argmin(h["total"]))
        self.assertLess(best, len(h["total"]) - 1)
        self.assertEqual((facts["picture_row"], facts["picture_total"]), (best, h["total"][best]))
        self.assertEqual(float(texts(self.path("out.png"))["loss_total"]), h["total"][best])
        with h5py.File(self.path("out.h5")) as file:
            np.testing.assert_array_equal(file["image"][:], pixels(self.path("out.png")))

    def test_a_flat_start_from_which_nothing_moves_is_said_to_be_one(self):
        Image.new("RGB", (48, 36), (124, 117, 104)).save(self.path("content.png"))
        write_weights(self.path("network.h5"))
        result = self.render(quiet=True, weights="network.h5", content_weight=0, tv_weight=1,
                             style_weight=0, content_layers=None, style_layers=None)
        self.assertWords(result.stderr, "the loss did not fall", "the start is flat", "--init noise")
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertIn("the loss did not fall", attributes(self.path("out.h5"))["comment"])

    def test_a_search_that_lowers_the_loss_has_no_comment(self):
        self.assertEqual(self.render(quiet=True).stderr, "")
        self.assertNotIn("comment", attributes(self.path("out.h5")))

    def test_a_start_that_is_best_is_said_to_be(self):
        result = self.render(style_weight=0, tv_weight=0, quiet=True)
        self.assertWords(result.stderr, "did not fall", "no loss that could be lowered")

    def test_total_variation_alone_is_a_loss(self):
        self.render(content_weight=0, style_weight=0)
        h = history(self.path("out.h5"))
        self.assertLess(h["tv"][-1], h["tv"][0])

    def test_adam_takes_as_many_steps_as_asked(self):
        self.render(optimizer="adam", iterations=2, maxfun=7)
        h = history(self.path("out.h5"))
        np.testing.assert_array_equal(h["evaluation"], np.arange(1, 16))
        self.assertLess(h["total"][-1], h["total"][0])


class OtherFiles(Rendering):
    def test_save_every_keeps_numbered_pictures_with_their_losses(self):
        self.render(save_every=2, iterations=5)
        h = history(self.path("out.h5"))
        numbered = sorted(p.name for p in self.folder.glob("out-*"))
        self.assertEqual(numbered, ["out-0002.png", "out-0004.png"])
        for name, outer in zip(numbered, (2, 4)):
            last = np.flatnonzero(h["iteration"] == outer)[-1]
            self.assertEqual(float(texts(self.path(name))["loss_total"]), h["total"][last])
            self.assertEqual(pixels(self.path(name)).shape, (36, 48, 3))

    def test_save_every_keeps_the_last_one_too(self):
        self.render(save_every=1, iterations=2)
        self.assertEqual(len(list(self.folder.glob("out-*"))), 2)
        self.assertEqual(self.path("out-0002.png").read_bytes(), self.path("out.png").read_bytes())

    def test_weights_may_come_from_a_keras_file(self):
        write_weights(self.path("mine.h5"))
        self.render(weights="mine.h5")
        stored = attributes(self.path("out.h5"))
        self.assertEqual(stored["weights_sha256"], numbers_sha256(self.path("mine.h5")))
        self.assertEqual((stored["weights"], stored["weights_format"]), ("mine.h5", "Keras HDF5"))

    def test_a_guess_of_the_input_is_called_one_and_the_option_wins(self):
        write_weights(self.path("mine.h5"))
        said = self.render(weights="mine.h5").stderr
        self.assertIn("caffe (guessed from the layers' names", said)
        stored = attributes(self.path("out.h5"))
        self.assertEqual((stored["weights_input"], stored["weights_input_guessed_from"]),
                         ("caffe", "the layers' names"))
        said = self.render(weights="mine.h5", weights_convention="torchvision",
                           fresh=True).stderr
        self.assertNotIn("guessed", said)
        stored = attributes(self.path("out.h5"))
        self.assertEqual(stored["weights_input"], "torchvision")
        self.assertNotIn("weights_input_guessed_from", stored)

    def test_an_untrained_network_of_another_seed_is_another_network(self):
        made = set()
        for weights in ("builtin", "random", "random:0", "builtin:0", "random:5"):
            self.render(weights=weights)
            made.add((attributes(self.path("out.h5"))["weights_sha256"],
                      pixels(self.path("out.png")).tobytes()))
        self.assertEqual(len(made), 3)

    def test_names_with_spaces_quotes_and_other_letters_work(self):
        name = "it's a süß picture.png"
        make_picture(self.path(name), 48, 36)
        self.render(content=name, output="résultat 1.png")
        self.assertEqual(texts(self.path("résultat 1.png"))["content"], name)
        self.assertEqual(attributes(self.path("résultat 1.h5"))["content"], name)
        self.assertRunsAgain(attributes(self.path("résultat 1.h5"))["command_line"])

    def test_rendering_again_replaces_its_own_results(self):
        self.render()
        before = self.listing()
        self.render(style_weight=9)
        self.assertEqual(set(self.listing()), set(before))
        self.assertNotEqual(self.listing()["out.png"], before["out.png"])

    def test_flags_may_be_spelled_in_every_usual_way(self):
        self.render()
        expected = self.path("out.png").read_bytes()
        self.path("out.png").unlink()
        words = [word for name, value in zip(flags({})[::2], flags({})[1::2])
                 for word in [f"{name.replace('-', '_').replace('__', '--', 1)}={value}"]]
        self.assertEqual(self.atelier("render", *words).returncode, DONE)
        self.assertEqual(self.path("out.png").read_bytes(), expected)


class Talking(InFolder):
    def test_quiet_prints_nothing(self):
        result = self.render(quiet=True)
        self.assertEqual((result.stdout, result.stderr), ("", ""))
        self.assertTrue(self.path("out.h5").exists())

    def test_dry_run_says_the_plan_and_writes_nothing(self):
        before = self.listing()
        result = self.render(dry_run=True)
        self.assertWords(result.stdout, "content.png in the style of style.png", "48 x 36 px",
                         "of memory")
        self.assertEqual(self.listing(), before)

    def test_dry_run_finds_what_a_render_would_stumble_over(self):
        for overrides in ({"weights": "nope.h5"}, {"content": "nope.png"}, {"size": 3},
                          {"output": "nowhere/out.png"}):
            with self.subTest(overrides):
                self.assertNotEqual(self.render(INPUT, dry_run=True, **overrides).stderr, "")

    def test_a_log_file_gets_a_line_per_outer_iteration_and_no_escapes(self):
        result = self.render(iterations=4)
        lines = [line for line in result.stderr.splitlines() if line.startswith("outer ")]
        self.assertEqual([line.split()[1] for line in lines],
                         ["0/4", "1/4", "2/4", "3/4", "4/4"])
        self.assertNotRegex(result.stderr + result.stdout, ESCAPES)
        for line in lines:
            self.assertWords(line, "loss", "content", "style", "tv", "%")


def run_on_terminal(test, words, columns=80, both=False, type_in=None):
    """stderr, and stdout if both, on a pseudo-terminal. type_in(text so far) returns bytes to type.
    Returns exit code, what the terminal got, stdout."""
    try:
        master, slave = pty.openpty()
    except OSError as error:
        test.skipTest(f"no pseudo-terminal here: {error}")
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = test.start(words, stdin=slave, stderr=slave,
                         stdout=slave if both else subprocess.PIPE, start_new_session=True,
                         preexec_fn=lambda: fcntl.ioctl(2, termios.TIOCSCTTY, 0))
    os.close(slave)
    got, typed = b"", False
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the last one hung up
            break
        if not part:
            break
        got += part
        keys = None if typed or not type_in else type_in(got.decode(errors="replace"))
        if keys:
            os.write(master, keys)
            typed = True
    os.close(master)
    out, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, got.decode(), (out or b"").decode()


def screen(text):
    """What a terminal shows after `text`."""
    lines, column = [""], 0
    for token in re.findall(r"\x1b\[K|\r|\n|[^\x1b\r\n]+|\x1b", text):
        line = lines[-1]
        if token == "\x1b[K":
            lines[-1] = line[:column]
        elif token == "\r":
            column = 0
        elif token == "\n":
            lines.append("")
            column = 0
        else:
            lines[-1] = line[:column].ljust(column) + token + line[column + len(token):]
            column += len(token)
    return lines


class Terminal(InFolder):
    def test_shows_a_live_line_and_erases_it(self):
        code, got, out = run_on_terminal(self, ["render", *flags({"iterations": 30})], columns=120)
        self.assertEqual(code, DONE, got)
        live = [part for part in got.split("\r") if part.startswith("outer ")]
        self.assertWords(live[0], "/30", "loss", "content", "style", "tv", "eval/s", "left")
        self.assertNotIn("outer 3", "\n".join(screen(got)))
        self.assertIn("out.png", out)
        self.assertNotRegex(out, ESCAPES)

    def test_report_follows_on_a_clean_line(self):
        code, got, _ = run_on_terminal(self, ["render", *flags({"iterations": 30})], both=True)
        shown = screen(got)
        self.assertEqual(code, DONE, got)
        self.assertTrue(any(line.startswith("picture  out.png") for line in shown), shown)
        self.assertNotIn("outer 2", "\n".join(shown))

    def test_live_line_never_wraps_and_loses_the_time_left_last(self):
        for columns, words in ((80, ["left", "loss", "content", "style", "tv"]), (40, ["left"])):
            given = flags({"iterations": 30, "output": f"{columns}.png"})
            _, got, _ = run_on_terminal(self, ["render", *given], columns)
            live = re.findall(r"\r(outer [^\x1b]*)\x1b\[K", got)
            self.assertTrue(live)
            self.assertLess(max(map(len, live)), columns)
            self.assertWords(live[0], *words)

    def test_quiet_is_quiet_there_too(self):
        self.assertEqual(run_on_terminal(self, ["render", *flags({"quiet": True})]),
                         (DONE, "", ""))

    def test_control_c_ends_it_and_tells_how_to_go_on(self):
        """The live line is drawn again and again until then."""
        code, got, _ = run_on_terminal(
            self, ["render", *flags(ENDLESS)],
            type_in=lambda text: b"\x03" if len(set(re.findall("outer ([1-9]\\d*)/", text))) > 1 else None)
        self.assertEqual(code, INTERRUPTED, got)
        self.assertWords("\n".join(screen(got)), "interrupted by SIGINT", "atelier render")
        self.assertNotRegex("\n".join(screen(got)), "(?m)^outer ")
        self.assertTrue(self.path("out.checkpoint.h5").exists())


class Help(InFolder):
    def said(self, *words, code=DONE):
        result = self.atelier(*words)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout if code == DONE else result.stderr

    def test_of_render_explains_every_parameter_with_range_and_default(self):
        text = self.said("help", "render")
        entries = {re.search(r"--[\w-]+", entry)[0]: " ".join(entry.split())
                   for entry in re.split(r"\n(?=  (?:-\w, )?--)",
                                         text.split("what the presets set:")[0])[1:]}
        table = parameter_table()
        self.assertEqual(set(entries) - {"--into", "--id", "--name"}, {row.flag for row in table})
        for row in table:
            with self.subTest(row.name):
                entry = entries[row.flag]
                self.assertIn(row.help, entry)
                told = entry.split(row.help, 1)[1]
                numbers = [float(x) for x in re.findall(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", told)]
                self.assertEqual(numbers[:len(row.bounds)], row.bounds)
                if row.rule in ("AT_LEAST", "ABOVE"):
                    self.assertIn(">=" if row.rule == "AT_LEAST" else "> ", told)
                if row.words:
                    self.assertIn("|".join(row.words), told)
                if row.required:
                    self.assertIn("required", told)
                elif row.default is None:
                    self.assertIn("set by the preset", told)
                elif row.kind != "FLAG":
                    self.assertIn("default " + row.default, told)

    def test_of_render_is_the_same_however_asked(self):
        expected = self.said("help", "render")
        self.assertWords(expected, "usage: atelier render", "exit codes", "75")
        self.assertEqual(self.said("render", "--help"), expected)
        self.assertEqual(self.said("render", "-h"), expected)
        self.assertEqual(self.said("render", "--size", "nonsense", "--help"), expected)

    def test_fits_a_terminal(self):
        self.assertLessEqual(max(map(len, self.said("help", "render").splitlines())), 100)
        self.assertNotRegex(self.said("help", "render"), ESCAPES)

    def test_lists_the_commands(self):
        for words in (["help"], ["--help"], ["-h"]):
            self.assertWords(self.said(*words), "usage: atelier", "render", "help", "--version")

    def test_alone_is_a_misuse_that_explains_itself(self):
        self.assertWords(self.said(code=INPUT), "usage: atelier", "render")

    def test_version_names_what_it_runs_on(self):
        text = self.said("--version")
        self.assertRegex(text, r"^atelier \d+\.\d+\.\d+ ")
        self.assertWords(text, "liblbfgs", "zimg", "libpng", "libjpeg", "OpenSSL",
                         "oneDNN", "HDF5", "instruction set")
        self.assertRegex(text, r"(?m)^engines +f32: (winograd|onednn-split); "
                               r"bf16: (none|winograd-bf16|onednn-bf16); first layer: direct$")

    def test_takes_no_library_from_the_working_directory(self):
        for name in ("libcurl.so.4", "libpng16.so.16", "libmpi.so.40"):
            pathlib.Path(self.path(name)).write_bytes(b"no library")
        self.assertWords(self.said("--version"), "atelier")

    def test_a_wish_to_bind_threads_costs_no_processors(self):
        processors = len(os.sched_getaffinity(0))
        if processors == 1:
            self.skipTest("there is one processor only here")
        one = str(min(os.sched_getaffinity(0)))
        for wish, count in (({"OMP_PROC_BIND": "true"}, processors),
                            ({"OMP_PROC_BIND": "spread", "OMP_PLACES": "threads"}, processors),
                            ({"OMP_PROC_BIND": "true", "GOMP_SPINCOUNT": "1000"}, processors),
                            ({"OMP_PLACES": "{%s}" % one}, 1), ({"GOMP_CPU_AFFINITY": one}, 1)):
            result = self.atelier("--version", env={**os.environ, **wish})
            self.assertRegex(result.stdout, rf"(?m)^processors +{count} ", wish)

    def test_unknown_command_names_the_nearest(self):
        self.assertWords(self.said("rendr", code=INPUT), "unknown command 'rendr'", "'render'",
                         "atelier help")
        self.assertWords(self.said("help", "rendr", code=INPUT), "'rendr'", "'render'")
        self.assertWords(self.said("zzzzzzzz", code=INPUT), "unknown command 'zzzzzzzz'")

    def test_unknown_flag_names_the_nearest(self):
        self.assertWords(self.said("render", "--style-wieght", "3", code=INPUT),
                         "'--style-wieght'", "--style-weight")


if __name__ == "__main__":
    main()
