"""The commands of the server."""

import typer

from mien.broker.commands.collect import collect
from mien.broker.commands.dashboard import dashboard
from mien.broker.commands.db import db
from mien.broker.commands.demo import demo
from mien.broker.commands.import_log import import_file
from mien.broker.commands.query import query
from mien.broker.commands.rejected import rejected

PANEL = "On the server"

app = typer.Typer()
app.command(rich_help_panel="Try it")(demo)
app.command(rich_help_panel=PANEL)(collect)
app.command(rich_help_panel=PANEL)(query)
app.command(rich_help_panel=PANEL)(dashboard)
app.command("import", rich_help_panel=PANEL)(import_file)
app.add_typer(rejected, name="rejected", rich_help_panel=PANEL)
app.add_typer(db, name="db", rich_help_panel=PANEL)
