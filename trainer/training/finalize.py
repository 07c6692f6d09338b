"""Finishes a run: calibrates the model, evaluates it on the test split and writes the results."""

from pathlib import Path

import keras

from mien.media.file_name import to_text
from mien.trainer.data.dataset import Dataset
from mien.trainer.evaluation.calibration import calibrate
from mien.trainer.evaluation.corruptions import measure_corruptions
from mien.trainer.evaluation.evaluation import evaluate, keras_predictor
from mien.trainer.output_file import output_file
from mien.trainer.recipe import Recipe
from mien.trainer.report.html_report import write_html_report
from mien.trainer.report.sections import run_sections
from mien.trainer.run_folder import Metrics, RunFolder


def finalize(
    run: RunFolder, recipe: Recipe, model: keras.Model, *, held_out: Dataset, training: Dataset, test_set: Dataset
) -> Metrics:
    """Write model, metrics and HTML report into the run's folder.

    The temperature is fitted on `held_out`; `test_set` influences nothing; its images that also occur in `training`
    are leaks.
    """
    calibration = calibrate(model, held_out, recipe.labels)
    with output_file(run.model_file) as part:
        model.save(part)
    predict, runtime = keras_predictor(model)
    scores = predict(test_set.images)
    evaluation = evaluate(scores, model=to_text(Path(run.path.name)), runtime=runtime, data=test_set, training=training)
    metrics = Metrics(
        parameters=model.count_params(),
        calibration=calibration,
        evaluation=evaluation,
        labels="".join(map(str, test_set.labels)),
        predictions="".join(map(str, scores.argmax(axis=1))),
    )
    sections = run_sections(run, metrics, scores, test_set, measure_corruptions(predict, test_set))
    write_html_report(run.report_file, f"Run {to_text(Path(run.path.name))}", sections)
    run.finish(metrics)
    return metrics
