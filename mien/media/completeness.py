"""Whether a media file has all of its bytes, read off its own structure: a decoder would fill what is missing."""

import os
import re
from typing import BinaryIO

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""What ends the entropy-coded data of a scan: 0xff00 is a byte of data, 0xffd0 to 0xffd7 restart it, 0xffff fills
(ITU-T T.81, B.1.1)."""
_JPEG_SCAN = 0xDA
_GIF_IMAGE, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B


def jpeg_end(data: bytes) -> int | None:
    """Where the first image in the bytes of a JPEG file ends; None if the file is cut off before.

    The end is that of the image itself, not of a thumbnail inside it.
    """
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        if data[position + 1] == 0xFF:  # a fill byte
            position += 1
            continue
        if data[position : position + 2] == _JPEG_END:
            return position + 2
        is_scan = data[position + 1] == _JPEG_SCAN
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if is_scan:
            marker = _JPEG_MARKER.search(data, position)
            if marker is None:
                return None
            position = marker.start()
    return position + 2 if data[position : position + 2] == _JPEG_END else None


def is_motion_jpeg(data: bytes) -> bool:
    """Whether another JPEG follows the first one in the first bytes of a file, as in a video without a container.

    A photo may have more images behind it, too, and says so in a segment MPF (CIPA DC-007) or in its XMP data.
    """
    end = jpeg_end(data)
    return end is not None and data[end : end + 2] == _JPEG_START and not re.search(rb"MPF\0|ns.adobe.com", data[:end])


def is_png_complete(data: bytes) -> bool:
    """Whether the bytes of a PNG file reach its last chunk, IEND."""
    position = 8
    while position + 12 <= len(data):
        if data[position + 4 : position + 8] == b"IEND":
            return True
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return False


def count_gif_images(data: bytes) -> tuple[int, bool]:
    """How many images the bytes of a GIF file hold, and whether its end is there."""
    images = 0
    position = 13 + _color_table_bytes(data[10:11])
    while position < len(data):
        block = data[position]
        if block == _GIF_END:
            return images, True
        if block == _GIF_EXTENSION:
            position += 2
        elif block == _GIF_IMAGE:
            images += 1
            position += 11 + _color_table_bytes(data[position + 9 : position + 10])
        else:
            break
        while position < len(data) and data[position]:
            position += data[position] + 1
        position += 1
    return images, False


def _color_table_bytes(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def is_riff_complete(head: bytes, size: int) -> bool:
    """Whether a WebP or AVI file of `size` bytes that begins with `head` is as long as it says."""
    declared = int.from_bytes(head[4:8], "little")
    return declared == 0xFFFFFFFF or size >= declared + 8


def mp4_flaw(file: BinaryIO) -> str:
    """What an MP4 or QuickTime file lacks, to be read after its name; empty if it has all that its boxes declare.

    Its boxes follow each other, each with its length (ISO/IEC 14496-12, 4.2).
    """
    size = os.fstat(file.fileno()).st_size
    position, names = 0, set()
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        names.add(header[4:8])
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:  # up to the end of the file
            position = size
        elif length < 8:
            break
        else:
            position += length
    if b"moov" not in names:
        return "is incomplete, its index (moov) is missing: copy or record it again"
    return "is cut off: copy it again" if position > size else ""
