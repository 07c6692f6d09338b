import io
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.errors import ModelError
from mien.trainer.models.pytorch_file import MAGIC_NUMBER, read_pytorch_file


class _Reference:
    """Pickles as a reference to a name of PyTorch's, without PyTorch."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


PythonPickler: Any = pickle._Pickler  # type: ignore[attr-defined]
"""In pure Python: its methods can be overridden."""


class _Pickler(PythonPickler):  # type: ignore[misc]
    """Writes tensors and storages as torch.save does."""

    def persistent_id(self, value: Any) -> Any:
        return value.storage if isinstance(value, _Storage) else None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Reference):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, _Tensor):
            self.save(_Reference("torch._utils", "_rebuild_tensor_v2"))
            self.save((_Storage(value.key), value.offset, value.shape, value.strides, False, OrderedDict()))
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


class _Storage:
    def __init__(self, key: str) -> None:
        self.storage = ("storage", _Reference("torch", "FloatStorage"), key, "cpu", 0, None)


class _Tensor:
    def __init__(self, key: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.key, self.offset, self.shape, self.strides = key, offset, shape, strides


def pytorch_bytes(tensors: object, storages: dict[str, NDArray[np.float32]], magic: int = MAGIC_NUMBER) -> bytes:
    stream = io.BytesIO()
    for part in (magic, 1001, {"little_endian": True}, tensors, list(storages)):
        _Pickler(stream, protocol=2).dump(part)
    for values in storages.values():
        stream.write(struct.pack("<q", len(values)) + values.astype("<f4").tobytes())
    return stream.getvalue()


def test_tensors_have_their_values_shapes_and_order(tmp_path: Path) -> None:
    tensors = OrderedDict(plain=_Tensor("0", 1, (2, 2), (2, 1)), transposed=_Tensor("1", 0, (3, 2), (1, 3)))
    storages = {"0": np.arange(5, dtype=np.float32), "1": np.arange(6, dtype=np.float32)}
    file = tmp_path / "weights.pth"
    file.write_bytes(pytorch_bytes(tensors, storages))
    read = read_pytorch_file(file)
    assert read["plain"].tolist() == [[1, 2], [3, 4]]
    assert read["transposed"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_what_a_file_wants_to_run_is_not_run(tmp_path: Path) -> None:
    class _Attack:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    stream = io.BytesIO()
    parts: tuple[object, ...] = (MAGIC_NUMBER, 1001, {}, _Attack())
    for part in parts:
        pickle.dump(part, stream, protocol=2)
    file = tmp_path / "weights.pth"
    file.write_bytes(stream.getvalue())
    with pytest.raises(ModelError, match="it refers to"):
        read_pytorch_file(file)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a newer format",
        pytorch_bytes(OrderedDict(), {}, magic=1),
        pytorch_bytes(OrderedDict(a=_Tensor("0", 3, (2, 2), (2, 1))), {"0": np.zeros(5, np.float32)}),
        pytorch_bytes(OrderedDict(a=_Tensor("0", 0, (5,), (1,))), {"0": np.zeros(5, np.float32)})[:-3],
    ],
    ids=["empty", "zip", "another magic number", "outside its storage", "cut off"],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(content)
    with pytest.raises(ModelError, match="is not a state dictionary of PyTorch"):
        read_pytorch_file(file)
    with pytest.raises(ModelError, match="cannot be read"):
        read_pytorch_file(tmp_path / "missing.pth")
