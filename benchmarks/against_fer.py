"""mien against the `fer` package 25.10.3: python benchmarks/against_fer.py VIDEO [--environment FOLDER] [--json].

fps_vs_fer: frames a second of the whole path, from a frame to its emotions, relative to that of `fer`, on one core.
one_face_share: frames with exactly one face; meant for a video of one person. The same with a search of every whole
frame, and with the Haar cascade. memory_vs_fer: peak memory of the process.

`fer` and TensorFlow get an environment of their own, .venv/fer by default: needs a package index once, and minutes.
"""

from pathlib import Path

from parts.fer_comparison import compare_with_fer
from parts.measure import benchmark_parser, print_metrics

ENVIRONMENT = Path(__file__).parents[1] / ".venv" / "fer"


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--environment", type=Path, default=ENVIRONMENT, help="folder for the environment of `fer`")
    options = parser.parse_args()
    metrics = compare_with_fer(options.video, options.environment)
    print_metrics("mien against fer", metrics, as_json=options.json)


if __name__ == "__main__":
    main()
