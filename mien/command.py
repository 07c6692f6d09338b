"""The `mien` command: finds the programs' verbs through entry points and turns errors into one line and a code."""

import json
import sys
from importlib.metadata import entry_points, metadata
from typing import Annotated

import typer

from mien.configuration_command import config
from mien.errors import MienError, MissingExtra
from mien.journal import log_to_stderr
from mien.version import VERSION

EXIT_CODES = """Exit codes: 0 done; 1 or 2 wrong use; 3 configuration; 4 model; 5 data; 6 the MQTT broker refused;
7 camera; 8 database or outbox; 9 a package is missing; 10 training or export;
11 a question took too long; 12 too many at once; 130 interrupted."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mien {VERSION}")
        raise typer.Exit


def _application() -> tuple[typer.Typer, dict[str, str]]:
    """The whole command, and the program that each verb belongs to."""
    app = typer.Typer(
        name="mien",
        help="Reads facial expressions at the edge and keeps a log of them.",
        epilog=EXIT_CODES,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help: importing Rich and Markdown for it doubles the start
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
        verbs = [
            str(command.name or getattr(command.callback, "__name__", "")) for command in program.registered_commands
        ]
        verbs += [str(group.name) for group in program.registered_groups]
        programs |= dict.fromkeys(verbs, entry.name)
    app.add_typer(config, name="config")
    return app, programs


def main(argv: list[str] | None = None) -> int:
    """Run one command and give its exit code. What the operator can mend becomes one line on stderr."""
    arguments = sys.argv[1:] if argv is None else argv
    log_to_stderr()
    app, programs = _application()
    try:
        app(args=arguments, prog_name="mien")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        verb = next((argument for argument in arguments if argument in programs), None)
        if verb is None or (error.name or "").split(".")[0] == "mien":
            raise
        return _report(_missing_extra(verb, programs[verb], error), arguments)
    except MienError as error:
        return _report(error, arguments)
    return 0


def _missing_extra(verb: str, program: str, error: ModuleNotFoundError) -> MissingExtra:
    extras = metadata("mien").get_all("Provides-Extra", [])
    extra = verb if verb in extras else program
    return MissingExtra(f"`mien {verb}` needs the package {error.name}: pip install 'mien[{extra}]'")


def _report(error: MienError, arguments: list[str]) -> int:
    if "--json" in arguments:
        line = json.dumps({"error": str(error), "kind": type(error).__name__, "exit_code": error.exit_code})
    else:
        line = f"mien: {error}"
    print(line, file=sys.stderr)
    return error.exit_code
