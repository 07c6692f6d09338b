"""Where frames come from: a Pi camera, a USB camera, files, or a portrait that drifts through the frame."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from mien.errors import CameraError

from .footage import footage
from .frame import Frame
from .portrait import portrait
from .rpicam import rpicam
from .settings import Camera
from .usb import usb

OpenCamera = Callable[[Camera], AbstractContextManager[Iterator[Frame]]]
"""Entering starts the camera and gives its frames; leaving stops it.

A live camera's frames never end: CameraError if none comes in time. A file's frames come at the pace of a camera and
end, which ends the agent's run.
"""

CAMERAS: dict[str, OpenCamera] = {"rpicam": rpicam, "usb": usb, "file": footage, "portrait": portrait}
"""The cameras by the name that `camera.kind` takes."""


def check_camera(settings: Camera) -> None:
    """CameraError if it is plain before the first motion that this camera cannot work."""
    if settings.kind == "rpicam" and shutil.which("rpicam-vid") is None:
        raise CameraError("rpicam-vid is not installed: apt install rpicam-apps-lite, or set camera.kind")
    if settings.path is not None and not Path(settings.path).exists():
        raise CameraError(f"{settings.path} does not exist: set camera.path to a video, a picture or a folder of them")


def open_camera(settings: Camera) -> AbstractContextManager[Iterator[Frame]]:
    """The camera that the settings name."""
    return CAMERAS[settings.kind](settings)
