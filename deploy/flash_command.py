"""`mien flash`: a device on a card."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import UsageError

ServerOption = Annotated[Path, typer.Option("--server", help="The server's folder, by default this one.")]
ModelOption = Annotated[Path | None, typer.Option(help="A model of your own, instead of the one that ships.")]
SystemOption = Annotated[str | None, typer.Option(help="trixie or bookworm, if not as the card looks.")]


def flash(
    name: Annotated[str, typer.Argument(help="A device of `mien device add`.")],
    to: Annotated[Path, typer.Option(help="Where the card's boot partition is mounted, or an image file.")],
    server: ServerOption = Path(),
    wifi: Annotated[str | None, typer.Option(help="Name of a Wi-Fi network; its passphrase is asked for.")] = None,
    wifi_country: Annotated[str, typer.Option(help="Country whose radio rules hold: NL, say.")] = "",
    wifi_password_file: Annotated[Path | None, typer.Option(help="A file with the passphrase.")] = None,
    ssh_key: Annotated[Path | None, typer.Option(help="Public key of who may log in; without one nobody may.")] = None,
    user: Annotated[str, typer.Option(help="Who logs in with that key.")] = "pi",
    hostname: Annotated[str | None, typer.Option(help="By default the device's name.")] = None,
    timezone: Annotated[str | None, typer.Option(help="One like Europe/Amsterdam.")] = None,
    model: ModelOption = None,
    system: SystemOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take a card that is set up for something else.")] = False,
) -> None:
    """Put a device on a card with Raspberry Pi OS (64 bits); no root needed, and no network at its first start."""
    from .boot_partition import open_partition
    from .first_start import Wifi
    from .flash import Setup
    from .flash import flash as write
    from .server import ServerFolder

    _refuse_ignored(wifi, wifi_country, wifi_password_file, ssh_key, user)
    device = ServerFolder(server).device(name)
    key = None if ssh_key is None else _read(ssh_key).strip()
    open_partition(to)  # what is wrong with it is said before the passphrase is asked for
    network = None
    if wifi is not None:
        if not wifi_country:
            raise UsageError("a Wi-Fi radio needs its country: --wifi-country NL, say")
        network = Wifi.of(wifi, _passphrase(wifi, wifi_password_file), wifi_country)
    flashed = write(
        device.folder,
        to,
        Setup(
            hostname=hostname,
            timezone=timezone,
            wifi=network,
            ssh_key=key,
            user=user,
            model=model,
            system=system,
            replace=replace,
        ),
    )
    typer.echo(f"{to}: Raspberry Pi OS {flashed.system.name} becomes {name}, with mien {flashed.release}")
    for file, size in flashed.sizes.items():
        typer.echo(f"  {file:44}{size:>12,} bytes")
    typer.echo("Next: take the card out, put it into the Pi, switch it on: it sets itself up and observes.")
    typer.echo(f"It belongs to {name} alone, and its key is on it until then: keep it to yourself.")
    if ssh_key is None:
        typer.echo("Nobody can log in over the network: flash with --ssh-key to change that.")
    if wifi is None:
        typer.echo("It uses a network cable: flash with --wifi to change that.")
    typer.echo("Hang its notice where people see it: notice.html in the server's folder. Not at work, not at school.")


def _refuse_ignored(wifi: str | None, country: str, password: Path | None, ssh_key: Path | None, user: str) -> None:
    """UsageError for an option that says something about another one which is not there."""
    if wifi is None and (country or password is not None):
        raise UsageError("--wifi-country and --wifi-password-file belong to a network: give its name with --wifi")
    if ssh_key is None and user != "pi":
        raise UsageError(f"{user} could not log in: give a public key with --ssh-key, or leave --user out")


def _passphrase(wifi: str, file: Path | None) -> str:
    if file is not None:
        return _read(file).rstrip("\n")
    if sys.stdin.isatty():
        return str(typer.prompt(f"Passphrase of {wifi}", hide_input=True, err=True))
    if passphrase := sys.stdin.readline().rstrip("\n"):
        return passphrase
    raise UsageError(f"nobody is here to ask for the passphrase of {wifi}: give it with --wifi-password-file")


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
