"""The verb `mien doctor`."""

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    config: Annotated[Path, typer.Option("--config", help="The agent's TOML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check all that the agent needs: model, sensor, camera, disk, clock, broker.

    Exit code 1 if anything is an error. Stop a running agent first: it holds the camera and the sensor.
    """
    import logging
    from collections.abc import Iterator

    from mien.configuration import load
    from mien.diagnosis import Diagnosis, error, ok, tell
    from mien.errors import ConfigurationError

    from .broker_check import broker_check
    from .checkup import checkup
    from .settings import AgentSettings

    logging.getLogger().setLevel(logging.ERROR)  # the parts' own talk; what matters of it is in the lines below

    def found() -> Iterator[Diagnosis]:
        try:
            settings = load(config, AgentSettings)
        except ConfigurationError as problem:
            yield error("config", str(problem), "")
            return
        yield ok("config", f"{config}, device {settings.device}")
        yield from checkup(settings)
        yield from broker_check(settings.mqtt, settings.device)

    if not tell(found(), as_json=as_json):
        raise typer.Exit(1)
