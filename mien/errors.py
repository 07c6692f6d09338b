"""Errors that the user can fix: each is one line with its fix, and each kind has its own exit code."""


class MienError(Exception):
    """An error for the user, printed as one line without a traceback. Any other exception is a bug."""

    exit_code = 1


class UsageError(MienError):
    """A command or query was given options that are invalid or do not go together."""

    exit_code = 2

    def __init__(self, message: str, *, field: str | None = None) -> None:
        """`field` is the name of the invalid query parameter, if it is exactly one."""
        super().__init__(message)
        self.field = field


class ConfigurationError(MienError):
    """A configuration file is missing, unreadable, or has an unknown key or a wrong type."""

    exit_code = 3


class ModelError(MienError):
    """A model file is missing, broken, or incompatible with this release."""

    exit_code = 4


class DataError(MienError):
    """Data to train on or to import is missing, damaged or in the wrong format."""

    exit_code = 5


class ConnectionRefused(MienError):
    """The MQTT broker refused the connection."""

    exit_code = 6


class CameraError(MienError):
    """A camera, or a file in its place, delivers no frames."""

    exit_code = 7

    def __init__(self, message: str, *, fault: str = "absent") -> None:
        """`fault` is what the health report calls it, one of `mien.messages.health.CAMERA_FAULTS`."""
        super().__init__(message)
        self.fault = fault


class DatabaseError(MienError):
    """A database or an outbox cannot be opened, read or written."""

    exit_code = 8


class MissingExtra(MienError):
    """A command needs packages that an extra of mien installs."""

    exit_code = 9


class TrainingError(MienError):
    """A training run or an export cannot continue."""

    exit_code = 10


class QueryTimeout(MienError):
    """A query of the log exceeded its time limit."""

    exit_code = 11


class TooManyQueries(MienError):
    """The maximum number of concurrent queries is already running."""

    exit_code = 12


class SessionMayBeOpen(MienError):
    """A device was revoked, but could not be disconnected for certain."""

    exit_code = 13


class OutputError(MienError):
    """Standard output cannot be written: the disk is full, for example."""

    exit_code = 14


class OutputClosed(MienError):
    """Whoever read standard output has closed the pipe, as `head` does: no error of anyone, so nothing is printed."""

    exit_code = 141  # what a shell reports for a program that SIGPIPE (13) ended: 128 + 13
