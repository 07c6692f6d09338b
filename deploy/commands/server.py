"""`mien server`: the folder that an MQTT broker, a collector and a dashboard run from."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

server = typer.Typer(help="Create and check a server folder: MQTT broker, collector, identities.", no_args_is_help=True)


@server.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    hostname: Annotated[
        list[str],
        typer.Option(
            help="Host name or address by which devices reach this server. Repeatable; devices use the first."
        ),
    ],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the MQTT broker.")] = 8883,
    operator: Annotated[str | None, typer.Option(help="Who is responsible, for the privacy notice.")] = None,
    contact: Annotated[str | None, typer.Option(help="Whom people in view can ask, for the privacy notice.")] = None,
    purpose: Annotated[str | None, typer.Option(help="What the cameras are for, for the privacy notice.")] = None,
) -> None:
    """Create a server folder with its own certificate authority.

    It contains everything that an MQTT broker, a collector and a dashboard need.
    """
    import os

    from mien.deploy.server.folder import ServerFolder
    from mien.deploy.server.privacy_notice import privacy_notice

    notice = privacy_notice(operator=operator, contact=contact, purpose=purpose)
    path = ServerFolder.create(folder, hostname, port, notice).path
    if os.getuid() == 0:
        typer.echo("created by root, so the MQTT broker will run as root: better create it as another user", err=True)
    typer.echo(f"{path} holds the keys of all devices: back it up, and keep it secret", err=True)
    typer.echo("do not use mien at work or in education: prohibited in the EU (AI Act, Art. 5(1)(f))", err=True)
    typer.echo(f"people in view must be informed: print {path}/privacy_notice.html", err=True)
    # Copied, not linked: only root may change what root starts.
    typer.echo(f"sudo install -m 644 {shlex.quote(f'{path}/systemd/')}*.service /etc/systemd/system/")
    typer.echo("sudo systemctl enable --now mien-mosquitto mien-collector")
    typer.echo(f"mien device add NAME --server {shlex.quote(str(path))}")


@server.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The server folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a server folder with the programs that use it.

    These are mosquitto, systemd and Docker, as far as they are installed. Exit code 1 if there is an error.
    """
    from mien.checks import print_results
    from mien.deploy.server.check import check_server
    from mien.deploy.server.folder import ServerFolder

    if not print_results(check_server(ServerFolder(folder)), as_json=as_json):
        raise typer.Exit(1)
