"""Queries of the emotion log: filters, counts, observations, devices; all are available through `EmotionLog`."""

from mien.broker.database.columns import ObservationRow
from mien.broker.predictions.drift import DriftRow

from .aggregate import CountRow
from .collectors import CollectorRow
from .devices import DeviceRow
from .emotion_log import EmotionLog
from .gaps import GapRow
from .observations import Observations, Page
from .result import Result

__all__ = [
    "CollectorRow",
    "CountRow",
    "DeviceRow",
    "DriftRow",
    "EmotionLog",
    "GapRow",
    "ObservationRow",
    "Observations",
    "Page",
    "Result",
]
