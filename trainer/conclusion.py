"""The end of a run: calibrate the model, score it on the split that only reports, and write all of it down."""

import keras

from .calibration import calibrate
from .dataset import Dataset
from .evaluation import evaluate, predict_with_keras
from .page import write_page
from .reports import run_sections
from .run import Metrics, Run
from .settings import Recipe
from .whole_file import written_whole


def conclude(
    run: Run, recipe: Recipe, model: keras.Model, *, held_out: Dataset, training: Dataset, reported: Dataset
) -> Metrics:
    """Leave model, metrics and page in the run's folder.

    The temperature comes from `held_out`; `reported` decides nothing; `training` says which of it are leaks.
    """
    calibration = calibrate(model, held_out, recipe.labels)
    with written_whole(run.model_file) as part:
        model.save(part)
    predict, runtime = predict_with_keras(model)
    scores = predict(reported.pictures)
    report = evaluate(scores, model=run.folder.name, runtime=runtime, data=reported, training=training)
    metrics = Metrics(
        parameters=model.count_params(),
        calibration=calibration,
        evaluation=report,
        labels="".join(map(str, reported.labels)),
        answers="".join(map(str, scores.argmax(axis=1))),
    )
    write_page(run.report_file, f"Run {run.folder.name}", run_sections(run, metrics, scores, reported))
    run.end(metrics)
    return metrics
