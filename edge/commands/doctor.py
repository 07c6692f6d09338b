"""The command `mien doctor`."""

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    config: Annotated[Path, typer.Option("--config", help="The agent's TOML file.")],
    watch_empty: Annotated[
        float | None,
        typer.Option(
            "--watch-empty",
            metavar="SECONDS",
            min=0.1,
            help="Instead, watch the empty room for so long, and propose areas to mask.",
            show_default=False,
        ),
    ] = None,
    motion: Annotated[
        float | None,
        typer.Option(
            "--motion",
            metavar="SECONDS",
            min=0.1,
            help="Instead, count the movements that the sensor sees for so long, while someone walks past it.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check everything the agent needs: model, sensor, camera, disk, clock, MQTT broker.

    The exit code is 1 if anything is an error. Stop a running agent first: it occupies the camera and the sensor, and
    the doctor does not connect with its identity.
    """
    import logging
    from collections.abc import Iterator

    from mien.checks import CheckResult, error, ok, print_results
    from mien.edge.agent_lock import is_agent_running
    from mien.edge.health.broker_check import check_broker
    from mien.edge.health.diagnostics import run_diagnostics
    from mien.edge.health.empty_room import watch_empty_room
    from mien.edge.health.motion_watch import watch_motion
    from mien.edge.settings import AgentSettings
    from mien.errors import ConfigurationError
    from mien.settings.load import load_settings

    logging.getLogger().setLevel(logging.ERROR)  # the results below replace what the parts log

    def run_checks() -> Iterator[CheckResult]:
        try:
            settings = load_settings(config, AgentSettings)
        except ConfigurationError as problem:
            yield error("config", str(problem), "")
            return
        yield ok("config", f"{config}, device {settings.device}")
        if watch_empty:
            yield from watch_empty_room(settings, watch_empty)
        if motion:
            if is_agent_running(Path(settings.outbox)):
                hint = "stop it first, `sudo systemctl stop mien-agent`"
                yield error("motion", "the agent is running and has the sensor", hint)
                return
            typer.echo(f"walk past the sensor; it is watched for {motion:g} s", err=True)
            yield from watch_motion(settings, motion)
        if watch_empty or motion:
            return
        yield from run_diagnostics(settings)
        is_running = is_agent_running(Path(settings.outbox))
        yield from check_broker(settings.mqtt, settings.device, is_agent_running=is_running)

    if not print_results(run_checks(), as_json=as_json):
        raise typer.Exit(1)
