"""`mien device`: the identities of devices."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import UsageError

from .options import ModelOption, ServerOption

device = typer.Typer(help="Add, list, revoke and pack devices.", no_args_is_help=True)


@device.command()
def add(
    name: Annotated[str, typer.Argument(help="The device's name: lower-case letters, digits and hyphens.")],
    server: ServerOption = Path(),
) -> None:
    """Issue a device's identity, and print the device's folder."""
    from mien.deploy.server.folder import ServerFolder

    typer.echo(ServerFolder(server).add(name).folder)


@device.command("list")
def list_devices(
    server: ServerOption = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the devices that may connect, with their expiry dates."""
    import json

    from mien.deploy.server.folder import ServerFolder

    devices = ServerFolder(server).devices()
    if as_json:
        rows = [{"name": device.name, "expires_on": device.expires_on} for device in devices]
        typer.echo(json.dumps({"devices": rows}))
        return
    for device in devices:
        typer.echo(f"{device.name:32} expires on {device.expires_on}")


@device.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The device's name.")],
    server: ServerOption = Path(),
) -> None:
    """Revoke a device's permissions and certificate, and end its connection.

    Exit code 13 if the device is revoked, but may still be connected.
    """
    from mien.deploy.server.folder import ServerFolder
    from mien.deploy.server.revocation import revoke_device

    folder = ServerFolder(server)
    folder.device(name)  # reports a wrong name before anything else
    typer.echo(f"its observations are kept: `mien db erase --device {name}` on the log deletes them", err=True)
    if revoke_device(folder, name):
        typer.echo(f"{name} is disconnected, and cannot connect again", err=True)
    else:
        typer.echo(f"no MQTT broker runs; once it does, it refuses {name}", err=True)


@device.command()
def pack(
    name: Annotated[str, typer.Argument(help="The device's name.")],
    output: Annotated[Path | None, typer.Option(help="The tar file to write; by default mien-NAME.tar.")] = None,
    server: ServerOption = Path(),
    model: ModelOption = None,
    os_release: Annotated[str, typer.Option(help="Raspberry Pi OS release of the Pi: trixie or bookworm.")] = "trixie",
) -> None:
    """Write a bundle to install or upgrade a running Pi.

    The tar file contains mien, the packages that it needs, and the device's settings and identity.
    """
    from mien.deploy.packaging.bundle import pack_bundle
    from mien.deploy.packaging.packages import cache_folder
    from mien.deploy.raspberry_pi_os import find_os_release
    from mien.deploy.server.folder import ServerFolder

    file = output or Path(f"mien-{name}.tar")
    if file.is_dir():
        raise UsageError(f"{file} is a folder: name a file in it, such as {file / f'mien-{name}.tar'}")
    folder = ServerFolder(server).device(name).folder
    pack_bundle(folder, file, find_os_release(os_release), model=model, cache=cache_folder())
    local_file, remote_file = shlex.quote(str(file)), shlex.quote(file.name)
    steps = f"tar xf {remote_file} && rm {remote_file} && sudo mien-{name}/install.sh"
    typer.echo("the file contains the device's key: delete it once it is on the Pi", err=True)
    typer.echo(f"scp {local_file} PI: && rm {local_file}")
    typer.echo(f"ssh PI {shlex.quote(steps)}")
