"""Whether faces keep their tracks: python benchmarks/tracks.py [--seeds N] [--each] [--json].

On drawn clips with known people: walkers at up to 2 m/s, crossings, gaps, jitter, false faces, several frame rates.
swaps: a person got another's track. breaks: a person got a new track. revivals: somebody who had been gone for longer
than a second got his old one. missed_walkers: a person in four frames or more gave no row. us_per_frame: the tracker's
own time with its summaries. tests/edge/vision/test_clips.py runs the same clips.
"""

import time
from collections import Counter

from parts.face_clips import CLIPS, play
from parts.measure import Metrics, benchmark_parser, print_metrics

KINDS = ("swaps", "breaks", "revivals", "missed_walkers")


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="runs of each clip, each with other jitter")
    parser.add_argument("--each", action="store_true", help="also each clip in which something went wrong")
    options = parser.parse_args()
    totals: Counter[str] = Counter()
    faulty: Metrics = {}
    start_s = time.process_time()
    for clip in CLIPS:
        counts = Counter(dict.fromkeys(KINDS, 0))
        for seed in range(options.seeds):
            outcome = play(clip, seed)
            counts.update({kind: getattr(outcome, kind) for kind in KINDS})
        totals.update(counts)
        faulty |= {f"{clip.name}: {kind}": float(count) for kind, count in counts.items() if count}
    frames = sum(round(clip.duration_s * clip.frames_per_second) for clip in CLIPS) * options.seeds
    metrics: Metrics = {kind: float(totals[kind]) for kind in KINDS}
    metrics |= {"clips": float(len(CLIPS)), "runs": float(len(CLIPS) * options.seeds)}
    metrics["us_per_frame"] = (time.process_time() - start_s) / frames * 1e6
    print_metrics("tracks", metrics | (faulty if options.each else {}), as_json=options.json)


if __name__ == "__main__":
    main()
