"""The commands of the device."""

import typer

from mien.edge.commands.agent import agent
from mien.edge.commands.aim import aim
from mien.edge.commands.classify import classify
from mien.edge.commands.doctor import doctor

PANEL = "On the device"

app = typer.Typer()
app.command(rich_help_panel=PANEL)(agent)
app.command(rich_help_panel=PANEL)(doctor)
app.command(rich_help_panel=PANEL)(aim)
app.command(rich_help_panel=PANEL)(classify)
