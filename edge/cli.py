"""The agent's verbs. The only place where its parts are put together."""

from pathlib import Path
from typing import Annotated

import typer

from .classify_command import classify
from .doctor_command import doctor

app = typer.Typer()
app.command()(classify)
app.command()(doctor)
agent = typer.Typer(help="Observe faces when something moves, send what they show.", no_args_is_help=True)
app.add_typer(agent, name="agent")

DRAIN_S = 10.0
"""How long to wait for acknowledgements when the frames have ended."""
STOP_S = 2.0
"""The same when told to stop."""


@agent.callback()
def _agent() -> None:
    """Observe faces when something moves, send what they show."""


@agent.command()
def run(config: Annotated[Path, typer.Option("--config", help="The agent's TOML file.")]) -> None:
    """Observe until stopped (SIGTERM, Ctrl-C), or until a file in the camera's place ends."""
    import logging
    import signal
    import threading
    from functools import partial

    from mien.configuration import load

    from .agent import Agent
    from .camera import check_camera
    from .clock import Clock
    from .detector import open_detector
    from .eye import Eye
    from .model import open_classifier
    from .motion import open_motion
    from .outbox import Cap, Outbox
    from .rhythm import Rhythm
    from .settings import AgentSettings
    from .uplink import Uplink
    from .vision import Vision
    from .vitals import Vitals
    from .watchdog import Watchdog

    log = logging.getLogger("mien.edge")
    settings = load(config, AgentSettings)
    check_camera(settings.camera)
    classifier, model_error = open_classifier(settings.model)
    vision = Vision(
        settings.faces, detector=open_detector(settings.faces), classifier=classifier, model_error=model_error
    )
    log.info("model %s on %s", classifier.model_id, classifier.runtime)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    clock = Clock(settings.clock)
    cap = Cap(rows=settings.outbox_rows, payload_bytes=settings.outbox_megabytes * 1_000_000)
    rhythm = Rhythm(settings.motion)
    with (
        Outbox(Path(settings.outbox), device=settings.device, cap=cap) as outbox,
        Eye(settings.camera, standby=settings.camera.standby or settings.motion.kind == "frames") as eye,
        open_motion(settings.motion, eye) as motion,
    ):
        watchdog = Watchdog(["agent", "uplink"])
        watchdog.ready()
        vitals = Vitals(settings, eye=eye, vision=vision, motion=motion, rhythm=rhythm, clock=clock)
        with Uplink(
            settings.mqtt,
            device=settings.device,
            model_id=classifier.model_id,
            outbox=outbox,
            clock=clock,
            clock_wait_s=settings.clock_wait_s,
            health=vitals.health,
            beat=partial(watchdog.beat, "uplink"),
        ) as uplink:
            Agent(
                settings,
                motion=motion,
                eye=eye,
                vision=vision,
                outbox=outbox,
                clock=clock,
                rhythm=rhythm,
                tell_motion=uplink.tell_motion,
                beat=partial(watchdog.beat, "agent"),
            ).run(stopping)
            watchdog.stopping()
            if not uplink.drain(STOP_S if stopping.is_set() else DRAIN_S):
                log.warning("%d observations wait in %s for the next start", outbox.depth(), settings.outbox)
