#!/usr/bin/python3
"""Renders the samples at two sizes and tiles them: tests/samples/contact-sheet.jpg.

usage: make_contact_sheet.py ATELIER [OUTPUT.jpg]     (needs python3-pil)
"""
import os
import subprocess
import sys
import tempfile

from PIL import Image, ImageDraw

HERE = os.path.dirname(os.path.abspath(__file__))
STYLES = ("swirls", "mosaic", "woodcut")
SIZES = (256, 512)
ITERATIONS = 4
WIDTH, GAP = 512, 8


def tile(picture, height):
    """The picture in the middle of a white cell of that height."""
    picture = picture.convert("RGB")
    picture.thumbnail((WIDTH, height), Image.LANCZOS)
    cell = Image.new("RGB", (WIDTH, height), "white")
    cell.paste(picture, ((WIDTH - picture.width) // 2, (height - picture.height) // 2))
    return cell


def label(text, height):
    small = Image.new("RGB", (8 * len(text), 12), "white")
    ImageDraw.Draw(small).text((1, 0), text, fill="black")
    return tile(small.resize((small.width * 4, small.height * 4), Image.LANCZOS), height)


def render(atelier, style, size, folder):
    path = os.path.join(folder, f"{style}-{size}.png")
    subprocess.run([atelier, "render", "--content", os.path.join(HERE, "harbour.jpg"), "--style",
                    os.path.join(HERE, style + ".jpg"), "--size", str(size), "--iterations",
                    str(ITERATIONS), "--output", path], check=True)
    return Image.open(path)


def compose(originals, rendered, output):
    """originals: content and styles; rendered: for each size, a picture a style."""
    rows = [[tile(picture, WIDTH * 3 // 4) for picture in originals]]
    for size, pictures in zip(SIZES, rendered):
        height = max(picture.height for picture in pictures)
        rows.append([label(f"{size} px", height)] + [tile(picture, height) for picture in pictures])
    sheet = Image.new("RGB", (len(rows[0]) * (WIDTH + GAP) - GAP,
                              sum(row[0].height + GAP for row in rows) - GAP), "white")
    top = 0
    for row in rows:
        for column, cell in enumerate(row):
            sheet.paste(cell, (column * (WIDTH + GAP), top))
        top += row[0].height + GAP
    sheet.save(output, quality=88)


def main():
    output = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "contact-sheet.jpg")
    originals = [Image.open(os.path.join(HERE, name + ".jpg")) for name in ("harbour",) + STYLES]
    with tempfile.TemporaryDirectory() as folder:
        rendered = [[render(sys.argv[1], style, size, folder) for style in STYLES]
                    for size in SIZES]
        compose(originals, rendered, output)


if __name__ == "__main__":
    main()
