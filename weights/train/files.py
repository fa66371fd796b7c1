"""How the programs say what is wrong, and files that are whole or not there."""
import contextlib
import errno
import os
import pathlib
import sys

INPUT, ENVIRONMENT, INTERRUPTED = 2, 3, 75


class Trouble(Exception):
    """Something a person can put right; the message says what."""


def run(main):
    """Ends the program with main's exit code, or with a message for whatever went wrong."""
    name = pathlib.Path(sys.argv[0]).name
    try:
        sys.exit(main())
    except Trouble as trouble:
        print(f"{name}: {trouble}", file=sys.stderr)
        sys.exit(INPUT)
    except OSError as error:
        print(f"{name}: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(ENVIRONMENT)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def part_of(path):
    return path.with_name(f".{path.name}.part")


def prove_writable(path):
    """Before hours of work: the file could be written. Raises OSError."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file to write", str(path))
    with open(part_of(path), "wb"):
        pass
    part_of(path).unlink()


@contextlib.contextmanager
def replacing(path):
    """A file to write bytes to, which takes path's place once it is whole and on the disk."""
    part = part_of(path)
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
