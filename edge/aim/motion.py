"""Says what the motion sensor sees: the agent's own, since only one program can read a pin."""

from pathlib import Path

from mien.edge.agent_lock import is_agent_running
from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera_lease import BorrowedCamera
from mien.edge.motion.frame_difference import FrameDifferenceSensor
from mien.edge.motion.settings import AlwaysOnSettings, FrameDifferenceSettings
from mien.edge.settings import AgentSettings

from .advice import Advice

UNREAD = "no agent runs that could read the sensor: start it with sudo systemctl start mien-agent"


class MotionLine:
    """One line of the page."""

    def __init__(self, settings: AgentSettings, borrowed: BorrowedCamera, camera_manager: CameraManager) -> None:
        self._settings = settings
        self._borrowed = borrowed
        self._frames = (
            FrameDifferenceSensor(settings.motion, camera_manager.poll)
            if isinstance(settings.motion, FrameDifferenceSettings)
            else None
        )

    def read(self) -> Advice:
        """What the sensor sees now."""
        if isinstance(self._settings.motion, AlwaysOnSettings):
            return Advice(topic="motion", level="ok", text="no sensor: the agent is always on")
        if self._frames is not None:
            return _describe(is_moving=self._frames.is_moving)
        if not is_agent_running(Path(self._settings.outbox)):
            return Advice(topic="motion", level="unknown", text=UNREAD)
        return _describe(is_moving=self._borrowed.is_agent_moving)


def _describe(*, is_moving: bool) -> Advice:
    if is_moving:
        return Advice(topic="motion", level="ok", text="something moves")
    return Advice(topic="motion", level="unknown", text="nothing moves")
