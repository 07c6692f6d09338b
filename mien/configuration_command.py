"""`mien config`: check, show and describe a program's configuration file."""

import json
from pathlib import Path
from typing import Annotated

import typer

config = typer.Typer(help="Check, show and describe configuration files.", no_args_is_help=True)

Program = Annotated[str, typer.Argument(help="agent, collector or dashboard.")]


@config.command()
def check(program: Program, file: Annotated[Path, typer.Argument(help="The program's TOML file.")]) -> None:
    """Say whether a configuration file is valid; the first mistake and its cure if it is not."""
    from mien.configuration import load, settings_type_of

    load(file, settings_type_of(program))
    typer.echo(f"{file} is a valid {program} configuration")


@config.command()
def show(program: Program, file: Annotated[Path, typer.Argument(help="The program's TOML file.")]) -> None:
    """Print every setting in force, defaults included, each with its meaning."""
    from mien.configuration import load, settings_type_of
    from mien.configuration import show as shown

    typer.echo(shown(load(file, settings_type_of(program))), nl=False)


@config.command()
def schema(program: Program) -> None:
    """Print the JSON Schema of a configuration file, for editors that complete and check TOML."""
    from mien.configuration import schema as described
    from mien.configuration import settings_type_of

    typer.echo(json.dumps(described(settings_type_of(program)), indent=2))
