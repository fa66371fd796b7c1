#!/usr/bin/python3
"""Renders the samples at two sizes and tiles them: tests/samples/contact-sheet.jpg.

usage: make_contact_sheet.py ATELIER [OUTPUT.jpg]     (needs python3-pil)
"""
import os
import subprocess
import sys
import tempfile

from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
STYLES = ("swirls", "mosaic", "woodcut")
SIZES = (256, 512)
ITERATIONS = 4
CELL, GAP = (512, 384), 8


def cell(path):
    picture = Image.open(path).convert("RGB")
    picture.thumbnail(CELL, Image.LANCZOS)
    tile = Image.new("RGB", CELL, "white")
    tile.paste(picture, ((CELL[0] - picture.width) // 2, (CELL[1] - picture.height) // 2))
    return tile


def main():
    atelier = sys.argv[1]
    output = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "contact-sheet.jpg")
    content = os.path.join(HERE, "harbour.jpg")
    rows = [[cell(content)] + [cell(os.path.join(HERE, s + ".jpg")) for s in STYLES]]
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            row = []
            for style in STYLES:
                path = os.path.join(folder, f"{style}-{size}.png")
                subprocess.run([atelier, "render", "--content", content, "--style",
                                os.path.join(HERE, style + ".jpg"), "--size", str(size),
                                "--iterations", str(ITERATIONS),
                                "--output", path], check=True)
                row.append(cell(path))
            rows.append([Image.new("RGB", CELL, "white")] + row)
    width = len(rows[0]) * (CELL[0] + GAP) - GAP
    sheet = Image.new("RGB", (width, len(rows) * (CELL[1] + GAP) - GAP), "white")
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            sheet.paste(tile, (j * (CELL[0] + GAP), i * (CELL[1] + GAP)))
    sheet.save(output, quality=88)


if __name__ == "__main__":
    main()
