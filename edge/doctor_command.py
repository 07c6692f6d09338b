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
    import itertools
    import logging

    import msgspec
    from rich.console import Console
    from rich.text import Text

    from mien.configuration import load
    from mien.errors import ConfigurationError

    from .broker_check import broker_check
    from .checkup import checkup
    from .diagnosis import Diagnosis, error, ok
    from .settings import AgentSettings

    logging.getLogger().setLevel(logging.ERROR)  # the parts' own talk; what matters of it is in the lines below
    console = Console()
    found: list[Diagnosis] = []

    def tell(diagnosis: Diagnosis) -> None:
        found.append(diagnosis)
        if as_json:
            return
        colour = {"ok": "green", "warning": "yellow", "error": "red"}[diagnosis.level]
        line = Text.assemble((f"{diagnosis.level:8}", colour), f"{diagnosis.subject:12}", diagnosis.message)
        if diagnosis.cure:
            line.append(f": {diagnosis.cure}", style="bold")
        console.print(line, soft_wrap=True)

    try:
        settings = load(config, AgentSettings)
    except ConfigurationError as problem:
        tell(error("config", str(problem), ""))
    else:
        tell(ok("config", f"{config}, device {settings.device}"))
        for diagnosis in itertools.chain(checkup(settings), broker_check(settings.mqtt, settings.device)):
            tell(diagnosis)
    if as_json:
        typer.echo(msgspec.json.encode({"checks": found}))
    if any(diagnosis.level == "error" for diagnosis in found):
        raise typer.Exit(1)
