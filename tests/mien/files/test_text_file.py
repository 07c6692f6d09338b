"""Text of any editor is read as what its author meant, or its encoding is named."""

import codecs
import io
from pathlib import Path

import pytest

from mien.errors import ConfigurationError, UsageError
from mien.files.text_file import EncodingError, decode_line, decode_text, is_utf8, read_line, read_text, utf8_lines

TEXT = 'name = "Küche €"\nnext\n'
WINDOWS = TEXT.replace("\n", "\r\n")
READ = {
    "UTF-8": TEXT.encode(),
    "UTF-8 with CRLF": WINDOWS.encode(),
    "UTF-8 with CR": TEXT.replace("\n", "\r").encode(),
    "UTF-8 with a mark": codecs.BOM_UTF8 + WINDOWS.encode(),
    "UTF-16 of Windows": codecs.BOM_UTF16_LE + WINDOWS.encode("utf-16-le"),
    "UTF-16, big-endian": codecs.BOM_UTF16_BE + WINDOWS.encode("utf-16-be"),
    "UTF-32": codecs.BOM_UTF32_LE + WINDOWS.encode("utf-32-le"),
}
REFUSED = {
    "Latin-1": ("a\nKüche".encode("latin-1"), "Latin-1 or Windows-1252 (byte fc in line 2): save it as UTF-8"),
    "UTF-16LE without a mark": ("password".encode("utf-16-le"), "UTF-16LE without a byte order mark"),
    "UTF-16BE without a mark": ("password".encode("utf-16-be"), "UTF-16BE without a byte order mark"),
    "half a character of UTF-16": (codecs.BOM_UTF16_LE + b"a\0b", "is not the UTF-16-LE that it begins as"),
    "binary": (bytes(64), "is not a text file"),
}


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_text_is_the_same_in_every_encoding_that_says_what_it_is(content: bytes) -> None:
    assert decode_text(content) == TEXT


@pytest.mark.parametrize(("content", "problem"), REFUSED.values(), ids=REFUSED)
def test_any_other_encoding_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "text"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_text(file, name="the list", error=UsageError)
    assert str(caught.value).startswith("the list is ")
    assert problem in str(caught.value)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none cannot be read \(No such file or directory\): check the path"):
        read_text(tmp_path / "none")


@pytest.mark.parametrize("content", [b" two words ", b" two words \n", b"\xef\xbb\xbf two words \r\n\r\n"])
def test_the_only_line_of_a_file_keeps_its_spaces(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(content)
    assert read_line(file) == " two words "


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "is empty"), (b"\xef\xbb\xbf\r\n", "is empty"), (b"# mine\nsecret\n", "has 2 lines: leave only the one")],
)
def test_a_file_without_exactly_one_line_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=problem):
        read_line(file)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_long_text_has_the_same_lines_in_every_encoding(encoding: str) -> None:
    lines = [f"{'€' * (number % 7)}{number}\r\n" for number in range(40_000)]
    content = "".join([*lines, "no end"]).encode(encoding)
    assert [line.decode() for line in utf8_lines(io.BytesIO(content))] == [*lines, "no end"]


def test_lines_in_another_encoding_are_found_by_whoever_decodes_them() -> None:
    first, second = utf8_lines(io.BytesIO("good\nKüche\n".encode("latin-1")))
    assert decode_line(first) == "good\n"
    with pytest.raises(EncodingError, match=r"probably Latin-1 or Windows-1252 \(byte fc\)"):
        decode_line(second)
    with pytest.raises(EncodingError, match="is not the UTF-16-LE that it begins as"):
        list(utf8_lines(io.BytesIO(codecs.BOM_UTF16_LE + b"a\0b")))


def test_names_of_other_bytes_are_told_from_text() -> None:
    assert is_utf8("Küche.jpg")
    assert not is_utf8(b"K\xfcche.jpg".decode(errors="surrogateescape"))
