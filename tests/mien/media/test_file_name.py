"""Names of any bytes as text."""

import os
from pathlib import Path

from mien.media.file_name import to_text


def test_bytes_that_are_not_utf8_are_written_in_hexadecimal() -> None:
    assert to_text(Path(os.fsdecode(b"f\xc3\xbcr \xff.jpg"))) == r"für \xff.jpg"
