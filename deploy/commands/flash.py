"""`mien flash`: writes a device to an SD card."""

from pathlib import Path
from typing import Annotated

import typer

from mien.errors import UsageError

from .options import ModelOption, ServerOption
from .passphrase import read_passphrase


def flash(
    name: Annotated[str, typer.Argument(help="A device that `mien device add` has added.")],
    target: Annotated[Path, typer.Option(help="Where the SD card's boot partition is mounted, or an image file.")],
    server: ServerOption = Path(),
    wifi: Annotated[str | None, typer.Option(help="Name of the Wi-Fi network; asks for its passphrase.")] = None,
    wifi_country: Annotated[str, typer.Option(help="Country whose radio rules apply, such as NL.")] = "",
    wifi_password_file: Annotated[
        Path | None, typer.Option(help="A file that contains the passphrase, or the key in 64 hexadecimal digits.")
    ] = None,
    wifi_open: Annotated[bool, typer.Option("--wifi-open", help="The network has no passphrase.")] = False,
    wifi_hidden: Annotated[
        bool, typer.Option("--wifi-hidden", help="The network does not broadcast its name.")
    ] = False,
    ssh_key: Annotated[
        Path | None, typer.Option(help="Public key for logging in over SSH; without one nobody can log in.")
    ] = None,
    user: Annotated[str, typer.Option(help="The account that logs in with that key.")] = "pi",
    hostname: Annotated[str | None, typer.Option(help="The Pi's host name; by default the device's name.")] = None,
    timezone: Annotated[str | None, typer.Option(help="The Pi's time zone, such as Europe/Amsterdam.")] = None,
    model: ModelOption = None,
    os_release: Annotated[
        str | None, typer.Option(help="trixie or bookworm; by default detected from the SD card.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Accept an SD card that is set up for something else.")
    ] = False,
) -> None:
    """Write a device to an SD card with 64-bit Raspberry Pi OS. Needs no root, and the first boot needs no network."""
    from dataclasses import replace as replace_fields

    from mien.deploy.device.sd_card import FlashOptions, check_flash
    from mien.deploy.device.sd_card import flash as flash_device
    from mien.deploy.device.wifi import Wifi
    from mien.deploy.server.folder import ServerFolder
    from mien.files.text_file import read_text

    _refuse_ignored_options(wifi, wifi_country, wifi_password_file, ssh_key, user, wifi_open, wifi_hidden)
    device = ServerFolder(server).device(name)
    options = FlashOptions(
        hostname=hostname,
        timezone=timezone,
        wifi=None if wifi is None else Wifi(ssid=wifi, country=wifi_country, is_hidden=wifi_hidden),
        ssh_key=None if ssh_key is None else read_text(ssh_key, error=UsageError).strip(),
        user=user,
        model=model,
        os_release=os_release,
        replace=replace,
    )
    check_flash(device.folder, target, options)  # reports whatever is wrong before asking for the passphrase
    if options.wifi is not None and not wifi_open:
        passphrase = read_passphrase(options.wifi.ssid, wifi_password_file, "--wifi-password-file")
        options = replace_fields(options, wifi=options.wifi.with_passphrase(passphrase))
    result = flash_device(device.folder, target, options)
    typer.echo(f"{target}: {name} on Raspberry Pi OS {result.os_release.name}, with mien {result.release}")
    for file, size_bytes in result.sizes_bytes.items():
        typer.echo(f"  {file:44}{size_bytes:>12,} bytes")
    typer.echo("Next: put the SD card into the Pi and switch it on. It sets itself up and starts observing.")
    typer.echo(f"Until then the SD card contains the key of {name}: keep it safe, and use it in one Pi only.")
    if ssh_key is None:
        typer.echo("Nobody can log in over the network: flash with --ssh-key to change that.")
    if wifi is None:
        typer.echo("The Pi needs a network cable: flash with --wifi to change that.")
    typer.echo(
        "Hang privacy_notice.html of the server folder where people see it. Do not use mien at work or at school."
    )


def _refuse_ignored_options(
    wifi: str | None,
    country: str,
    password_file: Path | None,
    ssh_key: Path | None,
    user: str,
    is_open: bool,
    is_hidden: bool,
) -> None:
    """UsageError for an option that has no effect without another one, or beside it."""
    wifi_options = {
        "--wifi-country": bool(country),
        "--wifi-password-file": password_file is not None,
        "--wifi-open": is_open,
        "--wifi-hidden": is_hidden,
    }
    given = [option for option, is_given in wifi_options.items() if is_given]
    if wifi is None and given:
        raise UsageError(f"{' and '.join(given)} need a network: name it with --wifi")
    if is_open and password_file is not None:
        raise UsageError("an open network has no passphrase: leave out --wifi-open or --wifi-password-file")
    if ssh_key is None and user != "pi":
        raise UsageError(f"{user} could not log in: give a public key with --ssh-key, or leave out --user")
