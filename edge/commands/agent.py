"""The command `mien agent`: builds the agent's parts and runs them."""

from pathlib import Path
from typing import Annotated

import typer

END_DRAIN_S = 10.0
"""How long to wait for acknowledgements after the last frame."""
STOP_DRAIN_S = 2.0
"""The same after a signal to stop, if a collector is online."""


def agent(config: Annotated[Path, typer.Option("--config", help="The agent's TOML file.")]) -> None:
    """Observe until stopped (SIGTERM, Ctrl-C), or until the file that replaces the camera ends."""
    import logging
    import signal
    import threading
    from functools import partial

    from mien.edge.agent import Agent
    from mien.edge.agent_lock import agent_lock
    from mien.edge.camera.camera_manager import CameraManager
    from mien.edge.camera.factory import check_camera
    from mien.edge.camera_lease import CameraLease
    from mien.edge.delivery.clock import Clock
    from mien.edge.delivery.outbox import Outbox, OutboxLimits
    from mien.edge.delivery.publisher import Publisher
    from mien.edge.health.recent_predictions import RecentPredictions
    from mien.edge.health.reporter import HealthReporter
    from mien.edge.health.watchdog import Watchdog
    from mien.edge.motion.factory import open_motion_sensor
    from mien.edge.motion.sensor_health import MotionSensorMonitor
    from mien.edge.motion.settings import FrameDifferenceSettings
    from mien.edge.settings import AgentSettings
    from mien.edge.vision.factory import open_classifier, open_detector_or_fallback
    from mien.edge.vision.pipeline import VisionPipeline
    from mien.messages.motion import MotionState
    from mien.settings.load import load_settings

    log = logging.getLogger("mien.edge")
    settings = load_settings(config, AgentSettings)
    check_camera(settings.camera, may_be_unplugged=True)
    classifier, model_error = open_classifier(settings.model)
    detector, detector_error = open_detector_or_fallback(settings.faces)
    vision = VisionPipeline(
        settings.faces,
        detector=detector,
        classifier=classifier,
        model_error="; ".join(filter(None, (detector_error, model_error))),
    )
    log.info("model %s on %s", classifier.model_id, classifier.runtime)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    clock = Clock(settings.clock)
    limits = OutboxLimits(max_rows=settings.outbox_max_rows, max_payload_bytes=settings.outbox_max_mb * 1_000_000)
    sensor_monitor = MotionSensorMonitor(settings.motion)
    with (
        agent_lock(Path(settings.outbox)),
        Outbox(Path(settings.outbox), device=settings.device, limits=limits) as outbox,
        CameraLease(Path(settings.outbox)) as lease,
        CameraManager(
            settings.camera,
            standby=settings.camera.standby or isinstance(settings.motion, FrameDifferenceSettings),
            lease=lease,
        ) as camera_manager,
        open_motion_sensor(settings.motion, camera_manager, on_pulse=sensor_monitor.record_pulse) as motion,
    ):
        watchdog = Watchdog(["agent", "publisher"])
        watchdog.ready()
        recent_predictions = RecentPredictions()
        health_reporter = HealthReporter(
            settings,
            camera_manager=camera_manager,
            vision=vision,
            motion=motion,
            sensor_monitor=sensor_monitor,
            clock=clock,
            recent_predictions=recent_predictions,
        )
        with Publisher(
            settings.mqtt,
            device=settings.device,
            model_id=classifier.model_id,
            outbox=outbox,
            clock=clock,
            clock_wait_s=settings.clock_wait_s,
            build_health=health_reporter.build_health,
            heartbeat=partial(watchdog.heartbeat, "publisher"),
        ) as publisher:

            def publish_motion(state: MotionState) -> None:
                publisher.publish_motion(state)
                lease.show_motion(is_moving=state.state == "on")

            Agent(
                settings,
                motion=motion,
                camera_manager=camera_manager,
                vision=vision,
                outbox=outbox,
                clock=clock,
                sensor_monitor=sensor_monitor,
                publish_motion=publish_motion,
                record_prediction=recent_predictions.record,
                heartbeat=partial(watchdog.heartbeat, "agent"),
            ).run(stopping)
            watchdog.stopping()
            stop_drain_s = STOP_DRAIN_S if publisher.is_collector_online else 0.0
            if not publisher.drain(stop_drain_s if stopping.is_set() else END_DRAIN_S):
                log.warning("%d observations wait in %s for the next start", outbox.count_waiting(), settings.outbox)
