import gzip
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pytest
from samples import fer2013_csv

from mien.errors import DataError
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.fer2013 import read_fer2013


def test_the_csv_is_read_with_its_splits(data: Dataset) -> None:
    assert len(data) == 175
    assert data.images.shape == (175, 48, 48)
    assert len(data.split("Training")) == 140
    assert data.split("PublicTest").labels.tolist() == [number % 7 for number in range(35)]


@pytest.mark.parametrize("suffix", ["gz", "xz", "zip"])
def test_compressed_files_have_the_same_content(csv_file: Path, data: Dataset, tmp_path: Path, suffix: str) -> None:
    compressed = tmp_path / f"fer2013.csv.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(csv_file, "fer2013/fer2013.csv")
    else:
        compressed.write_bytes({"gz": gzip, "xz": lzma}[suffix].compress(csv_file.read_bytes()))
    assert np.array_equal(read_fer2013(compressed).images, data.images)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_csv_as_windows_writes_it_has_the_same_content(tmp_path: Path, encoding: str, line_end: str) -> None:
    content = fer2013_csv(training=7, public_test=7)
    plain, file, compressed = (tmp_path / name for name in ("plain.csv", "fer2013.csv", "fer2013.CSV.GZ"))
    plain.write_text(content)
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    file.write_bytes((mark + content.replace("\n", line_end)).encode(encoding))
    compressed.write_bytes(gzip.compress(file.read_bytes()))
    data = read_fer2013(plain)
    assert len(data) == 14
    assert read_fer2013(file).digest() == read_fer2013(compressed).digest() == data.digest()


def test_another_encoding_is_named(tmp_path: Path) -> None:
    file = tmp_path / "fer.csv"
    file.write_bytes(b"emotion,pixels,Usage,r\xe9sum\xe9\n")
    with pytest.raises(DataError, match=r"fer.csv is not UTF-8 but probably Latin-1 .*: save it as UTF-8"):
        read_fer2013(file)


def test_usage_has_the_names_of_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "fer.csv"
    names = ("train", "TRAINING", " Private ", "publictest", "val", "Holdout")
    file.write_text("emotion,pixels,Usage\n" + "".join(ROW.replace("Training", name) for name in names))
    data = read_fer2013(file)
    assert data.splits.tolist() == ["Training", "Training", "PrivateTest", "PublicTest", "Validation", "Holdout"]
    assert [len(data.split(name)) for name in ("Training", "train", "private", "VAL", "Holdout")] == [2, 2, 1, 1, 1]
    with pytest.raises(DataError, match="has no Test images, only Holdout, PrivateTest, PublicTest, Training, Valid"):
        data.split("test")


def test_the_header_of_icml_face_data_is_supported(tmp_path: Path, data: Dataset) -> None:
    file = tmp_path / "icml_face_data.csv"
    file.write_text(fer2013_csv(header="emotion, pixels, Usage"))
    assert np.array_equal(read_fer2013(file).labels, data.labels)


def test_columns_may_have_another_order(tmp_path: Path) -> None:
    file = tmp_path / "fer.csv"
    file.write_text(f"emotion, Usage, pixels\n3,Training,{' '.join(['7'] * 2304)}\n")
    data = read_fer2013(file)
    assert (data.labels.tolist(), data.splits.tolist(), int(data.images.max())) == ([3], ["Training"], 7)


ROW = "3," + " ".join(["1"] * 2304) + ",Training\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("emotion,Usage\n", "lacks the column pixels"),
        ("", "lacks the column emotion, pixels, Usage"),
        ("emotion,pixels,Usage\n", "has a header but no rows"),
        ("emotion,pixels,Usage\n" + ROW + ROW.replace(" 1,", ","), "line 3 has 2303 pixels, not 2304"),
        ("emotion,pixels,Usage\n" + ROW + ROW.replace(" 1,", " 256,"), "line 3 has a pixel that is not a number from"),
        ("emotion,pixels,Usage\n" + ROW.replace(" 1,", " x,"), "line 2 has a pixel that is not a number from 0 to 255"),
        ("emotion,pixels,Usage\n" + ROW + "7" + ROW[1:], "line 3 has the emotion '7', not 0 to 6"),
        ("emotion,pixels,Usage\n" + ROW + "3,1 2 3\n", "line 3 has 2 columns, not 3"),
    ],
)
def test_a_damaged_csv_is_reported_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "fer.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_fer2013(file)


def test_a_truncated_archive_is_reported(tmp_path: Path) -> None:
    truncated = tmp_path / "fer2013.csv.xz"
    truncated.write_bytes(lzma.compress(fer2013_csv().encode())[:5000])
    with pytest.raises(DataError, match=r"fer2013.csv.xz cannot be read"):
        read_fer2013(truncated)


def test_a_missing_file_is_reported() -> None:
    with pytest.raises(DataError, match=r"/nowhere.csv does not exist"):
        read_fer2013(Path("/nowhere.csv"))
