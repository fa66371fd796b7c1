#!/usr/bin/python3
"""Sweep files: what they expand to, computed a second time here, and what people get wrong in them."""
import csv
import hashlib
import io
import itertools
import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys

from atelier import DONE, INPUT, ROOT, is_sanitized, main, make_picture
from expanding import Expanding


class Sweeping(Expanding):
    DEFAULTS = "defaults: {content: content.png, style: style.png}\n"

    def sweep(self, text, defaults=True, **options):
        return self.expand((self.DEFAULTS if defaults else "") + text, name="sweep.yaml", **options)

    def refuse_sweep(self, text, *words):
        """After a first line of defaults, so that what is written here begins in line 2."""
        return self.refuse(self.DEFAULTS + text, *words, name="sweep.yaml")

    def columns(self, rows, *names):
        return [tuple(row.get(name) for name in names) for row in rows]


class Expansion(Sweeping):
    def test_first_key_changes_slowest(self):
        rows = self.sweep("matrix:\n  size: [64, 80]\n  pooling: [max, avg]\n  seed: [1, 2, 3]\n")
        self.assertEqual(self.columns(rows, "size", "pooling", "seed"),
                         list(itertools.product(("64", "80"), ("max", "avg"), "123")))
        rows = self.sweep("matrix:\n  seed: [1, 2]\n  size: [64, 80]\n")
        self.assertEqual(self.columns(rows, "seed", "size"),
                         list(itertools.product("12", ("64", "80"))))

    def test_include_is_that_of_github(self):
        """The case in GitHub's documentation, with fruit -> size (apple 100, pear 200, banana 300),
        animal -> pooling (cat max, dog avg), colour -> seed (green 1, pink 2), shape -> maxfun 7."""
        rows = self.sweep("matrix: {size: [100, 200], pooling: [max, avg]}\n"
                          "include:\n"
                          "- {seed: 1}\n"
                          "- {seed: 2, pooling: max}\n"
                          "- {size: 100, maxfun: 7}\n"
                          "- {size: 300}\n"
                          "- {size: 300, pooling: max}\n")
        self.assertEqual(self.columns(rows, "size", "pooling", "seed", "maxfun"), [
            ("100", "max", "2", "7"), ("100", "avg", "1", "7"),
            ("200", "max", "2", "50"), ("200", "avg", "1", "50"),
            ("300", "avg", "0", "50"), ("300", "max", "0", "50")])

    def test_exclude_matches_in_part_and_comes_before_include(self):
        matrix = "matrix: {size: [64, 80], pooling: [max, avg], seed: [1, 2]}\n"
        rows = self.sweep(matrix + "exclude: [{size: 64, pooling: max}, {seed: 2}]\n"
                          "include: [{size: 64, pooling: max, seed: 1}]\n")
        self.assertEqual(self.columns(rows, "size", "pooling", "seed"),
                         [("64", "avg", "1"), ("80", "max", "1"), ("80", "avg", "1"),
                          ("64", "max", "1")])

    def test_values_are_compared_as_what_they_are(self):
        make_picture(self.path("other.png"), 32, 32)
        rows = self.sweep("matrix:\n  size: [64, 1e2]\n  style_layers: [relu4_2, relu3_1]\n"
                          "  style: [style.png, ./other.png]\n"
                          "exclude:\n- {size: 0100, style: .//style.png}\n"
                          "- {style_layers: block4_conv2, style: '*.png'}\n"
                          "- {size: [64, 65], style: o*.png}\n")
        self.assertEqual([(row["size"], row["style_layers"], os.path.basename(row["style"]))
                          for row in rows],
                         [("64", "relu3_1", "style.png"), ("100", "relu3_1", "other.png")])

    def test_zip_advances_together(self):
        rows = self.sweep("matrix: {pooling: [max, avg]}\n"
                          "zip:\n- {size: [64, 80], seed: [1, 2]}\n- {maxfun: [7, 8], margin: [0, 1]}\n")
        self.assertEqual(self.columns(rows, "pooling", "size", "seed", "maxfun", "margin"),
                         [(pooling, *group, *other)
                          for pooling, group, other in itertools.product(
                              ("max", "avg"), (("64", "1"), ("80", "2")), (("7", "0"), ("8", "1")))])
        rows = self.sweep("zip: {size: [64, 80], seed: [1, 2]}\n")
        self.assertEqual(self.columns(rows, "size", "seed"), [("64", "1"), ("80", "2")])

    def test_series(self):
        def values(series, name="style_weight"):
            return [row[name] for row in self.sweep(f"matrix: {{{name}: {series}, margin: [7]}}\n")]
        self.assertEqual(values("{linspace: [0, 3, 7]}"),
                         ["%.12g" % (x / 2) for x in range(7)])
        self.assertEqual(values("{geomspace: [0.1, 100, 7]}"),
                         ["%.12g" % 10**(x / 2 - 1) for x in range(7)])
        self.assertEqual(values("{range: [.1, 0.7, 0.2]}"), ["0.1", "0.3", "0.5", "0.7"])
        self.assertEqual(values("{range: [3, 1, -.5]}"), ["3", "2.5", "2", "1.5", "1"])
        self.assertEqual(values("{range: [2, 4]}"), ["2", "3", "4"])
        self.assertEqual(values("[7, {range: [2, 3]}, {linspace: [9, 9, 1]}]"), ["7", "2", "3", "9"])
        self.assertEqual(values("{geomspace: [64, 512, 5]}", "size"), ["64", "108", "181", "304", "512"])

    def test_layers_are_lists_of_lists_or_maps(self):
        rows = self.sweep("matrix:\n  style_layers:\n  - relu1_1\n  - relu1_1,relu3_1\n"
                          "  - [conv4_1, block2_conv1]\n  - {relu2_1: 3, relu1_1: 1}\n")
        self.assertEqual([row["style_layers"] for row in rows],
                         ["relu1_1", "relu1_1,relu3_1", "relu2_1,conv4_1",
                          "relu1_1:0.25,relu2_1:0.75"])
        row, = self.sweep("defaults: {content: content.png, style: style.png, style_layers: [relu1_1, "
                          "relu2_1]}\n", defaults=False)
        self.assertEqual(row["style_layers"], "relu1_1,relu2_1")

    def test_patterns_are_relative_to_the_file_and_sorted(self):
        folder = self.path("a [b]{c},* d")
        (folder / "photos" / "sub.png").mkdir(parents=True)
        for i, name in enumerate(("b.png", "a.png", "C.png", ".hidden.png", "a.jpg", "x[1].png")):
            make_picture(folder / "photos" / name, 20 + i, 20)
        make_picture(folder / "style.png", 30, 30)
        rows = self.expand("defaults: {style: style.png}\nmatrix: {content: ['photos/*.{png,jpg}']}\n",
                           name="a [b]{c},* d/sweep.yaml")
        self.assertEqual([os.path.relpath(row["content"], folder) for row in rows],
                         ["photos/" + name for name in ("C.png", "a.png", "b.png", "x[1].png",
                                                        "a.jpg")])
        rows = self.expand("defaults: {style: style.png}\nmatrix: {content: ['photos/x[1].png']}\n",
                           name="a [b]{c},* d/sweep.yaml")
        self.assertEqual(len(rows), 1)

    def test_yaml_is_typed_by_the_parameter(self):
        row, = self.sweep("matrix: {size: ['064'], style_weight: [012], tv_weight: [1e-1], seed: [+3],\n"
                          "  init: [\"noise\"], tolerance: [.5]}\n")
        self.assertEqual([row[name] for name in
                          ("size", "style_weight", "tv_weight", "seed", "init", "tolerance")],
                         ["64", "12", "0.1", "3", "noise", "0.5"])
        shutil.copy(self.path("style.png"), self.path("no"))
        row, = self.sweep("matrix: {init: [no]}\n")
        self.assertEqual(os.path.basename(row["init"]), "no")

    def test_aliases_and_dresses(self):
        plain = "matrix:\n  style_weight: &w [1, 2]\n  content_weight: *w\n"
        rows = self.sweep(plain)
        self.assertEqual(len(rows), 4)
        for text in (plain.replace("\n", "\r\n"), plain[:-1], plain + "\n# end\n", plain + "...\n",
                     "zip:\nrandom:\n" + plain):
            self.assertEqual(self.sweep(text), rows, text)
        self.assertEqual(self.sweep("\ufeff" + self.DEFAULTS + plain, defaults=False), rows)
        self.assertEqual(self.sweep("---\n" + self.DEFAULTS + plain, defaults=False), rows)

    def test_names_of_includes_are_kept(self):
        rows = self.sweep("matrix: {size: [64, 80]}\ninclude: [{size: 80, name: the large one},\n"
                          "  {size: 96, name: another}]\n")
        self.assertEqual(self.columns(rows, "size", "name"),
                         [("64", ""), ("80", "the large one"), ("96", "another")])

    def test_the_manifest_of_a_sweep_has_the_same_jobs(self):
        rows = self.sweep("matrix: {style_weight: {geomspace: [1e-3, 1e3, 11]}, pooling: [max, avg]}\n"
                          "random: {draws: 3, seed: 4, tv_weight: {loguniform: [1e-3, 1]}}\n")
        printed = self.printed
        self.path("elsewhere").mkdir()
        self.assertEqual(self.expand(printed, name="elsewhere/manifest.csv"), rows)
        self.assertEqual(self.printed, printed)

    def test_an_idle_exclude_is_noted(self):
        self.sweep("matrix: {size: [64]}\nexclude: [{size: 65}]\n")
        self.assertIn("sweep.yaml:3:11: note: no combination has all of these values", self.said)
        self.sweep("matrix: {size: [64, 65]}\nexclude: [{size: 65}]\n")
        self.assertEqual(self.said, "")


def unit(seed, draw, key):
    text = f"atelier draw\n{seed}\n{draw}\n{key}\n"
    return (int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) >> 11) / 2**53


class Draws(Sweeping):
    def test_are_those_of_the_seed_the_number_and_the_key(self):
        rows = self.sweep("random:\n  draws: 5\n  seed: 3\n  tv_weight: {loguniform: [1e-3, 10]}\n"
                          "  style_weight: {uniform: [2, 4]}\n  pooling: {choice: [max, avg]}\n"
                          "  size: {uniform: [60, 90]}\n  maxfun: {loguniform: [1, 1000]}\n")
        expected = [("%.12g" % (1e-3 * 1e4**unit(3, i, "tv_weight")),
                     "%.12g" % (2 + 2 * unit(3, i, "style_weight")),
                     ("max", "avg")[int(2 * unit(3, i, "pooling"))],
                     str(60 + math.floor(31 * unit(3, i, "size"))),
                     str(math.floor(1001**unit(3, i, "maxfun")))) for i in range(5)]
        self.assertEqual(self.columns(rows, "tv_weight", "style_weight", "pooling", "size", "maxfun"),
                         expected)

    def test_more_draws_or_keys_change_no_earlier_one(self):
        few = self.sweep("random: {draws: 4, seed: 1, tv_weight: {uniform: [0, 1]}}\n")
        many = self.sweep("random: {draws: 9, seed: 1, tv_weight: {uniform: [0, 1]}}\n")
        self.assertEqual([row["id"] for row in many[:4]], [row["id"] for row in few])
        both = self.sweep("random: {draws: 4, style_weight: {uniform: [0, 1]}, seed: 1,\n"
                          "  tv_weight: {uniform: [0, 1]}}\n")
        self.assertEqual([row["tv_weight"] for row in both], [row["tv_weight"] for row in few])
        other = self.sweep("random: {draws: 4, seed: 2, tv_weight: {uniform: [0, 1]}}\n")
        self.assertFalse({row["id"] for row in other} & {row["id"] for row in few})

    def test_repeat_every_combination(self):
        rows = self.sweep("matrix: {size: [64, 80]}\nrandom: {draws: 3, tv_weight: {uniform: [0, 1]}}\n"
                          "include: [{size: 96}]\n")
        draws = ["%.12g" % unit(0, i, "tv_weight") for i in range(3)]
        self.assertEqual(self.columns(rows, "size", "tv_weight"),
                         list(itertools.product(("64", "80", "96"), draws)))

    def test_that_repeat_an_earlier_one_are_left_out(self):
        rows = self.sweep("random: {draws: 20, pooling: {choice: [max, avg]}}\n")
        self.assertEqual(sorted(row.get("pooling") for row in rows), ["avg", "max"])
        self.assertIn("note: 18 of the draws came out as an earlier one did", self.said)

    def test_the_renders_own_seed_can_be_drawn(self):
        rows = self.sweep("random: {draws: 3, seed: {uniform: [0, 2147483647]}}\n")
        self.assertEqual([row["seed"] for row in rows],
                         [str(math.floor(2**31 * unit(0, i, "seed"))) for i in range(3)])


class Refusals(Sweeping):
    def test_unknown_keys_name_the_nearest(self):
        said = self.refuse_sweep(
            "matirx: {size: [64]}\nsize: 64\nmatrix:\n  stile_weight: [1]\n  output: [x]\n"
            "exclude: [{size: 3}]\ninclude: [{contents: 3}]\nrandom: {draw: 3, tv_weigth: {uniform: 1}}\n"
            "zebra: 1\n",
            "sweep.yaml:2:1: unknown key 'matirx'; nearest: 'matrix'",
            "sweep.yaml:3:1: 'size' belongs under 'defaults' (one value) or 'matrix' (a list)",
            "sweep.yaml:5:3: unknown parameter 'stile_weight'; nearest: 'style_weight'",
            "sweep.yaml:6:3: output says how a picture is made",
            "sweep.yaml:7:12: 'exclude' can only tell combinations apart by what varies: size is",
            "sweep.yaml:8:12: unknown parameter 'contents'; nearest: 'content'",
            "sweep.yaml:9:9: 'random' needs 'draws'",
            "sweep.yaml:9:10: unknown parameter 'draw'; nearest: 'draws'",
            "sweep.yaml:9:19: unknown parameter 'tv_weigth'; nearest: 'tv_weight'",
            "sweep.yaml:10:1: unknown key 'zebra'; there are output, defaults,", "10 errors\n")
        self.assertIn("\n      stile_weight: [1]\n      ^\n", said)

    def test_wrong_values_are_told_once_each(self):
        said = self.refuse_sweep(
            "matrix:\n  style_weight: [1, -1, x, ~, 1e3, 1000]\n  pooling: [max, no]\n"
            "  style_layers: [relu9_1, [relu1_1, [relu2_1]], []]\n  seed: {linspace: [0, 1]}\n"
            "  maxfun: {geomspace: [0, 10, 2]}\n  tv_weight: {range: [1, 0]}\n"
            "  iterations: {rnage: [1, 2]}\n  size: [[64, 80]]\n  tolerance: []\n"
            "  margin: {linspace: [1, 2, 1e9]}\n  lbfgs_memory: {linspace: [1, 2, 9]}\n",
            "sweep.yaml:3:21: style_weight must be a number >= 0, got '-1'",
            "sweep.yaml:3:25: style_weight must be a number >= 0, got 'x'",
            "sweep.yaml:3:28: style_weight has no value",
            "sweep.yaml:3:36: style_weight has the value '1000' twice, first at 3:31",
            "sweep.yaml:4:18: pooling must be max or avg, got 'no'",
            "sweep.yaml:5:18: style_layers: VGG-19 has no layer 'relu9_1'",
            "sweep.yaml:5:37: style_layers: a layer or its weight belongs here",
            "sweep.yaml:5:49: style_layers: ", "sweep.yaml:6:20: linspace takes [first, last, how many]",
            "sweep.yaml:7:23: geomspace goes between two numbers that are both above 0",
            "sweep.yaml:8:22: no step of 1 leads from 1 to 0",
            "sweep.yaml:9:16: unknown series 'rnage'; nearest: 'range'",
            "sweep.yaml:10:10: size: a list in a list means nothing here",
            "sweep.yaml:11:14: tolerance: the list is empty",
            "sweep.yaml:12:22: how many must be a whole number from 1 to 1000000, got 1e+09",
            "sweep.yaml:13:28: lbfgs_memory has the value '1' twice, first at 13:28")
        self.assertEqual(said.count(" must be a number >= 0"), 2)

    def test_files_that_are_not_there(self):
        make_picture(self.path("photo.png"), 20, 20)
        shutil.copy(self.path("photo.png"), self.path("copy.png"))
        self.path("text.png").write_text("hello")
        self.refuse("matrix:\n  content: [foto.png, photo/*.jpg, '*.jpg', 'a/**/b.png', text.png]\n"
                    "  style: [style.png, .]\n  weights: [vgg.h5, nope.h5]\n",
                    "sweep.yaml:2:13: content: cannot open", "nearest: 'photo.png'",
                    "sweep.yaml:2:23: no file matches 'photo/*.jpg': there is no folder '",
                    "sweep.yaml:2:36: no file matches '*.jpg' (capitals count",
                    "sweep.yaml:2:45: no file matches 'a/**/b.png'",
                    "sweep.yaml:2:59: content: '", "neither a PNG nor a JPEG; it looks like text",
                    "sweep.yaml:3:22: style: '", "is a folder, not a picture", name="sweep.yaml")
        self.refuse("matrix:\n  content: [photo.png, copy.png]\n  style: [style.png]\n",
                    "sweep.yaml:2:24: the same job as that of line 1: '", "copy.png' have the same",
                    "1 error\n", name="sweep.yaml")
        self.refuse("matrix:\n  content: ['p*.png', photo.png]\n  style: [style.png]\n",
                    "sweep.yaml:2:23: content has the value '", "twice, first at 2:13",
                    name="sweep.yaml")

    def test_weights_are_checked(self):
        self.refuse_sweep("matrix: {weights: [builtin:x, nope.h5, vgg.h5], size: [64, 80]}\n",
                          "sweep.yaml:2:31: weights: there is no weight file '",
                          "sweep.yaml:2:40: weights: weight file '", "layer block2_conv2 is missing",
                          "sweep.yaml:2:20: weights: weights must be builtin, random, random:SEED",
                          "3 errors\n")

    def test_what_does_not_fit_is_told_at_the_value(self):
        self.refuse_sweep("matrix:\n  size: [64, 18]\n  margin: [0, 60]\n  style_weight: [0, 1]\n"
                          "  content_weight: [0]\n  tv_weight: [0]\n",
                          "sweep.yaml:3:14: the picture would be 18 x 14 px",
                          "sweep.yaml:4:15: margin 60 px does not fit",
                          "sweep.yaml:2:1: content_weight, style_weight and tv_weight are all 0")
        self.refuse("matrix: {size: [64, 80]}\n", "sweep.yaml:1:1: content is missing", "2 errors\n",
                    name="sweep.yaml")

    def test_sections_of_the_wrong_kind(self):
        self.refuse_sweep("matrix: [1]\nzip: 3\nexclude: {size: 3}\ninclude: [3]\nrandom: []\noutput: [x]\n",
                          "sweep.yaml:2:9: 'matrix' holds lists", "sweep.yaml:3:6: 'zip' holds lists",
                          "sweep.yaml:4:10: 'exclude' is a list", "sweep.yaml:5:11: 'include' is a list",
                          "sweep.yaml:6:9: 'random' holds draws", "sweep.yaml:7:9: 'output' is one")
        self.refuse("- a\n- b\n", "sweep.yaml:1:1: a sweep file begins with keys", name="sweep.yaml")
        self.refuse_sweep("zip: {size: [64, 80], seed: [1, 2, 3]}\nrandom: {draws: 0}\n",
                          "sweep.yaml:2:6: what 'zip' joins must be equally long: size has 2 values, "
                          "seed 3", "sweep.yaml:3:17: draws must be a whole number from 1 to")
        self.refuse_sweep("matrix: {size: [64], seed: [1]}\nzip: {size: [80]}\n"
                          "random: {draws: 2, seed: {uniform: [3, 4]}, tv_weight: {uniform: [2, 1]},\n"
                          "  style_weight: {loguniform: [0, 1]}, pooling: {uniform: [1, 2]},\n"
                          "  maxfun: {uniform: [1.5, 3]}, margin: 3, size: {normal: [1, 2]}}\n",
                          "sweep.yaml:3:7: size stands twice, first at 2:10",
                          "sweep.yaml:4:36: seed stands under 'random' and under 'matrix' or 'zip'",
                          "uniform needs low <= high, got 2 and 1",
                          "loguniform needs 0 < low <= high, got 0 and 1",
                          "pooling is no number: use choice", "uniform needs whole numbers here",
                          "margin is drawn from {uniform: ", "unknown distribution 'normal'; ")
        self.refuse_sweep("include: [{tv_weight: 3, size: [1, 2]}, {}]\n"
                          "random: {draws: 2, tv_weight: {uniform: [3, 4]}}\n",
                          "sweep.yaml:2:12: tv_weight is drawn at random: an 'include' cannot set it",
                          "sweep.yaml:2:32: size takes one value here",
                          "sweep.yaml:2:41: there is nothing in these braces")

    def test_yaml_that_is_none(self):
        for text, words in (("matrix: {size: [64}\n", ":2:19: this is not YAML: did not find expected"),
                            ("matrix:\n\tsize: [64]\n", ":3:1: this is not YAML: ", ),
                            ("matrix: {size: *nope}\n", ":2:16: there is no complete '&nope'"),
                            ("matrix: &m {size: *m}\n", ":2:19: there is no complete '&m'"),
                            ("matrix:\n  <<: {size: [64]}\n", ":3:3: merge keys (<<)"),
                            ("matrix: {size: [64], size: [80]}\n", ":2:22: 'size' stands twice here, "
                             "first at 2:10"),
                            ("matrix: {[a]: 3}\n", ":2:10: a key must be a word"),
                            ("---\nmatrix: {size: [64]}\n", ":2:1: a second document begins here"),
                            ("matrix: {size: \"\\0\"}\n", ":2:16: a NUL character")):
            self.refuse_sweep(text, "sweep.yaml" + words)
        for text in ("[" * 100000, "{a: " * 100000, "- " * 100000):
            self.refuse("x: " + text if text[0] in "[{" else text, "nested too deeply",
                        name="sweep.yaml")
        self.refuse("# nothing\n", "there is no job in it", name="sweep.yaml")
        self.refuse("defaults:\n", "content is missing", name="sweep.yaml")

    def test_bombs_are_bounded(self):
        lines = ["a0: &a0 [" + ",".join("1" * 9) + "]"]
        lines += [f"a{i}: &a{i} [" + ",".join(f"*a{i - 1}" for _ in range(9)) + "]"
                  for i in range(1, 12)]
        self.refuse_sweep("\n".join(lines) + "\nmatrix: {size: *a11}\n",
                          "size: a list in a list means nothing here")
        self.refuse_sweep("matrix: {style_weight: {linspace: [0, 1, 100000]}, tv_weight: {linspace: "
                          "[0, 1, 1000]}}\n", "sweep.yaml:2:1: more than 1000000 jobs")
        self.refuse_sweep("matrix: {style_weight: {range: [0, 1, 1e-300]}}\n", "more than 1000000 values")

    def test_work_is_counted_before_it_is_done(self):
        eight = "{" + ",".join("abcdefgh") + "}"
        for pattern, words in ((eight * 8 + ".png", "more than 10000 patterns"),
                               (eight * 4 + "," + eight * 4, "more than 10000 patterns"),
                               ("{a," * 40 + "}" * 40, "32 braces and 4096 characters, this has 40"),
                               ("*" * 5000, "this has 0 and 5000")):
            self.refuse_sweep(f"matrix: {{content: ['{pattern}']}}\n", "sweep.yaml:2:20: ", words)
        self.refuse_sweep("matrix: {style_weight: %s, tv_weight: %s}\nexclude: [{style_weight: %s}]\n"
                          % (("{range: [1, 1000]}",) * 3),
                          "1000000 combinations", "1000 values of 'exclude'",
                          "more than 500000000 comparisons")
        rows = self.sweep("matrix: {style: ['{content,{st,sk}y}*.png']}\n")
        self.assertEqual(len(rows), 2)


class Summaries(Sweeping):
    TEXT = ("matrix: {style_weight: {geomspace: [0.001, 1000, 7]}, size: [80, 64], pooling: [max, avg],"
            " style_layers: [relu1_1, 'relu1_1,relu2_1']}\n")

    def run_expand(self, *options):
        self.write("sweep.yaml", self.DEFAULTS + self.TEXT)
        result = self.atelier("expand", "sweep.yaml", *options)
        self.assertEqual(result.returncode, DONE, result.stderr)
        return result.stdout

    def test_count_says_what_varies(self):
        lines = self.run_expand("--count").splitlines()
        self.assertEqual([line.split() for line in lines[:5]], [
            ["56", "jobs"], ["size", "2", "64,", "80"],
            ["style_weight", "7", "0.001", "...", "1000"],
            ["style_layers", "2", "relu1_1", "|", "relu1_1,relu2_1"],
            ["pooling", "2", "max,", "avg"]])
        self.assertEqual(lines[5], "pictures  64 to 80 px wide, 48 to 60 px high")
        self.assertRegex(lines[6], r"^work      at most 1\.126e\+04 evaluations, [0-9.e+]+ TFLOP")
        self.assertEqual(len(lines), 8)

    def test_only_selects(self):
        jobs = list(csv.DictReader(io.StringIO(self.run_expand(
            "--only", "style_weight>=10, size=64 and style_layers=block2_conv1,relu1_1"))))
        self.assertEqual([(job["style_weight"], job["size"]) for job in jobs],
                         [(w, "64") for w in ("10", "10", "100", "100", "1000", "1000")])
        self.assertNotIn("style_layers", self.run_expand("--count", "--only", "style_layers=relu1_1"))
        result = self.atelier("expand", "sweep.yaml", "--only", "style_weight>5000")
        self.assertEqual(result.returncode, INPUT)
        self.assertIn("no job has style_weight>5000", result.stderr)

    def test_json_says_the_same(self):
        rows = list(csv.DictReader(io.StringIO(self.run_expand())))
        jobs = json.loads(self.run_expand("--json"))
        self.assertEqual([job["id"] for job in jobs], [row["id"] for row in rows])
        for job, row in zip(jobs, rows):
            self.assertEqual((job["style_weight"], job["size"], job["pooling"], job["width"]),
                             (float(row["style_weight"]), int(row["size"]), row["pooling"],
                              int(row["size"])))
        summary = json.loads(self.run_expand("--json", "--count"))
        self.assertEqual((summary["jobs"], summary["varies"]["size"], summary["width"]),
                         (56, [80, 64], [64, 80]))

    def test_a_parameter_without_effect_is_noted(self):
        self.sweep("matrix: {optimizer: [lbfgs, adam], learning_rate: [1, 2], lbfgs_memory: [5, 6]}\n")
        self.assertWords(self.said, "note: learning_rate varies, but has no effect on 4 of the 8 jobs "
                         "(optimizer lbfgs)", "note: lbfgs_memory varies, but has no effect on 4 of "
                         "the 8 jobs (optimizer adam)")
        self.sweep("matrix: {optimizer: [adam], learning_rate: [1, 2]}\n")
        self.assertEqual(self.said, "")


class Readme(Sweeping):
    def blocks(self, language):
        text = (ROOT / "README.md").read_text().split("\n## A sweep file\n")[1].split("\n## ")[0]
        return [block for kind, block in re.findall(r"^```(.*?)\n(.*?)^```$", text, re.M | re.S)
                if kind == language]

    def test_the_sweep_file_gives_what_is_said(self):
        self.path("photos").mkdir()
        for i, name in enumerate(("photos/a", "photos/b", "photos/c", "starry", "scream", "wave")):
            make_picture(self.path(name + ".jpg"), 40 + i, 40)
        (text,), shown = self.blocks("yaml"), self.blocks("")[0]
        self.write("sweep.yaml", text)
        command, *said = shown.splitlines()
        result = self.atelier(*command.split()[2:])
        self.assertEqual(result.stdout.splitlines()[:len(said)], said, result.stderr)

    def test_the_lines_of_python_write_a_manifest(self):
        make_picture(self.path("photo.jpg"), 40, 40)
        make_picture(self.path("starry.jpg"), 41, 40)
        code, = self.blocks("python")
        output = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)
        self.assertEqual(len(self.expand(output.stdout)), 25)


class Scale(Sweeping):
    COUNT = 100_000

    def test_100_000_jobs_take_little_memory(self):
        count = self.COUNT // 10 if is_sanitized() else self.COUNT
        text = (f"matrix:\n  style_weight: {{geomspace: [1e-3, 1e3, {count // 100}]}}\n"
                "  tv_weight: {linspace: [0, 1, 50]}\n  content_layers: [relu4_2, relu5_2]\n")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        rows = self.sweep(text)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime - before.ru_utime
        print(f"{count} jobs: {seconds:.1f} s, {after.ru_maxrss / 1e3:.0f} MB at most")
        self.assertEqual(len({row["id"] for row in rows}), count)
        if not is_sanitized():
            self.assertLessEqual(after.ru_maxrss / 1e3, 500)

    def test_cost_is_linear(self):
        def seconds(count):
            text = "content,style,seed\n" + "".join(f"content.png,style.png,{i}\n"
                                                    for i in range(count))
            self.write("manifest.csv", text)
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            self.assertEqual(self.atelier("expand", "manifest.csv").returncode, DONE)
            return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        small, large = (min(seconds(count) for _ in range(2)) for count in (4000, 32000))
        print(f"4000 rows {small:.2f} s, 32000 rows {large:.2f} s")
        self.assertLessEqual(large, 2.5 * 8 * small + 0.5)  # of processor time, in ticks on some kernels


if __name__ == "__main__":
    main()
