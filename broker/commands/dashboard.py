"""`mien dashboard`: builds the dashboard's parts and serves them."""

from pathlib import Path
from typing import Annotated

import typer


def dashboard(
    config: Annotated[Path | None, typer.Option("--config", help="The dashboard's TOML file.")] = None,
    database: Annotated[str | None, typer.Option("--db", help="Overrides database in the file.")] = None,
    host: Annotated[str | None, typer.Option(help="Overrides host in the file.")] = None,
    port: Annotated[int | None, typer.Option(help="Overrides port in the file.")] = None,
) -> None:
    """Serve the emotion log as a web dashboard and an HTTP API.

    Read-only. By default it serves this machine only; others need a token and a certificate, see docs/settings.md.
    """
    import msgspec

    from mien.broker.predictions.uncertainty import parse_thresholds
    from mien.broker.query import EmotionLog
    from mien.broker.settings import DashboardSettings
    from mien.broker.web.app import create_app
    from mien.broker.web.auth import read_token
    from mien.broker.web.server import serve
    from mien.settings.load import load_settings, to_settings

    settings = load_settings(config, DashboardSettings) if config else DashboardSettings()
    options = {"database": database, "host": host, "port": port}
    overrides = {name: value for name, value in options.items() if value is not None}
    source = str(config or "options")
    settings = to_settings(msgspec.to_builtins(settings) | overrides, DashboardSettings, source=source)
    token = read_token(Path(settings.token_file)) if settings.token_file else None
    with EmotionLog(
        settings.database,
        zone=settings.timezone,
        timeout_s=settings.query_timeout_s,
        thresholds=parse_thresholds(settings.thresholds),
    ) as log:
        hosts = (settings.host, *settings.hosts)
        app = create_app(log, token=token, hosts=hosts, is_proxied=bool(settings.hosts))
        serve(app, settings, lambda url: typer.echo(f"dashboard: {url}", err=True))
