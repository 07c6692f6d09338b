"""The interface of all motion sensors, and a sensor that always reports motion."""

from types import TracebackType
from typing import Protocol, Self


class MotionSensor(Protocol):
    """Detects motion; use as a context manager."""

    def wait(self, timeout_s: float) -> bool:
        """Block until there is motion; False if there is none in time."""
        ...

    @property
    def is_moving(self) -> bool:
        """Whether there is motion now."""
        ...

    @property
    def is_warming_up(self) -> bool:
        """Whether the sensor cannot be trusted yet."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class SensorWithoutResources:
    """The context manager of a sensor that has nothing to open or close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


class AlwaysOnSensor(SensorWithoutResources):
    """Always reports motion: for a place where something always moves, or a camera that should never stop."""

    is_moving = True
    is_warming_up = False

    def wait(self, timeout_s: float) -> bool:
        """Return True at once."""
        return True
