#!/usr/bin/python3
"""Pictures are read as a person sees them, whatever holds orientation and colour, and in every
format that this build has: the start of a render is compared with what Pillow makes of the file."""
import io
import shutil
import struct
import subprocess
import unittest
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps

import icc
from atelier import INPUT, PROGRAM, InFolder, flags, has_format, main, pixels

XMP = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6"/>'
       b"</rdf:RDF></x:xmpmeta>")


# --- files by hand ---

def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(png, *chunks, at_end=False):
    """A PNG's bytes with chunks right after IHDR, or before IEND."""
    at = len(png) - 12 if at_end else 33
    return png[:at] + b"".join(chunks) + png[at:]


def tiff_block(orientation, kind=3, order="<", interoperability=False):
    """An EXIF block: one IFD with the orientation, of the TIFF type `kind`."""
    value = struct.pack(order + {1: "Bxxx", 3: "Hxx", 4: "I"}[kind], orientation)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    entries = [struct.pack(order + "HHI", 0x112, kind, 1) + value]
    after = b""
    if interoperability:
        exif_at = 8 + 2 + 24 + 4
        entries.append(struct.pack(order + "HHII", 0x8769, 4, 1, exif_at))
        after = struct.pack(order + "HHHIII", 1, 0xa005, 4, 1, exif_at + 18, 0)
        after += struct.pack(order + "HHHI", 1, 1, 2, 4) + b"R03\0" + bytes(4)
    return head + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4) + after


def raw_profile(kind, body):
    """As ImageMagick and older programs put bytes into a text chunk."""
    digits = body.hex()
    lines = "\n".join(digits[i:i + 72] for i in range(0, len(digits), 72))
    return f"\n{kind}\n{len(body):8}\n{lines}\n".encode("latin-1")


def with_segment(jpeg, marker, body):
    return jpeg[:2] + b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def scans(jpeg):
    """Where each scan of a JPEG begins."""
    return [i for i in range(len(jpeg)) if jpeg[i:i + 2] == b"\xff\xda"]


def write_tiff(path, samples, bits, photometric, *, order="<", tile=None, planar=1, extra=None,
               palette=None, orientation=None, floating=False):
    """samples [height][width][channels], as they are to be stored, uncompressed."""
    height, width, channels = samples.shape
    block = tile or (height, width)
    blocks = []
    for plane in range(channels if planar == 2 else 1):
        part = samples[..., plane:plane + 1] if planar == 2 else samples
        for y in range(0, height, block[0]):
            for x in range(0, width, block[1]):
                piece = np.zeros((*block, part.shape[2]), np.uint32)
                cut = part[y:y + block[0], x:x + block[1]]
                piece[:cut.shape[0], :cut.shape[1]] = cut
                rows = piece.reshape(block[0], -1)
                if bits < 8:
                    digits = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
                    rows = np.packbits(digits.reshape(block[0], -1).astype(np.uint8), axis=1)
                blocks.append(rows.astype(order + f"u{max(bits, 8) // 8}").tobytes())
    tags = {256: (3, [width]), 257: (3, [height]), 258: (3, [bits] * channels), 259: (3, [1]),
            262: (3, [photometric]), 277: (3, [channels]), 284: (3, [planar])}
    if extra is not None:
        tags[338] = (3, [extra])
    if palette is not None:
        tags[320] = (3, list(palette.T.reshape(-1)))
    if orientation:
        tags[274] = (3, [orientation])
    if floating:
        tags[339] = (3, [3] * channels)
    body, at = b"", 8
    offsets = []
    for piece in blocks:
        offsets.append(at + len(body))
        body += piece + bytes(len(piece) % 2)
    sizes = [len(piece) for piece in blocks]
    if tile:
        tags.update({322: (3, [tile[1]]), 323: (3, [tile[0]]), 324: (4, offsets), 325: (4, sizes)})
    else:
        tags.update({273: (4, offsets), 278: (3, [height]), 279: (4, sizes)})
    entries = b""
    for tag, (kind, values) in sorted(tags.items()):
        data = b"".join(struct.pack(order + " HI"[kind // 2 if kind == 4 else 1], v) for v in values)
        if len(data) > 4:
            entries += struct.pack(order + "HHII", tag, kind, len(values), at + len(body))
            body += data + bytes(len(data) % 2)
        else:
            entries += struct.pack(order + "HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body))
    path.write_bytes(head + body + struct.pack(order + "H", len(tags)) + entries + bytes(4))


class Reading(InFolder):
    count = 0

    def png(self):
        return self.path("content.png").read_bytes()

    def jpeg(self, **how):
        made = io.BytesIO()
        Image.open(self.path("content.png")).save(made, "JPEG", quality=95, **how)
        return made.getvalue()

    def put(self, name, body):
        self.path(name).write_bytes(body)
        return name

    def read(self, name):
        """The pixels that a render starts from, and what it says."""
        Reading.count += 1
        out = f"out{Reading.count}.png"
        result = self.render(content=name, size=0, iterations=0, margin=0, output=out)
        return pixels(self.path(out)).astype(int), result.stderr

    def assertReadAs(self, name, expected, tolerance=0, note=None):
        got, said = self.read(name)
        self.assertEqual(got.shape, expected.shape, name)
        worst = abs(got - expected.astype(int)).max()
        self.assertLessEqual(worst, tolerance, f"{name}: off by {worst}")
        if note:
            self.assertIn(note, said)
        else:
            self.assertNotIn("note ", said)

    def refuse(self, name, *words):
        result = self.render(INPUT, content=name, size=0, iterations=0)
        self.assertWords(result.stderr, f"'{name}'", *words)


class Orientation(Reading):
    def upright(self):
        turned = Image.open(self.path("content.png")).transpose(Image.Transpose.ROTATE_270)
        return np.asarray(turned)

    def test_of_a_png_whatever_holds_it(self):
        block = tiff_block(6)
        xmp_text = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP
        packed_xmp = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)
        raw = raw_profile("exif", b"Exif\0\0" + block)
        files = {
            "exif.png": with_chunks(self.png(), chunk(b"eXIf", block)),
            "late.png": with_chunks(self.png(), chunk(b"eXIf", block), at_end=True),
            "big.png": with_chunks(self.png(), chunk(b"eXIf", tiff_block(6, order=">"))),
            "ztxt.png": with_chunks(self.png(), chunk(
                b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw))),
            "text.png": with_chunks(self.png(), chunk(b"tEXt", b"Raw profile type APP1\0" + raw),
                                    at_end=True),
            "itxt.png": with_chunks(self.png(), chunk(
                b"iTXt", b"Raw profile type exif\0\0\0\0\0" + raw)),
            "xmp.png": with_chunks(self.png(), chunk(b"iTXt", xmp_text)),
            "xmpz.png": with_chunks(self.png(), chunk(b"iTXt", packed_xmp), at_end=True)}
        for name, body in files.items():
            with self.subTest(name):
                self.assertReadAs(self.put(name, body), self.upright())

    def test_of_a_jpeg_in_other_types_and_in_xmp(self):
        plain = self.jpeg()
        want = np.asarray(Image.open(io.BytesIO(plain)).transpose(Image.Transpose.ROTATE_270))
        xmp = b"http://ns.adobe.com/xap/1.0/\0" + XMP.replace(
            b'tiff:Orientation="6"/>', b"><tiff:Orientation>6</tiff:Orientation></rdf:Description>")
        files = {"byte.jpg": with_segment(plain, 0xe1, b"Exif\0\0" + tiff_block(6, 1)),
                 "long.jpg": with_segment(plain, 0xe1, b"Exif\0\0" + tiff_block(6, 4)),
                 "xmp.jpg": with_segment(plain, 0xe1, xmp)}
        both = with_segment(plain, 0xe1, xmp.replace(b">6<", b">3<"))
        files["both.jpg"] = with_segment(both, 0xe1, b"Exif\0\0" + tiff_block(6))
        for name, body in files.items():
            with self.subTest(name):
                self.assertReadAs(self.put(name, body), want)

    @unittest.skipUnless(has_format("WebP"), "this build reads no WebP")
    def test_of_a_webp(self):
        picture = Image.open(self.path("content.png"))
        picture.save(self.path("a.webp"), lossless=True, exif=b"Exif\0\0" + tiff_block(6))
        self.assertReadAs("a.webp", self.upright())
        picture.save(self.path("b.webp"), lossless=True, xmp=XMP)
        self.assertReadAs("b.webp", self.upright())

    @unittest.skipUnless(has_format("TIFF"), "this build reads no TIFF")
    def test_of_a_tiff(self):
        samples = pixels(self.path("content.png"))
        write_tiff(self.path("a.tif"), samples, 8, 2, orientation=6)
        self.assertReadAs("a.tif", self.upright())


class Colour(Reading):
    P3 = icc.display("Display P3", icc.P3_XY, 2.2)
    SAID = "note     {}: colours converted from "

    def picture(self):
        return Image.open(self.path("content.png"))

    def test_profiles_are_converted_as_lcms_does(self):
        files = {"p3.png": ({}, self.P3, 0),
                 "adobe.png": ({}, icc.display("Adobe RGB", icc.ADOBE_XY, 2.2), 0),
                 "long.jpg": ({"quality": 90}, icc.display("long", icc.BT2020_XY, 1.8, [
                     (b"priv", b"data\0\0\0\0" + bytes(150000))]), 0)}
        for name, (how, profile, tolerance) in files.items():
            with self.subTest(name):
                self.picture().save(self.path(name), icc_profile=profile, **how)
                want = icc.to_srgb(Image.open(self.path(name)), profile)
                self.assertReadAs(name, want, tolerance, self.SAID.format(name) + "the profile '")

    def test_grey_profiles(self):
        profile = icc.grey("dark grey", 1.4)
        grey = self.picture().convert("L")
        for name in ("grey.png", "grey.jpg"):
            grey.save(self.path(name), icc_profile=profile)
            want = icc.to_srgb(Image.open(self.path(name)), profile)
            self.assertReadAs(name, want, 1, "'dark grey'")
        grey.save(self.path("wide.png"), icc_profile=self.P3)     # one for RGB, over a grey picture
        want = icc.to_srgb(grey.convert("RGB"), self.P3)
        self.assertReadAs("wide.png", want, 1, "Display P3")

    def test_cmyk_goes_through_its_profile(self):
        profile = icc.press("newspaper")
        self.picture().convert("CMYK").save(self.path("a.jpg"), quality=95, icc_profile=profile)
        want = icc.to_srgb(Image.open(self.path("a.jpg")), profile)
        self.assertReadAs("a.jpg", want, 1, "'newspaper'")
        self.picture().convert("CMYK").save(self.path("plain.jpg"), quality=95)
        plain = np.asarray(Image.open(self.path("plain.jpg")).convert("RGB"))
        self.assertReadAs("plain.jpg", plain, 1, "a CMYK picture without a colour profile")

    def test_16_bits_keep_their_precision(self):
        ramp = np.arange(48 * 36 * 3).reshape(36, 48, 3) * 12 % 65536
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in ramp)
        linear = icc.display("linear", icc.SRGB_XY, 1)
        body = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 48, 36, 16, 2, 0, 0, 0))
        body += chunk(b"iCCP", b"linear\0\0" + zlib.compress(linear))
        body += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        light = ramp / 65535
        want = 255 * np.where(light <= .0031308, 12.92 * light, 1.055 * light**(1 / 2.4) - .055)
        self.assertReadAs(self.put("linear.png", body), want.round(), 1, "'linear'")

    def test_srgb_and_nothing_said_leave_pixels_alone(self):
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        self.picture().save(self.path("srgb.png"), icc_profile=srgb)
        self.assertReadAs("srgb.png", pixels(self.path("content.png")))
        files = {"chunk.png": [chunk(b"gAMA", struct.pack(">I", 100000)), chunk(b"sRGB", b"\0")],
                 "codes.png": [chunk(b"cICP", bytes([1, 13, 0, 1]))],
                 "usual.png": [chunk(b"gAMA", struct.pack(">I", 45455)),
                               chunk(b"cHRM", self.chromaticities(icc.SRGB_XY))]}
        for name, chunks in files.items():
            with self.subTest(name):
                self.put(name, with_chunks(self.png(), *chunks))
                self.assertReadAs(name, pixels(self.path("content.png")))

    def chromaticities(self, primaries):
        return struct.pack(">8I", *(round(1e5 * v) for xy in (icc.D65, *primaries) for v in xy))

    def test_codes_and_primaries_of_a_png(self):
        srgb_curve_p3 = [chunk(b"cICP", bytes([12, 13, 0, 1]))]
        wide = [chunk(b"gAMA", struct.pack(">I", round(1e5 / 2.2))),
                chunk(b"cHRM", self.chromaticities(icc.ADOBE_XY))]
        light = pixels(self.path("content.png")) / 255

        def to_srgb(light, primaries):
            own, srgb = (np.array([icc.xyz(*xy) for xy in p]).T for p in (primaries, icc.SRGB_XY))
            white = icc.xyz(*icc.D65)
            own, srgb = (m * np.linalg.solve(m, white) for m in (own, srgb))
            out = (light @ np.linalg.solve(srgb, own).T).clip(0, 1)
            return 255 * np.where(out <= .0031308, 12.92 * out, 1.055 * out**(1 / 2.4) - .055)
        curve = np.where(light <= .04045, light / 12.92, ((light + .055) / 1.055)**2.4)
        self.put("codes.png", with_chunks(self.png(), *srgb_curve_p3))
        self.assertReadAs("codes.png", to_srgb(curve, icc.P3_XY).round(), 1, "'Display P3")
        self.put("wide.png", with_chunks(self.png(), *wide))
        self.assertReadAs("wide.png", to_srgb(light**2.2, icc.ADOBE_XY).round(), 1, "primaries")

    def test_which_of_a_png_wins(self):
        gamma = chunk(b"gAMA", struct.pack(">I", 100000))
        packed = chunk(b"iCCP", b"p3\0\0" + zlib.compress(self.P3))
        want = icc.to_srgb(self.picture(), self.P3)
        self.put("profile.png", with_chunks(self.png(), gamma, packed))
        self.assertReadAs("profile.png", want, 0, "Display P3")
        self.put("codes.png", with_chunks(self.png(), gamma, packed,
                                          chunk(b"cICP", bytes([1, 13, 0, 1]))))
        self.assertReadAs("codes.png", pixels(self.path("content.png")))

    def test_exif_of_a_camera_that_says_adobe_rgb(self):
        body = with_segment(self.jpeg(), 0xe1, b"Exif\0\0" + tiff_block(1, interoperability=True))
        self.put("camera.jpg", body)
        want = icc.to_srgb(Image.open(io.BytesIO(body)), icc.display("a", icc.ADOBE_XY, 563 / 256))
        self.assertReadAs("camera.jpg", want, 1, "'Adobe RGB'")

    def test_a_damaged_or_unfitting_profile_is_said_and_left_out(self):
        plain = pixels(self.path("content.png"))
        files = {"cut.png": zlib.compress(self.P3[:200]), "not.png": zlib.compress(bytes(300)),
                 "broken.png": b"no deflate at all"}
        for name, packed in files.items():
            with self.subTest(name):
                self.put(name, with_chunks(self.png(), chunk(b"iCCP", b"x\0\0" + packed)))
                self.assertReadAs(name, plain, 0, "taken as sRGB")
        self.put("press.png", with_chunks(self.png(), chunk(
            b"iCCP", b"x\0\0" + zlib.compress(icc.press("newspaper")))))
        self.assertReadAs("press.png", plain, 0, "'newspaper' is for pictures of another kind")
        bomb = zlib.compress(bytes(40 << 20))
        self.put("bomb.png", with_chunks(self.png(), chunk(b"iCCP", b"x\0\0" + bomb)))
        self.assertReadAs("bomb.png", plain, 0, "damaged")
        pieces = b"ICC_PROFILE\0\1\2" + self.P3[:300]      # the first of two, alone
        want = np.asarray(Image.open(io.BytesIO(self.jpeg())))
        self.put("half.jpg", with_segment(self.jpeg(), 0xe2, pieces))
        self.assertReadAs("half.jpg", want, 0, "damaged")


class Damage(Reading):
    """Strict only where something is lost."""
    END = "no end marker; all rows are there"

    def test_jpegs_whose_every_row_is_there(self):
        trailer = b"\0\0\1\n\x0e\0\0\0Data of the phone\xff\x99\xff\xc0\0\3" + bytes(range(255)) * 9
        for how in ({}, {"progressive": True}, {"subsampling": 0, "progressive": True}):
            whole = self.jpeg(**how)
            want = np.asarray(Image.open(io.BytesIO(whole)))
            for name, body in {"a.jpg": whole[:-2], "b.jpg": whole[:-2] + trailer}.items():
                with self.subTest(name, **how):
                    self.assertReadAs(self.put(name, body), want, 0, self.END)
            self.assertReadAs(self.put("c.jpg", whole + trailer), want)

    def test_a_progressive_jpeg_without_its_last_scans_is_refused(self):
        whole = self.jpeg(progressive=True)
        for at in scans(whole)[1:]:
            self.put("part.jpg", whole[:at])
            self.refuse("part.jpg", "is truncated", "get it again")

    def test_a_baseline_jpeg_cut_in_its_rows_says_where(self):
        whole = self.jpeg()
        self.put("cut.jpg", whole[:len(whole) * 2 // 3])
        self.refuse("cut.jpg", "is truncated after row", "of 36", "get it again")

    def test_a_png_with_a_wrong_checksum_over_right_pixels(self):
        body = bytearray(self.png())
        body[-13] ^= 1
        self.put("sum.png", bytes(body))
        self.assertReadAs("sum.png", pixels(self.path("content.png")), 0, "checksum is wrong")

    def test_a_chunk_longer_than_the_file(self):
        plain = self.png()
        huge = struct.pack(">I", 0x7fffffff) + b"tEXtx"
        self.put("early.png", plain[:33] + huge)
        self.refuse("early.png", "is truncated")
        self.put("late.png", plain[:-12] + huge)
        self.assertReadAs("late.png", pixels(self.path("content.png")), 0, self.END)

    def test_xcode_png_is_named(self):
        self.put("app.png", with_chunks(self.png(), chunk(b"CgBI", bytes(4))))
        self.refuse("app.png", "Xcode")

    def test_a_jpeg_of_endless_scans_is_refused(self):
        whole = self.jpeg(progressive=True)
        first, second = scans(whole)[-2:]
        again = whole[first:second]
        self.put("bomb.jpg", whole[:second] + again * 600 + whole[second:])
        self.refuse("bomb.jpg")


class Notes(Reading):
    def setUp(self):
        super().setUp()
        self.put("cut.jpg", self.jpeg()[:-2])
        self.note = "  note     cut.jpg: " + Damage.END

    def test_reach_the_header_and_the_dry_run_but_not_the_quiet(self):
        self.assertIn(self.note, self.render(content="cut.jpg").stderr.splitlines())
        dry = self.render(content="cut.jpg", output="b.png", dry_run=True)
        self.assertIn(self.note, dry.stdout.splitlines())
        for more in ({}, {"dry_run": True}):
            quiet = self.render(content="cut.jpg", output="b.png", quiet=True, **more)
            self.assertNotIn("note ", quiet.stdout + quiet.stderr)

    def test_are_said_once_for_one_picture(self):
        said = self.render(content="cut.jpg", style="cut.jpg", init="style").stderr
        self.assertEqual(said.count("note "), 1)
        said = self.render(init="cut.jpg", output="b.png").stderr
        self.assertEqual(said.count("note "), 1)

    def test_a_dry_run_finds_damaged_rows(self):
        whole = self.jpeg()
        self.put("half.jpg", whole[:len(whole) // 2])
        result = self.render(INPUT, content="half.jpg", dry_run=True)
        self.assertWords(result.stderr, "'half.jpg' is truncated")

    def test_are_in_the_log_of_a_job(self):
        (self.path("sweep.yaml")).write_text(
            "output: store\ndefaults: {size: 32, iterations: 0, content_layers: relu1_1, "
            "style_layers: relu1_1}\nmatrix: {content: [cut.jpg], style: [style.png]}\n")
        result = self.atelier("batch", "sweep.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        logs = list(self.path("store").rglob("*.log"))
        self.assertTrue(any(Damage.END in log.read_text() for log in logs), logs)


@unittest.skipUnless(has_format("WebP"), "this build reads no WebP")
class WebP(Reading):
    def test_of_every_kind(self):
        picture = Image.open(self.path("content.png"))
        picture.save(self.path("a.webp"), lossless=True)
        self.assertReadAs("a.webp", pixels(self.path("content.png")))
        picture.save(self.path("b.jpg"), "WEBP", quality=80)       # its name does not matter
        self.assertReadAs("b.jpg", pixels(self.path("b.jpg")), 1)
        profile = Colour.P3
        picture.save(self.path("c.webp"), lossless=True, icc_profile=profile)
        self.assertReadAs("c.webp", icc.to_srgb(picture, profile), 0, "Display P3")
        glass = picture.convert("RGBA")
        glass.putalpha(Image.linear_gradient("L").resize((48, 36)))
        glass.save(self.path("d.webp"), lossless=True, exact=True)
        white = Image.new("RGBA", glass.size, "white")
        want = np.asarray(Image.alpha_composite(white, glass).convert("RGB"))
        self.assertReadAs("d.webp", want, 1)

    def test_animation_gives_its_first_frame(self):
        first = Image.open(self.path("content.png"))
        first.save(self.path("a.webp"), save_all=True, lossless=True, append_images=[
            ImageOps.invert(first)], duration=100)
        self.assertReadAs("a.webp", pixels(self.path("content.png")), 0, "its first frame is taken")

    def test_damage(self):
        Image.open(self.path("content.png")).save(self.path("a.webp"), lossless=True)
        whole = self.path("a.webp").read_bytes()
        for length in (12, 40, len(whole) // 2, len(whole) - 8):
            self.put("cut.webp", whole[:length])
            self.refuse("cut.webp", "is ")


@unittest.skipUnless(has_format("TIFF"), "this build reads no TIFF")
class Tiff(Reading):
    def test_compressions_that_pillow_writes(self):
        for mode, how in (("RGB", "tiff_lzw"), ("RGB", "tiff_adobe_deflate"), ("RGBA", "packbits"),
                          ("L", "tiff_lzw"), ("1", "group4"), ("P", None), ("LA", None)):
            with self.subTest(mode, compression=how):
                picture = Image.open(self.path("content.png")).convert(mode)
                picture.save(self.path("a.tif"), compression=how)
                self.assertReadAs("a.tif", np.asarray(picture.convert("RGB")))
        picture = Image.open(self.path("content.png"))
        picture.save(self.path("j.tif"), compression="jpeg", quality=95)
        self.assertReadAs("j.tif", pixels(self.path("j.tif")), 3)

    def test_layouts(self):
        wide = np.random.default_rng(4).integers(0, 65536, (36, 48, 4))
        rgb16 = wide[..., :3]
        want16 = (rgb16 / 257).round()
        rgb8 = pixels(self.path("content.png")).astype(int)
        grey4 = wide[..., :1] % 16
        cases = {
            "16 bit": ((rgb16, 16, 2), {}, want16, 0),
            "16 bit, big-endian": ((rgb16, 16, 2), {"order": ">"}, want16, 0),
            "tiles": ((rgb8, 8, 2), {"tile": (16, 32)}, rgb8, 0),
            "planes": ((rgb8, 8, 2), {"planar": 2}, rgb8, 0),
            "16 bit, planes in tiles": ((rgb16, 16, 2), {"planar": 2, "tile": (32, 16)}, want16, 0),
            "grey, 4 bit": ((grey4, 4, 1), {}, (grey4 * 17).repeat(3, 2), 0),
            "white is 0": ((grey4, 4, 0), {}, (255 - grey4 * 17).repeat(3, 2), 0),
            "one sample more": ((wide % 256, 8, 2), {"extra": 0}, rgb16 % 256, 0)}
        colours = np.random.default_rng(5).integers(0, 65536, (256, 3))
        numbers = wide[..., :1] % 256
        cases["palette"] = ((numbers, 8, 3), {"palette": colours},
                            (colours // 256)[numbers[..., 0]], 1)
        alpha = wide[..., 3:] % 256
        straight = np.concatenate([rgb8, alpha], -1)
        over_white = rgb8 * (alpha / 255) + 255 - alpha
        cases["alpha"] = ((straight, 8, 2), {"extra": 2}, over_white.round(), 1)
        multiplied = np.concatenate([(rgb8 * alpha / 255).round().astype(int), alpha], -1)
        cases["multiplied by alpha"] = ((multiplied, 8, 2), {"extra": 1}, over_white.round(), 1)
        for name, (what, how, want, tolerance) in cases.items():
            with self.subTest(name):
                write_tiff(self.path("a.tif"), *what, **how)
                self.assertReadAs("a.tif", want, tolerance)

    def test_profiles_and_cmyk(self):
        picture = Image.open(self.path("content.png"))
        picture.save(self.path("p3.tif"), icc_profile=Colour.P3)
        self.assertReadAs("p3.tif", icc.to_srgb(picture, Colour.P3), 0, "Display P3")
        press = icc.press("newspaper")
        inks = picture.convert("CMYK")
        inks.save(self.path("inks.tif"), icc_profile=press)
        self.assertReadAs("inks.tif", icc.to_srgb(inks, press), 1, "newspaper")

    def test_several_pages_give_the_first(self):
        first = Image.open(self.path("content.png"))
        first.save(self.path("a.tif"), save_all=True, append_images=[ImageOps.invert(first)])
        self.assertReadAs("a.tif", pixels(self.path("content.png")), 0, "the first is taken")

    def test_what_is_not_read_is_named(self):
        write_tiff(self.path("a.tif"), np.ones((36, 48, 3), int), 32, 2, floating=True)
        self.refuse("a.tif", "floating-point", "convert it")
        Image.open(self.path("content.png")).save(self.path("b.tif"))
        whole = self.path("b.tif").read_bytes()
        for length in (6, 12, len(whole) // 2):
            self.put("cut.tif", whole[:length])
            self.refuse("cut.tif", "truncated or corrupt")


@unittest.skipUnless(has_format("HEIC") and shutil.which("heif-enc"), "no HEIC here, or no heif-enc")
class Heif(Reading):
    def encode(self, name, *options):
        subprocess.run(["heif-enc", *options, "content.png", "-o", name], cwd=self.folder,
                       check=True, capture_output=True)

    def test_heic_and_avif(self):
        for name, options in (("a.heic", ["-q", "95"]), ("a.avif", ["-A", "-q", "95"])):
            with self.subTest(name):
                self.encode(name, "-p", "chroma=444", *options)
                got, _ = self.read(name)
                plain = pixels(self.path("content.png")).astype(int)
                self.assertEqual(got.shape, plain.shape)
                self.assertLess(abs(got - plain).mean(), 6)
                self.assertLess(abs(got.mean((0, 1)) - plain.mean((0, 1))).max(), 2)

    def test_profile(self):
        Image.open(self.path("content.png")).save(self.path("content.png"), icc_profile=Colour.P3)
        want = icc.to_srgb(Image.open(self.path("content.png")), Colour.P3)
        self.encode("a.heic", "-q", "95", "-p", "chroma=444")
        got, said = self.read("a.heic")
        self.assertIn("Display P3", said)
        self.assertLess(abs(got - want).mean(), 6)

    def test_damage(self):
        self.encode("a.heic")
        whole = self.path("a.heic").read_bytes()
        for length in (20, 100, len(whole) // 2):
            self.put("cut.heic", whole[:length])
            self.refuse("cut.heic", "truncated or corrupt")
        at = whole.index(b"ispe") + 8
        self.put("huge.heic", whole[:at] + struct.pack(">II", 60000, 60000) + whole[at + 8:])
        self.refuse("huge.heic", "claims more than a picture has")


class Writing(InFolder):
    """The output's extension says in which format."""

    def test_every_format_holds_the_picture_its_colours_and_its_parameters(self):
        self.render(output="a.png")
        plain = pixels(self.path("a.png")).astype(int)
        kinds = [("b.jpg", 4), ("c.JPEG", 4)] + [("d.tif", 0)] * has_format("TIFF")
        for name, tolerance in kinds:
            with self.subTest(name):
                self.render(output=name)
                self.assertLessEqual(abs(pixels(self.path(name)) - plain).mean(), tolerance)
                with Image.open(self.path(name)) as picture:
                    srgb = icc.to_srgb(picture, picture.info["icc_profile"])
                self.assertLessEqual(abs(srgb.astype(int) - pixels(self.path(name))).max(), 1)
                body = self.path(name).read_bytes()
                self.assertTrue(b"style_layers=relu1_1,relu2_1" in body and b"Software=atelier" in body)
                self.assertTrue(self.path(name[:-len(name.split(".")[-1])] + "h5").exists())

    def test_the_same_bytes_again(self):
        for name in ["a.jpg"] + ["a.tif"] * has_format("TIFF"):
            self.render(output=name)
            before = self.path(name).read_bytes()
            self.path(name).unlink()
            self.path("a.h5").unlink()
            self.render(output=name)
            self.assertEqual(before, self.path(name).read_bytes())
            self.path("a.h5").unlink()

    @staticmethod
    def deep_png(path):
        """Samples of a PNG of 16-bit RGB, which Pillow reads with 8 only."""
        data, at, packed = path.read_bytes(), 8, b""
        while at < len(data):
            length, kind = struct.unpack(">I4s", data[at:at + 8])
            body = data[at + 8:at + 8 + length]
            if kind == b"IHDR":
                width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            packed += body if kind == b"IDAT" else b""
            at += 12 + length
        assert (depth, colour) == (16, 2)
        raw, above, rows = zlib.decompress(packed), np.zeros(6 * width, int), []
        for y in range(height):
            line = list(raw[y * (6 * width + 1):(y + 1) * (6 * width + 1)])
            row = line[1:]
            for i in range(6 * width):
                a, b = (row[i - 6] if i >= 6 else 0), int(above[i])
                c = int(above[i - 6]) if i >= 6 else 0
                p = a + b - c
                paeth = min((abs(p - v), k, v) for k, v in enumerate((a, b, c)))[2]
                row[i] = (row[i] + (0, a, b, (a + b) // 2, paeth)[line[0]]) & 255
            above = np.array(row)
            rows.append(above)
        both = np.array(rows).reshape(height, width, 3, 2)
        return both[..., 0] * 256 + both[..., 1]

    def test_sixteen_bits_hold_what_lies_between(self):
        self.render(output="a.png")
        plain = pixels(self.path("a.png")).astype(int)
        self.render(output="b.png", bits=16)
        deep = self.deep_png(self.path("b.png"))
        self.assertLessEqual(abs(deep / 257 - plain).max(), 0.51)
        self.assertGreater(len(np.unique(deep)), 1000)
        if has_format("TIFF"):
            self.render(output="c.tif", bits=16)
            self.assertGreater(self.path("c.tif").stat().st_size, self.path("a.png").stat().st_size)
            self.render(output="again.png", content="c.tif", size=0, margin=0, iterations=0)
            np.testing.assert_array_equal(pixels(self.path("again.png")), plain)
        result = self.render(INPUT, output="d.jpg", bits=16)
        self.assertWords(result.stderr, "bits 16 needs a PNG or a TIFF", "'d.jpg'")

    def test_quality_is_that_of_the_jpeg(self):
        sizes = []
        for quality in (40, 95, 100):
            self.render(output=f"q{quality}.jpg", quality=quality)
            sizes.append(self.path(f"q{quality}.jpg").stat().st_size)
        self.assertEqual(sizes, sorted(sizes))
        self.assertGreater(sizes[2], 1.2 * sizes[0])
        self.render(output="default.jpg")
        self.assertEqual(self.path("default.jpg").read_bytes(), self.path("q95.jpg").read_bytes())

    def test_numbered_pictures_have_the_extension(self):
        self.render(output="a.jpg", save_every=1)
        self.assertTrue(self.path("a-0001.jpg").exists())

    def test_a_picture_of_somebody_else_is_not_replaced(self):
        for name in ["a.jpg"] + ["a.tif"] * has_format("TIFF"):
            Image.open(self.path("content.png")).save(self.path(name))
            result = self.render(INPUT, output=name)
            self.assertWords(result.stderr, f"'{name}' exists", "not made by atelier")


if __name__ == "__main__":
    main()
