"""Opens the camera that the settings name."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from mien.edge.timer import REAL_TIME, Timer
from mien.errors import CameraError

from .camera_monitor import CameraMonitor
from .demo_camera import open_demo_camera
from .file_camera import open_file_camera
from .frame import Frame, orient_and_mask
from .network.camera_url import CameraUrl
from .opencv_camera import open_network_camera, open_usb_camera
from .rpicam import open_rpicam
from .settings import (
    CameraSettings,
    DemoCameraSettings,
    FileCameraSettings,
    NetworkCameraSettings,
    RpicamSettings,
    UsbCameraSettings,
)


def check_camera(settings: CameraSettings, *, may_be_unplugged: bool = False) -> None:
    """Raise CameraError for problems that can be detected without opening the camera.

    With `may_be_unplugged`, only for those that plugging it in does not solve.
    """
    match settings:
        case UsbCameraSettings() if may_be_unplugged:
            return
        case RpicamSettings() if shutil.which("rpicam-vid") is None:
            raise CameraError("rpicam-vid is not installed: apt install rpicam-apps-lite, or set camera.kind")
        case UsbCameraSettings(index=index) if not Path(f"/dev/video{index}").exists():
            raise CameraError(f"there is no USB camera {index}: plug it in, or set camera.index (`ls /dev/video*`)")
        case NetworkCameraSettings(url_file=url_file):
            CameraUrl.read(Path(url_file))
        case FileCameraSettings(path=path) if not Path(path).exists():
            raise CameraError(f"{path} does not exist: set camera.path to a video, an image or a folder of both")
        case DemoCameraSettings(path=str(path)) if not Path(path).exists():
            raise CameraError(f"{path} does not exist: set camera.path to an image, or remove it to show the portrait")


@contextmanager
def open_camera(
    settings: CameraSettings,
    timer: Timer = REAL_TIME,
    is_closing: Callable[[], bool] = lambda: False,
    monitor: CameraMonitor | None = None,
) -> Iterator[Iterator[Frame]]:
    """The frames of the camera that the settings name, rotated, flipped and masked as they say.

    Entering the context starts the camera, and leaving it stops the camera. The frames of a live camera never end:
    CameraError if none arrives in time. The frames of a file arrive at the camera's frame rate, by the timer, and end.
    `is_closing` ends the wait for a camera that hangs, where its driver can be interrupted. `monitor` looks for faults
    in the frames of a live camera, and raises CameraError if it has to be opened again.
    """
    with _open_unoriented(settings, timer, is_closing, monitor) as frames:
        yield orient_and_mask(monitor.watch(frames) if monitor else frames, settings)


def _open_unoriented(
    settings: CameraSettings, timer: Timer, is_closing: Callable[[], bool], monitor: CameraMonitor | None
) -> AbstractContextManager[Iterator[Frame]]:
    match settings:
        case RpicamSettings():
            return open_rpicam(settings, is_closing)
        case UsbCameraSettings():
            return open_usb_camera(settings)
        case NetworkCameraSettings():
            return open_network_camera(settings)
        case FileCameraSettings():
            return open_file_camera(settings, timer)
        case DemoCameraSettings():
            return open_demo_camera(settings, timer, is_closing, monitor.started_s if monitor else timer.now_s())
