"""`mien server install|upgrade|uninstall`: the server as a system service of this machine."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.errors import UsageError

if TYPE_CHECKING:
    from mien.deploy.host.installation import Installation, Result


def install(
    folder: Annotated[
        Path | None, typer.Argument(help="A server folder of `mien server init`; not needed a second time.")
    ] = None,
) -> None:
    """Install a server on this machine, as a system service with a user of its own; as root.

    Copies the folder to /var/lib/mien-server and this mien to /opt/mien-server, without the network, and starts the
    MQTT broker, the collector and the dashboard. Run it again after an interruption.
    """
    from mien.deploy.host.layout import ACCOUNT
    from mien.deploy.host.release import RunningRelease

    installation = _installation("install")
    release = RunningRelease(account=ACCOUNT)
    result = installation.install(release, folder)
    if result.copied_from is not None:
        typer.echo(f"copied {result.copied_from} to /var/lib/mien-server", err=True)
        typer.echo(f"{result.copied_from} is not used any more, and holds all keys: delete it", err=True)
    _print_result(result)


def upgrade() -> None:
    """Upgrade the server of this machine to this mien, as root; the data stays, and the log is migrated after a copy.

    If the new release does not become ready, the former one runs again, and the exit code is 1.
    """
    from mien.deploy.host.layout import ACCOUNT
    from mien.deploy.host.release import RunningRelease

    result = _installation("upgrade").upgrade(RunningRelease(account=ACCOUNT))
    if result is None:
        typer.echo(f"{sys.argv[0]} is the release that runs already: upgrade with a newer one, by its path", err=True)
        return
    _print_result(result)


def uninstall(
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete the emotion log, the authority and all keys, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove the server from this machine, as root; its folder with all data stays unless --delete-data is given."""
    installation = _installation("uninstall")
    if delete_data and not yes:
        if not sys.stdin.isatty():
            raise UsageError("deleting cannot be undone, and there is no terminal to ask on: add --yes")
        typer.confirm("Delete the emotion log, the authority and all keys for good?", abort=True, err=True)
    data = installation.uninstall(delete_data=delete_data)
    if data is None:
        typer.echo("removed the server" + (" and its data" if delete_data else ""), err=True)
    else:
        typer.echo(f"removed the server; its data stays in {data}, for `mien server install`", err=True)


def _installation(verb: str) -> "Installation":
    from mien.deploy.host.account import SystemAccount, run_command
    from mien.deploy.host.installation import Installation
    from mien.deploy.host.layout import ACCOUNT, Layout
    from mien.deploy.host.services import Systemd

    if os.geteuid() != 0:
        raise UsageError(f'this changes the system: sudo "$(command -v mien)" server {verb}')
    if not Path("/run/systemd/system").is_dir():
        raise UsageError("systemd does not run this system: use the containers of compose.yaml in the server folder")
    layout = Layout.under(Path("/"))
    account = SystemAccount(ACCOUNT, layout.sysusers, layout.data, run_command)
    return Installation(layout, account, Systemd(run_command))


def _print_result(result: "Result") -> None:
    from mien.deploy.host.layout import ACCOUNT, Layout
    from mien.deploy.server.folder import ServerFolder

    server = ServerFolder(Layout.under(Path("/")).data)
    host = server.server.hosts[0]
    former = f" in place of {result.previous}" if result.previous else ""
    names = ", ".join(unit.removesuffix(".service") for unit in result.units)
    typer.echo(f"release {result.release} runs{former} as user {ACCOUNT}: {names}", err=True)
    typer.echo(f"devices reach it at {host}:{server.server.port}; its folder is {server.path}", err=True)
    if "mien-dashboard.service" in result.units:
        typer.echo(f"dashboard: https://{host}:8501; `sudo cat {server.path}/dashboard/token` to log in", err=True)
    typer.echo(f"sudo mien device add NAME --server {server.path}")
