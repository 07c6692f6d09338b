"""How the agent lends its camera to `mien aim`, and gets it back even if that is killed: flags next to the outbox."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from mien.edge.process_flag import ProcessFlag
from mien.errors import CameraError, ConfigurationError

HAND_OVER_S = 20.0
"""The agent looks between two frames, and a hanging camera takes seconds to close."""
TAKE_WITHIN_S = 0.1

log = logging.getLogger(__name__)


class CameraLease:
    """The agent's side; use as a context manager. Without permission to open the flags it never lends the camera."""

    def __init__(self, outbox: Path) -> None:
        self._flags: _Flags | None = None
        self._was_wanted = False
        try:
            self._flags = _Flags(outbox)
        except OSError as error:
            log.warning("`mien aim` cannot borrow the camera (%s): check the owner of %s", error, outbox.parent)

    @property
    def is_wanted(self) -> bool:
        """Whether `mien aim` wants the camera, or has it."""
        is_wanted = self._flags is not None and self._flags.aim.is_set_elsewhere
        if is_wanted != self._was_wanted:
            self._was_wanted = is_wanted
            log.info("`mien aim` has the camera: paused" if is_wanted else "the camera is back")
        return is_wanted

    def take(self) -> bool:
        """Whether the agent may open the camera, or keep it open. If not, it must close it and call `release`."""
        return self._flags is None or (not self.is_wanted and self._flags.camera.set(within_s=TAKE_WITHIN_S))

    def release(self) -> None:
        """Say that the camera is closed."""
        if self._flags:
            self._flags.camera.clear()

    def show_motion(self, *, is_moving: bool) -> None:
        """Let `mien aim` know what the motion sensor sees."""
        if self._flags and is_moving:
            self._flags.motion.set()
        elif self._flags:
            self._flags.motion.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._flags:
            self._flags.close()


class BorrowedCamera:
    """What the agent lets `mien aim` know meanwhile."""

    def __init__(self, motion: ProcessFlag) -> None:
        self._motion = motion

    @property
    def is_agent_moving(self) -> bool:
        """Whether the agent's motion sensor sees motion; False too if no agent is running."""
        return self._motion.is_set_elsewhere


@contextmanager
def borrow_camera(outbox: Path, *, within_s: float = HAND_OVER_S) -> Iterator[BorrowedCamera]:
    """Have the agent of this outbox close its camera, if it runs, and keep it closed until the context, or the process,
    ends.

    ConfigurationError if this user may not, CameraError if another `mien aim` has the camera or the agent keeps it.
    """
    try:
        flags = _Flags(outbox)
    except OSError as error:
        raise ConfigurationError(
            f"the agent's camera cannot be borrowed ({error}): run this as the agent's user, "
            "`sudo -u mien mien aim --config /etc/mien/agent.toml`"
        ) from error
    with closing(flags):
        if not flags.aim.set():
            raise CameraError("another `mien aim` shows this camera: close it, or wait until it closes by itself")
        if not flags.camera.set(within_s=within_s):
            raise CameraError(
                f"the agent has not closed its camera within {within_s:g} s: restart it, "
                "`sudo systemctl restart mien-agent`"
            )
        yield BorrowedCamera(flags.motion)


class _Flags:
    """The camera, once `mien aim` has set `aim` and then `camera`, is its own. The agent sets `camera` while it uses
    the camera, and `motion` while its sensor sees motion."""

    def __init__(self, outbox: Path) -> None:
        """OSError if a file cannot be opened."""
        with ExitStack() as stack:
            self.aim, self.motion, self.camera = (
                stack.enter_context(closing(ProcessFlag(outbox.with_name(f"{outbox.name}-{name}"))))
                for name in ("aim", "motion", "camera")
            )
            self._resources = stack.pop_all()

    def close(self) -> None:
        """Clear what is set here, the camera first."""
        self._resources.close()
