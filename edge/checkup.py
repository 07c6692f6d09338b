"""Looks at each part that the agent needs, as the agent would use it. What it finds is for `mien doctor` to print."""

import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from mien.card import DEFAULT_MODEL
from mien.classifier import Classifier
from mien.diagnosis import Diagnosis, error, failed, ok, warning
from mien.errors import CameraError, ConfigurationError, MienError
from mien.preprocessing import SIDE_PIXELS

from .camera import check_camera, open_camera
from .clock import Clock
from .detector import open_detector
from .eye import Eye
from .feed import Feed
from .frame import Frame
from .motion import open_motion
from .settings import AgentSettings

INFERENCES = 20
SLOW_MS = 100.0
"""An inference that takes as long leaves no ten frames a second; a Pi Zero 2 W takes a tenth of it."""
DARK, BRIGHT = 30, 225
"""Mean brightness, of 255, outside of which faces drown."""
FLAT = 6.0
"""Standard deviation of a picture that shows nothing: a covered lens, a wall in the dark."""


def checkup(settings: AgentSettings) -> Iterator[Diagnosis]:
    """Everything on this machine; the broker has a check of its own (`mien.edge.broker_check`)."""
    for part in (_model, _faces, _sensor, _camera, _outbox, _clock, _secrets):
        try:
            yield from part(settings)
        except MienError as problem:
            yield failed(part.__name__.removeprefix("_"), problem)


def _model(settings: AgentSettings) -> Iterator[Diagnosis]:
    classifier = Classifier(Path(settings.model) if settings.model else DEFAULT_MODEL)
    card = classifier.card
    score = card.evaluation.ferplus_majority
    quality = f"{score:.1%} where most of FER+'s people agree" if score else f"accuracy {card.evaluation.accuracy:.1%}"
    yield ok("model", f"{classifier.model_id}, {card.network}, {quality}")
    picture = np.random.default_rng(1).integers(0, 256, (SIDE_PIXELS, SIDE_PIXELS), dtype=np.uint8)
    times_ms = []
    for _ in range(INFERENCES):
        begun_s = time.perf_counter()
        classifier.invoke(picture)
        times_ms.append((time.perf_counter() - begun_s) * 1000)
    median_ms = float(np.median(times_ms))
    told = f"{classifier.runtime}, {median_ms:.1f} ms an answer"
    if not classifier.accelerated:
        yield warning("runtime", f"{told}, without XNNPACK", "install ai-edge-litert, the extra `edge`")
    elif median_ms > SLOW_MS:
        yield warning("runtime", f"{told}: slow", "see what else runs on this machine, and whether it is throttled")
    else:
        yield ok("runtime", f"{told}, with XNNPACK")


def _faces(settings: AgentSettings) -> Iterator[Diagnosis]:
    open_detector(settings.faces)
    yield ok("faces", f"{settings.faces.detector}, faces of {settings.faces.smallest} pixels and more")


def _sensor(settings: AgentSettings) -> Iterator[Diagnosis]:
    motion = settings.motion
    if motion.kind != "pir":
        yield ok("sensor", {"always": "none: it observes always", "frames": "the camera itself"}[motion.kind])
        return
    if motion.script:
        yield warning("sensor", "a script pretends movement", "remove motion.script where a real sensor hangs")
        return
    with Eye(settings.camera) as eye, open_motion(motion, eye) as pir:
        if pir.settling:
            yield ok("sensor", f"pin {motion.pin}: settling, {motion.settle_s:g} s after power-up")
        else:
            yield ok("sensor", f"pin {motion.pin}: {'movement' if pir.moving else 'no movement'} now")


def _camera(settings: AgentSettings) -> Iterator[Diagnosis]:
    camera = settings.camera
    check_camera(camera)
    with Feed(lambda: open_camera(camera)) as feed:
        frame: Frame | None = None
        with suppress(CameraError):  # a file may have ended by now; its newest frame tells
            frame = feed.take(camera.start_timeout_s + camera.settle_s)
        frame = frame or feed.newest
    if frame is None:
        raise CameraError(f"no frame in {camera.start_timeout_s:g} s: check the camera, or stop an agent that uses it")
    height, width = frame.gray.shape
    brightness, contrast = float(frame.gray.mean()), float(frame.gray.std())
    seen = f"{camera.kind}, {width}x{height}, brightness {brightness:.0f} of 255"
    if contrast < FLAT:
        yield warning("camera", f"{seen}, but it shows nothing", "take the cap off the lens, or make light")
    elif not DARK <= brightness <= BRIGHT:
        yield warning("camera", seen, "make light" if brightness < DARK else "turn it away from the light")
    else:
        faces = len(open_detector(settings.faces).find(frame.gray))
        yield ok("camera", f"{seen}, faces in view: {faces}")


def _outbox(settings: AgentSettings) -> Iterator[Diagnosis]:
    file = Path(settings.outbox)
    folder = file.parent
    try:
        there = next(place for place in (folder, *folder.resolve().parents) if place.exists())
        with TemporaryFile(dir=there):
            pass
    except OSError as problem:
        yield error("outbox", f"{folder} cannot be written to ({problem.strerror})", "check outbox, and whose it is")
        return
    free_megabytes = shutil.disk_usage(there).free // 1_000_000
    told = f"{file}, {free_megabytes} MB free"
    if file.exists():
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                waiting, refused = database.execute("SELECT count(*), count(refused) FROM observation").fetchone()
        except sqlite3.Error as problem:
            yield error("outbox", f"{file} cannot be read ({problem})", "the agent will set it aside and begin anew")
            return
        told += f", {waiting - refused} observations waiting"
        if refused:
            yield warning("outbox", f"{refused} observations were refused", "see why with `mien rejected list`")
    if free_megabytes < settings.outbox_megabytes:
        cure = f"make room for {settings.outbox_megabytes} MB, or lower outbox_megabytes"
        yield warning("outbox", told, cure)
    else:
        yield ok("outbox", told)


def _clock(settings: AgentSettings) -> Iterator[Diagnosis]:
    clock = Clock(settings.clock)
    now = f"{clock.moment().at:%Y-%m-%d %H:%M:%S} UTC"
    if clock.state == "synced":
        yield ok("clock", now + (", trusted" if settings.clock == "trusted" else ", synchronised"))
    else:
        cure = 'see `timedatectl`; set clock = "trusted" where it is right without NTP'
        yield warning("clock", f"{now}, not synchronised", cure)


def _secrets(settings: AgentSettings) -> Iterator[Diagnosis]:
    for name, place in (
        ("mqtt.password_file", settings.mqtt.password_file),
        ("camera.url_file", settings.camera.url_file),
    ):
        if place is None:
            continue
        try:
            mode = Path(place).stat().st_mode
        except OSError as problem:
            raise ConfigurationError(f"{name} {place} cannot be read ({problem.strerror}): make it") from problem
        if mode & stat.S_IRWXO:
            yield warning("secrets", f"{place} is open to other users", f"chmod o= {place}")
        else:
            yield ok("secrets", f"{place} is closed to other users")
