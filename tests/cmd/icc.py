"""Colour profiles for the tests, written byte by byte (ICC.1:2001), and what Pillow makes of them."""
import io
import struct

import numpy as np
from PIL import Image, ImageCms

BRADFORD = np.array([[.8951, .2664, -.1614], [-.7502, 1.7135, .0367], [.0389, -.0685, 1.0296]])
D50 = np.array([.9642, 1, .8249])
D65 = .3127, .3290
SRGB_XY = (.64, .33), (.30, .60), (.15, .06)
P3_XY = (.680, .320), (.265, .690), (.150, .060)
BT2020_XY = (.708, .292), (.170, .797), (.131, .046)
ADOBE_XY = (.64, .33), (.21, .71), (.15, .06)


def xyz(x, y):
    return np.array([x / y, 1, (1 - x - y) / y])


def fixed(*values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def tag_xyz(values):
    return b"XYZ \0\0\0\0" + fixed(*values)


def tag_gamma(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def tag_desc(text):
    words = text.encode() + b"\0"
    body = b"desc\0\0\0\0" + struct.pack(">I", len(words)) + words + bytes(78)
    return body + bytes(-len(body) % 4)


def profile(kind, space, connection, tags):
    """kind: mntr, prtr; space: RGB, GRAY, CMYK; connection: XYZ, Lab."""
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags:
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(">I", at + len(body)) + b"lcms" + struct.pack(">I", 0x02200000)
    head += kind + space + connection + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    return head + bytes(28) + fixed(*D50) + bytes(48) + table + body


def display(name, primaries, gamma, more=()):
    """A matrix profile of a display with a white of D65."""
    columns = np.array([xyz(*primary) for primary in primaries]).T
    white = xyz(*D65)
    scaled = columns * np.linalg.solve(columns, white)
    adapt = np.linalg.inv(BRADFORD) @ np.diag(BRADFORD @ D50 / (BRADFORD @ white)) @ BRADFORD
    red, green, blue = (adapt @ scaled).T
    curve = tag_gamma(gamma)
    return profile(b"mntr", b"RGB ", b"XYZ ", [
        (b"desc", tag_desc(name)), (b"cprt", b"text\0\0\0\0none"), (b"wtpt", tag_xyz(D50)),
        (b"rXYZ", tag_xyz(red)), (b"gXYZ", tag_xyz(green)), (b"bXYZ", tag_xyz(blue)),
        (b"rTRC", curve), (b"gTRC", curve), (b"bTRC", curve), *more])


def grey(name, gamma):
    return profile(b"mntr", b"GRAY", b"XYZ ", [
        (b"desc", tag_desc(name)), (b"cprt", b"text\0\0\0\0none"), (b"wtpt", tag_xyz(D50)),
        (b"kTRC", tag_gamma(gamma))])


def press(name):
    """A press with four inks: a table of two steps to Lab, inks darker than they should be."""
    grid = np.array(np.meshgrid(*[[0, 1]] * 4, indexing="ij")).reshape(4, -1).T
    lightness = 100 * np.prod(1 - grid * [.35, .45, .12, .9], axis=1)
    a = grid @ [-35, 70, -5, 0] * (1 - grid[:, 3])
    b = grid @ [-45, -5, 85, 0] * (1 - grid[:, 3])
    lab = np.stack([lightness * 2.55, a + 128, b + 128], -1).clip(0, 255).round().astype(np.uint8)
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut += 4 * ramp + lab.tobytes() + 3 * ramp
    return profile(b"prtr", b"CMYK", b"Lab ", [
        (b"desc", tag_desc(name)), (b"cprt", b"text\0\0\0\0none"), (b"wtpt", tag_xyz(D50)),
        (b"A2B0", lut + bytes(-len(lut) % 4))])


def to_srgb(picture, icc):
    """What lcms makes of a picture, by way of Pillow, as RGB."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    made = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"),
                                     outputMode="RGB")
    return np.asarray(made)
