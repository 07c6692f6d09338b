"""The `mien` command: finds the programs' commands through entry points, and turns errors into exit codes."""

import json
import sys
from contextlib import suppress
from importlib.metadata import entry_points, metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mien.commands.config import config
from mien.commands.explain import explain
from mien.errors import MienError, MissingExtra, OutputClosed
from mien.files.standard_output import guard_stdout
from mien.logging_setup import log_to_stderr
from mien.version import VERSION

EXIT_CODES = """Exit codes: 0 success; 1 or 2 wrong usage; 3 configuration; 4 model; 5 data; 6 refused by the MQTT
broker; 7 camera; 8 database or outbox; 9 missing package; 10 training or export; 11 query timed out; 12 too many
queries at once; 13 a revoked device may still be connected; 14 standard output cannot be written; 130 interrupted;
141 the reader of a pipe has closed it."""

PANELS = ("Try it", "On the device", "On the server", "Devices and SD cards", "Models", "Configuration and help")
"""Headings of the help, in order."""


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"mien {VERSION}")
        raise typer.Exit


class _PanelGroup(TyperGroup):
    """A group that lists its commands under the headings that their `rich_help_panel` names, in plain text."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the first sentence of each command's help, wrapped and in one column for all panels."""
        name_width = max(map(len, self.commands))
        panels: dict[str, list[tuple[str, str]]] = {panel: [] for panel in PANELS}
        for name, command in self.commands.items():
            if not command.hidden:
                panel = getattr(command, "rich_help_panel", None)
                heading = panel if isinstance(panel, str) else "Commands"
                panels.setdefault(heading, []).append((name.ljust(name_width), command.get_short_help_str(limit=1000)))
        for panel, rows in panels.items():
            if rows:
                with formatter.section(panel):
                    formatter.write_dl(rows)


def create_app() -> tuple[typer.Typer, dict[str, str]]:
    """The command with all installed programs' commands, and the program that each command belongs to."""
    app = typer.Typer(
        name="mien",
        cls=_PanelGroup,
        help="Reads facial expressions at the edge and keeps a log of them.",
        epilog=EXIT_CODES,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help: importing Rich and Markdown for it doubles the startup time
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        version: Annotated[
            bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
        ] = False,
    ) -> None:
        pass

    programs: dict[str, str] = {}
    for entry in sorted(entry_points(group="mien.programs"), key=lambda entry: entry.name):
        program: typer.Typer = entry.load()
        app.add_typer(program)
        commands = [
            str(command.name or getattr(command.callback, "__name__", "")) for command in program.registered_commands
        ]
        commands += [str(group.name) for group in program.registered_groups]
        programs |= dict.fromkeys(commands, entry.name)
    app.add_typer(config, name="config", rich_help_panel="Configuration and help")
    app.command(rich_help_panel="Configuration and help")(explain)
    return app, programs


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code. An error that the user can fix becomes one line on stderr."""
    arguments = sys.argv[1:] if argv is None else argv
    log_to_stderr()
    guard_stdout()
    exit_code = _run(arguments)
    try:
        sys.stdout.flush()
    except MienError as error:
        return _report(error, arguments)
    return exit_code


def _run(arguments: list[str]) -> int:
    app, programs = create_app()
    try:
        app(args=arguments, prog_name="mien")
    except SystemExit as exit_request:
        return exit_request.code if isinstance(exit_request.code, int) else 1
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        command = next((argument for argument in arguments if argument in programs), None)
        if command is None or (error.name or "").split(".")[0] == "mien":
            raise
        return _report(_missing_extra(command, programs[command], error), arguments)
    except MienError as error:
        return _report(error, arguments)
    return 0


def _missing_extra(command: str, program: str, error: ModuleNotFoundError) -> MissingExtra:
    extras = metadata("mien").get_all("Provides-Extra", [])
    extra = command if command in extras else program
    return MissingExtra(f"`mien {command}` needs the package {error.name}: pip install 'mien[{extra}]'")


def _report(error: MienError, arguments: list[str]) -> int:
    if isinstance(error, OutputClosed):
        return error.exit_code
    if "--json" in arguments:
        line = json.dumps({"error": str(error), "kind": type(error).__name__, "exit_code": error.exit_code})
    else:
        line = f"mien: {error}"
        if sys.stderr.isatty():
            from mien.explanations import number_for

            line += f"\nmore: mien explain {number_for(str(error), error.exit_code)}"
    with suppress(OSError):  # the disk of its file may be full, too
        print(line, file=sys.stderr)
    return error.exit_code
