from pathlib import Path

import numpy as np
import pytest

from mien.errors import ModelError
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.targets import target_distributions
from mien.trainer.run_folder import RunFolder
from mien.trainer.training.distillation import distilled_targets

pytestmark = pytest.mark.timeout(1200)


def test_a_teacher_s_predictions_are_half_of_each_target(
    tmp_path: Path, data: Dataset, finished_run: RunFolder
) -> None:
    targets = distilled_targets(target_distributions(data, "fer"), data.images, finished_run.model_file)
    assert targets.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (targets[np.arange(len(data)), data.labels] >= 0.5).all()
    with pytest.raises(ModelError, match="is not a Keras model"):
        distilled_targets(target_distributions(data, "fer"), data.images, tmp_path / "missing.keras")
