#!/usr/bin/python3
"""atelier expand: manifests in every dress that people and spreadsheets give them, job ids computed
a second time here, and all that is wrong with a file in one go."""
import csv
import hashlib
import io
import shutil
import subprocess

import h5py
import numpy as np

from atelier import CONVS, DONE, INPUT, SAMPLES, main, make_picture, parameter_table, sha256
from expanding import Expanding


def twelve(value):
    """A number at 12 significant digits, as C's %.12g."""
    return "%.12g" % (float(value) + 0)


def weights_digest(path, convs):
    """SHA-256 of the kernels, [3][3][in][out], and biases that a Keras file holds, one after the
    other, with the first one's input turned from BGR to RGB."""
    digest = hashlib.sha256()
    with h5py.File(path) as file:
        for name, _, _ in CONVS[:convs]:
            kernel, bias = file[f"{name}/{name}/kernel:0"][:], file[f"{name}/{name}/bias:0"][:]
            if name == "block1_conv1":
                kernel = kernel[:, :, ::-1, :]
            digest.update(np.ascontiguousarray(kernel, "<f4").tobytes() + bias.tobytes())
    return digest.hexdigest()


def layers(text):
    """relu1_1:1,relu2_1:3 with weights that sum to 1, relu1_1,relu2_1 with equal ones."""
    pairs = [part.split(":") for part in text.split(",")]
    total = sum(float(pair[1]) if len(pair) > 1 else 1 for pair in pairs)
    return ",".join(f"{pair[0]}:" + twelve((float(pair[1]) if len(pair) > 1 else 1) / total)
                    for pair in pairs)


# The balanced preset, resolved: what a job is that gives only what it must.
RESOLVED = {
    "content_layers": "relu3_1", "content_weight": "0.1", "init": "content", "iterations": "4",
    "lbfgs_memory": "10", "learning_rate": "2", "margin": "8", "maxfun": "50",
    "optimizer": "lbfgs", "pooling": "avg", "precision": "auto", "preset": "balanced", "seed": "0",
    "size": "512", "style_layers": "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1", "style_scale": "1",
    "style_weight": "1", "tolerance": "1e-4", "tv_weight": "0.5",
}
NUMBERS = {p.name for p in parameter_table() if p.kind in ("REAL", "WHOLE")}


def identity(given, digests):
    """The id as the design has it, from the values of a row and the digests of its files."""
    values = {**RESOLVED, **given}
    for name, value in values.items():
        if name in NUMBERS:
            values[name] = twelve(value)
        elif name.endswith("_layers"):
            values[name] = layers(value)
    values.update({name: "sha256:" + digest for name, digest in digests.items()})
    if values["margin"] == "0":
        del values["margin"]
    text = "atelier job 1\n" + "".join(f"{name}={values[name]}\n" for name in sorted(values))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Identity(Expanding):
    def files(self, convs=3, content="content.png", style="style.png"):
        return {"content": sha256(self.path(content)), "style": sha256(self.path(style)),
                "weights": weights_digest(self.path("vgg.h5"), convs)}

    LAYERS = {"content_layers": "relu1_2", "style_layers": "relu1_1,relu2_1"}

    def one(self, **given):
        row = {"content": "content.png", "style": "style.png", "weights": "vgg.h5", **self.LAYERS,
               **given}
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(row)
        writer.writerow(row.values())
        job, = self.expand(text.getvalue())
        return job["id"]

    def test_is_that_of_the_design(self):
        self.assertEqual(self.one(), identity(self.LAYERS, self.files()))

    def test_numbers_count_to_twelve_digits(self):
        given = {**self.LAYERS, "style_weight": "0.316227766017", "tv_weight": "0"}
        self.assertEqual(self.one(style_weight="3.16227766016951e-1", tv_weight="-0"),
                         identity(given, self.files()))

    def test_layers_count_by_canonical_names_and_normalised_weights(self):
        given = {"content_layers": "relu1_2", "style_layers": "relu1_1:1,relu2_1:3"}
        self.assertEqual(self.one(content_layers="block1_conv2",
                                  style_layers="block2_conv1:1.5, relu1_1:.5"),
                         identity(given, self.files()))

    def test_only_the_convolutions_in_use_count(self):
        given = {"content_layers": "relu1_1", "style_layers": "relu1_2"}
        self.assertEqual(self.one(**given), identity(given, self.files(convs=2)))

    def test_files_count_by_content(self):
        before = self.one()
        for old, new in (("content.png", "moved.png"), ("vgg.h5", "moved.h5")):
            shutil.copy(self.path(old), self.path(new))
        self.assertEqual(self.one(content="moved.png", weights="moved.h5"), before)
        make_picture(self.path("content.png"), 48, 36, seed=9)
        self.assertNotEqual(self.one(), before)

    def test_a_start_from_a_file_counts_by_content(self):
        given = {**self.LAYERS, "init": ""}
        self.assertEqual(self.one(init="style.png"),
                         identity(given, {**self.files(), "init": sha256(self.path("style.png"))}))
        self.assertEqual(self.one(init="style"),
                         identity({**self.LAYERS, "init": "style"}, self.files()))

    def test_a_younger_parameter_at_its_neutral_value_is_left_out(self):
        self.assertEqual(self.one(margin="0"), identity({**self.LAYERS, "margin": "0"}, self.files()))
        self.assertNotEqual(self.one(margin="1"), self.one(margin="0"))

    def test_presets_count_by_what_they_set(self):
        keras = {"preset": "keras", "content_weight": ".025", "tv_weight": "1", "pooling": "max",
                 "margin": "0", "iterations": "1000", "maxfun": "20", "tolerance": "0",
                 "precision": "f32"}
        self.assertEqual(self.one(preset="keras"), identity({**self.LAYERS, **keras}, self.files()))

    def test_jobs_of_the_untrained_network_keep_the_ids_they_had(self):
        """What the first release gave such jobs, whose default it was."""
        for name, id in (("swirls", "e2d71bcc80e15651"), ("mosaic", "517e03e4971b603a")):
            for weights in ("random", "random:0", "builtin:0"):
                job, = self.expand(
                    "content,style,size,iterations,maxfun,weights\n"
                    f"{SAMPLES / 'harbour.jpg'},{SAMPLES / name}.jpg,48,1,3,{weights}\n")
                self.assertEqual(job["id"], id)

    def test_the_built_in_network_and_its_file_are_one(self):
        network = SAMPLES.parent.parent / "weights" / "vgg19.safetensors"
        self.assertEqual(self.one(weights="builtin"), self.one(weights=str(network)))
        self.assertNotEqual(self.one(weights="builtin"), self.one(weights="random"))

    def test_every_parameter_counts(self):
        other = {"weights_convention": None, "content": None, "style": None, "weights": None,
                 "precision": "f32", "preset": "johnson", "optimizer": "adam", "pooling": "max",
                 "size": "64", "tolerance": "0.5", "init": "style", "content_layers": "relu1_1", "style_layers": "relu1_1"}
        ids = {self.one()}
        names = [p.name for p in parameter_table() if p.scope == "JOB"
                 and other.get(p.name, "") is not None]
        for name in names:
            ids.add(self.one(**{name: other.get(name, "17")}))
        self.assertEqual(len(ids), 1 + len(names))
        # It says how to read a file, and the digest is of what was read.
        self.assertIn(self.one(weights_convention="caffe"), ids)


class Manifests(Expanding):
    PAIR = "content.png,style.png"

    def test_printing_and_reading_again_is_the_identity(self):
        jobs = self.expand("name,style_layers,content,style,content_layers,style_weight,size,weights,"
                           "preset,init\n"
                           'a name,"relu1_1:1,relu1_2:2",content.png,style.png,relu1_1,.1,64,vgg.h5,'
                           "keras,style.png\n"
                           '"with, comma and ""quotes""",relu2_1,style.png,content.png,conv1_2,3,0,'
                           "vgg.h5,,noise\n"
                           ",relu1_1,content.png,style.png,relu1_1,1e-7,48,vgg.h5,gatys,\n")
        first, names = self.printed, [job["name"] for job in jobs]
        self.assertEqual(names, ["a name", 'with, comma and "quotes"', ""])
        self.path("elsewhere").mkdir()
        self.assertEqual(self.expand(first, name="elsewhere/again.csv"), jobs)
        self.assertEqual(self.printed, first)

    def test_only_columns_that_matter_are_printed(self):
        job, = self.expand(f"content,style,size,tv_weight,seed,preset\n{self.PAIR},512,1,0,keras\n")
        self.assertEqual(list(job), ["id", "name", "content", "style", "preset"])
        self.assertEqual(job["content"], str(self.path("content.png").resolve()))

    def test_every_dress_gives_the_same_jobs(self):
        plain = f"content,style,size\n{self.PAIR},64\n{self.PAIR},80\n"
        jobs = self.expand(plain)
        self.assertEqual([job["size"] for job in jobs], ["64", "80"])
        for dress in (plain.replace("\n", "\r\n"), plain.replace("\n", "\r"), plain[:-1],
                      "\ufeff" + plain, "\n\n" + plain.replace("\n", "\n\n"), plain + ",,\n , ,\n",
                      plain.replace(",", ";"), plain.replace(",", "\t"),
                      "sep=;\r\n" + plain.replace(",", ";"), plain.replace(",", " , "),
                      plain.replace("content.png", '"content.png"'),
                      plain.replace("\n", ",\n"), plain.upper().replace(".PNG", ".png")
                      .replace("CONTENT.", "content.").replace("STYLE.", "style."),
                      f"size,style,id,content\n64,style.png,,content.png\n80,style.png,,content.png",
                      f"content,style,size\n{self.PAIR},6.4e1\n{self.PAIR},0080\n"):
            self.assertEqual(self.expand(dress), jobs, dress)

    def test_ids_are_checked(self):
        job, = self.expand(f"content,style\n{self.PAIR}\n")
        again, = self.expand(f"id,content,style\n{job['id']},{self.PAIR}\n")
        self.assertEqual(job, again)
        self.refuse(f"content,id,style\ncontent.png,{job['id']},content.png\n", "manifest.csv:2:13: ",
                    f"id '{job['id']}' is not that of this row, which is ")
        self.refuse(f"id,content,style\n1.23457E+15,{self.PAIR}\n", "turned into a number", job["id"])

    def test_everything_wrong_is_told_at_once(self):
        said = self.refuse("content,style,style_wieght,size,,output,size\n"
                           f"{self.PAIR},1,-5,,,\n"
                           f"{self.PAIR},1,big,left over,,\n"
                           f"{self.PAIR}\n"
                           "nope.png,,3,4,,,\n",
                           "manifest.csv:1:15: unknown column 'style_wieght'; nearest: 'style_weight'",
                           "manifest.csv:1:34: output says how a picture is made",
                           "manifest.csv:1:41: column 'size' stands twice, first at 1:28",
                           "manifest.csv:2:25: size must be a whole number between 0 and 65535 px, "
                           "got '-5'",
                           "manifest.csv:3:25: size must be", "got 'big'",
                           "manifest.csv:3:29: 'left over' stands in a column without a name",
                           "manifest.csv:4: the row has 2 cells, the header has 7")
        self.assertIn("\n    content.png,style.png,1,-5,,,\n"
                      "                            ^\n", said)

    def test_files_are_looked_at_once(self):
        rows = "".join(f"contnt.png,style.png,{seed}\n" for seed in range(5))
        said = self.refuse("content,style,seed\n" + rows, "manifest.csv:2:1: content: cannot open",
                           "No such file or directory; nearest: 'content.png'", "1 error\n")
        self.assertNotIn(":3:", said)

    def test_jobs_that_are_the_same_are_told_with_both_places(self):
        shutil.copy(self.path("style.png"), self.path("copy.png"))
        self.refuse(f"content,style,size\n{self.PAIR},64\ncontent.png,copy.png,80\n"
                    f"{self.PAIR},0064\n{self.PAIR},80\n",
                    "manifest.csv:4: the same job as that of line 2\n",
                    "manifest.csv:5:13: the same job as that of line 3: '", "copy.png' and ",
                    "have the same content")

    def test_what_does_not_fit_a_picture_is_told(self):
        self.refuse(f"content,style,size,margin,style_layers,content_weight,style_weight,tv_weight\n"
                    f"{self.PAIR},18,,,,,\n{self.PAIR},48,40,,,,\n"
                    f"{self.PAIR},18,0,pool5,,,\n{self.PAIR},48,,,0,0,0\n",
                    "manifest.csv:2:23: the picture would be 18 x 14 px",
                    "manifest.csv:3:26: margin 40 px does not fit", "manifest.csv:4:23: ",
                    "manifest.csv:5: content_weight, style_weight and tv_weight are all 0")

    def test_weights_that_cannot_be_used_are_told_once(self):
        self.refuse(f"content,style,weights\n{self.PAIR},vgg.h5\nstyle.png,content.png,vgg.h5\n",
                    "manifest.csv:2:23: weights: ", "vgg.h5': layer block2_conv2 is missing", "1 error\n")

    def test_broken_quotes_and_decimal_commas(self):
        self.refuse(f'content,style\n{self.PAIR}\ncontent.png,sty"le.png\n',
                    "manifest.csv:3:16: a quotation mark may only stand around a whole cell")
        self.refuse(f'content,style\n{self.PAIR}\ncontent.png,"style.png\n\n',
                    "manifest.csv:3:13: this quotation mark is never closed")
        self.refuse(f"content;style;style_weight\n{self.PAIR.replace(',', ';')};0,5\n",
                    "manifest.csv:2:23: style_weight must be a number >= 0, got '0,5': decimals take "
                    "a point")

    def test_what_is_no_table_is_explained(self):
        png = self.path("content.png").read_bytes()
        text = f"content,style\n{self.PAIR}\n"
        for data, words in ((png, "this is a PNG picture"), (b"PK\3\4....", "save it as CSV"),
                            (text.encode("utf-16"), "UTF-16: save it as UTF-8"),
                            (text.replace("style.png", "stîl.png").encode("latin-1"),
                             "manifest.csv:2:15: this is not UTF-8 (byte 0xee)"),
                            (b"content,style\n\0\0\0", "manifest.csv:2:1: a control character (0x00)"),
                            ("", "it is empty"), ("\n \n", "it is empty"), ("\ufeff", "it is empty"),
                            ("content,style\n", "there is no job in it"),
                            ("a,b\n1,2\n", "the first line must name the columns"),
                            ("content\ncontent.png\n", "there is no column 'style'")):
            self.refuse(data, words)
        self.path("folder").mkdir()
        result = self.atelier("expand", "folder")
        self.assertEqual(result.returncode, INPUT)
        self.assertWords(result.stderr, "'folder' is a folder, but no store")
        result = self.atelier("expand", "nowhere.csv")
        self.assertEqual(result.returncode, INPUT)
        self.assertWords(result.stderr, "there is no sweep, manifest or store 'nowhere.csv'")

    def test_a_pipe_is_read_too(self):
        text = f"content,style\n{self.PAIR}\n"
        jobs = self.expand(text)
        pipe = subprocess.Popen(["cat", self.path("manifest.csv")], stdout=subprocess.PIPE)
        with open(self.path("manifest.csv")) as file, pipe:
            for stdin in file, pipe.stdout:
                result = self.atelier("expand", "/dev/stdin", stdin=stdin)
                self.assertEqual(list(csv.DictReader(io.StringIO(result.stdout))), jobs)

    def test_a_terminal_gets_no_control_characters_of_a_file(self):
        for bad in "\x1b[31m", "\x7f", "\u009b31m":
            said = self.refuse(f"content,style,size\n{self.PAIR},{bad}\n",
                               "manifest.csv:2:23: a control character")
            self.assertNotIn(bad[0], said)


if __name__ == "__main__":
    main()
