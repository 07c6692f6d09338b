"""The commands that deploy mien."""

import typer

from mien.deploy.commands.device import device
from mien.deploy.commands.flash import flash
from mien.deploy.commands.server import server

app = typer.Typer()
app.add_typer(server, name="server", rich_help_panel="On the server")
app.add_typer(device, name="device", rich_help_panel="Devices and SD cards")
app.command(rich_help_panel="Devices and SD cards")(flash)
