"""Options that several deployment commands share."""

from pathlib import Path
from typing import Annotated

import typer

ServerOption = Annotated[
    Path, typer.Option("--server", help="The server folder; by default the current folder.", show_default=False)
]
ModelOption = Annotated[
    Path | None, typer.Option("--model", help="Your own model file; by default the model that ships with mien.")
]
