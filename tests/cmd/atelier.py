"""What the end-to-end tests share: the built program, run in a folder of its own.

    ATELIER=build/release/atelier python3 tests/cmd/test_render_cli.py [-v] [Class.test]

The renders here use the first layers of the network only: a whole one takes a tenth of a second.
"""
import hashlib
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import h5py
import numpy as np
from PIL import Image

from held import PATIENCE, Held

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "samples"
PROGRAM = os.path.abspath(os.environ.get("ATELIER", ROOT / "build/release/atelier"))
SEED = int(os.environ.get("ATELIER_TEST_SEED", random.SystemRandom().randrange(10**6)))

DONE, DIVERGED, INPUT, ENVIRONMENT, INTERRUPTED = 0, 1, 2, 3, 75
FAILED = 1  # not all of what was asked for
TEMPORARY = re.compile(r"\..*\.tmp\.")

CHEAP = {"content": "content.png", "style": "style.png", "output": "out.png", "size": 48,
         "content_layers": "relu1_2", "style_layers": "relu1_1,relu2_1",
         "iterations": 2, "maxfun": 5}
# Cannot end by itself: Adam finds no minimum, and no machine does so many steps in a test.
ENDLESS = {"optimizer": "adam", "iterations": 10**6, "tolerance": 0}


def is_sanitized():
    with open(PROGRAM, "rb") as file:
        return b"__asan_init" in file.read()


# --- the parameter table ---

class Parameter:
    def __init__(self, scope, name, kind, default, limits, unit, text):
        self.scope, self.name, self.kind, self.unit, self.help = scope, name, kind, unit, text
        self.flag = "--" + name.replace("_", "-")
        self.required = default == "NULL"
        self.default = default.strip('"') if default.startswith('"') else None
        self.rule, _, arguments = limits.rstrip(")").partition("(")
        self.words = arguments.strip('"').split() if self.rule in ("ONE_OF", "WORDS") else []
        self.choices = self.words if self.rule == "ONE_OF" else []
        self.bounds = [] if self.words or not arguments else [float(x) for x in arguments.split(",")]


def parameter_table():
    text = (ROOT / "core/params_table.h").read_text()
    row = re.compile(r'^(JOB|RUN)\((\w+),\s*(\w+),\s*(NULL|PRESET|"[^"]*"),\s*'
                     r'(ANY|\w+\([^)]*\)),\s*"([^"]*)",\s*"([^"]*)"\)$', re.M)
    table = [Parameter(*match.groups()) for match in row.finditer(text)]
    assert len(table) == len(re.findall(r"^(?:JOB|RUN)\(", text, re.M)) > 20, "table not understood"
    return table


# --- files ---

def make_picture(path, width, height, seed=0):
    """A gradient with noise on it: no two channels, rows or columns are alike."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3))
    ramp = np.stack([x * 190 // width, y * 190 // height, (x + y) * 190 // (width + height)], -1)
    Image.fromarray((ramp + noise).astype(np.uint8)).save(path)


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def texts(path):
    with Image.open(path) as picture:
        return dict(picture.text)


def history(path):
    with h5py.File(path) as file:
        return {name: column[:] for name, column in file["history"].items()}


def attributes(path):
    with h5py.File(path) as file:
        return dict(file.attrs)


def has_format(name):
    """Whether this build reads pictures of that format."""
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True).stdout
    return name in next(line for line in said.splitlines() if line.startswith("pictures"))


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


CONVS = [("block1_conv1", 3, 64), ("block1_conv2", 64, 64), ("block2_conv1", 64, 128)]


def write_weights(path, seed=1, without=None, change=None):
    """The three convolutions that CHEAP needs, as Keras 2 stores them; change(name, kernel)
    returns the kernel to store in its place."""
    values = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        names = [name for name, _, _ in CONVS if name != without]
        file.attrs["layer_names"] = names
        for name, inputs, outputs in CONVS:
            if name == without:
                continue
            kernel = values.normal(0, (2 / 9 / inputs)**.5, (3, 3, inputs, outputs)).astype("f4")
            if change:
                kernel = change(name, kernel)
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0", f"{name}/bias:0"]
            group[f"{name}/kernel:0"] = kernel
            group[f"{name}/bias:0"] = np.zeros(outputs, "f4")


def numbers_sha256(path):
    """The digest of the kernels and biases in such a file."""
    digest = hashlib.sha256()
    with h5py.File(path) as file:
        for name, _, _ in CONVS:
            digest.update(file[name][name]["kernel:0"][:].tobytes())
            digest.update(file[name][name]["bias:0"][:].tobytes())
    return digest.hexdigest()


# --- running ---

def wait_until(true, what):
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain until {what}")
        time.sleep(0.01)


def flags(overrides):
    """CHEAP with changes, as words; None leaves a flag out, True gives one without value."""
    words = []
    for name, value in {**CHEAP, **overrides}.items():
        flag = "--" + name.replace("_", "-")
        words += [] if value is None else [flag] if value is True else [flag, str(value)]
    return words


class InFolder(unittest.TestCase):
    """A test with a folder that holds content.png (48 x 36) and style.png (40 x 40)."""
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        make_picture(self.path("content.png"), 48, 36, seed=1)
        make_picture(self.path("style.png"), 40, 40, seed=2)

    def path(self, name):
        return self.folder / name

    def start(self, words, through=(), **options):
        """through: the words of a program that becomes this one."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, "cwd": self.folder, **options}
        process = subprocess.Popen([*through, PROGRAM, *words], **options)
        self.addCleanup(end, process)
        return process

    def hold(self, words, **options):
        held = Held(self.start, words, **options)
        self.addCleanup(held.close)
        return held

    def atelier(self, *words, **options):
        """Runs to the end; the result has returncode, stdout and stderr."""
        process = self.start(words, **options)
        out, err = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(words, process.returncode, (out or b"").decode(),
                                           (err or b"").decode())

    def render(self, code=DONE, options=None, **overrides):
        """What a render finished before is out of its way, if it is to succeed."""
        if code == DONE:
            for name in ("out.png", "out.h5"):
                self.path(name).unlink(missing_ok=True)
        result = self.atelier("render", *flags(overrides), **(options or {}))
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def listing(self):
        """What is there, hidden files too: {path: digest, or 'folder'}."""
        def content(path):
            return "folder" if path.is_dir() else \
                sha256(path) if os.access(path, os.R_OK) else "unreadable"
        return {str(path.relative_to(self.folder)): content(path)
                for path in self.folder.rglob("*")}

    def without_privileges(self):
        if os.geteuid() != 0:
            return {}
        self.folder.chmod(0o777)
        try:
            subprocess.run([PROGRAM, "--version"], preexec_fn=as_nobody, check=True,
                           stdout=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError):
            self.skipTest("the program is in a folder that only root may enter")
        return {"preexec_fn": as_nobody}

    def mount(self, size):
        folder = self.path("disk")
        folder.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
                              capture_output=True)
        if made.returncode != 0:
            self.skipTest("no file system can be mounted: " + made.stderr.decode().strip())
        self.addCleanup(subprocess.run, ["umount", folder], check=True)
        return folder

    def assertWords(self, text, *words):
        for word in words:
            self.assertIn(word, text)


def as_nobody():
    """For a program that must not have root's rights."""
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def end(process):
    if process.poll() is None:
        process.kill()
    process.communicate()


def main():
    if not os.access(PROGRAM, os.X_OK):
        sys.exit(f"there is no program '{PROGRAM}': build it, or name it in ATELIER")
    print(f"program {PROGRAM}, ATELIER_TEST_SEED={SEED}", file=sys.stderr, flush=True)
    result = unittest.main(module="__main__", exit=False).result
    if result.testsRun == 0:
        sys.exit("no test was found")
    sys.exit(not result.wasSuccessful())
