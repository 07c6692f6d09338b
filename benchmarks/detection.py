"""How a frame should be prepared for the cascade: python benchmarks/detection.py [SCENE…] [--json].

A scene is a video or a picture; the drifting portrait unless given. In usual light, in the dark, in haze and with
noise: the share of frames in which a face is found, and the time over that of a search as mien does it, for frames as
they are, with equalised histograms, and as mien does it.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from measure import print_figures
from numpy.typing import NDArray

import mien.broker
import mien.faces
from mien.edge.camera import open_camera
from mien.edge.footage import is_picture
from mien.edge.frame import gray, read_picture
from mien.edge.settings import Camera
from mien.edge.video import Video
from mien.faces import HaarDetector

PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"
LIGHTS = {  # gain, offset and deviation of the noise
    "usual": (1.0, 0.0, 0.0),
    "dim": (0.3, 0.0, 2.0),
    "dark": (0.1, 0.0, 1.0),
    "haze": (0.3, 150.0, 3.0),
    "noise": (0.5, 60.0, 8.0),
}
PREPARATIONS: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "mien": mien.faces._with_contrast,
    "as_it_is": lambda picture: picture,
    "equalised": lambda picture: cv2.equalizeHist(picture).astype(np.uint8, copy=False),
}
FRAMES = 60


def frames(scene: Path | None) -> Iterator[NDArray[np.uint8]]:
    """Some grey frames of a scene."""
    if scene is None:
        with open_camera(Camera(kind="portrait", path=str(PORTRAIT), frames_per_second=10)) as live:
            yield from (frame.gray for frame in islice(live, FRAMES))
    elif is_picture(scene):
        yield read_picture(scene)
    else:
        with Video(scene) as video:
            yield from (gray(picture) for _, picture in video.pictures(video.rate * FRAMES / max(FRAMES, video.count)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path, nargs="*")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    random = np.random.default_rng(1)
    figures: dict[str, float | str] = {}
    times = dict.fromkeys(PREPARATIONS, 0.0)
    for scene in options.scenes or [None]:
        pictures = list(frames(scene))
        for light, (gain, offset, deviation) in LIGHTS.items():
            seen = [
                np.clip(picture * gain + offset + random.normal(0, deviation, picture.shape), 0, 255).astype(np.uint8)
                for picture in pictures
            ]
            for name, preparation in PREPARATIONS.items():
                mien.faces._with_contrast = preparation
                detector = HaarDetector()
                begun_s = time.process_time()
                found = sum(bool(detector.find(picture)) for picture in seen)
                times[name] += time.process_time() - begun_s
                where = scene.stem if scene else "portrait"
                figures[f"{where}_{light}_{name}"] = found / len(seen)
    figures |= {f"time_{name}": used_s / times["mien"] for name, used_s in times.items()}
    print_figures("frames with a face", figures, as_json=options.json)


if __name__ == "__main__":
    main()
