"""An evaluation as rows of text, worded alike in model cards, HTML reports and the terminal."""

from mien.model.model_card import Evaluation


def metric_rows(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Each measured metric, its value, and its 95 % interval if it has one."""
    metrics = (
        ("accuracy", "accuracy", evaluation.accuracy),
        ("macro_f1", "macro-F1", evaluation.macro_f1),
        ("", f"accuracy without {evaluation.leaks} leaks", evaluation.accuracy_without_leaks),
        (
            "ferplus_majority",
            f"FER+ majority, {evaluation.ferplus_majority_count} images",
            evaluation.ferplus_majority,
        ),
        ("", "FER+ majority, most confident 80 %", evaluation.selective_at_80),
        ("", "calibration error, labels", evaluation.ece_fer),
        ("", "calibration error, FER+ majority", evaluation.ece_ferplus),
    )
    return [
        (title, f"{value:.2%}", format_interval(evaluation.intervals.get(name)))
        for name, title, value in metrics
        if value is not None
    ]


def emotion_rows(evaluation: Evaluation) -> list[tuple[str, str, str, str, str]]:
    """Each emotion's precision, recall, F1 and number of images."""
    return [
        (emotion, f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", str(score.support))
        for emotion, score in evaluation.per_emotion.items()
    ]


def format_interval(interval: tuple[float, float] | None) -> str:
    """An interval in percent; empty if there is none."""
    return f"{interval[0]:.1%} to {interval[1]:.1%}" if interval else ""
