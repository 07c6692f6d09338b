"""An image file, read as bytes and then decoded: OpenCV itself opens no file whose name is not UTF-8."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import CameraError
from mien.media.file_name import to_text
from mien.media.image_bytes import UnreadableImage, decode_image


def read_image(file: Path, *, color: bool = False) -> NDArray[np.uint8]:
    """An image file, whatever its name, as (height, width) gray or (height, width, 3) BGR.

    CameraError with the reason if it is missing, no image, cut off, damaged or in a format that OpenCV cannot read.
    """
    try:
        return decode_image(file.read_bytes(), color=color)
    except UnreadableImage as error:
        raise CameraError(f"{to_text(file)} {error}") from error
    except OSError as error:
        raise CameraError(f"{to_text(file)} cannot be read ({error.strerror}): check its permissions") from error
