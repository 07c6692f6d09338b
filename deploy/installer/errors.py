"""The installer's error."""


class InstallError(Exception):
    """A problem that the operator can fix, printed as one line."""
