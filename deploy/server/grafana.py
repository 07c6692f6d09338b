"""Grafana on the emotion log: its data source and dashboard, for SQLite and for PostgreSQL from one definition."""

import json
import secrets
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from mien.files.atomic_file import write_secret

FILES = files("mien.deploy.server") / "grafana"
UID = "mien"
"""The unique ID of the data source and of the dashboard."""


def _sqlite_query(sql: str, result_format: str) -> dict[str, Any]:
    """A query in the form of frser-sqlite-datasource, which reads the listed columns as times in seconds."""
    query_type = "time series" if result_format == "time_series" else result_format
    return {"queryType": query_type, "rawQueryText": sql, "queryText": sql, "timeColumns": ["time"]}


def _postgresql_query(sql: str, result_format: str) -> dict[str, Any]:
    """A query in the form of Grafana's own PostgreSQL data source, which reads a column `time` as times in seconds."""
    return {"editorMode": "code", "format": result_format, "rawQuery": True, "rawSql": sql}


DATA_SOURCES: dict[str, tuple[str, Callable[[str, str], dict[str, Any]]]] = {
    "sqlite": ("frser-sqlite-datasource", _sqlite_query),
    "postgresql": ("grafana-postgresql-datasource", _postgresql_query),
}
"""By database: Grafana's type of its data source, and what makes a query for it."""


def grafana_dashboard(database: str) -> dict[str, Any]:
    """Grafana's JSON of the dashboard for one of DATA_SOURCES: dashboard.json with each `sql` as a query for it."""
    source_type, to_query = DATA_SOURCES[database]
    source = {"type": source_type, "uid": UID}
    dashboard: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        if "targets" in panel:
            panel["datasource"] = source
            panel["targets"] = [
                {"refId": target["refId"], "datasource": source, **to_query("\n".join(target["sql"]), target["format"])}
                for target in panel["targets"]
            ]
    for variable in dashboard["templating"]["list"]:
        if "sql" in variable:
            sql = "\n".join(variable.pop("sql"))
            variable.update(datasource=source, query=sql, definition=sql)
    return dashboard


def write_grafana(folder: Path, database_host: str) -> None:
    """Write `grafana/` into a server folder: what to provision for each database, and the administrator's password."""
    grafana = folder / "grafana"
    for name in ("", "data", *DATA_SOURCES):
        (grafana / name).mkdir(mode=0o700)
    write_secret(grafana / "password", secrets.token_urlsafe(32).encode())
    for database in DATA_SOURCES:
        for name in ("datasources", "dashboards"):
            (grafana / database / name).mkdir(mode=0o700)
        values = {"folder": folder, "database": database, "host": database_host}
        source = Template((FILES / f"{database}.yaml").read_text()).substitute(values)
        (grafana / database / "datasources" / "mien.yaml").write_text(source)
        provider = Template((FILES / "provider.yaml").read_text()).substitute(values)
        (grafana / database / "dashboards" / "mien.yaml").write_text(provider)
        dashboard = json.dumps(grafana_dashboard(database), indent=2) + "\n"
        (grafana / database / "dashboards" / "mien.json").write_text(dashboard)
