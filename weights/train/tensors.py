"""Tensors and notes in one .npz file. PyTorch's own files are programs to be executed, or, where
that is forbidden, hold no numbers outside tensors; these are data."""
import json
import zipfile

import numpy as np
import torch

from files import Trouble, replacing


def write_tensors(path, notes, **groups):
    """notes: whatever JSON can say. groups: tensors by name."""
    arrays = {f"{group}/{name}": tensor.detach().cpu().numpy()
              for group, tensors in groups.items() for name, tensor in tensors.items()}
    with replacing(path) as file:
        np.savez(file, notes=json.dumps(notes), **arrays)


def read_tensors(path):
    """-> notes, {group: {name: tensor}}"""
    groups = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            notes = json.loads(str(arrays["notes"]))
            for name in arrays.files:
                group, slash, name_in = name.partition("/")
                if slash:
                    groups.setdefault(group, {})[name_in] = torch.from_numpy(arrays[name])
    except (ValueError, KeyError, EOFError, TypeError, AttributeError,
            zipfile.BadZipFile) as error:
        raise Trouble(f"'{path}' is damaged, or train.py did not write it: {error}") from error
    return notes, groups
