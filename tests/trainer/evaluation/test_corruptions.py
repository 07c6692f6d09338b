"""Corruptions of a test set: on a model whose predictions are known, and the benchmark as a script."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.model.model_card import DEFAULT_MODEL
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.targets import one_hot
from mien.trainer.evaluation.corruptions import ALL_CORRUPTIONS, OCCLUSIONS, measure_corruptions, summarize
from mien.trainer.run_folder import RunFolder

pytestmark = pytest.mark.timeout(1200)

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "corruptions.py"


def test_there_are_three_severities_of_eleven_kinds_and_three_occlusions() -> None:
    kinds: dict[str, int] = {}
    for name in ALL_CORRUPTIONS:
        kinds[name.split()[0]] = kinds.get(name.split()[0], 0) + 1
    assert {kinds.pop(name) for name in ("clean", *OCCLUSIONS)} == {1}
    assert len(kinds) == 11
    assert set(kinds.values()) == {3}


def test_each_corruption_but_none_changes_an_image_and_repeats() -> None:
    image = np.random.default_rng(1).integers(0, 256, (48, 48)).astype(np.uint8)
    for name, change in ALL_CORRUPTIONS.items():
        changed = change(image, np.random.default_rng(3))
        assert changed.shape == (48, 48)
        assert changed.dtype == np.uint8
        assert np.array_equal(changed, image) == (name == "clean"), name
        assert np.array_equal(changed, change(image, np.random.default_rng(3))), name


def test_rotation_and_shift_have_their_size_and_all_their_directions() -> None:
    image = np.zeros((48, 48), np.uint8)
    image[23:25, 34:36] = 255  # 11 px to the right of the middle
    angles, shifts = set(), set()
    for seed in range(30):
        rows, columns = np.nonzero(ALL_CORRUPTIONS["rotation 30"](image, np.random.default_rng(seed)) > 100)
        angles.add(round(float(np.rad2deg(np.arctan2(23.5 - rows.mean(), columns.mean() - 23.5))), -1))
        rows, columns = np.nonzero(ALL_CORRUPTIONS["shift 6 px"](image, np.random.default_rng(seed)))
        shifts.add((rows.mean() - 23.5, columns.mean() - 34.5))
    assert angles == {30, -30}
    assert shifts == {(6, 0), (-6, 0), (0, 6), (0, -6)}


def test_a_model_that_needs_the_mouth_fails_under_a_mask_alone(data_with_votes: Dataset) -> None:
    """Each image's label is coded in the brightness of its lowest rows."""
    images = np.full((35, 48, 48), 130, np.uint8)
    labels = np.arange(35, dtype=np.uint8) % 7
    images[:, 32:] = (30 * labels)[:, None, None]
    test_set = replace(data_with_votes.select(np.arange(35)), images=images, labels=labels, votes=10 * one_hot(labels))

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return one_hot(np.clip(np.rint(images[:, 36:, 12:36].mean(axis=(1, 2)) / 30), 0, 6).astype(np.uint8))

    results = {result.corruption: result for result in measure_corruptions(predict, test_set)}
    assert results["clean"].ferplus_majority == 1.0
    assert results["sunglasses"].ferplus_majority == 1.0
    assert results["mask"].ferplus_majority == pytest.approx(1 / 7)  # the gray of the mask is one emotion's
    assert results["mask"].ece_ferplus == pytest.approx(6 / 7)
    assert results["mask"].correct.tolist() == (labels == round(128 / 30)).tolist()
    assert [name for name, result in results.items() if result.is_occlusion] == list(OCCLUSIONS)
    summary = summarize(list(results.values()))
    assert summary.worst_loss == 1 - results[summary.worst].ferplus_majority
    others = [result.ferplus_majority for name, result in results.items() if name not in {"clean", *OCCLUSIONS}]
    assert summary.mean_loss == pytest.approx(1 - np.mean(others))


def test_without_votes_there_is_nothing_to_measure(data: Dataset) -> None:
    assert measure_corruptions(lambda images: one_hot(np.zeros(len(images), np.uint8)), data) == []


def test_the_benchmark_compares_a_model_with_itself_as_equal(csv_file: Path, ferplus_file: Path) -> None:
    options = ["--data", str(csv_file), "--ferplus", str(ferplus_file), "--against", str(DEFAULT_MODEL), "--json"]
    environment = os.environ | {"PYTHONPATH": str(BENCHMARK.parent)}
    process = subprocess.run(
        [sys.executable, str(BENCHMARK), *options], env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    metrics = json.loads(process.stdout)
    assert metrics["images"] == 35
    for name in ALL_CORRUPTIONS:
        key = name.replace(" ", "_")
        assert 0 <= metrics[f"mien_{key}"] == metrics[f"against_{key}"] <= 1
        assert (metrics[f"gain_{key}"], metrics[f"gain_{key}_p"]) == (0, 1)
    assert metrics["gain_mean_corruptions_interval"] == "0.0000 to 0.0000"


def test_a_run_s_report_shows_risk_over_coverage_and_corruptions(finished_run: RunFolder) -> None:
    html = finished_run.report_file.read_text("utf-8")
    assert "Risk over coverage, FER+ majority" in html
    assert "FER+ majority by corruption" in html
    assert "<td>motion 7 px</td>" in html
