"""What the agent costs: python benchmarks/edge.py [--source FILE] [--only cost,idle,wake,growth] [--json].

cost: overhead_ratio is a whole frame, as the agent spends it, over detection and inference alone, every frame searched.
idle: idle_cpu_percent of one core, by the agent with a sensor that reports nothing for a minute.
wake: from the sensor's pin to the commit in the collector's database, 50 times, the camera on standby.
growth: rss_growth is the memory after 20,000 frames over that after 1,000.
--against-fer CLIP: frames a second and memory against the `fer` package; needs the network once and a few minutes.
What the model alone costs: benchmarks/model.py.
"""

import argparse
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from against_fer import against_fer
from frame_cost import cost_of_a_frame, memory_growth
from measure import print_figures
from waking import idle, wake

import mien.broker
from mien.edge.settings import Camera

PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"
PARTS = ("cost", "idle", "wake", "growth")


def figures_of(part: str, options: argparse.Namespace) -> dict[str, float | str]:
    """What one part measures."""
    if part == "cost":
        camera = Camera(kind="portrait", path=str(PORTRAIT), frames_per_second=100)
        if options.source:
            camera = Camera(kind="file", path=str(options.source), frames_per_second=100, loop=True)
        return cost_of_a_frame(camera, options.frames)
    if part == "idle":
        return idle(PORTRAIT)
    if part == "wake":
        return wake(PORTRAIT, options.wakes)
    if part == "growth":
        return memory_growth(PORTRAIT)
    with tempfile.TemporaryDirectory() as folder:
        return against_fer(options.against_fer, options.fer_environment or Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="cost: a video, picture or folder in the portrait's place")
    parser.add_argument("--frames", type=int, default=150, help="cost: so many of them")
    parser.add_argument("--wakes", type=int, default=50)
    parser.add_argument("--only", default=",".join(PARTS), help="some of cost,idle,wake,growth")
    parser.add_argument("--against-fer", type=Path, metavar="CLIP", help="compare on this video")
    parser.add_argument("--fer-environment", type=Path, help="folder for the `fer` package, to keep it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    parts = [part for part in options.only.split(",") if part]
    if not set(parts) <= set(PARTS):
        parser.error(f"--only takes {', '.join(PARTS)}")
    if options.against_fer:
        parts.append("fer")
    figures: dict[str, float | str] = {}
    for part in parts:  # each in a process of its own: what one leaves in memory is not the next one's
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            figures |= process.submit(figures_of, part, options).result()
    print_figures("the agent", figures, as_json=options.json)


if __name__ == "__main__":
    main()
