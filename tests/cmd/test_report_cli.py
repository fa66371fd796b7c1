#!/usr/bin/python3
"""atelier report: what the page holds, the contact sheet and the curves as pictures."""
import base64
import hashlib
import html.parser
import io
import json
import os
import pathlib
import xml.etree.ElementTree as ElementTree

import h5py
import numpy as np
from PIL import Image

from atelier import (DONE, ENVIRONMENT, FAILED, INPUT, InFolder, TEMPORARY, history, is_sanitized, main,
                     pixels)
from made_up_store import HOSTILE, MadeUpStore

WEIGHTS = ("0.1", "1", "10")


class Page(html.parser.HTMLParser):
    """The page as a browser takes it apart."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.scripts, self.styles, self.policy = [], [], [], ""
        self.inside = None
        self.feed(pathlib.Path(path).read_text(encoding="utf-8"))
        self.data = json.loads(self.scripts[0][1])
        self.runs = {run["id"]: run for run in self.data["runs"]}

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append([dict(attrs), ""])
        if tag == "style":
            self.styles.append("")
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"]

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1][1] += data
        elif self.inside == "style":
            self.styles[-1] += data


def csp_digest(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def find_picture(sheet, picture):
    """Where the picture stands in the sheet, pixel for pixel: (x, y), or None."""
    height, width, _ = picture.shape
    for y, x in np.argwhere((sheet == picture[0, 0]).all(axis=2)):
        if np.array_equal(sheet[y:y + height, x:x + width], picture):
            return x, y
    return None


class OfStore(InFolder):
    def make(self, jobs=None, **options):
        jobs = jobs or [
            {"style": style, "style_weight": weight, "name": f"{style} at {weight}"}
            for style in ("/styles/a.jpg", "/styles/b.jpg") for weight in WEIGHTS]
        self.store = MadeUpStore(self.path("sweep") / "store", jobs, **options)
        return self.store

    def report(self, *words, code=DONE, **options):
        result = self.atelier("report", str(self.store.folder), *words, **options)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def page(self, *words, **options):
        self.report(*words, **options)
        return Page(self.store.folder / "report.html")


class ThePage(OfStore):
    def test_page_needs_nothing_but_itself(self):
        self.make()
        page = self.page()
        for tag, attributes in page.elements:
            for name in ("src", "href", "action", "srcset"):
                value = attributes.get(name) or ""
                self.assertTrue(value == "" or value.startswith(("#", "data:")), (tag, value))
        self.assertNotIn("http:", page.styles[0])
        self.assertNotIn("url(", page.styles[0])

    def test_policy_admits_the_page_s_own_script_and_style_only(self):
        self.make()
        page = self.page()
        rules = dict(rule.strip().split(" ", 1) for rule in page.policy.split(";"))
        self.assertEqual(rules["default-src"], "'none'")
        self.assertEqual(rules["script-src"], csp_digest(page.scripts[1][1]))
        self.assertEqual(rules["style-src"], csp_digest(page.styles[0]))

    def test_hostile_texts_stay_texts(self):
        self.make([{"style": f"/styles/{HOSTILE.replace('/', '')}.jpg", "status": "failed",
                    "name": HOSTILE}, {"style": "/styles/b.jpg", "name": "b"}])
        page = self.page()
        self.assertEqual([attributes for attributes, _ in page.scripts],
                         [{"type": "application/json", "id": "data"}, {}])
        run = page.runs[self.store.jobs[0]["id"]]
        self.assertEqual(run["name"], HOSTILE)
        self.assertEqual(run["error"]["message"], HOSTILE)
        self.assertEqual(run["error"]["attempts"][1]["message"], HOSTILE)
        self.assertIn(HOSTILE, run["command_line"])
        self.assertIn(HOSTILE.replace("/", ""), page.data["parameters"][0]["values"][0])

    def test_bytes_that_are_no_text_do_no_harm(self):
        self.make([{"style": "/styles/a.jpg"}, {"style": "/styles/b.jpg"}])
        manifest = self.store.folder / "manifest.csv"
        manifest.write_bytes(manifest.read_bytes().replace(b"/styles/a.jpg", b"/styles/\xff<a.jpg"))
        result = self.atelier("report", str(self.store.folder))
        self.assertIn(result.returncode, (DONE, INPUT))
        if result.returncode == DONE:
            values = Page(self.store.folder / "report.html").data["parameters"][0]["values"]
            self.assertEqual(values, ["/styles/?<a.jpg", "/styles/b.jpg"])

    def test_axes_are_in_the_page_and_follow_the_options(self):
        self.make()
        page = self.page()
        self.assertEqual(page.data["axes"],
                         {"rows": "style", "columns": "style_weight", "colour": "style_weight"})
        self.assertEqual([one["name"] for one in page.data["parameters"]],
                         ["style", "style_weight"])
        self.assertEqual(page.data["parameters"][1]["numbers"], [0.1, 1, 10])
        page = self.page("--rows", "style_weight", "--columns", "none", "--colour", "style")
        self.assertEqual(page.data["axes"],
                         {"rows": "style_weight", "columns": None, "colour": "style"})
        self.assertWords(self.report("--rows", "stile", code=INPUT).stderr, "nearest: 'style'")
        self.assertWords(self.report("--rows", "size", code=INPUT).stderr, "does not vary")

    def test_every_run_says_what_became_of_it(self):
        self.make([{"style": f"/s/{status}.jpg", "status": status}
                   for status in ("done", "failed", "waiting", "damaged")])
        page = self.page(code=FAILED)
        done, failed, waiting, damaged = (page.runs[job["id"]] for job in self.store.jobs)
        self.assertEqual([run["status"] for run in (done, failed, waiting, damaged)],
                         ["done", "failed", "waiting", "unreadable"])
        self.assertEqual(failed["error"]["end"], "crashed")
        self.assertEqual(len(failed["error"]["attempts"]), 2)
        self.assertTrue(damaged["error"]["message"])
        self.assertEqual(waiting.get("error"), None)
        for run in (failed, waiting, damaged):
            self.assertNotIn("history", run)
            self.assertNotIn("thumb", run)

    def test_curves_are_exact_at_the_ends_and_near_between(self):
        self.make()
        page = self.page()
        for job in self.store.jobs:
            run = page.runs[job["id"]]
            kept = run["history"]
            whole = history(self.store.path(job, "h5"))
            self.assertEqual(kept[0][0], 0)
            self.assertEqual(kept[0][-1], len(whole["total"]) - 1)
            for number, name in enumerate(page.data["losses"]):
                for end, row in (("start", 0), ("final", -1)):
                    np.testing.assert_allclose(run[end][number], whole[name][row], rtol=1e-14)
                self.assertNear(kept[1], kept[3 + number], whole["evaluation"], whole[name])
            self.assertEqual(kept[1], [int(whole["evaluation"][row]) for row in kept[0]])

    def assertNear(self, kept_x, kept_y, x, y):
        """Within 1 % of straight lines, in logarithms, wherever there is one."""
        there = y > 0
        first = np.argmax(there)
        self.assertTrue(there[first:].all())
        kept = [(a, b) for a, b in zip(kept_x, kept_y) if b]
        self.assertEqual(kept[0][0], x[first])
        line = np.exp(np.interp(x[first:], [a for a, _ in kept], np.log([b for _, b in kept])))
        self.assertTrue((np.abs(line / y[first:] - 1) <= 0.0101).all())

    def test_long_histories_are_thinned_but_keep_a_spike(self):
        self.make([{"style": "/s/a.jpg"}])
        path = self.store.path(self.store.jobs[0], "h5")
        rows, spike = 3000, 1234
        with h5py.File(path, "r+") as file:
            for name, column in list(file["history"].items()):
                value = np.arange(rows, dtype=column.dtype)
                if column.dtype.kind == "f":
                    value = np.exp(-value / 700)
                    value[spike] = 50
                attributes = dict(column.attrs)
                del file["history"][name]
                made = file["history"].create_dataset(name, data=value)
                for key in ("long_name", "units"):
                    made.attrs[key] = attributes[key]
        page = self.page()
        kept = page.runs[self.store.jobs[0]["id"]].get("history")
        if kept is None:
            self.fail(page.runs)
        self.assertLess(len(kept[0]), 100)
        self.assertIn(spike, kept[0])
        self.assertEqual((kept[0][0], kept[0][-1]), (0, rows - 1))

    def test_small_copies_look_like_the_pictures(self):
        self.make(size=300)
        page = self.page()
        for job in self.store.jobs:
            run = page.runs[job["id"]]
            small = Image.open(io.BytesIO(base64.b64decode(run["thumb"])))
            self.assertEqual(small.format, "JPEG")
            self.assertEqual(small.size, (run["thumb_width"], run["thumb_height"]))
            with Image.open(self.store.path(job, "png")) as whole:
                expected = np.asarray(whole.resize(small.size, Image.LANCZOS), float)
            off = np.abs(np.asarray(small, float) - expected).mean()
            self.assertLess(off, 15)
        with_picture = [picture for picture in page.data["pictures"] if "thumb" in picture]
        self.assertEqual([picture["label"] for picture in with_picture], ["content.png"])

    def test_embedded_pictures_are_the_files(self):
        self.make()
        page = self.page("--embed")
        for job in self.store.jobs:
            run = page.runs[job["id"]]
            self.assertEqual(base64.b64decode(run["full"]),
                             self.store.path(job, "png").read_bytes())
        self.assertNotIn("full", self.page().data["runs"][0])

    def test_a_page_elsewhere_names_the_store(self):
        self.make()
        self.assertEqual(self.page().data["base"], "")
        self.report("--output", str(self.path("elsewhere.html")))
        self.assertEqual(Page(self.path("elsewhere.html")).data["base"], str(self.store.folder))

    def test_nothing_of_the_store_but_the_page_changes(self):
        self.make()
        before = self.listing()
        self.report()
        after = self.listing()
        page = after.pop(str((self.store.folder / "report.html").relative_to(self.folder)))
        self.assertTrue(page)
        self.assertEqual(before, after)

    def test_an_earlier_page_survives_what_goes_wrong(self):
        self.make()
        self.report()
        page = self.store.folder / "report.html"
        before = page.read_bytes()
        (self.store.folder / "manifest.csv").write_text("nonsense,of,columns\n")
        self.report(code=INPUT)
        self.assertEqual(page.read_bytes(), before)
        self.assertFalse([name for name in self.listing() if TEMPORARY.search(name)])
        self.assertWords(self.atelier("report", str(self.path("none"))).stderr, "none")

    def test_a_full_disk_is_said(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        self.make()
        result = self.report("--output", "/dev/full", code=INPUT)
        self.assertWords(result.stderr, "/dev/full")
        if is_sanitized():
            return
        result = self.report(code=ENVIRONMENT, preexec_fn=limit_file_size)
        self.assertWords(result.stderr, "report.html")
        self.assertFalse((self.store.folder / "report.html").exists())
        self.assertFalse([name for name in self.listing() if TEMPORARY.search(name)])


def limit_file_size():
    import resource
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))


class TheSheet(OfStore):
    def test_every_picture_stands_in_its_row_and_column(self):
        self.make()
        self.report("--sheet", str(self.path("sheet.png")))
        sheet = pixels(self.path("sheet.png"))
        places = {}
        for job in self.store.jobs[:4]:
            place = find_picture(sheet, pixels(self.store.path(job, "png")))
            self.assertIsNotNone(place, job)
            places[job["style"], job["style_weight"]] = place
        a = [places["/styles/a.jpg", weight] for weight in WEIGHTS]
        b = places["/styles/b.jpg", "0.1"]
        self.assertEqual(len({y for _, y in a}), 1)
        self.assertTrue(a[0][0] < a[1][0] < a[2][0])
        self.assertEqual(b[0], a[0][0])
        self.assertGreater(b[1], a[0][1])
        self.assertFalse((self.store.folder / "report.html").exists())

    def test_missing_and_failed_runs_have_their_place(self):
        statuses = ("done", "failed", "waiting", "damaged")
        self.make([{"style": "/s/a.jpg", "style_weight": i + 1, "status": status}
                   for i, status in enumerate(statuses)])
        result = self.report("--sheet", str(self.path("sheet.png")), code=FAILED)
        damaged = self.store.path(self.store.jobs[3], "h5")
        self.assertWords(result.stderr, f"skipped  {damaged}: ", "1 result cannot be read",
                         f"atelier verify {self.store.folder} --repair")
        sheet = pixels(self.path("sheet.png")).astype(int)
        ink = {name: int((sheet == colour).all(axis=2).sum())
               for name, colour in (("pale", (0xf1, 0xee, 0xe6)), ("red", (0xa8, 0x38, 0x1f)))}
        self.assertGreater(ink["pale"], 3 * 60 * 40)
        self.assertGreater(ink["red"], 2 * 2 * (90 + 60))

    def test_a_sheet_is_a_png(self):
        self.make()
        self.assertWords(self.report("--sheet", "sheet.jpg", code=INPUT).stderr, ".png")


class TheCurves(OfStore):
    def test_svg_has_every_row_of_every_run(self):
        self.make()
        self.report("--curves", str(self.path("curves.svg")))
        root = ElementTree.parse(self.path("curves.svg")).getroot()
        lengths = sorted(path.get("d").count("L") for path in root.iter()
                         if path.tag.endswith("path") and "stroke-width:1.6" in path.get("style", ""))
        expected = sorted(len(history(self.store.path(job, "h5"))["total"]) - 1
                          for job in self.store.jobs)
        self.assertEqual(lengths, expected)

    def test_png_has_the_colours_of_the_values(self):
        self.make()
        self.report("--curves", str(self.path("curves.png")))
        picture = pixels(self.path("curves.png"))[:-100]  # without the legend
        for colour in ((0x44, 0x01, 0x54), (0x8f, 0xb8, 0x24)):
            self.assertTrue((picture == colour).all(axis=2).sum() > 50, colour)

    def test_losses_are_chosen_by_name(self):
        self.make()
        for name in ("terms", "layers", "style_relu1_1"):
            self.report("--curves", str(self.path(f"{name}.svg")), "--loss", name, "--linear",
                        "--by", "steps")
        heights = [float(ElementTree.parse(self.path(f"{name}.svg")).getroot().get("height")
                         .rstrip("pt")) for name in ("terms", "style_relu1_1")]
        self.assertGreater(*heights)
        result = self.report("--curves", "c.png", "--loss", "stile", code=INPUT)
        self.assertWords(result.stderr, "no run has a loss 'stile'", "'style'")

    def test_without_a_curve_it_says_so(self):
        self.make([{"style": "/s/a.jpg", "status": "waiting"}])
        result = self.report("--curves", str(self.path("c.png")), code=INPUT)
        self.assertWords(result.stderr, "no run is done")
        self.assertFalse(self.path("c.png").exists())

    def test_without_a_font_letters_are_plain_and_it_says_so(self):
        self.make()
        self.path("fonts.conf").write_text(
            '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">'
            "<fontconfig><dir>/nonexistent</dir></fontconfig>")
        result = self.report("--curves", str(self.path("c.png")),
                             env={**os.environ, "FONTCONFIG_FILE": str(self.path("fonts.conf"))})
        self.assertWords(result.stderr, "no font", "fonts-dejavu-core")
        self.assertTrue(self.path("c.png").exists())


if __name__ == "__main__":
    main()
