"""PyTorch's .pth without PyTorch: the pickles that torch.save writes, with stand-ins for what they
name, in both containers. The values are those of write_mapped.py."""
import collections
import io
import pickle
import struct
import sys
import types
import zipfile

from write_mapped import CONVS, TORCH, bias, kernel, packed


class FloatStorage:
    """Stands for itself in a tensor's persistent id."""


def _rebuild_tensor_v2(*_):
    raise NotImplementedError


class Tensor:
    def __init__(self, key, data, shape):
        self.key, self.data, self.shape = key, data, shape

    def __reduce__(self):
        strides = [1]
        for size in reversed(self.shape[1:]):
            strides.insert(0, strides[0] * size)
        return _rebuild_tensor_v2, (Storage(self), 0, tuple(self.shape), tuple(strides), False,
                                    collections.OrderedDict())


class Storage:
    def __init__(self, tensor):
        self.tensor = tensor


def stand_in():
    """Pickle looks up what it names."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    FloatStorage.__module__, _rebuild_tensor_v2.__module__ = "torch", "torch._utils"
    torch.FloatStorage, utils._rebuild_tensor_v2 = FloatStorage, _rebuild_tensor_v2
    return {"torch": torch, "torch._utils": utils}


class Pickler(pickle.Pickler):
    legacy = False

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        tensor = value.tensor
        return ("storage", FloatStorage, tensor.key, "cpu", len(tensor.data) // 4,
                *([None] if self.legacy else []))


def dumps(value, legacy=False):
    out = io.BytesIO()
    pickler = Pickler(out, 2)
    pickler.legacy = legacy
    pickler.dump(value)
    return out.getvalue()


def state(convs):
    tensors = collections.OrderedDict()
    for n, (_, _, cin, out) in enumerate(CONVS[:convs]):
        for part, values, shape in (("weight", kernel(n), [out, cin, 3, 3]),
                                    ("bias", bias(n), [out])):
            tensors[f"features.{TORCH[n]}.{part}"] = \
                Tensor(str(len(tensors)), packed(values, "F32"), shape)
    return tensors


def write(path, convs, legacy=False):
    tensors = state(convs)
    saved = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules.update(stand_in())
    try:
        pickled = dumps(tensors, legacy)
    finally:
        for name, module in saved.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})
    if legacy:
        head = (0x1950a86a20f9469cfc6c, 1001, {"protocol_version": 1001, "little_endian": True,
                                               "type_sizes": {"short": 2, "int": 4, "long": 4}})
        with open(path, "wb") as file:
            file.write(b"".join(pickle.dumps(value, 2) for value in head) + pickled)
            file.write(pickle.dumps([t.key for t in tensors.values()], 2))
            for tensor in tensors.values():
                file.write(struct.pack("<q", len(tensor.data) // 4) + tensor.data)
        return
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for tensor in tensors.values():
            archive.writestr(f"archive/data/{tensor.key}", tensor.data)
        archive.writestr("archive/version", "3\n")
