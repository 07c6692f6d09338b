"""What the operator can mend: each error is one line with its cure and has an exit code by kind."""


class MienError(Exception):
    """An error for the user, printed as one line without a traceback. Everything else is a bug."""

    exit_code = 1


class UsageError(MienError):
    """A command or a question was given options that make no sense, or do not go together."""

    exit_code = 2

    def __init__(self, message: str, *, field: str | None = None) -> None:
        """`field` is the one word of a question that is wrong, where it is one."""
        super().__init__(message)
        self.field = field


class ConfigurationError(MienError):
    """A configuration file is missing, unreadable, or has an unknown key or a wrong type."""

    exit_code = 3


class ModelError(MienError):
    """A model file is missing, broken, or disagrees with the contract of this release."""

    exit_code = 4


class DataError(MienError):
    """Data, to train on or to import, is missing, damaged or of the wrong form."""

    exit_code = 5


class ConnectionRefused(MienError):
    """The MQTT broker answered and said no."""

    exit_code = 6


class CameraError(MienError):
    """A camera or a file in its place gives no frame."""

    exit_code = 7


class DatabaseError(MienError):
    """A database or an outbox cannot be opened, read or written."""

    exit_code = 8


class MissingExtra(MienError):
    """A command needs packages that an extra of mien brings."""

    exit_code = 9


class TrainingError(MienError):
    """A training run or an export cannot go on."""

    exit_code = 10


class QueryStopped(MienError):
    """A question of the log took longer than it may."""

    exit_code = 11


class LogBusy(MienError):
    """As many questions as may be at once are being answered."""

    exit_code = 12
