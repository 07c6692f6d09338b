"""Queries of the emotion log: filters, counts, observations and devices, all available through `EmotionLog`."""

from mien.broker.database.columns import ObservationRow

from .aggregate import CountRow
from .devices import DeviceRow
from .emotion_log import EmotionLog
from .gaps import GapRow
from .observations import Observations, Page
from .result import Result

__all__ = ["CountRow", "DeviceRow", "EmotionLog", "GapRow", "ObservationRow", "Observations", "Page", "Result"]
