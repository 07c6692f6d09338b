"""The command `mien classify`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.errors import CameraError, UsageError

if TYPE_CHECKING:
    from mien.edge.classify.prediction import Prediction

WORKING_WIDTH_PX = 640
"""Twice the agent's default: speed matters less, and images contain smaller faces than a camera's frames. For the same
reason the whole of every frame is searched: a video may cut from one scene to another."""


def classify(
    source: Annotated[Path, typer.Argument(help="A video, an image, or a folder of both.")],
    recursive: Annotated[bool, typer.Option("--recursive", help="Read the folders inside a folder, too.")] = False,
    annotated: Annotated[
        Path | None, typer.Option(help="Folder for copies with boxes and labels drawn in. They show faces.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace annotated copies that exist.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="An agent's TOML file: use its model, faces and reporting settings.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="A .tflite file; by default the one that ships with mien.")] = None,
    detector: Annotated[
        str | None, typer.Option(help="What detects the faces: yunet, the default, or haar.", show_default=False)
    ] = None,
    frames_per_second: Annotated[
        float,
        typer.Option(min=0.01, help="Frames of a video to classify per second; by default all.", show_default=False),
    ] = 1000.0,
    uncertain: Annotated[
        bool,
        typer.Option(
            help="In lines and annotated copies, show predictions below the model's confidence threshold as uncertain."
        ),
    ] = True,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read expressions in a video, an image or a folder of both; nothing is sent or stored.

    Prints one prediction per face in an image, and per tracked face and second in a video. Files are recognized by
    their bytes, not by their names; those that are left out are named on standard error, with the reason.
    """
    from rich.console import Console

    from mien.edge.camera.media_file import find_media
    from mien.edge.camera.video_file import VideoFile
    from mien.edge.classify.annotated_folder import AnnotatedFolder
    from mien.edge.classify.file_classifier import FileClassifier
    from mien.edge.classify.output import OutputFormat, print_predictions
    from mien.edge.classify.summary import summarize
    from mien.edge.settings import AgentSettings
    from mien.edge.vision.factory import open_detector
    from mien.edge.vision.pipeline import VisionPipeline
    from mien.edge.vision.settings import HaarSettings, YuNetSettings
    from mien.media.file_name import to_text
    from mien.model.classifier import Classifier
    from mien.model.model_card import DEFAULT_MODEL
    from mien.progress import create_progress
    from mien.settings.load import load_settings

    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other: use only one of them")
    detectors = {"yunet": YuNetSettings, "haar": HaarSettings}
    if detector is not None and detector not in detectors:
        raise UsageError(f"--detector {detector} is unknown: use yunet or haar")
    if config and detector:
        raise UsageError("--config and --detector exclude each other: set detector in the file's [faces] table")
    if overwrite and not annotated:
        raise UsageError("--overwrite is for annotated copies: add --annotated FOLDER")
    media = find_media(source, recursive=recursive, except_folder=annotated)
    settings = load_settings(config, AgentSettings) if config else AgentSettings(device="files")
    faces = settings.faces if config else detectors[detector or "yunet"](working_width=WORKING_WIDTH_PX, detect_every=1)
    model_file = model or (Path(settings.model) if settings.model else DEFAULT_MODEL)
    classifier = Classifier(model_file)
    threshold = classifier.card.threshold.confidence if uncertain and classifier.card.threshold else 0.0
    vision = VisionPipeline(faces, detector=open_detector(faces), classifier=classifier)
    copies = AnnotatedFolder(annotated, media.files, source=source, overwrite=overwrite) if annotated else None
    console = Console(stderr=True)
    progress = create_progress(console=console)
    total_frames = 0
    for file in media.files:
        if file.kind == "image":
            total_frames += 1
        else:
            with VideoFile(file.path) as video:
                total_frames += video.frame_count
    task = progress.add_task(to_text(Path(source.name)), total=total_frames or None)
    file_classifier = FileClassifier(
        vision,
        settings,
        frames_per_second=frames_per_second,
        annotated_folder=copies,
        advance=lambda frames: progress.advance(task, frames),
        threshold=threshold,
    )
    files_left_out = 0

    def leave_out(line: str) -> None:
        nonlocal files_left_out
        files_left_out += 1
        console.print(f"left out: {line}", highlight=False, markup=False, soft_wrap=True)

    def predictions() -> "Iterator[Prediction]":
        for line in media.left_out:
            leave_out(line)
        for file in media.files:
            name = file.path.relative_to(source) if file.path != source else Path(source.name)
            frames_before = file_classifier.frames
            try:
                yield from file_classifier.predictions(file, name=to_text(name))
            except CameraError as error:
                if file.path == source:
                    raise
                if file_classifier.frames == frames_before:
                    leave_out(str(error))
                else:
                    console.print(str(error), highlight=False, markup=False, soft_wrap=True)

    with progress:
        output_format: OutputFormat = "csv" if as_csv else "json" if as_json else "lines"
        print_predictions(predictions(), output_format, threshold=threshold)
    if not file_classifier.frames:
        raise CameraError(f"none of the {files_left_out} files in {to_text(source)} could be read: see above")
    left_out = {**vision.health().skipped, "flicker": file_classifier.brief}
    summary = summarize(
        files=len(media.files) + len(media.left_out) - files_left_out,
        files_left_out=files_left_out,
        frames=file_classifier.frames,
        reported=file_classifier.reported,
        left_out=left_out,
    )
    console.print(summary, highlight=False, soft_wrap=True)
