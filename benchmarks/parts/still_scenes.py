"""Drawn rooms as a camera sees them, with its noise: with nothing but pictures of faces in them, and with a person."""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.edge.camera.demo_camera import PORTRAIT

WIDTH, HEIGHT = 640, 480
FRAMES_PER_SECOND = 10
PACKAGED = (
    (
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    ),
    ("skimage", "data/astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
)
"""Package, file and SHA-256 of photographs of a face; those of packages that are not installed are left out."""
LOW_NOISE, HIGH_NOISE = (2.0, 2.0), (20.0, 20.0)
"""Gray levels at each pixel: of the sensor's electronics, and of the light at middle gray."""
NOISE_BANK = 12
BLINK_PERIOD_S, BLINK_S = 4.0, 0.2
PASS_PERIOD_S, PASS_S = 30.0, 1.2
"""Someone walks past in front of everything."""

Image = NDArray[np.float32]
Draw = Callable[[float], Image]
"""What the lens sees at a time."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is in front of the camera."""

    name: str
    draw: Draw
    noise: tuple[float, float] = LOW_NOISE
    has_person: bool = False
    """A person, or a film of one: rows are expected."""

    def frames(self, duration_s: float, seed: int = 0) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """Time and (HEIGHT, WIDTH) gray image of each frame."""
        random = np.random.default_rng(seed)
        bank = random.standard_normal((NOISE_BANK, HEIGHT + 64, WIDTH + 64), np.float32)
        electronics, light = self.noise
        for number in range(round(duration_s * FRAMES_PER_SECOND)):
            image = self.draw(number / FRAMES_PER_SECOND)
            row, column = random.integers(64, size=2)
            noise = bank[random.integers(NOISE_BANK), row : row + HEIGHT, column : column + WIDTH]
            noisy = image + noise * np.sqrt(electronics**2 + light**2 / 128 * image)
            yield number / FRAMES_PER_SECOND, np.clip(noisy, 0, 255).astype(np.uint8)


def scenes() -> list[Scene]:
    """All kinds; those without a person come first."""
    room, portrait = draw_room(), read_portrait()
    poster = paste(room, portrait, 250, 90, 0.6)
    large = paste(room, portrait, 180, 60, 1.5)
    photographs = [
        Scene(name=f"photograph {path.stem}", draw=_constant(paste(room, image, 150, 60, 300 / image.shape[0])))
        for path, image in packaged_photographs()
    ]
    return [
        Scene(name="empty room", draw=_constant(room)),
        Scene(name="empty room, high gain", draw=_constant(room), noise=HIGH_NOISE),
        Scene(name="poster", draw=_constant(poster)),
        Scene(name="poster, high gain", draw=_constant(poster), noise=HIGH_NOISE),
        Scene(name="large poster", draw=_constant(large)),
        Scene(name="large poster, high gain", draw=_constant(large), noise=HIGH_NOISE),
        Scene(name="statue", draw=_constant(paste(room, _carve(portrait), 220, 70, 1.0))),
        Scene(name="mask", draw=_constant(paste(room, _cut_out(portrait), 220, 70, 1.0))),
        Scene(name="still screen", draw=_pulsing(poster)),
        Scene(name="poster, dimmed lamp", draw=lambda at_s: poster * np.float32(0.8 + 0.2 * math.sin(at_s / 5))),
        *photographs,
        Scene(name="poster, passers-by", draw=_passing(poster)),
        Scene(name="film on a screen", draw=_alive(room, portrait, sway_px=6.0), has_person=True),
        Scene(name="seated person", draw=_alive(room, portrait, sway_px=1.0), has_person=True),
        Scene(name="seated person who only blinks", draw=_alive(room, portrait, sway_px=0.0), has_person=True),
        Scene(
            name="seated person, high gain",
            draw=_alive(room, portrait, sway_px=2.0),
            noise=HIGH_NOISE,
            has_person=True,
        ),
    ]


def read_portrait() -> Image:
    """The repository's portrait, in gray."""
    return np.asarray(cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE), np.float32)


def packaged_photographs() -> Iterator[tuple[Path, Image]]:
    """Those of PACKAGED that are installed."""
    for package, file, sha256 in PACKAGED:
        spec = find_spec(package)
        path = Path(spec.origin).parent / file if spec and spec.origin else Path(file)
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            yield path, np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.float32)


def draw_room(seed: int = 3) -> Image:
    """A wall in uneven light with furniture and pictures of one shade."""
    random = np.random.default_rng(seed)
    light = random.uniform(60, 190, (5, 7)).astype(np.float32)
    image = cv2.resize(light, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        left, top = random.integers(0, WIDTH - 60), random.integers(0, HEIGHT - 60)
        width, height = random.integers(20, 150, 2)
        part = image[top : top + height, left : left + width]
        part[:] = 0.3 * part + 0.7 * random.uniform(20, 230)
    return np.asarray(np.clip(image, 0, 255), np.float32)


def paste(room: Image, picture: Image, left: float, top: float, scale: float) -> Image:
    """The room with a picture in it, at fractions of a pixel."""
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=interpolation)
    matrix = np.array([[1, 0, left - int(left)], [0, 1, top - int(top)]], np.float32)
    height, width = scaled.shape
    moved = cv2.warpAffine(scaled, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    image = room.copy()
    image[int(top) : int(top) + height, int(left) : int(left) + width] = np.clip(moved, 0, 255)[
        : HEIGHT - int(top), : WIDTH - int(left)
    ]
    return image


def _carve(portrait: Image) -> Image:
    """Of one material: the brightness is the light on it."""
    smooth = cv2.bilateralFilter(portrait, 9, 30, 5)
    return np.asarray(130 + 0.45 * (smooth - smooth.mean()), np.float32)


def _cut_out(portrait: Image) -> Image:
    """The face alone, in few shades, on a light background."""
    rows, columns = np.mgrid[0 : portrait.shape[0], 0 : portrait.shape[1]]
    is_face = ((columns - 123) / 62) ** 2 + ((rows - 118) / 78) ** 2 <= 1
    shades = np.round(cv2.GaussianBlur(portrait, (0, 0), 1.5) / 24) * 24
    return np.asarray(np.where(is_face, shades, 200), np.float32)


def _close_eyes(portrait: Image) -> Image:
    """The portrait with lids in the shade of the skin above the eyes."""
    image = portrait.copy()
    for x, y in EYES:
        shade = float(image[y - 13 : y - 9, x - 4 : x + 4].mean())
        cv2.ellipse(image, (x, y), (10, 5), 0, 0, 360, shade, -1)
    return image


EYES = ((103, 108), (146, 108))
"""Centers of the portrait's eyes, in its pixels."""


def _constant(image: Image) -> Draw:
    return lambda at_s: image


def _pulsing(image: Image) -> Draw:
    """The backlight's pulses, which beat with the frame rate."""

    def draw(at_s: float) -> Image:
        lit = image.copy()
        lit[80:250, 240:400] *= np.float32(1 + 0.04 * math.sin(2 * math.pi * 3.3 * at_s))
        return lit

    return draw


def _passing(image: Image) -> Draw:
    """Someone in dark clothes walks past, in front of the wall."""

    def draw(at_s: float) -> Image:
        phase_s = at_s % PASS_PERIOD_S - 3.0
        if not 0 <= phase_s < PASS_S:
            return image
        left = round(phase_s / PASS_S * (WIDTH + 200)) - 200
        passed = image.copy()
        passed[40:, max(0, left) : max(0, left + 200)] = 40
        return passed

    return draw


def _alive(room: Image, portrait: Image, *, sway_px: float) -> Draw:
    """A person who sits: sways slowly by up to `sway_px` to each side, and blinks."""
    closed = _close_eyes(portrait)

    def draw(at_s: float) -> Image:
        sway = sway_px * math.sin(0.9 * at_s) * math.sin(0.37 * at_s + 1)
        breath = 0.3 * sway_px * math.sin(2 * math.pi * at_s / 3.7)
        is_blinking = at_s % BLINK_PERIOD_S < BLINK_S
        return paste(room, closed if is_blinking else portrait, 250.5 + sway, 90.5 + breath, 0.6)

    return draw
