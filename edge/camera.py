"""Where frames come from: a Pi camera, a USB or network camera, files, or a portrait that drifts through the frame."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from mien.errors import CameraError

from .footage import footage
from .frame import Frame, adjusted
from .portrait import portrait
from .rpicam import rpicam
from .settings import Camera
from .video_capture import rtsp, usb

OpenCamera = Callable[[Camera], AbstractContextManager[Iterator[Frame]]]
"""Entering starts the camera and gives its frames; leaving stops it.

A live camera's frames never end: CameraError if none comes in time. A file's frames come at the pace of a camera and
end, which ends the agent's run.
"""

CAMERAS: dict[str, OpenCamera] = {"rpicam": rpicam, "usb": usb, "rtsp": rtsp, "file": footage, "portrait": portrait}
"""The cameras by the name that `camera.kind` takes."""
LIVE = CAMERAS.keys() - {"file"}
"""Those whose frames never end."""


def check_camera(settings: Camera) -> None:
    """CameraError if it is plain before the first motion that this camera cannot work."""
    if settings.kind == "rpicam" and shutil.which("rpicam-vid") is None:
        raise CameraError("rpicam-vid is not installed: apt install rpicam-apps-lite, or set camera.kind")
    if settings.kind == "usb" and not Path(f"/dev/video{settings.index}").exists():
        raise CameraError(
            f"there is no USB camera {settings.index}: plug it in, or set camera.index (`ls /dev/video*`)"
        )
    if settings.path is not None and not Path(settings.path).exists():
        raise CameraError(f"{settings.path} does not exist: set camera.path to a video, a picture or a folder of them")


@contextmanager
def open_camera(settings: Camera) -> Iterator[Iterator[Frame]]:
    """The camera that the settings name, its frames turned as they say."""
    with CAMERAS[settings.kind](settings) as frames:
        yield adjusted(frames, settings)
