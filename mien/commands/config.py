"""`mien config`: check, print and describe a program's configuration file."""

import json
from pathlib import Path
from typing import Annotated

import typer

config = typer.Typer(help="Check, show and describe configuration files.", no_args_is_help=True)

Program = Annotated[str, typer.Argument(help="agent, collector or dashboard.")]
ConfigFile = Annotated[Path, typer.Argument(help="The program's TOML file.")]


@config.command()
def check(program: Program, file: ConfigFile) -> None:
    """Check a configuration file; report its first mistake and how to fix it."""
    from mien.settings.load import load_settings
    from mien.settings.registry import settings_type_of

    load_settings(file, settings_type_of(program))
    typer.echo(f"{file} is a valid {program} configuration")


@config.command()
def show(program: Program, file: ConfigFile) -> None:
    """Print all settings in effect, including defaults, each with its description."""
    from mien.settings.display import to_toml
    from mien.settings.load import load_settings
    from mien.settings.registry import settings_type_of

    typer.echo(to_toml(load_settings(file, settings_type_of(program))), nl=False)


@config.command()
def schema(program: Program) -> None:
    """Print the JSON Schema of a configuration file, for editors that complete and validate TOML."""
    from mien.settings.display import to_json_schema
    from mien.settings.registry import settings_type_of

    typer.echo(json.dumps(to_json_schema(settings_type_of(program)), indent=2))
