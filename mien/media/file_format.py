"""The format of a media file, recognized by its first bytes: a name's ending may be wrong or missing."""

import re
from dataclasses import dataclass
from typing import Literal

HEAD_BYTES = 1024
"""As many of a file's first bytes as `recognize` looks at."""
CONVERT = "convert it to JPEG or PNG"
HEIC_HINT = (
    "convert it to JPEG, with `heif-convert IN OUT.jpg` for example, and set an iPhone's camera to the format "
    "Most Compatible"
)


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format of image or video files."""

    name: str
    kind: Literal["image", "video"]
    hint: str = ""
    """What to do with a file in a format that OpenCV cannot decode; empty for the others."""


_MP4 = FileFormat("MP4", "video")
_HEIC = FileFormat("HEIC", "image", HEIC_HINT)
_AVIF = FileFormat("AVIF", "image")
_JPEG_2000 = FileFormat("JPEG 2000", "image")
_JPEG_XL = FileFormat("JPEG XL", "image", CONVERT)
_MPEG_STREAM = FileFormat("MPEG-TS", "video")
_MPEG = FileFormat("MPEG", "video")
_RIFF = {b"WEBP": FileFormat("WebP", "image"), b"AVI ": FileFormat("AVI", "video")}
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), _AVIF),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), _HEIC),
    b"crx ": FileFormat("Canon CR3", "image", CONVERT),
    b"jp2 ": _JPEG_2000,
}
"""Of an `ftyp` box (ISO/IEC 14496-12); with other brands it is a video."""
_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""What an old QuickTime file without an `ftyp` box begins with."""
_SIGNATURES = (
    (b"\xff\xd8\xff", FileFormat("JPEG", "image")),
    (b"\x89PNG\r\n\x1a\n", FileFormat("PNG", "image")),
    (b"GIF87a", FileFormat("GIF", "image")),
    (b"GIF89a", FileFormat("GIF", "image")),
    (b"II*\0", FileFormat("TIFF", "image")),
    (b"MM\0*", FileFormat("TIFF", "image")),
    (b"II+\0", FileFormat("TIFF", "image")),
    (b"MM\0+", FileFormat("TIFF", "image")),
    (b"\0\0\0\x0cjP  ", _JPEG_2000),
    (b"\xff\x4f\xff\x51", _JPEG_2000),
    (b"\xff\x0a", _JPEG_XL),
    (b"\0\0\0\x0cJXL ", _JPEG_XL),
    (b"#?RADIANCE", FileFormat("Radiance HDR", "image")),
    (b"#?RGBE", FileFormat("Radiance HDR", "image")),
    (b"\x59\xa6\x6a\x95", FileFormat("Sun raster", "image")),
    (b"\x76\x2f\x31\x01", FileFormat("OpenEXR", "image", CONVERT)),
    (b"8BPS", FileFormat("Photoshop", "image", CONVERT)),
    (b"\x1a\x45\xdf\xa3", FileFormat("Matroska", "video")),
    (b"FLV\x01", FileFormat("FLV", "video")),
    (b"OggS", FileFormat("Ogg", "video")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", FileFormat("WMV", "video")),
    (b"YUV4MPEG2 ", FileFormat("YUV4MPEG2", "video")),
    (b"DKIF", FileFormat("IVF", "video")),
    (b"\0\0\x01\xba", _MPEG),
    (b"\0\0\x01\xb3", _MPEG),
    (b"\0\0\x01", FileFormat("H.264 or H.265", "video")),  # without a container, as rpicam-vid writes it
    (b"\0\0\0\x01", FileFormat("H.264 or H.265", "video")),
)
_BMP = re.compile(rb"BM.{4}.{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)
"""The header's size tells a bitmap from a text that begins with BM."""
_PORTABLE = re.compile(rb"P(?:[1-6f]|F)[ \t\r\n]+(?:#[^\n]*\n\s*)*\d+\s|P7\n")
_TS_PACKET_BYTES = (188, 192)
"""MPEG-TS, and with a timestamp as cameras write it (.m2ts); each packet has a sync byte 0x47."""


def recognize(head: bytes) -> FileFormat | None:
    """The format of a file that begins with these bytes, at most HEAD_BYTES; None if it is no image and no video."""
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _brand(head)
    if head[4:8] in _BOXES:
        return _MP4
    for signature, file_format in _SIGNATURES:
        if head.startswith(signature):
            return file_format
    if _BMP.match(head):
        return FileFormat("BMP", "image")
    if _PORTABLE.match(head):
        return FileFormat("Netpbm", "image")
    for size in _TS_PACKET_BYTES:
        first = size - 188
        if len(head) > first + 2 * size and head[first] == head[first + size] == head[first + 2 * size] == 0x47:
            return _MPEG_STREAM
    return None


def _brand(head: bytes) -> FileFormat:
    """The major brand decides; where it only says that there are images (mif1), the compatible ones do."""
    end = min(len(head), int.from_bytes(head[:4], "big"))
    major, compatible = head[8:12], {head[start : start + 4] for start in range(16, end, 4)}
    if major in (b"mif1", b"msf1") and compatible & {b"avif", b"avis"}:
        return _AVIF
    return _BRANDS.get(major, _MP4)
