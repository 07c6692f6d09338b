"""What to do so that faces can be read here, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from mien.edge.health.diagnostics import MAX_BRIGHTNESS, MIN_BRIGHTNESS, MIN_CONTRAST
from mien.edge.settings import AgentSettings

from .distance import how_much_closer
from .reading import FaceMeasures, FrameReading

GOOD_FACE_PX = 40
"""Faces are read from `min_crop_px` on, and well from here on: smaller ones are scaled up by more than a fifth for the
model, whose input has 48 pixels."""
MAX_GOOD_TURN = 0.5
"""A half profile; see `mien.edge.vision.gates.turn`."""
MAX_SHADE = 0.5
"""A face of less than this fraction of the image's brightness is lit from behind."""
MIN_ROLL_DEGREES = 60.0
"""Nobody holds his head like that: the camera hangs sideways."""

Level = Literal["ok", "warning", "error", "unknown"]
"""error: nothing is read like this. warning: it is read, but could be better. unknown: nobody is
in view, or nothing moves."""


class Advice(Struct, frozen=True, kw_only=True):
    """One line of the page."""

    topic: Literal["size", "light", "sharpness", "head", "motion"]
    level: Level
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adviser:
    """Gives advice on the nearest face of the last frames."""

    settings: AgentSettings
    view_degrees: float | None = None
    """The camera's horizontal field of view; None if it is not known."""

    @property
    def needed_px(self) -> int:
        """The size that faces should have."""
        return max(GOOD_FACE_PX, self.settings.faces.min_crop_px)

    def advise(self, readings: Sequence[FrameReading]) -> list[Advice]:
        """A line for each topic, from the frames of the last seconds, at least one.

        Each measure is the median of the nearest face; one that is in fewer than half of the frames is not there.
        """
        newest = readings[-1]
        nearest = [reading.faces[0].measures for reading in readings if reading.faces]
        face = FaceMeasures.median(nearest) if 2 * len(nearest) >= len(readings) else None
        return [
            self._size(face, newest),
            self._light(face, newest),
            self._sharpness(face),
            self._head(face),
        ]

    def _size(self, face: FaceMeasures | None, newest: FrameReading) -> Advice:
        if face is None:
            text = "no face found: stand where people will be, and look at the camera"
            return Advice(topic="size", level="unknown", text=text)
        side_px, min_px = round(face.side_px), self.settings.faces.min_crop_px
        if face.cut_off > self.settings.faces.max_cut_off:
            text = "the face is cut off by the image's edge: turn the camera until all of it is inside"
            return Advice(topic="size", level="error", text=text)
        if side_px >= self.needed_px:
            return Advice(topic="size", level="ok", text=f"faces here are {side_px} px, {self.needed_px} are needed")
        closer = how_much_closer(face.side_px, self.needed_px, width_px=newest.width, view_degrees=self.view_degrees)
        if side_px < min_px:
            text = (
                f"faces here are {side_px} px, and below {min_px} none is read; {self.needed_px} are needed: {closer}"
            )
            return Advice(topic="size", level="error", text=text)
        text = f"faces here are {side_px} px, {self.needed_px} are needed: {closer}"
        return Advice(topic="size", level="warning", text=text)

    def _light(self, face: FaceMeasures | None, newest: FrameReading) -> Advice:
        level: Level = "error"
        brightness = f"brightness {newest.brightness:.0f} of 255"
        if newest.contrast < MIN_CONTRAST:
            text = "the image is blank: remove the lens cap, or turn on a light"
        elif newest.brightness < MIN_BRIGHTNESS:
            text = f"too dark, {brightness}: turn on a light"
        elif newest.brightness > MAX_BRIGHTNESS:
            text = f"too bright, {brightness}: turn the camera away from the light"
        elif face and face.signal_to_noise < self.settings.faces.min_signal_to_noise:
            text = "the face is lost in the camera's noise: turn on a light in front of people"
        elif face and face.brightness < MAX_SHADE * newest.brightness:
            level = "warning"
            text = (
                f"the face is in the shade, {face.brightness:.0f} of 255 against {newest.brightness:.0f} around it: "
                "turn the camera away from the window, or add light in front of people"
            )
        else:
            level, text = "ok", f"enough light, {brightness}"
        return Advice(topic="light", level=level, text=text)

    def _sharpness(self, face: FaceMeasures | None) -> Advice:
        needed = self.settings.faces.min_sharpness
        if face is None:
            return Advice(topic="sharpness", level="unknown", text="needs a face in view")
        if face.sharpness < needed:
            text = (
                f"the face is blurred, {face.sharpness:.0f} where {needed:.0f} is needed: focus the lens, wipe it, or, "
                "if only moving faces are blurred, add light"
            )
            return Advice(topic="sharpness", level="error", text=text)
        text = f"sharp, {face.sharpness:.0f} where {needed:.0f} is needed"
        return Advice(topic="sharpness", level="ok", text=text)

    def _head(self, face: FaceMeasures | None) -> Advice:
        faces = self.settings.faces
        level: Level = "error"
        if face is None:
            level, text = "unknown", "needs a face in view"
        elif abs(face.roll_degrees) >= MIN_ROLL_DEGREES:
            camera = self.settings.camera
            turned_degrees = 90 * round(face.roll_degrees / 90) * (1 if camera.flip == "none" else -1)
            text = f"heads are not upright: set rotate = {(camera.rotate - turned_degrees) % 360} under [camera]"
        elif face.turn > faces.max_turn:
            text = "the head is turned too far to the side: hang the camera where people look"
        elif face.mouth_texture < faces.min_mouth_texture:
            text = "the mouth seems to be covered: take off a mask or a scarf"
        elif face.turn > MAX_GOOD_TURN:
            level, text = "warning", "the head is half turned away: faces are read best from the front"
        else:
            level, text = "ok", "seen from the front" if face.turn > 0 else "nothing wrong is seen"
        return Advice(topic="head", level=level, text=text)
