"""Decodes the bytes of an image file, and says what is wrong with those that cannot be decoded."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .completeness import count_gif_images, is_png_complete, is_riff_complete, jpeg_end
from .file_format import CONVERT, HEAD_BYTES, FileFormat, recognize
from .native_messages import capture_messages, silence_opencv

CUT_OFF = "is cut off: copy it again"
EMPTY = "is empty: copy it again"
_HARMLESS = ("extraneous bytes", "unknown JFIF", "known incorrect sRGB", "iCCP", "Invalid SOS")
"""Messages of libjpeg and libpng about images that are whole, as some cameras write them."""


class UnreadableImage(ValueError):
    """An image that cannot be decoded. Its message is the reason with what to do, to be read after the file's name."""


def decode_image(data: bytes, *, color: bool = False) -> NDArray[np.uint8]:
    """The bytes of an image file as (height, width) gray or (height, width, 3) BGR, upright as its EXIF data says.

    Of an animation or a file of several pages, the first image. UnreadableImage if the bytes are empty, no image, cut
    off, damaged, or in a format that OpenCV cannot decode. Nothing is written to standard error.
    """
    silence_opencv()
    file_format = _check(data)
    try:
        with capture_messages() as messages:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:
        raise UnreadableImage(f"cannot be decoded ({error.err}): {CONVERT}") from error
    faults = [message for message in messages if not any(words in message for words in _HARMLESS)]
    if image is None:
        raise UnreadableImage(
            f"is a damaged {file_format.name}, or of a kind that OpenCV cannot read: copy it again, or {CONVERT}"
        )
    if faults:
        raise UnreadableImage(f"is damaged ({faults[0]}): copy it again")
    return image.astype(np.uint8, copy=False)


def _check(data: bytes) -> FileFormat:
    """The format of an image that has all of its bytes. UnreadableImage if it cannot be decoded as a whole."""
    if not data:
        raise UnreadableImage(EMPTY)
    file_format = recognize(data[:HEAD_BYTES])
    if file_format is None:
        raise UnreadableImage("is not an image that OpenCV can read: " + CONVERT)
    if file_format.kind == "video":
        raise UnreadableImage(f"is a video ({file_format.name}), not an image: {CONVERT}")
    if file_format.hint:
        raise UnreadableImage(f"is {file_format.name}, which OpenCV cannot read: {file_format.hint}")
    if not _is_complete(data, file_format):
        raise UnreadableImage(CUT_OFF)
    return file_format


def _is_complete(data: bytes, file_format: FileFormat) -> bool:
    match file_format.name:
        case "JPEG":
            return jpeg_end(data) is not None
        case "PNG":
            return is_png_complete(data)
        case "GIF":
            return count_gif_images(data)[1]
        case "WebP":
            return is_riff_complete(data, len(data))
    return True
