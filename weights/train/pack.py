#!/usr/bin/python3
"""Packs a folder of class folders into one file for train.py.

Every folder in FOLDER is a class; the pictures in it, and in folders below it, are of that class.
They become small squares, kept as WebP in an .npz file that takes about 1.5 KB for 64 pixels. Some
of each class are held out of training, to be tested on; which ones depends on their names alone.
"""
import argparse
import concurrent.futures
import hashlib
import io
import os
import pathlib
import zipfile

import numpy as np
from PIL import Image

from arguments import between, whole
from files import Trouble, prove_writable, replacing, run
from pictures import SUFFIXES, find_pictures, read_square

COMPLAINTS = 10  # unreadable pictures that are named in one go
ARRAYS = ("data", "length", "label", "held_out", "classes", "side", "source")


# --- what there is to pack ---

def class_folders(folder):
    if not folder.is_dir():
        raise Trouble(f"'{folder}' is not a folder")
    found = sorted(path for path in folder.iterdir()
                   if path.is_dir() and not path.name.startswith("."))
    if not found:
        raise Trouble(f"'{folder}' has no class folders: expected {folder}/CLASS/PICTURE, "
                      f"a folder for each class")
    if len(found) == 1:
        raise Trouble(f"'{folder}' has one class only, '{found[0].name}': a network learns by "
                      f"telling at least two apart")
    return found


def pictures_of(folder):
    pictures = find_pictures(folder)
    if len(pictures) < 2:
        raise Trouble(f"class folder '{folder}' has {len(pictures)} pictures "
                      f"({', '.join(SUFFIXES)}): at least 2 are needed, one to learn from and one "
                      f"to hold out")
    return pictures


def hold_out(pictures, folder, fraction):
    """Those of a class's pictures to be tested on: the first in the order of a digest of their
    names, at least one and never all."""
    def place(path):
        return hashlib.sha256(path.relative_to(folder).as_posix().encode()).digest()
    count = min(max(round(fraction * len(pictures)), 1), len(pictures) - 1)
    return set(sorted(pictures, key=place)[:count])


# --- packing ---

def encode(path, side, quality):
    """The picture as WebP, or the Trouble with it."""
    try:
        data = io.BytesIO()
        read_square(path, side).save(data, "WEBP", quality=quality, method=4)
        return data.getvalue()
    except Trouble as trouble:
        return trouble


def encode_all(paths, side, quality):
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        encoded = list(pool.map(lambda path: encode(path, side, quality), paths))
    troubles = [str(one) for one in encoded if isinstance(one, Trouble)]
    if troubles:
        more = len(troubles) - COMPLAINTS
        raise Trouble("\n  ".join(troubles[:COMPLAINTS] + [f"and {more} more"] * (more > 0)))
    return encoded


def pack(folder, output, side, quality, fraction):
    prove_writable(output)
    paths, labels, held_out = [], [], []
    classes = class_folders(folder)
    for label, name in enumerate(classes):
        pictures = pictures_of(name)
        held = hold_out(pictures, folder, fraction)
        paths += pictures
        labels += [label] * len(pictures)
        held_out += [picture in held for picture in pictures]
    encoded = encode_all(paths, side, quality)
    with replacing(output) as file:
        np.savez(file, data=np.frombuffer(b"".join(encoded), np.uint8),
                 length=np.array([len(one) for one in encoded], np.uint32),
                 label=np.array(labels, np.int32), held_out=np.array(held_out, bool),
                 classes=np.array([path.name for path in classes]), side=side,
                 source=folder.resolve().name)
    return len(classes), len(paths), sum(held_out)


# --- unpacking ---

def decode(data):
    with Image.open(io.BytesIO(data.tobytes())) as picture:
        return np.asarray(picture.convert("RGB"))


class Pack:
    """What a packed file holds: pictures uint8 [n][side][side][3], labels int64 [n] and held_out
    bool [n]; the classes' names, the folder's name, and the file's digest."""

    def __init__(self, path):
        try:
            content = path.read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                data, length, label, held_out, classes, side, source = (arrays[a] for a in ARRAYS)
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile, AttributeError,
                TypeError) as error:
            raise Trouble(f"'{path}' is not a file that pack.py wrote: {error}") from error
        self.digest = hashlib.sha256(content).hexdigest()
        self.classes, self.side, self.source = list(map(str, classes)), int(side), str(source)
        self.labels, self.held_out = label.astype(np.int64), held_out
        if not (len(length) == len(label) == len(held_out) and length.sum() == len(data) and
                0 <= label.min() and label.max() < len(self.classes)):
            raise Trouble(f"'{path}' is damaged: its arrays do not agree")
        ends = np.cumsum(length.astype(np.int64))
        pieces = zip(ends - length, ends)
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            self.pictures = np.stack(list(pool.map(lambda piece: decode(data[slice(*piece)]),
                                                   pieces)))


# --- the command ---

def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER", help="of class folders")
    parser.add_argument("output", type=pathlib.Path, metavar="PACK", help="the file to write")
    parser.add_argument("--side", type=whole(16, 1024), default=64,
                        help="of a picture in pixels (%(default)s)")
    parser.add_argument("--quality", type=whole(1, 100), default=75,
                        help="of WebP, to 100 (%(default)s)")
    parser.add_argument("--held-out", type=between(0, 1), default=.05, metavar="FRACTION",
                        help="of each class that is tested on and never learned from (%(default)s)")
    given = parser.parse_args(argv)
    classes, pictures, held_out = pack(given.folder, given.output, given.side, given.quality,
                                       given.held_out)
    print(f"{given.output}: {classes} classes, {pictures - held_out} pictures to learn from, "
          f"{held_out} held out, {given.output.stat().st_size} bytes")


if __name__ == "__main__":
    run(main)
