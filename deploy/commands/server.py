"""`mien server`: the folder that an MQTT broker, a collector and a dashboard run from."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .options import ServerOption
from .passphrase import read_passphrase
from .server_installation import install, uninstall, upgrade

server = typer.Typer(
    help="Create, install, check, back up and renew a server: MQTT broker, collector, identities.", no_args_is_help=True
)
FolderArgument = Annotated[Path, typer.Argument(help="The server folder.")]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(help="A file that contains the passphrase; otherwise it is asked for, or read from stdin."),
]


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
    _print_first_start(path)
    typer.echo(f"mien device add NAME --server {shlex.quote(str(path))}")


@server.command()
def check(
    folder: FolderArgument,
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


@server.command("add-collector")
def add_collector(
    name: Annotated[str, typer.Argument(help="The collector's name: lower-case letters, digits and hyphens.")],
    folder: ServerOption = Path(),
) -> None:
    """Add a collector that shares the work with the first; they need one PostgreSQL database."""
    from mien.deploy.host.layout import Layout
    from mien.deploy.server.collectors import add_collector as add
    from mien.deploy.server.folder import ServerFolder

    server_folder = ServerFolder(folder)
    added = add(server_folder, name)
    if not added.is_shared:
        typer.echo(f"set shared_subscription = true in {added.first_config}, and restart that collector", err=True)
    typer.echo(f"{added.config.parent} is all that it needs, also on another machine", err=True)
    if server_folder.path == Layout.under(Path("/")).data:
        typer.echo("sudo mien server install")  # once more, which starts the new one, too
        return
    typer.echo(f"mien collect --config {shlex.quote(str(added.config))}")
    typer.echo(f"sudo install -m 644 {shlex.quote(str(added.unit))} /etc/systemd/system/")
    typer.echo(f"sudo systemctl enable --now {added.unit.stem}")


@server.command()
def renew(folder: FolderArgument) -> None:
    """Renew the certificates of the server and of its authority; devices go on without being touched."""
    from mien.deploy.server.folder import ServerFolder
    from mien.deploy.server.renewal import renew as renew_certificates

    server_folder = ServerFolder(folder)
    renewal = renew_certificates(server_folder)
    for file in renewal.certificates:
        typer.echo(file.relative_to(server_folder.path))
    typer.echo(f"they are valid until {renewal.expires_at:%Y-%m-%d}", err=True)
    typer.echo(f"devices accept the server until {renewal.devices_until:%Y-%m-%d}: pack or flash them before", err=True)
    _print_restart()


@server.command("rename-host")
def rename_host(
    folder: FolderArgument,
    hostname: Annotated[
        list[str],
        typer.Option(help="Host name or address by which devices reach it now. Repeatable; devices use the first."),
    ],
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Leave the former names out of the server's certificates.")
    ] = False,
) -> None:
    """Give the server other host names.

    Devices go on as long as their former host name leads to the server and its certificates keep it.
    """
    from mien.deploy.server.folder import ServerFolder
    from mien.deploy.server.renewal import rename_host as rename

    server_folder = ServerFolder(folder)
    former = server_folder.server.hosts[0]
    devices = rename(server_folder, hostname, keep_old=not drop_old)
    if devices:
        goes_on = "will not connect" if drop_old else f"go on while {former} leads to this server"
        typer.echo(f"devices that were installed before {goes_on}: {', '.join(devices)}", err=True)
        typer.echo(
            f'each needs `mien device pack` and the installation of that, or host = "{hostname[0]}" in '
            "/etc/mien/agent.toml and `sudo systemctl restart mien-agent`",
            err=True,
        )
    _print_restart()


@server.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, on another disk; a backup there is replaced.")],
    folder: ServerOption = Path(),
    passphrase_file: PassphraseOption = None,
    without_database: Annotated[bool, typer.Option("--without-database", help="Leave the emotion log out.")] = False,
) -> None:
    """Write everything that a new server needs into one encrypted file, while the server runs.

    The file contains the authority, all keys, settings, and the emotion log. `age --decrypt FILE | tar xz` opens it.
    """
    from mien.deploy.backup.backup import back_up
    from mien.deploy.server.folder import ServerFolder

    server_folder = ServerFolder(folder)
    passphrase = read_passphrase(str(file), passphrase_file, "--passphrase-file", confirm=True)
    result = back_up(server_folder, file, passphrase, with_database=not without_database)
    typer.echo(f"{file}: {result.size_bytes:,} bytes, with {result.database or 'no emotion log'}")
    if result.warning:
        typer.echo(result.warning, err=True)
    typer.echo(
        "keep it on another machine, and its passphrase apart: without the passphrase nobody can open it", err=True
    )


@server.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file of `mien server backup`.")],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    passphrase_file: PassphraseOption = None,
) -> None:
    """Restore a backup into a new server folder, on this or another machine; devices go on without being touched."""
    from mien.deploy.backup.restore import restore as restore_backup

    result = restore_backup(file, folder, read_passphrase(str(file), passphrase_file, "--passphrase-file"))
    path, host = result.server.path, result.server.server.hosts[0]
    typer.echo(f"{path}: the server as it was at {result.made_at}; what it received later is lost", err=True)
    if result.log is not None:
        typer.echo(f"the emotion log is {result.log}", err=True)
    elif result.dump is None:
        typer.echo("the backup contains no emotion log", err=True)
    typer.echo("what was revoked or erased since then must be again: `mien device revoke`, `mien db erase`", err=True)
    typer.echo(f"devices that may connect: {', '.join(device.name for device in result.server.devices())}", err=True)
    typer.echo(f"devices connect once {host} leads to this machine and the former server is off", err=True)
    if result.dump is not None:
        from mien.deploy.backup.backup import without_password

        database = shlex.quote(without_password(result.database))
        typer.echo(f"pg_restore --no-owner --dbname {database} {shlex.quote(str(result.dump))}")
    _print_first_start(path)


server.command()(install)
server.command()(upgrade)
server.command()(uninstall)


def _print_first_start(path: Path) -> None:
    install = f'sudo "$(command -v mien)" server install {shlex.quote(str(path))}'
    typer.echo(f"`{install}` runs it as a system service with a user of its own; or, to run it from here:", err=True)
    # Copied, not linked: only root may change what root starts.
    typer.echo(f"sudo install -m 644 {shlex.quote(f'{path}/systemd/')}*.service /etc/systemd/system/")
    typer.echo("sudo systemctl enable --now mien-mosquitto mien-collector")


def _print_restart() -> None:
    """The collector and the dashboard read their certificates and settings only at their start."""
    typer.echo("sudo systemctl try-restart mien-mosquitto mien-collector mien-dashboard")
