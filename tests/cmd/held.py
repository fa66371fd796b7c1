"""A program that is held where a test wants it, by something that is not time."""
import fcntl
import os
import select
import time

PATIENCE = 300  # s, for what has to happen, on a busy machine too


class Held:
    """A program that gets on only as what it writes to stderr is read, however fast it is: its
    stderr is a pipe with room for one write, and so it stands still in the second write after the
    last one that was read. It heeds signals there."""
    F_SETPIPE_SZ = 1031  # fcntl has it since Python 3.10

    def __init__(self, start, words, **options):
        self.lines, end = os.pipe2(os.O_CLOEXEC | os.O_DIRECT)  # a write is a packet
        fcntl.fcntl(end, self.F_SETPIPE_SZ, 1)
        try:
            self.process = start(words, stderr=end, **options)
        finally:
            os.close(end)
        self.said = ""

    def read(self):
        """One more write; False: there are no more."""
        if not select.select([self.lines], [], [], PATIENCE)[0]:
            raise AssertionError(f"it says nothing more after: {self.said}")
        part = os.read(self.lines, 65536).decode()
        self.said += part
        return part != ""

    def go_on_to(self, line):
        """Until it has written a line that begins so."""
        while not any(said.startswith(line) for said in self.said.split("\n")[:-1]):
            if not self.read():
                raise AssertionError(f"no line '{line}' in: {self.said}")

    def go_on_for(self, seconds):
        """Reads along for a while: it may end, but does not stand still."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([self.lines], [], [], left)[0]:
            if not self.read():
                return

    def go_on_to_its_end(self):
        """Returns exit code and stdout."""
        while self.read():
            pass
        out, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, (out or b"").decode()

    def close(self):
        os.close(self.lines)
