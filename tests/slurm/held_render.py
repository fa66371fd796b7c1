#!/usr/bin/python3
"""A batch's renderer that can be held: `atelier render`, which stands still after its first outer
iteration while there is a file `hold`. That file, the program, and held-ID for every job that has
been held are in the folder that this program is called in, by a link. Held or not, it does what a
render does when it is told to stop, or has lost its agent."""
import ctypes
import os
import pathlib
import select
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cmd"))
from held import Held  # noqa: E402

FOLDER = pathlib.Path(sys.argv[0]).parent
HOLD, PROGRAM = FOLDER / "hold", str(FOLDER / "atelier")
INTERRUPTED, PR_SET_PDEATHSIG = 75, 1
told = []


def start(words, **options):
    return subprocess.Popen([PROGRAM, *words], **options,
                            preexec_fn=lambda: ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL))


def is_held(render, id):
    if "\nouter 1/" not in render.said or told or not HOLD.exists():
        return False
    (FOLDER / f"held-{id}").touch()
    return True


def run(words):
    pulses = int(os.environ.pop("ATELIER_LEASH").split(":")[0])
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda number, _: told.append(number))
    render, id = Held(start, words), words[words.index("--id") + 1]
    while True:
        lines = [] if is_held(render, id) else [render.lines]
        ready, _, _ = select.select([pulses, *lines], [], [], 0.05)
        if pulses in ready and not os.read(pulses, 4096):
            sys.exit(INTERRUPTED)
        for number in told:
            render.process.send_signal(number)
        if render.lines in ready and not render.read():
            return render.process.wait()


if __name__ == "__main__":
    if not HOLD.exists():
        os.execv(PROGRAM, [PROGRAM, *sys.argv[1:]])
    sys.exit(run(sys.argv[1:]))
