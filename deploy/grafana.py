"""Grafana on the emotion log: its data source and dashboard, for SQLite and for PostgreSQL from one definition."""

import json
import secrets
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from .authority import write_secret

FILES = files("mien.deploy") / "grafana"
UID = "mien"
"""Of the data source and of the dashboard."""


def _sqlite(sql: str, form: str) -> dict[str, Any]:
    """A query as frser-sqlite-datasource keeps it; it takes seconds for times where it is told so."""
    kind = "time series" if form == "time_series" else form
    return {"queryType": kind, "rawQueryText": sql, "queryText": sql, "timeColumns": ["time"]}


def _postgresql(sql: str, form: str) -> dict[str, Any]:
    """A query as Grafana's own PostgreSQL keeps it; it takes a column `time` of seconds for times."""
    return {"editorMode": "code", "format": form, "rawQuery": True, "rawSql": sql}


STORES: dict[str, tuple[str, Callable[[str, str], dict[str, Any]]]] = {
    "sqlite": ("frser-sqlite-datasource", _sqlite),
    "postgresql": ("grafana-postgresql-datasource", _postgresql),
}
"""What Grafana calls each kind of data source, and the form of its queries."""


def dashboard(store: str) -> dict[str, Any]:
    """The dashboard for one of STORES: Grafana's JSON, each `sql` of dashboard.json in the form of that store."""
    kind, query = STORES[store]
    source = {"type": kind, "uid": UID}
    made: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text())
    for panel in made["panels"]:
        if "targets" in panel:
            panel["datasource"] = source
            panel["targets"] = [
                {"refId": target["refId"], "datasource": source, **query("\n".join(target["sql"]), target["format"])}
                for target in panel["targets"]
            ]
    for variable in made["templating"]["list"]:
        if "sql" in variable:
            text = "\n".join(variable.pop("sql"))
            variable.update(datasource=source, query=text, definition=text)
    return made


def write_grafana(folder: Path, database_host: str) -> None:
    """Write `grafana/` into a server's folder: what to provision for each store, and the administrator's password."""
    place = folder / "grafana"
    for name in ("", "data", *STORES):
        (place / name).mkdir(mode=0o700)
    write_secret(place / "password", secrets.token_urlsafe(32).encode())
    for store in STORES:
        for part in ("datasources", "dashboards"):
            (place / store / part).mkdir(mode=0o700)
        filled = {"folder": folder, "store": store, "host": database_host}
        source = Template((FILES / f"{store}.yaml").read_text()).substitute(filled)
        (place / store / "datasources" / "mien.yaml").write_text(source)
        provider = Template((FILES / "provider.yaml").read_text()).substitute(filled)
        (place / store / "dashboards" / "mien.yaml").write_text(provider)
        (place / store / "dashboards" / "mien.json").write_text(json.dumps(dashboard(store), indent=2) + "\n")
