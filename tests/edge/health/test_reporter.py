"""The health report is valid, whatever a driver or a file writes into its error messages."""

from pathlib import Path

import pytest
from samples import make_health

from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera.settings import UsbCameraSettings
from mien.edge.delivery.clock import Clock
from mien.edge.health.recent_predictions import RecentPredictions
from mien.edge.health.reporter import HealthReporter
from mien.edge.motion.factory import open_motion_sensor
from mien.edge.motion.sensor_health import MotionSensorMonitor
from mien.edge.motion.settings import SimulatedMotionSettings
from mien.edge.settings import AgentSettings
from mien.edge.vision.factory import open_detector
from mien.edge.vision.pipeline import VisionPipeline
from mien.messages.health import decode_health, encode_health
from mien.model.classifier import Classifier


@pytest.mark.parametrize("text", ["no\r\nsuch\x1b[31m device\x00 \u202e!", "\ud83d is half an emoji", "x" * 3000, ""])
def test_any_error_message_arrives_as_a_short_line(tmp_path: Path, text: str) -> None:
    settings = AgentSettings(
        device="hallway",
        camera=UsbCameraSettings(),
        motion=SimulatedMotionSettings(intervals_s=[(60.0, 65.0)]),
        outbox=str(tmp_path / "outbox.db"),
    )
    vision = VisionPipeline(
        settings.faces, detector=open_detector(settings.faces), classifier=Classifier(), model_error=text
    )
    camera_manager = CameraManager(settings.camera)
    camera_manager.error = text
    recent_predictions = RecentPredictions()
    recent_predictions.record("happy", 0.75)
    with open_motion_sensor(settings.motion, camera_manager) as motion:
        reporter = HealthReporter(
            settings,
            camera_manager=camera_manager,
            vision=vision,
            motion=motion,
            sensor_monitor=MotionSensorMonitor(settings.motion),
            clock=Clock("trusted"),
            recent_predictions=recent_predictions,
        )
        report = decode_health(encode_health(reporter.build_health(make_health().outbox)))
    assert report.sensor
    assert report.sensor.kind == "simulated"
    assert report.camera
    assert report.vision
    for error in (report.camera.error, report.vision.model_error):
        assert len(error) == min(200, len(text))
        assert error.isprintable()
    assert (report.predictions, report.mean_confidence) == ({"happy": 1.0}, 0.75)
    assert report.camera.state == ("failing" if text else "closed")
