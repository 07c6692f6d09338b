"""The verb `mien classify`."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import CameraError, UsageError

WORKING_WIDTH = 640
"""Twice the agent's: nobody waits, and pictures hold smaller faces than a camera's frame."""


def classify(
    source: Annotated[Path, typer.Argument(help="A video, a picture, or a folder of both.")],
    annotated: Annotated[
        Path | None, typer.Option(help="Folder for copies with boxes and words drawn in. They show faces.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="An agent's TOML file whose model, faces and reporting to use.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="A .tflite file; the one that ships unless named.")] = None,
    frames_per_second: Annotated[
        float, typer.Option(min=0.01, help="Of a video, at most; all it has unless given.", show_default=False)
    ] = 1000.0,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read expressions in a video, a picture or a folder of both; nothing is sent or stored.

    One finding per face of a picture, and per tracked face and second of a video.
    """
    import msgspec
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from mien.card import DEFAULT_MODEL
    from mien.classifier import Classifier
    from mien.configuration import load

    from .detector import open_detector
    from .footage import files_of, is_picture
    from .printing import PRINTERS
    from .reel import Reel
    from .settings import AgentSettings, Faces
    from .video import Video
    from .vision import Vision

    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other: give one of them")
    files = files_of(source)
    settings = load(config, AgentSettings) if config else AgentSettings(device="files")
    faces = settings.faces if config else msgspec.structs.replace(Faces(), working_width=WORKING_WIDTH)
    chosen = model or (Path(settings.model) if settings.model else DEFAULT_MODEL)
    vision = Vision(faces, detector=open_detector(faces), classifier=Classifier(chosen))
    if annotated:
        _check_folder(annotated, files)
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=console.is_terminal and Console().is_terminal,
    )
    total = 0
    for file in files:
        with nullcontext(None) if is_picture(file) else Video(file) as video:
            total += video.count if video else 1
    unread = 0
    with progress, PRINTERS["csv" if as_csv else "json" if as_json else "lines"]() as show:
        task = progress.add_task(source.name, total=total or None)
        reel = Reel(
            vision,
            settings,
            rate=frames_per_second,
            folder=annotated,
            seen=lambda frames: progress.advance(task, frames),
        )
        for file in files:
            try:
                for finding in reel.findings(file):
                    show(finding)
            except CameraError as error:
                if file == source:
                    raise
                unread += 1
                progress.console.print(f"left out: {error}", highlight=False, markup=False, soft_wrap=True)
    if unread == len(files):
        raise CameraError(f"none of the {unread} files in {source} could be read")
    seen = vision.health()
    console.print(
        f"files {len(files) - unread}, frames {seen.frames}, faces classified {seen.faces}, left out as too small "
        f"{seen.too_small}, as blurred {seen.blurred}",
        highlight=False,
    )


def _check_folder(folder: Path, files: list[Path]) -> None:
    """UsageError where copies could not be written, or would be written over what they are copies of."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} is no folder to write into ({error.strerror}): name another") from error
    if any(file.parent.resolve() == folder.resolve() for file in files):
        raise UsageError(f"{folder} holds the originals: name another folder for the annotated copies")
