"""Deploying: a server's folder, its devices' identities and cards. The only place where its parts are put together."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import UsageError

from .flash_command import ModelOption, ServerOption, SystemOption, flash

app = typer.Typer()
app.command()(flash)
server = typer.Typer(help="Make a server's folder: MQTT broker, collector, identities.", no_args_is_help=True)
device = typer.Typer(help="Issue and revoke devices' identities.", no_args_is_help=True)
app.add_typer(server, name="server")
app.add_typer(device, name="device")


@server.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    name: Annotated[
        list[str],
        typer.Option(
            help="Host name or address by which devices reach this server; may be repeated, the first is used."
        ),
    ],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the MQTT broker.")] = 8883,
    operator: Annotated[str | None, typer.Option(help="Who is responsible, for the notice to print.")] = None,
    contact: Annotated[str | None, typer.Option(help="Whom people in view may ask, for that notice.")] = None,
    purpose: Annotated[str | None, typer.Option(help="What it is for, for that notice.")] = None,
) -> None:
    """Make the folder of an MQTT broker and a collector, with a certificate authority of its own."""
    import os

    from .notice import notice
    from .server import ServerFolder

    made = ServerFolder.made(folder, name, port, notice(operator=operator, contact=contact, purpose=purpose))
    if os.getuid() == 0:
        typer.echo("made by root, so the broker will run as root: better make it as a user of its own", err=True)
    typer.echo(f"{made.path} holds the keys of all devices: keep a copy, and keep it to yourself", err=True)
    typer.echo("not at work and not in education: prohibited in the EU (AI Act, Art. 5(1)(f))", err=True)
    typer.echo(f"people in view must be told: print {made.path}/notice.html", err=True)
    # Copied, since what root starts is for root to change.
    typer.echo(f"sudo install -m 644 {shlex.quote(f'{made.path}/systemd/')}*.service /etc/systemd/system/")
    typer.echo("sudo systemctl enable --now mien-broker mien-collector")
    typer.echo(f"mien device add NAME --server {shlex.quote(str(made.path))}")


@server.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The server's folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look at a server's folder as mosquitto, the collector and systemd will. Exit code 1 if anything is an error."""
    from mien.diagnosis import tell

    from .server import ServerFolder
    from .server_check import server_check

    if not tell(server_check(ServerFolder(folder)), as_json=as_json):
        raise typer.Exit(1)


@device.command()
def add(
    name: Annotated[str, typer.Argument(help="The device's name: lower-case letters, digits and hyphens.")],
    server: ServerOption = Path(),
) -> None:
    """Issue an identity for a device; prints the folder that goes onto it."""
    from .server import ServerFolder

    typer.echo(ServerFolder(server).add(name).folder)


@device.command("list")
def list_devices(
    server: ServerOption = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the devices that may connect."""
    import json

    from .server import ServerFolder

    devices = ServerFolder(server).devices()
    if as_json:
        typer.echo(json.dumps({"devices": [{"name": one.name, "until": one.until} for one in devices]}))
        return
    for one in devices:
        typer.echo(f"{one.name:32} until {one.until}")


@device.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The device's name.")],
    server: ServerOption = Path(),
) -> None:
    """Take a device's permissions and certificate away, at once."""
    from .server import ServerFolder

    folder = ServerFolder(server)
    folder.revoke(name)
    if folder.running is None:
        typer.echo("the MQTT broker does not run here: restart it where it runs, with this folder", err=True)
    else:
        typer.echo(f"{name} can write and read nothing any more, and cannot connect again", err=True)
        typer.echo("restart the MQTT broker to end a connection that it has now; nothing is lost by it", err=True)


@device.command()
def pack(
    name: Annotated[str, typer.Argument(help="The device's name.")],
    to: Annotated[Path | None, typer.Option(help="The file, by default mien-NAME.tar.")] = None,
    server: ServerOption = Path(),
    model: ModelOption = None,
    system: SystemOption = None,
) -> None:
    """Write what installs or upgrades a Pi that runs already: mien, the device's settings and identity."""
    from .kit import pack_kit
    from .packages import cache
    from .raspberry_pi_os import TRIXIE, release_of
    from .server import ServerFolder

    file = to or Path(f"mien-{name}.tar")
    if file.is_dir():
        raise UsageError(f"{file} is a folder: name a file in it, {file / f'mien-{name}.tar'}")
    device = ServerFolder(server).device(name)
    pack_kit(device.folder, file, release_of(system) if system else TRIXIE, model=model, cache=cache())
    here, there = shlex.quote(str(file)), shlex.quote(file.name)
    steps = f"tar xf {there} && rm {there} && sudo mien-{name}/install.sh"
    typer.echo("the file holds the device's key: delete it once it is on the Pi", err=True)
    typer.echo(f"scp {here} PI: && rm {here}")
    typer.echo(f"ssh PI {shlex.quote(steps)}")
