"""A folder as the disk has it while a program works in it, and after a power cut at any instant.

What a call changes is in memory first. A file's bytes are on the disk when the file was synced; a
name made, moved or removed is when its folder was. Of all else a power cut may leave anything:

    strict   nothing of it
    journal  all names, in their order, as journals write them; no bytes: files without content
    torn     names up to some instant; of each file some of the writes, each perhaps cut short
"""
import posixpath

from trace import CHANGES

MODELS = ("strict", "journal", "torn")


class File:
    def __init__(self):
        self.durable, self.now, self.pending = b"", bytearray(), []

    def write(self, offset, data):
        self.pending.append((offset, data))
        put(self.now, offset, data)

    def truncate(self, length):
        self.pending.append((length, None))
        cut(self.now, length)

    def sync(self):
        self.durable, self.pending = bytes(self.now), []

    def after_cut(self, model, random):
        content = bytearray(self.durable)
        if model == "torn":
            for offset, data in (write for write in self.pending if random.random() < 0.5):
                if data is None:
                    cut(content, offset)
                else:
                    put(content, offset, data[:random.randint(0, len(data))])
        return bytes(content)


def put(content, offset, data):
    content.extend(b"\0" * (offset - len(content)))
    content[offset:offset + len(data)] = data


def cut(content, length):
    del content[length:]
    content.extend(b"\0" * (length - len(content)))


class Folder:
    def __init__(self):
        self.durable, self.now = {}, {}


def set_name(names, name, what):
    if what is None:
        names.pop(name, None)
    else:
        names[name] = what


class Disk:
    def __init__(self, root):
        self.root, self.top = root, Folder()
        self.pending = []  # changes of names that are not on the disk: [(folder, name, what or None), ...]
        self.offsets = {}

    # --- names ---

    def inside(self, path):
        return path == self.root or path.startswith(self.root + "/")

    def find(self, path):
        what = self.top
        for part in filter(None, path[len(self.root):].split("/")):
            what = what.now.get(part) if isinstance(what, Folder) else None
        return what

    def change(self, *changes):
        """Makes paths stand for something, or for nothing any more: all on the disk, or none."""
        places = [(self.find(posixpath.dirname(path)), posixpath.basename(path), what)
                  for path, what in changes if path != self.root]
        for folder, name, what in places:
            set_name(folder.now, name, what)
        self.pending.append(places)

    def sync(self, path):
        what, left = self.find(path), []
        if isinstance(what, File):
            what.sync()
        for places in self.pending:
            if any(folder is what for folder, _, _ in places):
                for folder, name, named in places:
                    set_name(folder.durable, name, named)
            else:
                left.append(places)
        self.pending = left

    # --- a trace ---

    def resolve(self, folder, name):
        at = folder[1] if isinstance(folder, tuple) else self.root
        return posixpath.normpath(posixpath.join(at, name.decode(errors="replace")))

    def opened(self, path, flags, result):
        if "O_CREAT" in flags and self.find(path) is None:
            self.change((path, File()))
        what = self.find(path)
        if isinstance(what, File):
            self.offsets[result, id(what)] = None if "O_APPEND" in flags else 0
            if "O_TRUNC" in flags:
                what.truncate(0)

    def written(self, descriptor, data, count, offset=None):
        number, path = descriptor
        what = self.find(path)
        if not isinstance(what, File):
            return  # it has no name any more
        key = int(number), id(what)
        at = offset if offset is not None else self.offsets.get(key)
        what.write(len(what.now) if at is None else at, data[:count])
        if offset is None and at is not None:
            self.offsets[key] = at + count

    def sought(self, descriptor, position):
        what = self.find(descriptor[1])
        if self.offsets.get((int(descriptor[0]), id(what))) is not None:
            self.offsets[int(descriptor[0]), id(what)] = position

    def apply(self, call):
        """Takes a call in. False: it changes nothing here."""
        name, words, result = call.name, call.words, call.result
        if name not in CHANGES or result is None or result < 0:
            return False
        if name == "openat":
            path = self.resolve(words[0], words[1])
            if self.inside(path):
                self.opened(path, words[2], result)
            return self.inside(path) and "O_CREAT" in words[2]
        if name in ("link", "rename", "unlink", "mkdir", "rmdir"):
            words = [None, words[0], None, words[1]] if name in ("link", "rename") else [None, *words]
            name += "" if name == "rmdir" else "at"
        if name in ("linkat", "renameat", "renameat2"):
            old, new = self.resolve(*words[0:2]), self.resolve(*words[2:4])
            if not self.inside(old) or not self.inside(new):
                return False
            what = self.find(old)
            self.change(*([] if name == "linkat" else [(old, None)]), (new, what))
        elif name in ("mkdirat", "unlinkat", "rmdir"):
            path = self.resolve(*words[0:2])
            if not self.inside(path):
                return False
            self.change((path, Folder() if name == "mkdirat" else None))
        elif not self.inside(words[0][1]):
            return False
        elif name in ("fsync", "fdatasync"):
            self.sync(words[0][1])
        elif name == "ftruncate":
            self.find(words[0][1]).truncate(int(words[1]))
        elif name == "lseek":
            self.sought(words[0], result)
            return False
        elif name in ("write", "pwrite64"):
            self.written(words[0], words[1], result, int(words[3]) if name == "pwrite64" else None)
        else:
            raise ValueError(f"no model of {name}")
        return True

    # --- the cut ---

    def after_cut(self, model, random):
        """{path below the root: bytes, or None for a folder}"""
        kept = {"strict": 0, "journal": len(self.pending), "torn": random.randint(0, len(self.pending))}[model]
        names = {}
        for folder, name, what in (change for places in self.pending[:kept] for change in places):
            set_name(names.setdefault(id(folder), dict(folder.durable)), name, what)
        return dict(listing(self.top, "", lambda folder: names.get(id(folder), folder.durable),
                            lambda file: file.after_cut(model, random)))

    def content(self):
        return dict(listing(self.top, "", lambda folder: folder.now, lambda file: bytes(file.now)))


def listing(folder, above, names, content):
    for name, what in names(folder).items():
        if isinstance(what, Folder):
            yield above + name, None
            yield from listing(what, above + name + "/", names, content)
        else:
            yield above + name, content(what)
