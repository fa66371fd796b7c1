#!/usr/bin/python3
"""What people get wrong, and what a machine can refuse: each ends with a clear message and the right
exit code, and leaves the folder as it was. Also what looks odd but is fine."""
import os
import resource
import struct
import subprocess
import unittest
import zlib

import h5py
import numpy as np
from PIL import Image, ImageOps

from atelier import (ENVIRONMENT, INPUT, PROGRAM, InFolder, flags, history, is_sanitized, main,
                     make_picture, pixels, write_weights)

GIGABYTE = 10**9


def write_png(path, width, height, depth, colour, rows):
    """rows: one bytes object a row. PIL writes no 16-bit colour, and no picture it cannot hold."""
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(b"\0" + row) for row in rows) + packer.flush()
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in ((b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
                           (b"IDAT", data), (b"IEND", b"")):
            crc = zlib.crc32(kind + body)
            file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc))


class Refusing(InFolder):
    def refused(self, *words, code=INPUT, options=None, planned=False, **overrides):
        """One line on stderr says `words`, after the plan's lines if planned. Nothing is left."""
        before = self.listing()
        result = self.render(code, options, **overrides)
        *others, line = result.stderr.splitlines()
        self.assertTrue(line.startswith("atelier render: "), result.stderr)
        self.assertEqual(len(others) > 0, planned, result.stderr)
        self.assertNotIn("outer ", result.stderr)
        self.assertWords(line, *words)
        self.assertEqual(result.stdout, "")
        self.assertEqual(self.listing(), before)
        return line


class Pictures(Refusing):
    def check_both(self, name, *words, **how):
        self.refused(f"'{name}'", *words, content=name, **how)
        self.refused(f"'{name}'", *words, style=name, **how)

    def test_missing_file(self):
        self.check_both("nope.png", "No such file")

    def test_folder(self):
        self.path("photos").mkdir()
        self.check_both("photos", "is a folder")

    def test_empty_file(self):
        self.path("void.png").touch()
        self.check_both("void.png", "is empty")

    def test_text_named_png(self):
        self.path("notes.png").write_text("buy milk\n")
        self.check_both("notes.png", "neither a PNG nor a JPEG", "looks like text")

    def test_html_named_jpg(self):
        self.path("page.jpg").write_text("<!DOCTYPE html>\n<html><body>Not found</body></html>\n")
        self.check_both("page.jpg", "neither a PNG nor a JPEG", "HTML")

    def test_other_formats_are_named(self):
        for name, kind in (("a.gif", "GIF"), ("a.bmp", "BMP"), ("a.jp2", "JPEG 2000")):
            Image.open(self.path("style.png")).save(self.path(name))
            self.refused(f"'{name}'", kind, "convert it to PNG or JPEG", content=name)

    def test_a_pipe_is_not_waited_for(self):
        os.mkfifo(self.path("pipe.png"))
        result = self.atelier("render", *flags({"content": "pipe.png"}))
        self.assertEqual(result.returncode, INPUT)
        self.assertWords(result.stderr, "'pipe.png'", "not a regular file")
        for command, words in (("expand", "this is a FIFO"), ("show", "not a regular file")):
            result = self.atelier(command, "pipe.png")
            self.assertEqual(result.returncode, INPUT)
            self.assertWords(result.stderr, "pipe.png", words)

    def test_truncated_png_and_jpeg(self):
        Image.open(self.path("content.png")).save(self.path("whole.jpg"), quality=95)
        for source, name in (("content.png", "cut.png"), ("whole.jpg", "cut.jpg")):
            whole = self.path(source).read_bytes()
            for length in (2, 20, len(whole) // 2, len(whole) - 30):
                self.path(name).write_bytes(whole[:length])
                self.check_both(name, "is truncated", planned=length > 20)

    def test_damaged_png(self):
        broken = bytearray(self.path("content.png").read_bytes())
        broken[len(broken) // 2] ^= 0x55
        self.path("broken.png").write_bytes(broken)
        self.check_both("broken.png", "is corrupt", planned=True)

    def test_one_pixel(self):
        Image.new("RGB", (1, 1), (9, 80, 200)).save(self.path("one.png"))
        self.check_both("one.png", "1 x 1 px", "at least 16 px")
        self.refused("1 x 1 px", "at least 16 px", content="one.png", size=0)

    def test_a_picture_that_would_end_too_small(self):
        self.refused("12 x 9 px", "at least 16 px", "raise size", size=12)
        self.refused("style image", "5 x 5 px", "at least 16 px", style_scale=.1)

    def test_a_start_that_is_no_file(self):
        self.refused("init", "neither content, style nor noise", "'noize'", init="noize")

    def test_too_large_for_memory_is_refused_up_front_with_what_would_fit(self):
        line = self.refused("30000 x 22500 px", "GB of memory", "GB are free", "size", "would fit",
                            size=30000)
        fitting = int(line.split("size ")[-1].split(" would fit")[0])
        self.assertTrue(16 <= fitting < 30000)
        self.assertEqual(fitting % 16, 0)

    @unittest.skipIf(is_sanitized(), "AddressSanitizer reserves the whole address space")
    def test_the_size_that_would_fit_is_taken_even_when_a_little_less_is_free(self):
        def limit(factor):
            bytes_ = int(factor * 3 * GIGABYTE)
            return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))}

        line = self.refused("would fit, with 5 % of that to spare", size=30000, threads=1,
                            options=limit(1))
        fitting = int(line.split("size ")[-1].split(" would fit")[0])
        self.render(size=fitting, dry_run=True, threads=1, options=limit(0.97))
        self.refused("would fit", size=fitting + 256, threads=1, options=limit(0.97))

    @unittest.skipIf(is_sanitized(), "AddressSanitizer reserves the whole address space")
    def test_a_file_too_large_for_memory_is_refused_up_front(self):
        write_png(self.path("poster.png"), 30000, 30000, 1, 0, (bytes(3750) for _ in range(30000)))

        def little_memory():
            resource.setrlimit(resource.RLIMIT_AS, (2 * GIGABYTE, 2 * GIGABYTE))

        self.refused("GB of memory", "GB are free", content="poster.png",
                     options={"preexec_fn": little_memory})
        self.refused("30000 x 30000 px", "GB of memory", content="poster.png", size=0)


class OddPictures(InFolder):
    """Read as they are meant: the start is compared with what PIL makes of them."""

    def assertReadAs(self, name, expected, tolerance=0):
        self.render(content=name, size=0, iterations=0, margin=0)
        got = pixels(self.path("out.png"))
        self.assertEqual(got.shape, expected.shape)
        self.assertLessEqual(abs(got.astype(int) - expected).max(), tolerance)

    def test_grey_and_palette_and_black_and_white(self):
        for mode in ("L", "P", "1", "LA", "RGBA"):
            with self.subTest(mode):
                Image.open(self.path("content.png")).convert(mode).save(self.path("odd.png"))
                self.assertReadAs("odd.png", pixels(self.path("odd.png")))

    def test_16_bits_a_channel(self):
        wide = np.random.default_rng(3).integers(0, 65536, (36, 48, 3)).astype(">u2")
        rounded = (wide.astype(float) / 257).round().astype(int)
        write_png(self.path("deep.png"), 48, 36, 16, 2, [row.tobytes() for row in wide])
        self.assertReadAs("deep.png", rounded)
        write_png(self.path("deep.png"), 48, 36, 16, 0, [row.tobytes() for row in wide[..., 0]])
        self.assertReadAs("deep.png", rounded[..., :1].repeat(3, 2))

    def test_transparency_is_over_white(self):
        picture = Image.open(self.path("content.png")).convert("RGBA")
        alpha = np.arange(36 * 48).reshape(36, 48) % 256
        picture.putalpha(Image.fromarray(alpha.astype(np.uint8)))
        picture.save(self.path("glass.png"))
        colour, a = pixels(self.path("content.png")).astype(float), alpha[..., None] / 255
        self.assertReadAs("glass.png", (colour * a + 255 * (1 - a)).round().astype(int), 1)

    def test_photographs_are_turned_upright(self):
        ramp = np.zeros((36, 48, 3), np.uint8)
        ramp[:, :24, 0], ramp[:18, :, 1] = 255, 255
        for orientation in range(1, 9):
            with self.subTest(orientation):
                exif = Image.Exif()
                exif[0x0112] = orientation
                Image.fromarray(ramp).save(self.path("photo.jpg"), exif=exif, quality=95,
                                           subsampling=0)
                with Image.open(self.path("photo.jpg")) as photo:
                    upright = np.asarray(ImageOps.exif_transpose(photo))
                self.assertReadAs("photo.jpg", upright, 3)

    def test_names_do_not_matter(self):
        os.rename(self.path("content.png"), self.path("content.jpg"))
        self.assertReadAs("content.jpg", pixels(self.path("content.jpg")))


class Parameters(Refusing):
    def test_unknown_layer_names_the_nearest(self):
        self.refused("--content-layers", "'conv42'", "'conv4_2'", content_layers="conv42")
        self.refused("--style-layers", "'relu1_3'", "'relu1_1'", style_layers="relu1_1,relu1_3")
        self.refused("'mixed7'", "relu1_1 to relu5_4", "pool5", content_layers="mixed7")

    def test_layer_list_that_is_empty_or_has_a_hole(self):
        self.refused("--content-layers", "empty", content_layers="")
        self.refused("--style-layers", "empty", style_layers=" ")
        self.refused("--style-layers", "missing between commas", style_layers="relu1_1,,relu2_1")

    def test_layer_given_twice_under_any_name(self):
        self.refused("'relu1_1'", "twice", style_layers="relu1_1,relu1_1")
        self.refused("'relu1_1'", "twice", style_layers="relu1_1,block1_conv1")

    def test_layer_weights(self):
        self.refused("'relu1_1'", "> 0", "'-1'", style_layers="relu1_1:-1")
        self.refused("'relu1_1'", "> 0", "'0'", style_layers="relu1_1:0")
        self.refused("'relu1_1'", "number", "'much'", style_layers="relu1_1:much")
        self.refused("every layer or to none", style_layers="relu1_1:1,relu2_1")

    def test_numbers_that_are_none_or_out_of_range(self):
        for name, value, *words in (("style_weight", "-1", ">= 0"), ("tv_weight", "abc", ">= 0"),
                                    ("content_weight", "nan", ">= 0"), ("tv_weight", "inf", ">= 0"),
                                    ("style_weight", "", ">= 0"), ("style_weight", "1,5", ">= 0"),
                                    ("style_weight", "1e999", ">= 0"), ("size", "1e999", "whole"),
                                    ("size", "3.5", "whole", "65535 px"),
                                    ("size", "70000", "65535 px"), ("size", "-48", "65535"),
                                    ("iterations", "-1", "whole"), ("maxfun", "0", "whole", "1 and"),
                                    ("tolerance", "2", "0 and 1"), ("learning_rate", "0", "> 0"),
                                    ("lbfgs_memory", "0", "1 and"), ("threads", "-2", "whole"),
                                    ("seed", "99999999999999999999", "whole"),
                                    ("style_scale", "0", "between")):
            with self.subTest(f"{name} {value}"):
                flag = "--" + name.replace("_", "-")
                self.refused(flag, f"got '{value}'", *words, **{name: value})

    def test_all_weights_zero(self):
        self.refused("content_weight", "style_weight", "tv_weight", "all 0", content_weight=0,
                     style_weight=0, tv_weight=0)

    def test_a_word_that_is_no_choice(self):
        self.refused("preset must be", "balanced", "johnson", "'balnced'", "'balanced'",
                     preset="balnced")
        self.refused("optimizer must be lbfgs or adam", "'sgd'", optimizer="sgd")
        self.refused("pooling must be max or avg", "'mean'", pooling="mean")

    def test_a_margin_wider_than_the_picture(self):
        self.refused("margin 36 px", "48 x 36 px", margin=36)

    def test_precision_that_this_processor_lacks(self):
        os.environ["ATELIER_ISA"] = "avx2"
        try:
            self.refused("bf16", "AVX512-BF16", "f32", precision="bf16")
        finally:
            del os.environ["ATELIER_ISA"]

    def test_engine_that_there_is_not_or_that_cannot_run(self):
        os.environ["ATELIER_ENGINE"] = "onednn-fp8"
        try:
            self.refused("no engine 'onednn-fp8'", "ATELIER_ENGINE", "winograd", "onednn-split")
            os.environ.update(ATELIER_ENGINE="onednn-bf16", ATELIER_ISA="avx2")
            self.refused("engine 'onednn-bf16'", "needs")
        finally:
            del os.environ["ATELIER_ENGINE"]
            os.environ.pop("ATELIER_ISA", None)

    def check_words(self, expected, *words):
        before = self.listing()
        result = self.atelier("render", *words)
        self.assertEqual((result.returncode, result.stdout), (INPUT, ""), result.stderr)
        self.assertWords(result.stderr, *expected)
        self.assertEqual(self.listing(), before)

    def test_unknown_flag_names_the_nearest(self):
        for flag, nearest in (("--contnt", "--content"), ("--stlye-weight", "--style-weight"),
                              ("--quite", "--quiet"), ("--optimiser", "--optimizer")):
            self.check_words([f"unknown option '{flag}'", f"did you mean {nearest}?"],
                             *flags({}), flag, "1")
        self.check_words(["unknown option '--xyzzyxyzzy'"], *flags({}), "--xyzzyxyzzy")

    def test_flag_without_its_value(self):
        self.check_words(["--size needs a value", "longer side"], *flags({}), "--size")
        self.check_words(["--style-weight needs a value"], "--style-weight", *flags({}))

    def test_words_that_belong_to_no_flag(self):
        self.check_words(["two content pictures", "'photo.png'", "'content.png'"], "photo.png",
                         *flags({}))
        self.check_words(["unexpected argument 'out.png'", "after -o"], "content.png", "style.png",
                         "out.png", "-o", "out.png")
        self.check_words(["unknown option '-x'"], *flags({}), "-x")

    def test_a_flag_that_is_required_is_missing(self):
        for name in ("content", "style", "output"):
            self.check_words([f"{name} is missing"], *flags({name: None}))


class Outputs(Refusing):
    def test_an_extension_that_is_not_png(self):
        for output in ("out.jgp", "out.webp", "out", "out.png.txt", ".png", "png"):
            self.refused("output", ".png", f"got '{output}'", output=output)

    def test_a_folder_that_is_not_there(self):
        self.refused("'nowhere/out.png'", "there is no folder 'nowhere'", output="nowhere/out.png")
        self.refused("'content.png' is not a folder", output="content.png/out.png")

    def test_a_folder_in_its_place(self):
        self.path("out.png").mkdir()
        self.refused("'out.png'", "it is a folder")
        self.path("out.png").rmdir()
        self.path("out.h5").mkdir()
        self.refused("'out.h5'", "it is a folder")

    def test_one_of_its_own_inputs(self):
        self.refused("'content.png' is the content", "overwritten", output="content.png")
        self.refused("'style.png' is the style", "overwritten", output="style.png")
        self.refused("'./content.png' is the content", output="./content.png")
        os.symlink("content.png", self.path("link.png"))
        self.refused("'link.png' is the content", output="link.png")
        make_picture(self.path("third.png"), 48, 36)
        self.refused("'third.png' is the init", init="third.png", output="third.png")
        write_weights(self.path("mine.h5"))
        self.refused("'mine.h5' is the weights", weights="mine.h5", output="mine.png")

    def test_a_picture_that_somebody_else_made(self):
        make_picture(self.path("holiday.png"), 48, 36)
        self.refused("'holiday.png' exists", "not made by atelier", output="holiday.png")

    def test_a_data_file_that_somebody_else_made(self):
        with h5py.File(self.path("holiday.h5"), "w") as file:
            file["measured"] = np.arange(9)
        self.refused("'holiday.h5' exists", "not made by atelier", output="holiday.png")
        self.path("holiday.h5").write_text("not even HDF5")
        self.refused("'holiday.h5' exists", "not made by atelier", output="holiday.png")

    def test_a_numbered_picture_that_somebody_else_made(self):
        make_picture(self.path("out-0004.png"), 48, 36)
        self.refused("'out-0004.png' exists", "not made by atelier", save_every=2, iterations=9)
        self.render(save_every=3, iterations=3)

    def test_a_folder_that_takes_no_files(self):
        self.refused("cannot write '/proc/out.png'", code=ENVIRONMENT, output="/proc/out.png")

    def test_a_folder_without_permission(self):
        self.path("locked").mkdir(mode=0o555)
        self.refused("cannot write 'locked/out.png'", "Permission denied", code=ENVIRONMENT,
                     output="locked/out.png", options=self.without_privileges())

    def test_a_picture_without_permission(self):
        options = self.without_privileges()
        self.path("content.png").chmod(0)
        self.refused("cannot open 'content.png'", "Permission denied", options=options)

    def test_a_very_long_name(self):
        self.refused("File name too long", output="x" * 300 + ".png")
        longest = "x" * (255 - len(".checkpoint.h5")) + ".png"
        self.render(output=longest)
        self.assertTrue(self.path(longest).exists())


class FullDisk(Refusing):
    """Exit 3, and what stood there before still stands, whole."""

    def assertWhole(self, folder):
        self.assertFalse(list(folder.glob(".*")))
        for path in folder.glob("out*.png"):
            self.assertEqual(pixels(path).shape, (36, 48, 3))
        for path in folder.glob("*.h5"):
            self.assertTrue(np.isfinite(history(path)["total"]).all())

    def test_a_limit_on_file_sizes(self):
        self.render(style_weight=2)
        earlier = self.path("out.h5").read_bytes()
        picture_bytes = self.path("out.png").stat().st_size
        self.assertGreater(len(earlier), 4 * picture_bytes)
        for limit in (0, picture_bytes // 2, 2 * picture_bytes, len(earlier) // 2):
            with self.subTest(limit):
                def little_room(limit=limit):
                    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                result = self.render(ENVIRONMENT, {"preexec_fn": little_room}, overwrite=True)
                self.assertWords(result.stderr, "cannot write 'out.", "File too large")
                self.assertEqual(self.path("out.h5").read_bytes(), earlier)
                self.assertWhole(self.folder)
                self.assertEqual(len(self.listing()), 4)
        self.render()

    @unittest.skipIf(os.geteuid() != 0, "only root mounts file systems")
    def test_a_disk_that_is_full_from_the_start(self):
        disk = self.mount("64k")
        with open(disk / "ballast", "wb", buffering=0) as ballast:
            try:
                while ballast.write(bytes(4096)):
                    pass
            except OSError:
                pass
        self.refused("cannot write 'disk/out.png'", "No space left", code=ENVIRONMENT,
                     output="disk/out.png")

    @unittest.skipIf(os.geteuid() != 0, "only root mounts file systems")
    def test_a_disk_that_fills_up_on_the_way(self):
        disk = self.mount("160k")
        self.render(output="disk/out.png")
        earlier = (disk / "out.h5").read_bytes()
        (disk / "ballast").write_bytes(bytes(160 * 1024 - len(earlier) - 6 * 4096))
        for extra in ({}, {"checkpoint_seconds": 0}):
            result = self.render(ENVIRONMENT, style_weight=3, output="disk/out.png", overwrite=True,
                                 **extra)
            self.assertWords(result.stderr, "cannot write 'disk/out.", "No space left")
            self.assertEqual((disk / "out.h5").read_bytes(), earlier)
            self.assertWhole(disk)
        (disk / "ballast").unlink()
        self.render(style_weight=3, output="disk/out.png", overwrite=True)

    @unittest.skipIf(os.geteuid() != 0, "only root mounts file systems")
    def test_a_disk_that_is_read_only(self):
        disk = self.mount("1m")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        self.refused("cannot write 'disk/out.png'", "Read-only", code=ENVIRONMENT,
                     output="disk/out.png")


class Weights(Refusing):
    def write(self, **how):
        write_weights(self.path("mine.h5"), **how)

    def refused(self, *words, **how):
        super().refused(*words, planned=True, **how)

    def test_that_are_fine_are_taken(self):
        self.write()
        self.render(weights="mine.h5")

    def test_missing_file(self):
        self.refused("no weight file 'nope.h5'", weights="nope.h5")
        self.refused("'biultin'", "builtin", weights="biultin")

    def test_folder(self):
        self.refused("folder", "not a weight file", weights=".")

    def test_empty_file(self):
        self.path("mine.h5").touch()
        self.refused("'mine.h5'", "empty", weights="mine.h5")

    def test_web_page(self):
        self.path("mine.h5").write_text("<!doctype html><html><title>404</title></html>")
        self.refused("'mine.h5'", "HTML page", "download", weights="mine.h5")

    def test_picture(self):
        self.refused("'style.png'", "picture, not a weight file", weights="style.png")

    def test_missing_layer(self):
        self.write(without="block1_conv2")
        self.refused("'mine.h5'", "layer block1_conv2 is missing", weights="mine.h5")

    def test_too_few_layers_for_a_deep_loss(self):
        self.write()
        self.refused("layer block2_conv2 is missing", weights="mine.h5", content_layers="relu4_2")

    def test_wrong_shape(self):
        self.write(change=lambda name, k: k[:, :, :, :-1] if name == "block1_conv2" else k)
        self.refused("layer block1_conv2", "kernel", "(3, 3, 64, 64)", "(3, 3, 64, 63)",
                     weights="mine.h5")

    def test_value_that_is_no_number(self):
        def spoil(name, kernel):
            if name == "block2_conv1":
                kernel[1, 1, 5, 7] = np.nan
            return kernel
        self.write(change=spoil)
        self.refused("'mine.h5'", "conv2_1", "NaN", weights="mine.h5")

    def test_truncated_file(self):
        self.write()
        whole = self.path("mine.h5").read_bytes()
        for length in (20, 100, len(whole) // 2, len(whole) - 1):
            self.path("mine.h5").write_bytes(whole[:length])
            self.refused("'mine.h5'", "truncated", weights="mine.h5")

    def test_hdf5_file_of_something_else(self):
        with h5py.File(self.path("mine.h5"), "w") as file:
            file["measured"] = np.arange(9)
        self.refused("'mine.h5'", "without Keras layers", weights="mine.h5")

    def test_seed_that_is_no_number(self):
        self.refused("random:SEED", "'random:x'", weights="random:x")


if __name__ == "__main__":
    main()
