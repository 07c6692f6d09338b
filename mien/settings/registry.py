"""The programs that have a configuration file, found through entry points."""

import typing
from importlib.metadata import entry_points

from msgspec import Struct

from mien.errors import ConfigurationError, MissingExtra


def configurable_programs() -> list[str]:
    """Names of the programs that have a configuration file."""
    return sorted(entry_points(group="mien.settings").names)


def settings_type_of(program: str) -> type[Struct]:
    """A program's settings struct. ConfigurationError lists the valid programs; MissingExtra if it is not installed."""
    for entry in entry_points(group="mien.settings", name=program):
        try:
            return typing.cast(type[Struct], entry.load())
        except ModuleNotFoundError as error:
            raise MissingExtra(f"the settings of {program} need the package {error.name}") from error
    raise ConfigurationError(f"there is no program {program!r}: choose from {', '.join(configurable_programs())}")
