"""Picture files as training sees them: 8 bits of RGB, upright, square."""
import pathlib

import numpy as np
from PIL import Image, ImageOps

from files import Trouble

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def find_pictures(folder):
    """All pictures in a folder and those below it, in the order of their names."""
    return sorted(path for path in pathlib.Path(folder).rglob("*")
                  if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))


def to_rgb(picture):
    """Transparency over white; 16 bits of grey scaled to 8, which Pillow would cut off at 255."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        picture = Image.fromarray((np.asarray(picture) // 257).clip(0, 255).astype(np.uint8))
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def read_square(path, side):
    """The middle of a picture, side x side pixels. Raises Trouble with the file's name."""
    try:
        with Image.open(path) as picture:
            return ImageOps.fit(to_rgb(picture), (side, side), Image.BICUBIC)
    except Exception as error:  # Pillow's decoders raise whatever they like on damaged files
        raise Trouble(f"cannot read picture '{path}': {error}") from error
