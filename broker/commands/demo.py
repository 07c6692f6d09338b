"""`mien demo`: everything on one machine."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    source: Annotated[
        str | None,
        typer.Option(help="A video, an image or a folder; 0 for the first webcam. By default a moving portrait."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="Stop after this many seconds.")] = None,
    database: Annotated[Path | None, typer.Option("--db", help="Keep the emotion log in this file.")] = None,
) -> None:
    """Try mien on this machine: observations appear live.

    Runs an MQTT broker, the real agent with a simulated motion sensor, and the real collector with its database. Stops
    at the end of the source, after --seconds, or on Ctrl-C; the portrait stops after 40 seconds.
    """
    from rich.console import Console

    from mien.broker.demo.run import run_demo

    run_demo(source=source, seconds=seconds, database=database, console=Console())
