"""What the agent costs: python benchmarks/edge.py [--source FILE] [--only cost,idle,wake,growth] [--json].

cost: overhead_ratio is a whole frame, as the agent spends it, relative to detection and inference alone, with a
  detection in every frame.
idle: idle_cpu_percent is the CPU time, of one core, of the agent while its sensor reports no motion.
wake: from the sensor's pin to the commit in the collector's database, with the camera on standby.
growth: rss_growth is the memory after 20,000 frames, relative to after 1,000.
--against-fer VIDEO: frames per second and memory relative to the `fer` package; needs the network once, and minutes.

For the cost of the model alone see benchmarks/model.py.
"""

import argparse
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from parts.fer_comparison import compare_with_fer
from parts.frame_cost import WARMUP_FRAMES, measure_frame_cost, measure_memory_growth
from parts.measure import Metrics, benchmark_parser, print_metrics
from parts.wake_latency import measure_idle_cost, measure_wake_latency

from mien.edge.camera.settings import CameraSettings, DemoCameraSettings, FileCameraSettings

PARTS = ("cost", "idle", "wake", "growth")


def measure_part(part: str, options: argparse.Namespace) -> Metrics:
    """The metrics of one part."""
    if part == "cost":
        camera: CameraSettings = DemoCameraSettings(frames_per_second=100)
        if options.source:
            camera = FileCameraSettings(path=str(options.source), frames_per_second=100, loop=True)
        return measure_frame_cost(camera, options.frames)
    if part == "idle":
        return measure_idle_cost(options.idle_s)
    if part == "wake":
        return measure_wake_latency(options.wakes)
    if part == "growth":
        return measure_memory_growth(options.growth_frames)
    with tempfile.TemporaryDirectory() as folder:
        return compare_with_fer(options.against_fer, options.fer_environment or Path(folder))


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="some of cost,idle,wake,growth")
    parser.add_argument("--source", type=Path, help="cost: a video, image or folder instead of the portrait")
    parser.add_argument("--frames", type=int, default=150, help="cost: number of frames")
    parser.add_argument("--idle-s", type=float, default=60.0, help="idle: seconds to measure")
    parser.add_argument("--wakes", type=int, default=50, help="wake: number of wakes")
    parser.add_argument("--growth-frames", type=int, default=20_000, help="growth: number of frames")
    parser.add_argument("--against-fer", type=Path, metavar="VIDEO", help="compare with `fer` on this video")
    parser.add_argument("--fer-environment", type=Path, help="folder for the environment of `fer`, to reuse it")
    options = parser.parse_args()
    parts = [part for part in options.only.split(",") if part]
    if not set(parts) <= set(PARTS):
        parser.error(f"--only accepts {', '.join(PARTS)}")
    if options.growth_frames <= WARMUP_FRAMES:
        parser.error(f"--growth-frames must be greater than {WARMUP_FRAMES}")
    if options.against_fer:
        parts.append("fer")
    metrics: Metrics = {}
    for part in parts:  # each in its own process, so that none starts with the memory of another
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            metrics |= process.submit(measure_part, part, options).result()
    print_metrics("the agent", metrics, as_json=options.json)


if __name__ == "__main__":
    main()
