"""What the tests of plan and submit share: sweeps, and a machine whose speed is known."""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cmd"))
from atelier import InFolder, make_picture  # noqa: E402

SIDES = [64, 128, 256, 448]
CONVS = [(0, 3, 64), (0, 64, 64), (1, 64, 128), (1, 128, 128), (2, 128, 256)] + [(2, 256, 256)] * 3 + \
        [(3, 256, 512)] + [(3, 512, 512)] * 3 + [(4, 512, 512)] * 4
RATE = 1e-6  # seconds a position, forward; backward takes twice that


def tiled(side):
    return -(-side // 4) * 4


def write_calibration(path, rate=RATE):
    """A machine on which every convolution takes a time in proportion to its positions, and
    nothing else takes any."""
    def layers(speed):
        return [{"forward": [speed * tiled(side >> halvings)**2 for side in SIDES],
                 "backward": [2 * speed * tiled(side >> halvings)**2 for side in SIDES]}
                for halvings, _, _ in CONVS]
    rates = dict.fromkeys(["builtin", "content", "pixel", "lbfgs_outer", "lbfgs_step", "lbfgs_gradient",
                           "adam_step", "decode", "encode", "digest", "touch", "launch"], 0.0)
    path.write_text(json.dumps({
        "schema": "atelier-calibration-3", "machine": "a made-up machine; nothing else",
        "date": "2026-01-31T12:34:56Z", "threads": 1, "workers": 1, "sides": SIDES, "rates": rates,
        "convolutions": {name: {"prepare": 0.0, "layers": layers(rate), "gram": layers(0.0)}
                         for name in ["f32", "bf16"]}}))


class WithSweep(InFolder):
    """A folder with pictures, a calibration, and sweep.csv of four jobs: two convolutions, 48 and
    96 px, two weights; their store is runs/small."""

    def setUp(self):
        super().setUp()
        write_calibration(self.path("machine.json"))
        self.store = self.path("runs/small")
        self.write_sweep()

    def write_sweep(self, tolerance="0", weights=(1, 10), sizes=(48, 96), iterations=2):
        rows = ["content,style,content_layers,style_layers,iterations,maxfun,margin,tolerance,precision,size,style_weight"]
        rows += [f"content.png,style.png,relu1_2,relu1_1,{iterations},5,0,{tolerance},f32,{size},{weight}"
                 for size in sizes for weight in weights]
        self.path("sweep.csv").write_text("\n".join(rows) + "\n")

    def run_ok(self, *words, code=0, **options):
        result = self.atelier(*map(str, words), **options)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result


__all__ = ["RATE", "WithSweep", "make_picture", "os", "tiled", "write_calibration"]
