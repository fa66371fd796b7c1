#!/usr/bin/python3
"""Renders the README's gallery: tests/samples/gallery/*.jpg and tests/samples/contact-sheet.jpg.

usage: make_gallery.py ATELIER [FOLDER]     (needs python3-pil)

Everything is atelier's default. FOLDER keeps the renders, so that a second time none is made again.
"""
import os
import subprocess
import sys
import tempfile

from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
PAIRS = (("harbour", "swirls"), ("harbour", "mosaic"), ("harbour", "woodcut"),
         ("woodcut", "swirls"), ("woodcut", "mosaic"), ("swirls", "mosaic"))
COLUMNS, WIDTH, HEIGHT, GAP, INSET = 3, 440, 330, 8, 84


def sample(name):
    return os.path.join(HERE, name + ".jpg")


def render(atelier, content, style, folder):
    path = os.path.join(folder, f"{content}-{style}.png")
    if not os.path.exists(path):
        subprocess.run([atelier, "render", sample(content), sample(style), "-o", path], check=True)
    return Image.open(path).convert("RGB")


def fill(picture, width, height):
    """The middle of the picture, scaled to fill a cell."""
    scale = max(width / picture.width, height / picture.height)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)),
                             Image.LANCZOS)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def cell(picture, content, style):
    """The picture, with what it was made from in its corner."""
    made = fill(picture, WIDTH, HEIGHT)
    for place, name in enumerate((content, style)):
        frame = Image.new("RGB", (INSET + 4, INSET * 3 // 4 + 4), "white")
        frame.paste(fill(Image.open(sample(name)).convert("RGB"), INSET, INSET * 3 // 4), (2, 2))
        made.paste(frame, (6 + place * (INSET + 8), HEIGHT - frame.height - 6))
    return made


def compose(pictures):
    rows = (len(PAIRS) + COLUMNS - 1) // COLUMNS
    sheet = Image.new("RGB", (COLUMNS * (WIDTH + GAP) - GAP, rows * (HEIGHT + GAP) - GAP), "white")
    for place, (pair, picture) in enumerate(zip(PAIRS, pictures)):
        down, right = divmod(place, COLUMNS)
        sheet.paste(cell(picture, *pair), (right * (WIDTH + GAP), down * (HEIGHT + GAP)))
    return sheet


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folder = sys.argv[2] if len(sys.argv) > 2 else scratch
        pictures = [render(sys.argv[1], *pair, folder) for pair in PAIRS]
        for pair, picture in zip(PAIRS, pictures):
            picture.save(os.path.join(HERE, "gallery", "-".join(pair) + ".jpg"), quality=90)
        compose(pictures).save(os.path.join(HERE, "contact-sheet.jpg"), quality=88)


if __name__ == "__main__":
    main()
