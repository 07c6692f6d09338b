"""The `[camera]` table of the agent's settings: a struct for each kind of camera."""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from mien.settings.quantities import Fraction, PositiveSeconds, Seconds

from .faults.staged import StagedFault

SizePx = Annotated[int, Meta(ge=64, le=4096)]


class CommonCameraSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """The settings of every camera."""

    frames_per_second: Annotated[float, Meta(gt=0.0, le=120.0)] = 10.0
    """Frames to process per second."""
    FORMER_KEYS: ClassVar[dict[str, tuple[str, dict[Any, Any]]]] = {
        "rotation": ("rotate", {}),
        "mirror": ("flip", {True: "horizontal", False: "none"}),
    }  # what keys and their values were called before: old files stay valid

    rotate: Literal[0, 90, 180, 270] = 0
    """Degrees by which to rotate the image clockwise, for a camera that is mounted sideways or upside down."""
    flip: Literal["none", "horizontal", "vertical"] = "none"
    """horizontal swaps left and right, vertical swaps top and bottom, after the rotation; for a camera that looks into
    a mirror."""
    mask: list[tuple[Fraction, Fraction, Fraction, Fraction]] = []
    """Areas of the image to ignore, after it is rotated and flipped, such as a screen or a poster: left, top, width and
    height as fractions of the image."""
    standby: bool = False
    """Keep the camera open between captures: it then delivers frames at once instead of after a second or two, but uses
    more power."""
    start_timeout_s: PositiveSeconds = 10.0
    """A camera that delivers no frame for this long counts as failed."""

    @property
    def first_frame_timeout_s(self) -> float:
        """How long the first frame may take."""
        return self.start_timeout_s


class PhysicalCameraSettings(CommonCameraSettings, frozen=True, kw_only=True):
    """The settings of every camera with a lens."""

    warmup_frames: Annotated[int, Meta(ge=0)] = 15
    """Frames to skip after the camera starts, while its exposure adjusts."""
    warmup_s: Seconds = 3.0
    """Skip frames for at most this long."""

    @property
    def first_frame_timeout_s(self) -> float:
        """How long the first frame may take, with the warm-up."""
        return self.start_timeout_s + self.warmup_s


class RpicamSettings(PhysicalCameraSettings, frozen=True, kw_only=True, tag="rpicam"):
    """A Raspberry Pi camera."""

    width: SizePx = 640
    """Frame width in pixels, a multiple of 64."""
    height: SizePx = 480
    """Frame height in pixels."""

    def __post_init__(self) -> None:
        if self.width % 64:
            raise ValueError(f"width {self.width} must be a multiple of 64 for rpicam")


class UsbCameraSettings(PhysicalCameraSettings, frozen=True, kw_only=True, tag="usb"):
    """A webcam."""

    index: Annotated[int, Meta(ge=0)] = 0
    """Number of the camera, as in /dev/video0."""
    width: SizePx = 640
    """Frame width in pixels; the camera uses the nearest size that it has."""
    height: SizePx = 480
    """Frame height in pixels."""


class NetworkCameraSettings(PhysicalCameraSettings, frozen=True, kw_only=True, tag="network"):
    """A camera with a URL, of RTSP or of MJPEG over HTTP."""

    FORMER_TAGS: ClassVar[tuple[str, ...]] = ("rtsp",)  # what the kind was called before: old files stay valid

    url_file: str
    """A file that contains only the camera's URL, rtsp://... or http://..., which may include a user and a password."""
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP delivers the image. tcp repeats what the network loses, udp leaves it out, and is for cameras that
    deliver nothing by tcp."""


class FileCameraSettings(CommonCameraSettings, frozen=True, kw_only=True, tag="file"):
    """A video, an image or a folder of both."""

    path: str
    """The file or folder to show."""
    still_duration_s: PositiveSeconds = 3.0
    """How long each image is shown."""
    loop: bool = False
    """Start over at the end. If false, the agent exits there."""


class DemoCameraSettings(CommonCameraSettings, frozen=True, kw_only=True, tag="demo"):
    """An image that drifts through the frame, for trying mien without a camera, or with one that fails at set times."""

    path: str | None = None
    """The image. If not set, the portrait that ships with mien."""
    width: SizePx = 640
    """Frame width in pixels."""
    height: SizePx = 480
    """Frame height in pixels."""

    faults: list[StagedFault] = []
    """What goes wrong with it, for trying what mien does then: start and end in seconds since the agent's start, and
    what happens meanwhile. unplugged and stalled: it delivers nothing. black, green and gray: all of the image is.
    frozen: the same image comes again and again. exposure: the brightness jumps. resized: the image has half the size.
    time_jump: the stream's clock is an hour behind."""

    def __post_init__(self) -> None:
        for start_s, end_s, name in self.faults:
            if end_s <= start_s:
                raise ValueError(f"the fault {name} ends at {end_s:g} s, but begins at {start_s:g} s")


CameraSettings = RpicamSettings | UsbCameraSettings | NetworkCameraSettings | FileCameraSettings | DemoCameraSettings
