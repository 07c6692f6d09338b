"""The trainer's commands."""

import typer

from mien.trainer.commands.dataset import dataset
from mien.trainer.commands.model import model
from mien.trainer.commands.train import train

PANEL = "Models"

app = typer.Typer()
app.command(rich_help_panel=PANEL)(train)
app.add_typer(model, name="model", rich_help_panel=PANEL)
app.add_typer(dataset, name="dataset", rich_help_panel=PANEL)
