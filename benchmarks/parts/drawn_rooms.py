"""Drawn rooms: reflecting surfaces, light that falls off with distance and casts shadows, a camera with exposure and
noise, and people who walk through."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 320, 240
MEAN_LIGHT = 0.2
"""What the exposure aims at, of 1."""
GAMMA = 2.2
NOISE = 1.5
Y, X = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
Image = NDArray[np.float32]


@dataclass
class Room:
    """A room with furniture, seen by a camera at one brightness of ambient light."""

    random: np.random.Generator
    ambient: float = 1.0

    def __post_init__(self) -> None:
        self.surface = np.full((HEIGHT, WIDTH), self.random.uniform(0.45, 0.8), np.float32)
        self.surface[int(HEIGHT * self.random.uniform(0.6, 0.8)) :] *= np.float32(self.random.uniform(0.5, 0.9))
        for _ in range(self.random.integers(4, 14)):
            left, top = self.random.integers(0, WIDTH - 20), self.random.integers(0, HEIGHT - 20)
            width, height = self.random.integers(10, 100, 2)
            self.surface[top : top + height, left : left + width] = self.random.uniform(0.05, 0.9)
        self.surface = np.clip(self.surface * (1 + 0.15 * self._texture(HEIGHT, WIDTH, 1.5)), 0.02, 1)
        self.light = np.full((HEIGHT, WIDTH), self.ambient, np.float32) + self.lamp(self.random.uniform(0, 0.5))
        self.gain = self.ideal_gain()

    def lamp(self, strength: float) -> Image:
        """The light of a lamp somewhere in or near the image, with up to three hard shadows."""
        left = self.random.uniform(-0.2, 1.2) * WIDTH
        top = self.random.uniform(-0.3, 0.8) * HEIGHT
        distance = self.random.uniform(0.15, 0.8) * WIDTH
        light = np.float32(strength) / (((X - left) ** 2 + (Y - top) ** 2) / np.float32(distance**2) + 1) ** 1.5
        for _ in range(self.random.integers(0, 4)):
            column, row = self.random.integers(0, WIDTH - 20), self.random.integers(0, HEIGHT - 20)
            width, height = self.random.integers(8, 80, 2)
            light[row : row + height, column : column + width] *= np.float32(self.random.uniform(0.2, 0.7))
        return np.asarray(light, np.float32)

    def ideal_gain(self) -> float:
        """What the camera's exposure settles at."""
        return MEAN_LIGHT / float((self.surface * self.light).mean())

    def person(self, height: int, width: int) -> Image:
        """Clothes of one brightness with folds."""
        folds = 0.15 * self._texture(height, width, max(1.0, width / 8))
        return np.asarray(np.clip(self.random.uniform(0.05, 0.7) + folds, 0.03, 1), np.float32)

    def shoot(self, person: Image | None = None, left: int = 0, top: int = 0) -> NDArray[np.uint8]:
        """The camera's image, with a person whose left edge may be outside of it."""
        surface = self.surface.copy()
        if person is not None:
            height, width = person.shape
            first, last = max(0, left), min(WIDTH, left + width)
            if first < last:
                surface[top : top + height, first:last] = person[: HEIGHT - top, first - left : last - left]
        image = 255 * np.clip(surface * self.light * self.gain, 0, 1) ** (1 / GAMMA)
        return np.clip(image + self.random.normal(0, NOISE, image.shape), 0, 255).astype(np.uint8)

    def _texture(self, height: int, width: int, sigma: float) -> Image:
        noise = self.random.normal(0, 1, (height, width)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
        return np.asarray(smooth / max(1e-6, float(smooth.std())), np.float32)
