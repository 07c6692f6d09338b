"""What a frame costs: python benchmarks/frame_cost.py [--source FILE] [--detector yunet|haar] [--json].

overhead_ratio: the CPU time of a whole frame in the agent's own loop, relative to detection and inference alone, with a
  search of the whole frame in each.
detect_vs_full: finding and cropping the faces, relative to one search of each whole frame. In between the searches of
  whole frames, only regions around the known faces are searched (`faces.detect_every`).
one_face_share, equal_labels, mean_iou: frames with exactly one face, frames with the same label as with a search of
  each whole frame, and how well the boxes agree with that; meant for a source with one person.
"""

from pathlib import Path

import cv2
import msgspec
from parts.frame_cost import measure_detection, measure_frame_cost, read_frames
from parts.measure import Metrics, benchmark_parser, print_metrics

from mien.edge.camera.settings import CameraSettings, DemoCameraSettings, FileCameraSettings
from mien.edge.vision.settings import FaceSettings, HaarSettings, YuNetSettings

READ_AT_FPS = 100.0


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--source", type=Path, help="a video, image or folder instead of the drifting portrait")
    parser.add_argument("--detector", choices=("yunet", "haar"), default="yunet")
    parser.add_argument("--detect-every", type=int, help="instead of the default")
    parser.add_argument("--frames", type=int, default=150, help="number of frames")
    options = parser.parse_args()
    cv2.setNumThreads(1)  # the clock is that of one thread
    faces: FaceSettings = HaarSettings() if options.detector == "haar" else YuNetSettings()
    if options.detect_every:
        faces = msgspec.structs.replace(faces, detect_every=options.detect_every)
    camera: CameraSettings = DemoCameraSettings(frames_per_second=READ_AT_FPS)
    if options.source:
        camera = FileCameraSettings(path=str(options.source), frames_per_second=READ_AT_FPS, loop=True)
    frames = read_frames(camera, options.frames)
    metrics: Metrics = {"detector": options.detector}
    metrics |= measure_frame_cost(frames, faces)
    metrics |= measure_detection(frames, faces, frames_per_second=10.0)
    print_metrics("a frame", metrics, as_json=options.json)


if __name__ == "__main__":
    main()
