"""The command `mien aim`."""

from pathlib import Path
from typing import Annotated

import typer

MAX_MINUTES = 60.0


def aim(
    config: Annotated[Path, typer.Option("--config", help="The agent's TOML file.")],
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="An IP address of this device, for a phone on the same network; by default this machine only.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8502,
    image: Annotated[
        bool, typer.Option("--image", help="Show the image itself instead of a sketch without faces.")
    ] = False,
    minutes: Annotated[float, typer.Option(min=0.01, max=MAX_MINUTES, help="Close by itself after this time.")] = 10.0,
    view_degrees: Annotated[
        float | None,
        typer.Option(
            min=10.0,
            max=170.0,
            help="The camera's horizontal field of view: advice then is in metres.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show on the device what its camera sees, to somebody who mounts it: boxes, sizes, light, blur, and a sketch.

    Prints an address that one browser can open once. Nothing goes through the server or the MQTT broker, and nothing is
    stored. The agent pauses meanwhile, and gets the camera back when this closes or is killed.
    """
    import signal
    import socket
    import sys
    import threading
    import time

    from mien.edge.aim.address import ListenAddress
    from mien.edge.aim.advice import Adviser
    from mien.edge.aim.motion import MotionLine
    from mien.edge.aim.qr_code import print_qr_code
    from mien.edge.aim.server import serving
    from mien.edge.aim.session import Session
    from mien.edge.aim.viewing import Viewing
    from mien.edge.aim.watcher import Watcher
    from mien.edge.camera.camera_manager import CameraManager
    from mien.edge.camera.factory import check_camera
    from mien.edge.camera_lease import borrow_camera
    from mien.edge.settings import AgentSettings
    from mien.edge.vision.factory import open_detector_or_fallback
    from mien.settings.load import load_settings

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    settings = load_settings(config, AgentSettings)
    check_camera(settings.camera)
    address = ListenAddress.on_network(listen, settings.mqtt) if listen else ListenAddress.local()
    detector, _ = open_detector_or_fallback(settings.faces)
    finished = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: finished.set())
    with (
        address.bind(port) as listener,
        borrow_camera(Path(settings.outbox)) as borrowed,
        CameraManager(settings.camera, standby=True) as camera_manager,
        Watcher(
            camera_manager,
            detector=detector,
            adviser=Adviser(settings=settings, view_degrees=view_degrees),
            motion=MotionLine(settings, borrowed, camera_manager),
        ) as watcher,
    ):
        viewing = Viewing(
            address=address,
            session=Session(),
            watcher=watcher,
            shows_image=image,
            end_s=time.monotonic() + minutes * 60,
            on_finish=finished.set,
        )
        with serving(listener, viewing) as bound_port:
            url = address.url(bound_port, viewing.session.token)
            say("Open this address. It works once, in one browser; Ctrl-C ends it.")
            print(url, flush=True)
            if address.tls is None:
                forward = f"ssh -L {bound_port}:127.0.0.1:{bound_port} {socket.gethostname()}"
                say(f"From another machine: {forward}, then the same address.")
            else:
                say(
                    "The browser warns, since the certificate is made for the MQTT broker. Go on if its SHA-256 "
                    f"fingerprint is {address.fingerprint}"
                )
                if sys.stdout.isatty() and not print_qr_code(url):
                    say("This terminal's encoding has no characters for a QR code: set LANG=C.UTF-8 for one.")
            say(f"It closes by itself in {minutes:g} minutes; until then the agent is paused.")
            finished.wait(minutes * 60)
    say("Closed: the agent has its camera back.")
