"""Reads the tensors of a PyTorch state dictionary without PyTorch, and without running what the file contains.

The format before PyTorch 1.6: a magic number, a version, the system, a pickle of the dictionary whose tensors name
storages, a pickle of the storages' keys, and then each storage's count and values, little-endian.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.errors import ModelError

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
VALUE_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class _Storage(NamedTuple):
    value_type: str
    key: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_pytorch_file(file: Path) -> dict[str, NDArray[np.float32]]:
    """The float tensors of a state dictionary by name. ModelError if the file cannot be read or is something else."""
    try:
        with file.open("rb") as stream:
            if _Unpickler(stream).load() != MAGIC_NUMBER:
                raise pickle.UnpicklingError("another magic number")
            for _ in ("version", "system"):
                _Unpickler(stream).load()
            tensors = _Unpickler(stream).load()
            storages = {key: _read_storage(stream, tensors, key) for key in _Unpickler(stream).load()}
            return {name: _view(storages[tensor.storage.key], tensor) for name, tensor in tensors.items()}
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error.strerror}): name the file of the weights") from error
    except (pickle.UnpicklingError, EOFError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelError(
            f"{file} is not a state dictionary of PyTorch in the format before 1.6 ({error}): save it with "
            "torch.save(..., _use_new_zipfile_serialization=False)"
        ) from error


class _Unpickler(pickle.Unpickler):
    """Knows the four names that a state dictionary needs and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
        if module == "torch" and name in VALUE_TYPES:
            return name
        raise pickle.UnpicklingError(f"it refers to {module}.{name}")

    def persistent_load(self, storage: Any) -> _Storage:
        _, type_name, key, *_ = storage
        return _Storage(VALUE_TYPES[type_name], key)


def _read_storage(stream: BinaryIO, tensors: dict[str, _Tensor], key: str) -> NDArray[Any]:
    value_type = next(tensor.storage.value_type for tensor in tensors.values() if tensor.storage.key == key)
    (count,) = np.frombuffer(stream.read(8), "<i8")
    size = int(count) * np.dtype(value_type).itemsize
    values = stream.read(size)
    if len(values) < size:
        raise EOFError("it ends early")
    return np.frombuffer(values, value_type)


def _view(storage: NDArray[Any], tensor: _Tensor) -> NDArray[np.float32]:
    strides = tuple(storage.itemsize * stride for stride in tensor.strides)
    if tensor.shape and tensor.offset + sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    ) >= len(storage):
        raise ValueError("a tensor lies outside its storage")
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides).astype(np.float32)
