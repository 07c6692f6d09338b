"""The contract that the agent, the collector and the trainer share."""

from mien.version import VERSION

__all__ = ["VERSION"]
