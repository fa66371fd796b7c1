"""What must be true of a store, whatever was done to the programs that work in it."""
import hashlib

import h5py


class Violation(Exception):
    pass


def demand(truth, text):
    if not truth:
        raise Violation(text)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def outcome(path):
    """What must be the same however a result came about: picture and history but for seconds."""
    with h5py.File(path) as file:
        columns = {name: column[:].tobytes() for name, column in file["history"].items()
                   if name != "seconds"}
        parts = [file["image"][:].tobytes(), *(columns[name] for name in sorted(columns))]
    return hashlib.sha256(b"".join(parts)).hexdigest(), digest(path.with_suffix(".png"))


def leftovers(store):
    return sorted(str(path.relative_to(store)) for path in store.rglob("*")
                  if path.is_file() and (path.name.startswith(".") or path.parent.name in ("running", "failed")
                                         or path.name in ("claim", "progress.json")))
