"""The command `mien classify`."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.errors import CameraError, UsageError

if TYPE_CHECKING:
    from mien.edge.classify.prediction import Prediction

WORKING_WIDTH_PX = 640
"""Twice the agent's default: speed matters less, and images contain smaller faces than a camera's frames."""


def classify(
    source: Annotated[Path, typer.Argument(help="A video, an image, or a folder of both.")],
    annotated: Annotated[
        Path | None, typer.Option(help="Folder for copies with boxes and labels drawn in. They show faces.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="An agent's TOML file: use its model, faces and reporting settings.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="A .tflite file; by default the one that ships with mien.")] = None,
    frames_per_second: Annotated[
        float,
        typer.Option(min=0.01, help="Frames of a video to classify per second; by default all.", show_default=False),
    ] = 1000.0,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read expressions in a video, an image or a folder of both; nothing is sent or stored.

    Prints one prediction per face in an image, and per tracked face and second in a video.
    """
    from rich.console import Console

    from mien.edge.camera.file_camera import is_image, list_files
    from mien.edge.camera.video_file import VideoFile
    from mien.edge.classify.file_classifier import FileClassifier
    from mien.edge.classify.output import print_predictions
    from mien.edge.settings import AgentSettings
    from mien.edge.vision.factory import open_detector
    from mien.edge.vision.pipeline import VisionPipeline
    from mien.edge.vision.settings import HaarSettings
    from mien.model.classifier import Classifier
    from mien.model.model_card import DEFAULT_MODEL
    from mien.progress import create_progress
    from mien.settings.load import load_settings

    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other: use only one of them")
    files = list_files(source)
    settings = load_settings(config, AgentSettings) if config else AgentSettings(device="files")
    faces = settings.faces if config else HaarSettings(working_width=WORKING_WIDTH_PX)
    model_file = model or (Path(settings.model) if settings.model else DEFAULT_MODEL)
    vision = VisionPipeline(faces, detector=open_detector(faces), classifier=Classifier(model_file))
    if annotated:
        _check_folder(annotated, files)
    console = Console(stderr=True)
    progress = create_progress(console=console)
    total_frames = 0
    for file in files:
        with nullcontext(None) if is_image(file) else VideoFile(file) as video:
            total_frames += video.frame_count if video else 1
    unreadable = 0
    task = progress.add_task(source.name, total=total_frames or None)
    file_classifier = FileClassifier(
        vision,
        settings,
        frames_per_second=frames_per_second,
        annotated_folder=annotated,
        advance=lambda frames: progress.advance(task, frames),
    )

    def predictions() -> "Iterator[Prediction]":
        nonlocal unreadable
        for file in files:
            try:
                yield from file_classifier.predictions(file)
            except CameraError as error:
                if file == source:
                    raise
                unreadable += 1
                console.print(f"skipped: {error}", highlight=False, markup=False, soft_wrap=True)

    with progress:
        print_predictions(predictions(), "csv" if as_csv else "json" if as_json else "lines")
    if unreadable == len(files):
        raise CameraError(f"none of the {unreadable} files in {source} could be read")
    health = vision.health()
    console.print(
        f"files {len(files) - unreadable}, frames {health.frames}, faces classified {health.faces}, skipped as too "
        f"small {health.too_small}, skipped as blurred {health.blurred}",
        highlight=False,
    )


def _check_folder(folder: Path, files: list[Path]) -> None:
    """UsageError if copies cannot be written to the folder, or would overwrite the originals."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} is not a writable folder ({error.strerror}): name another folder") from error
    if any(file.parent.resolve() == folder.resolve() for file in files):
        raise UsageError(f"{folder} contains the originals: name another folder for the annotated copies")
