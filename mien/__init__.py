"""What device, collector and trainer must agree on."""

from mien.version import VERSION

__all__ = ["VERSION"]
