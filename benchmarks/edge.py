"""What the agent costs beside its frames: python benchmarks/edge.py [--only idle,wake,growth] [--json].

idle: idle_cpu_percent is the CPU time, of one core, of the agent while its sensor reports no motion.
wake: from the sensor's pin to the commit in the collector's database, with the camera on standby.
growth: rss_growth is the memory after 20,000 frames, relative to after 1,000.

For the cost of a frame see benchmarks/frame_cost.py, for that of the model alone benchmarks/model.py.
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from parts.frame_cost import WARMUP_FRAMES, measure_memory_growth
from parts.measure import Metrics, benchmark_parser, print_metrics
from parts.wake_latency import measure_idle_cost, measure_wake_latency

PARTS = ("idle", "wake", "growth")


def measure_part(part: str, options: argparse.Namespace) -> Metrics:
    """The metrics of one part."""
    if part == "idle":
        return measure_idle_cost(options.idle_s)
    if part == "wake":
        return measure_wake_latency(options.wakes)
    return measure_memory_growth(options.growth_frames)


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="some of idle,wake,growth")
    parser.add_argument("--idle-s", type=float, default=60.0, help="idle: seconds to measure")
    parser.add_argument("--wakes", type=int, default=50, help="wake: number of wakes")
    parser.add_argument("--growth-frames", type=int, default=20_000, help="growth: number of frames")
    options = parser.parse_args()
    parts = [part for part in options.only.split(",") if part]
    if not set(parts) <= set(PARTS):
        parser.error(f"--only accepts {', '.join(PARTS)}")
    if options.growth_frames <= WARMUP_FRAMES:
        parser.error(f"--growth-frames must be greater than {WARMUP_FRAMES}")
    metrics: Metrics = {}
    for part in parts:  # each in its own process, so that none starts with the memory of another
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            metrics |= process.submit(measure_part, part, options).result()
    print_metrics("the agent", metrics, as_json=options.json)


if __name__ == "__main__":
    main()
