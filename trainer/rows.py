"""An evaluation as rows of words: what cards, pages and the terminal all show, in the same words."""

from mien.card import Evaluation


def figure_rows(scores: Evaluation) -> list[tuple[str, str, str]]:
    """Each figure that was measured, its value, and its 95 % interval where it has one."""
    figures = (
        ("accuracy", "accuracy", scores.accuracy),
        ("macro_f1", "macro-F1", scores.macro_f1),
        ("", f"accuracy without {scores.leaks} leaks", scores.accuracy_without_leaks),
        ("ferplus_majority", f"FER+ majority, {scores.ferplus_majority_count} pictures", scores.ferplus_majority),
        ("", "calibration error, labels", scores.ece),
        ("", "calibration error, FER+ majority", scores.ece_ferplus),
    )
    return [
        (words, f"{value:.2%}", interval_words(scores.intervals.get(name)))
        for name, words, value in figures
        if value is not None
    ]


def emotion_rows(scores: Evaluation) -> list[tuple[str, str, str, str, str]]:
    """Each emotion's precision, recall, F1 and number of pictures."""
    return [
        (emotion, f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", str(score.support))
        for emotion, score in scores.per_class.items()
    ]


def interval_words(interval: tuple[float, float] | None) -> str:
    """An interval in percent; nothing where there is none."""
    return f"{interval[0]:.1%} to {interval[1]:.1%}" if interval else ""
