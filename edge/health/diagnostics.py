"""Checks each part that the agent needs, the way the agent uses it, for `mien doctor`."""

import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from mien.checks import CheckResult, error, failed, ok, warning
from mien.clock_sync import ask_clock_sync
from mien.edge.camera.factory import check_camera, open_camera
from mien.edge.camera.faults.image_checks import has_color, is_green
from mien.edge.camera.frame import Frame
from mien.edge.camera.frame_reader import FrameReader
from mien.edge.camera.settings import NetworkCameraSettings
from mien.edge.delivery.outbox_file import CORRUPT_CODES
from mien.edge.delivery.outbox_schema import check_version
from mien.edge.motion.pir import PirSensor
from mien.edge.motion.settings import (
    AlwaysOnSettings,
    FrameDifferenceSettings,
    PirSettings,
    SimulatedMotionSettings,
)
from mien.edge.settings import AgentSettings
from mien.edge.vision.factory import open_detector
from mien.errors import CameraError, ConfigurationError, MienError
from mien.files.sqlite_file import open_read_only, primary_code
from mien.model.classifier import Classifier
from mien.model.model_card import DEFAULT_MODEL
from mien.model.preprocessing import IMAGE_SIZE_PX
from mien.settings.tagged_union import tag_of

INFERENCES = 20
"""Number of timed inferences; the median counts."""
MAX_INFERENCE_MS = 100.0
"""Slower inference does not allow ten frames a second; a Pi Zero 2 W takes a tenth of this."""
MIN_BRIGHTNESS, MAX_BRIGHTNESS = 30, 225
"""Mean brightness, of 255, outside of which faces are not detected."""
MIN_CONTRAST = 6.0
"""Standard deviation of brightness below which an image shows nothing: a covered lens, a wall in the dark."""


def run_diagnostics(settings: AgentSettings) -> Iterator[CheckResult]:
    """Check everything on this machine; the MQTT broker is checked by `mien.edge.health.broker_check`."""
    for subject, check in CHECKS.items():
        try:
            yield from check(settings)
        except MienError as problem:
            yield failed(subject, problem)


def _check_model(settings: AgentSettings) -> Iterator[CheckResult]:
    classifier = Classifier(Path(settings.model) if settings.model else DEFAULT_MODEL)
    card = classifier.card
    majority_accuracy = card.evaluation.ferplus_majority
    accuracy = (
        f"{majority_accuracy:.1%} where most FER+ annotators agree"
        if majority_accuracy
        else f"accuracy {card.evaluation.accuracy:.1%}"
    )
    yield ok("model", f"{classifier.model_id}, {card.network}, {accuracy}")
    image = np.random.default_rng(1).integers(0, 256, (IMAGE_SIZE_PX, IMAGE_SIZE_PX), dtype=np.uint8)
    times_ms = []
    for _ in range(INFERENCES):
        start_s = time.perf_counter()
        classifier.predict(image)
        times_ms.append((time.perf_counter() - start_s) * 1000)
    median_ms = float(np.median(times_ms))
    message = f"{classifier.runtime}, {median_ms:.1f} ms per inference"
    if not classifier.is_accelerated:
        yield warning("runtime", f"{message}, without XNNPACK", "install ai-edge-litert, the extra `edge`")
    elif median_ms > MAX_INFERENCE_MS:
        hint = "check what else runs on this machine, and whether it is throttled"
        yield warning("runtime", f"{message}, which is slow", hint)
    else:
        yield ok("runtime", f"{message}, with XNNPACK")


def _check_faces(settings: AgentSettings) -> Iterator[CheckResult]:
    open_detector(settings.faces)
    yield ok("faces", f"{tag_of(settings.faces)}, faces of at least {settings.faces.min_face_px} pixels")


def _check_sensor(settings: AgentSettings) -> Iterator[CheckResult]:
    motion = settings.motion
    match motion:
        case AlwaysOnSettings():
            yield ok("sensor", "none: the agent is always on")
        case FrameDifferenceSettings():
            yield ok("sensor", "none: the camera detects motion")
        case SimulatedMotionSettings():
            yield warning("sensor", "motion is simulated", "set motion.kind to pir if there is a real sensor")
        case PirSettings():
            with PirSensor(motion) as sensor:
                if sensor.is_warming_up:
                    yield ok("sensor", f"pin {motion.pin}: warming up for {motion.warmup_s:g} s after power-up")
                else:
                    yield ok("sensor", f"pin {motion.pin}: {'motion' if sensor.is_moving else 'no motion'} now")


def _check_camera(settings: AgentSettings) -> Iterator[CheckResult]:
    camera = settings.camera
    check_camera(camera)
    with FrameReader(lambda is_closing: open_camera(camera, is_closing=is_closing)) as reader:
        frame: Frame | None = None
        with suppress(CameraError):  # a file may have ended by now; its newest frame is still available
            frame = reader.next_frame(camera.first_frame_timeout_s)
        frame = frame or reader.newest
    if frame is None:
        hint = "check the camera, or stop an agent that uses it"
        raise CameraError(f"no frame in {camera.start_timeout_s:g} s: {hint}")
    height, width = frame.gray.shape
    brightness, contrast = float(frame.gray.mean()), float(frame.gray.std())
    message = f"{tag_of(camera)}, {width}x{height}, brightness {brightness:.0f} of 255"
    if contrast < MIN_CONTRAST:
        yield warning("camera", f"{message}, but the image is blank", "remove the lens cap, or turn on a light")
    elif brightness < MIN_BRIGHTNESS:
        yield warning("camera", f"{message}, too dark", "turn on a light")
    elif brightness > MAX_BRIGHTNESS:
        yield warning("camera", f"{message}, too bright", "turn the camera away from the light")
    elif (image := frame.image).ndim == 3 and is_green(image):
        yield warning(
            "camera", f"{message}, but much of the image is green", "check the camera's cable and the network"
        )
    else:
        color = "" if has_color(image) else ", without color"
        yield ok("camera", f"{message}{color}, faces in view: {len(open_detector(settings.faces).detect(image))}")


def _check_outbox(settings: AgentSettings) -> Iterator[CheckResult]:
    file = Path(settings.outbox)
    folder = file.parent
    try:
        existing_folder = next(path for path in (folder, *folder.resolve().parents) if path.exists())
        with TemporaryFile(dir=existing_folder):
            pass
    except OSError as problem:
        hint = "check outbox, and the folder's owner and permissions"
        yield error("outbox", f"{folder} is not writable ({problem.strerror})", hint)
        return
    free_mb = shutil.disk_usage(existing_folder).free // 1_000_000
    message = f"{file}, {free_mb} MB free"
    if file.exists():
        try:
            with closing(open_read_only(file)) as database:
                check_version(database, file)
                rows, rejected = database.execute("SELECT count(*), count(reject_reason) FROM message").fetchone()
        except sqlite3.Error as problem:
            is_corrupt = primary_code(problem) in CORRUPT_CODES
            hint = (
                "the agent will set it aside and start a new one" if is_corrupt else "check its owner and permissions"
            )
            yield error("outbox", f"{file} cannot be read ({problem})", hint)
            return
        message += f", {rows - rejected} observations waiting"
        if rejected:
            yield warning("outbox", f"{rejected} observations were rejected", "see why with `mien rejected list`")
    if free_mb < settings.outbox_max_mb:
        yield warning("outbox", message, f"free up {settings.outbox_max_mb} MB, or lower outbox_max_mb")
    else:
        yield ok("outbox", message)


def _check_clock(settings: AgentSettings) -> Iterator[CheckResult]:
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if settings.clock == "trusted":
        yield ok("clock", f"{now}, trusted")
        return
    answer = ask_clock_sync()
    if answer.is_synchronized:
        yield ok("clock", f"{now}, synchronized, says {answer.source}")
    else:
        state = "not synchronized" if answer.is_synchronized is False else "nobody knows whether it is synchronized"
        hint = 'see `timedatectl`; set clock = "trusted" if the clock is right without NTP'
        yield warning("clock", f"{now}, {state} ({answer.source})", hint)


def _check_secrets(settings: AgentSettings) -> Iterator[CheckResult]:
    camera = settings.camera
    for name, path in (
        ("mqtt.password_file", settings.mqtt.password_file),
        ("camera.url_file", camera.url_file if isinstance(camera, NetworkCameraSettings) else None),
    ):
        if path is None:
            continue
        try:
            mode = Path(path).stat().st_mode
        except OSError as problem:
            raise ConfigurationError(f"{name} {path} cannot be read ({problem.strerror}): create it") from problem
        if mode & stat.S_IRWXO:
            yield warning("secrets", f"{path} is accessible to other users", f"chmod o= {path}")
        else:
            yield ok("secrets", f"{path} is not accessible to other users")


CHECKS: dict[str, Callable[[AgentSettings], Iterator[CheckResult]]] = {
    "model": _check_model,
    "faces": _check_faces,
    "sensor": _check_sensor,
    "camera": _check_camera,
    "outbox": _check_outbox,
    "clock": _check_clock,
    "secrets": _check_secrets,
}
"""By subject, in the order of the output."""
