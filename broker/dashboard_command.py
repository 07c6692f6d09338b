"""`mien dashboard`: the emotion log in a browser."""

from pathlib import Path
from typing import Annotated

import typer


def dashboard(
    config: Annotated[Path | None, typer.Option("--config", help="The dashboard's TOML file.")] = None,
    database: Annotated[str | None, typer.Option("--db", help="Instead of database in the file.")] = None,
    host: Annotated[str | None, typer.Option(help="Instead of host in the file.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of port in the file.")] = None,
) -> None:
    """Show the emotion log as a page, and offer it to programs over HTTP.

    Read-only. On this machine alone; other addresses need a token and a certificate, see docs/settings.md.
    """
    import msgspec

    from mien.configuration import convert, load

    from .access import read_token
    from .dashboard import make_dashboard
    from .database import open_for_reading
    from .serving import serve
    from .settings import DashboardSettings

    settings = load(config, DashboardSettings) if config else DashboardSettings()
    given = {"database": database, "host": host, "port": port}
    given = {name: value for name, value in given.items() if value is not None}
    settings = convert(msgspec.to_builtins(settings) | given, DashboardSettings, source=str(config or "options"))
    token = read_token(Path(settings.token_file)) if settings.token_file else None
    engine = open_for_reading(settings.database, limit_s=settings.limit_s)
    hosts = (settings.host, *settings.hosts)
    app = make_dashboard(engine, token=token, hosts=hosts, timezone=settings.timezone)
    try:
        serve(app, settings, lambda url: typer.echo(f"dashboard: {url}", err=True))
    finally:
        engine.dispose()
