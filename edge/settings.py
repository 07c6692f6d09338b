"""The agent's settings: one TOML file, one table for each part."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mien.mqtt import Mqtt
from mien.names import DeviceName

Seconds = Annotated[float, Meta(ge=0.0, le=1e9)]
Positive = Annotated[float, Meta(gt=0.0, le=1e9)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]


class Motion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What wakes the agent."""

    kind: Literal["pir", "frames", "always"] = "pir"
    """pir: a PIR sensor on a pin. frames: the camera itself, by what changes from frame to frame; it then stays open.
    always: nothing, the agent observes all the time."""
    pin: Annotated[int, Meta(ge=0, le=27)] = 4
    """BCM number of the pin that the PIR's OUT wire is on."""
    settle_s: Seconds = 60.0
    """Time after power-up in which the sensor is not trusted; counted from the system's start, not the agent's."""
    debounce_s: Seconds = 0.0
    """A PIR's signal shorter than this is no movement; for sensors with loose wires or a radio beside them."""
    changed_share: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.01
    """For frames: how much of the picture must change from one look to the next, a quarter of a second later."""
    hold_s: Seconds = 10.0
    """Keep capturing this long after the last movement."""
    longest_capture_s: Positive = 300.0
    """End a capture after this long even if movement goes on; the next one follows at once."""
    stuck_after_s: Positive = 3600.0
    """A sensor that reports movement for so long without a break is no longer believed, nor one that wakes the agent
    twelve times in a row at even distances: the agent's health says so, and captures last 20 s at most."""
    unbelieved_duty: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.2
    """While the sensor is not believed: the share of the time in which the camera runs."""
    script: list[tuple[Seconds, Seconds]] = []
    """For trying mien without a sensor: from and to, in seconds since the agent's start, of each movement. A pretended
    pin then stands in for the real one."""
    repeat_s: Seconds = 0.0
    """Begin the script again after this long; 0 plays it once."""

    def __post_init__(self) -> None:
        moments = [moment for movement in self.script for moment in movement]
        if moments != sorted(moments):
            raise ValueError("script does not go forward in time")
        if self.repeat_s and moments and moments[-1] > self.repeat_s:
            raise ValueError(f"repeat_s {self.repeat_s} ends before the script does")


class Camera(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where frames come from."""

    kind: Literal["rpicam", "usb", "rtsp", "file", "portrait"] = "rpicam"
    """rpicam: a Raspberry Pi camera. usb: a webcam. rtsp: a camera in the network. file: a video, a picture or a folder
    of pictures. portrait: a picture that drifts through the frame, for trying mien without a camera."""
    standby: bool = False
    """Keep the camera open between captures: it wakes in a frame's time instead of a second or two, and takes power."""
    width: Annotated[int, Meta(ge=64, le=4096)] = 640
    """Frame width in pixels; for rpicam a multiple of 64."""
    height: Annotated[int, Meta(ge=64, le=4096)] = 480
    """Frame height in pixels."""
    frames_per_second: Annotated[float, Meta(gt=0.0, le=120.0)] = 10.0
    """Frames taken per second."""
    index: Annotated[int, Meta(ge=0)] = 0
    """Number of a USB camera."""
    url_file: str | None = None
    """For rtsp: a file that holds nothing but the camera's rtsp:// address, since that may have a password in it."""
    path: str | None = None
    """What file and portrait show."""
    picture_s: Positive = 3.0
    """How long file shows each picture."""
    loop: bool = False
    """Whether file begins again at its end. If not, the agent ends there."""
    rotation: Literal[0, 90, 180, 270] = 0
    """Degrees that the picture is turned clockwise, for a camera that hangs on its side or upside down."""
    mirror: bool = False
    """Swap left and right."""
    ignore: list[tuple[Fraction, Fraction, Fraction, Fraction]] = []
    """Parts of the turned picture where nothing is looked for, a screen or a poster say: left, top, width and height
    as fractions of it."""
    settle_frames: Annotated[int, Meta(ge=0)] = 15
    """Frames left out after a camera starts, until its exposure is right; not for file and portrait."""
    settle_s: Seconds = 3.0
    """Frames are left out for no longer than this."""
    start_timeout_s: Positive = 10.0
    """A camera that gives no frame for so long counts as broken."""

    def __post_init__(self) -> None:
        if self.kind in ("file", "portrait") and self.path is None:
            raise ValueError(f"path is not set: name what {self.kind} shall show")
        if self.kind == "rtsp" and self.url_file is None:
            raise ValueError("url_file is not set: name a file that holds the camera's address")
        if self.kind == "rpicam" and self.width % 64:
            raise ValueError(f"width {self.width} must be a multiple of 64 for rpicam")


class Faces(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How faces are found, followed and cropped."""

    detector: Literal["haar", "yunet"] = "haar"
    """haar: OpenCV's frontal cascade, which comes with it. yunet: OpenCV's small network, which also finds faces that
    are turned or tilted, from a model file of yours."""
    detector_model: str | None = None
    """For yunet: its ONNX file, face_detection_yunet_2023mar.onnx of the OpenCV Zoo."""
    every: Annotated[int, Meta(ge=1, le=30)] = 1
    """Look for faces in every so-many-th frame, and follow them in between by what they look like: three is half the
    work on a slow Pi, and a face that comes is seen up to two frames later."""
    smallest_crop: Annotated[int, Meta(ge=12)] = 32
    """Faces smaller than this in the camera's frame, in pixels, are left out and counted. At 32 the model gets two
    answers in a hundred less right than at 48, at 24 six, at 16 26: measured by benchmarks/crop_quality.py."""
    least_sharpness: Annotated[float, Meta(ge=0.0)] = 40.0
    """Crops more blurred than this, out of focus or moved, are left out and counted. The default leaves out hardly one
    sharp picture of FER-2013 in a thousand, and most of those so blurred that a third of the right answers is lost:
    measured by benchmarks/crop_quality.py."""
    working_width: Annotated[int, Meta(ge=64)] = 320
    """Frames are scaled down to this width for the search; faces are cropped from the full frame."""
    smallest: Annotated[int, Meta(ge=24)] = 40
    """Side of the smallest face searched for, in pixels of the scaled frame."""
    neighbours: Annotated[int, Meta(ge=1)] = 3
    """Overlapping hits that make a face; more means fewer false faces and more missed ones."""
    margin: Annotated[float, Meta(ge=-0.3, le=1.0)] = 0.02
    """Added to the box on each side, as a fraction of it. The default gives crops like those of FER-2013, measured by
    benchmarks/crop_margin.py."""

    def __post_init__(self) -> None:
        if self.detector == "yunet" and self.detector_model is None:
            raise ValueError("detector_model is not set: name face_detection_yunet_2023mar.onnx of the OpenCV Zoo")


class Reporting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a face in view becomes an observation."""

    interval_s: Positive = 1.0
    """One observation per face and interval, its frames' scores averaged."""
    fewest_frames: Annotated[int, Meta(ge=1)] = 3
    """A face in fewer frames of an interval is not reported: most false faces flicker."""


class AgentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `mien agent`."""

    device: DeviceName
    """Name of this device: lower-case letters, digits and hyphens."""
    model: str | None = None
    """Model file; the one that ships with mien unless set, and where that file is broken."""
    outbox: str = "/var/lib/mien/outbox.db"
    """File that keeps observations until a collector has stored them."""
    outbox_rows: Annotated[int, Meta(ge=100)] = 500_000
    """At most; six days of one face a second. A full outbox drops its oldest rows and tells the collector which."""
    outbox_megabytes: Annotated[int, Meta(ge=1)] = 400
    """The same for the size of what it keeps."""
    clock: Literal["ntp", "trusted"] = "ntp"
    """ntp: an observation says unsynced while systemd reports no time synchronisation. trusted: the clock is always
    right (a clock chip, a demo)."""
    clock_wait_s: Seconds = 120.0
    """What is observed before the clock is set waits so long for it after the agent's start, to get its right time."""
    mqtt: Mqtt = Mqtt()
    """Connection to the MQTT broker."""
    motion: Motion = Motion()
    """The PIR sensor."""
    camera: Camera = Camera()
    """The camera."""
    faces: Faces = Faces()
    """The face detector."""
    reporting: Reporting = Reporting()
    """Observations."""

    def __post_init__(self) -> None:
        frames = self.camera.frames_per_second * self.reporting.interval_s
        if frames < self.reporting.fewest_frames:
            raise ValueError(f"reporting.fewest_frames is more than the {frames:g} frames of an interval")
