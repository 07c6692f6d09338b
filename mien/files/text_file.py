"""Text that people wrote, on any system: UTF-8 and UTF-16 are read, any other encoding is named."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mien.errors import ConfigurationError, MienError

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""What Windows programs put in front of a text, and its encoding (Unicode Standard, 23.8)."""


class EncodingError(ValueError):
    """Says after the name of a file which encoding it has instead of one that is read, and the fix."""


def read_text(path: Path, *, name: str = "", error: type[MienError] = ConfigurationError) -> str:
    r"""The text of a file without a byte order mark, its lines ending in `\n`.

    `error` says why the file cannot be read, and the fix; it begins with `name`, by default the path.
    """
    name = name or str(path)
    try:
        return decode_text(path.read_bytes())
    except OSError as problem:
        hint = "check the path and the file's permissions"
        raise error(f"{name} cannot be read ({problem.strerror}): {hint}") from problem
    except EncodingError as problem:
        raise error(f"{name} {problem}") from problem


def read_line(path: Path, *, name: str = "", error: type[MienError] = ConfigurationError) -> str:
    """The only line of a file, such as a password, with the spaces that it begins and ends with.

    `error` as for `read_text`, and if the file has no line or several; empty lines at its end do not count.
    """
    line = read_text(path, name=name, error=error).rstrip("\n")
    if not line.strip():
        raise error(f"{name or path} is empty: write one line into it")
    if "\n" in line:
        raise error(f"{name or path} has {line.count(chr(10)) + 1} lines: leave only the one that is meant")
    return line


def decode_text(content: bytes) -> str:
    r"""The text of a whole file, as `read_text` returns it. EncodingError if it is neither UTF-8 nor UTF-16 or -32."""
    encoding, mark = find_encoding(content)
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, len(mark) + error.start) + 1
        raise EncodingError(_describe(encoding, error.object[error.start], f" in line {line}")) from error
    if "\0" in text:
        raise EncodingError(_describe_zeros(content))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decode_line(line: bytes) -> str:
    """A line of `utf8_lines` as it is. EncodingError if it is not UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise EncodingError(_describe("utf-8", line[error.start], "")) from error


def utf8_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a long text, each in UTF-8 and with its own line end, without a byte order mark.

    Lines of UTF-8 are yielded as they are: whoever decodes them finds those that are in another encoding.
    EncodingError if a text with the mark of UTF-16 or UTF-32 is damaged.
    """
    first = stream.readline()
    encoding, mark = find_encoding(first)
    if encoding == "utf-8":
        yield first.removeprefix(mark)
        yield from stream
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        rest = decoder.decode(first[len(mark) :])
        while chunk := stream.read(1 << 16):
            *lines, rest = (rest + decoder.decode(chunk)).split("\n")
            yield from (f"{line}\n".encode() for line in lines)
        *lines, rest = (rest + decoder.decode(b"", final=True)).split("\n")
        yield from (f"{line}\n".encode() for line in lines)
        yield rest.encode()
    except UnicodeError as error:
        raise EncodingError(f"is not the {encoding.upper()} that it begins as: save it as UTF-8") from error


def find_encoding(start: bytes) -> tuple[str, bytes]:
    """The encoding that a text's byte order mark announces, and the mark; UTF-8 and nothing if there is none."""
    return next(
        ((encoding, mark) for mark, encoding in BYTE_ORDER_MARKS if start.startswith(mark)),
        ("utf-8", b""),
    )


def is_utf8(name: str) -> bool:
    """Whether a file's name, as Python decodes it, is text and not other bytes (PEP 383)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _describe(encoding: str, byte: int, place: str) -> str:
    if encoding != "utf-8":
        return f"is not the {encoding.upper()} that it begins as: save it as UTF-8"
    return (
        f"is not UTF-8 but probably Latin-1 or Windows-1252 (byte {byte:02x}{place}): save it as UTF-8 in the editor, "
        "or convert it with `iconv -f WINDOWS-1252 -t UTF-8`"
    )


def _describe_zeros(content: bytes) -> str:
    evens, odds = content[::2].count(0), content[1::2].count(0)
    if max(evens, odds) * 4 > len(content) and min(evens, odds) * 4 < len(content):
        encoding = "UTF-16LE" if odds > evens else "UTF-16BE"
        return f"is {encoding} without a byte order mark: save it as UTF-8, or convert it with `iconv -f {encoding}`"
    return "is not a text file: name the file that contains the text"
