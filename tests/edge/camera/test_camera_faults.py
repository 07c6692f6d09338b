"""A camera that fails in every way that the demo camera can stage: each is named, and the agent gets over it."""

import gc
import logging
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, pairwise, takewhile
from pathlib import Path

import cv2
import numpy as np
import pytest
from polling import wait_for
from simulated_time import SimulatedTime

from mien.edge.camera.camera_manager import FIRST_RETRY_S, MAX_RETRY_S, STEADY_S, CameraManager
from mien.edge.camera.camera_monitor import NOTICE_S, CameraMonitor
from mien.edge.camera.factory import open_camera
from mien.edge.camera.faults.exposure import WINDOW_S
from mien.edge.camera.faults.staged import FaultName
from mien.edge.camera.frame import Frame
from mien.edge.camera.settings import DemoCameraSettings, NetworkCameraSettings, UsbCameraSettings
from mien.edge.vision.factory import open_detector
from mien.edge.vision.settings import YuNetSettings
from mien.errors import CameraError
from mien.messages.health import CAMERA_FAULTS


class StagedCamera:
    """The demo camera in simulated time, watched by a monitor."""

    def __init__(self, *faults: tuple[float, float, FaultName]) -> None:
        self.settings = DemoCameraSettings(faults=list(faults), width=320, height=240, frames_per_second=4)
        self.time = SimulatedTime()
        self.monitor = CameraMonitor(self.settings, started_s=0.0)

    @property
    def fault(self) -> str | None:
        return self.monitor.current(self.time.now_s)

    @contextmanager
    def frames(self) -> Iterator[Iterator[Frame]]:
        with open_camera(self.settings, self.time.timer(), monitor=self.monitor) as frames:
            yield frames

    def run_until(self, end_s: float) -> list[Frame]:
        """Open it, and show its frames until then."""
        with self.frames() as frames:
            return list(takewhile(lambda frame: frame.arrived_s < end_s, frames))


def test_a_camera_that_works_has_no_fault() -> None:
    camera = StagedCamera()
    camera.run_until(30.0)
    assert (camera.fault, camera.monitor.counts, camera.monitor.has_color) == (None, {}, True)


def test_a_black_image_is_named_until_it_is_over() -> None:
    camera = StagedCamera((10.0, 400.0, "black"))
    camera.run_until(9.0)
    assert camera.fault is None
    camera.run_until(20.0)
    assert camera.fault == "black"
    camera.time.now_s = 390.0  # even while the camera is closed
    assert camera.fault == "black"
    camera.run_until(402.0)
    assert (camera.fault, camera.monitor.counts) == (None, {"black": 1})


@pytest.mark.parametrize("fault", ["exposure", "resized", "time_jump"])
def test_what_is_over_in_a_moment_is_named_for_two_minutes(fault: FaultName) -> None:
    counts: dict[str, int] = {fault: 1}
    camera = StagedCamera((10.0, 20.0, fault))
    frames = camera.run_until(22.0)
    assert camera.fault == fault
    assert len(frames) == pytest.approx(88, abs=2)  # none is withheld
    camera.run_until(20.0 + WINDOW_S + NOTICE_S + 1)
    assert camera.fault is None
    assert camera.monitor.counts == counts


@pytest.mark.parametrize(("fault", "after_s"), [("frozen", 5.0), ("green", 2.0)])
def test_an_image_that_is_of_no_use_makes_the_camera_open_again(fault: FaultName, after_s: float) -> None:
    camera = StagedCamera((10.0, 30.0, fault))
    with pytest.raises(CameraError) as caught:
        camera.run_until(30.0)
    assert caught.value.fault == fault
    assert camera.time.now_s == pytest.approx(10.0 + after_s, abs=1.5)
    camera.time.now_s = 30.0
    assert camera.run_until(40.0)


@pytest.mark.parametrize(
    ("fault", "hint"), [("unplugged", "has been unplugged: wait"), ("stalled", "has delivered nothing for 10 s: wait")]
)
def test_a_camera_that_delivers_nothing_more_has_stopped_and_one_that_never_did_is_absent(
    fault: FaultName, hint: str
) -> None:
    camera = StagedCamera((10.0, 50.0, fault))
    with pytest.raises(CameraError, match=hint) as caught:
        camera.run_until(50.0)
    assert caught.value.fault == "stopped"
    with pytest.raises(CameraError) as caught:
        camera.run_until(50.0)
    assert caught.value.fault == "absent"
    camera.time.now_s = 50.0
    assert camera.run_until(60.0)


def test_faces_are_found_by_infra_red_light_and_the_lack_of_color_is_known() -> None:
    camera = StagedCamera((5.0, 10.0, "gray"))
    detector = open_detector(YuNetSettings())
    camera.run_until(4.0)
    assert camera.monitor.has_color
    with camera.frames() as frames:
        night = [frame for frame in islice(frames, 22) if frame.arrived_s > 5.0]
    assert not camera.monitor.has_color
    assert [len(detector.detect(frame.image)) for frame in night[::8]] == [1, 1, 1]
    camera.run_until(12.0)
    assert camera.monitor.has_color
    assert camera.fault is None  # it is no fault


def test_the_compression_of_a_network_camera_may_repeat_an_image_for_a_while() -> None:
    image = np.random.default_rng(1).integers(0, 256, (48, 64), dtype=np.uint8)
    monitor = CameraMonitor(NetworkCameraSettings(url_file="url"), started_s=0.0)
    assert len(list(monitor.watch(Frame(image, number / 10) for number in range(590)))) == 590
    with pytest.raises(CameraError, match="repeats the same image"):
        list(monitor.watch(Frame(image, number / 10) for number in range(620)))


def test_a_mask_does_not_hide_a_covered_lens() -> None:
    settings = DemoCameraSettings(faults=[(0.0, 1e9, "black")], mask=[(0.0, 0.0, 0.5, 0.5)])
    time, monitor = SimulatedTime(), CameraMonitor(settings, started_s=0.0)
    with open_camera(settings, time.timer(), monitor=monitor) as frames:
        assert next(frames).gray.max() == 128
        list(islice(frames, 50))
    assert monitor.current(time.now_s) == "black"


def test_every_name_that_is_reported_is_known() -> None:
    assert {"black", "exposure", "resized", "time_jump", "frozen", "green", "stopped", "absent"} <= set(CAMERA_FAULTS)
    assert CameraError("any").fault in CAMERA_FAULTS


@pytest.fixture
def small_image(tmp_path: Path) -> str:
    cv2.imwrite(str(tmp_path / "small.png"), np.full((8, 8), 200, np.uint8))
    return str(tmp_path / "small.png")


def test_a_camera_that_is_taken_away_and_put_back_is_used_again(small_image: str) -> None:
    camera = DemoCameraSettings(
        path=small_image, width=64, height=64, frames_per_second=60, faults=[(0.3, 1.0, "unplugged")]
    )
    time = SimulatedTime()
    with CameraManager(camera, standby=True, timer=time.timer()) as manager:
        wait_for(lambda: manager.poll() is not None)
        wait_for(lambda: manager.poll() is None and manager.error)
        assert (manager.state, manager.fault) == ("failing", "stopped")

        def is_back() -> bool:
            time.sleep(MAX_RETRY_S)
            return manager.poll() is not None and not manager.error

        wait_for(is_back)
        assert manager.state == "on"
        assert manager.fault_counts["stopped"] == 1


def retry_delays(manager: CameraManager, time: SimulatedTime, failures: int) -> Iterator[float]:
    """How long the manager waits after each failure, to a tenth of a second."""
    for _ in range(failures):
        with manager.frames() as frames:
            list(frames)
        failed_s = time.now_s
        while not manager.is_ready:
            time.sleep(0.1)
        yield time.now_s - failed_s


def test_a_camera_that_stays_away_is_tried_less_and_less_often(small_image: str) -> None:
    camera = DemoCameraSettings(path=small_image, width=64, height=64, faults=[(0.0, 1e9, "unplugged")])
    time = SimulatedTime()
    with CameraManager(camera, timer=time.timer()) as manager:
        delays_s = list(retry_delays(manager, time, 9))
    for delay_s, expected_s in zip(delays_s, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True):
        assert 0.8 * expected_s <= delay_s <= 1.2 * expected_s + 0.2


def test_one_image_does_not_make_a_camera_steady(small_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def open_flapping(*_: object, **__: object) -> Iterator[Iterator[Frame]]:
        yield iter([Frame(np.zeros((64, 64), np.uint8), 0.0)])

    monkeypatch.setattr("mien.edge.camera.camera_manager.open_camera", open_flapping)
    time = SimulatedTime()
    with CameraManager(DemoCameraSettings(path=small_image), timer=time.timer()) as manager:
        assert max(retry_delays(manager, time, 6)) >= 0.8 * 32
    assert FIRST_RETRY_S < STEADY_S


def test_a_usb_camera_that_is_missing_at_the_start_is_reported_and_waited_for() -> None:
    with CameraManager(UsbCameraSettings(index=77), timer=SimulatedTime().timer()) as manager:
        assert (manager.state, manager.fault) == ("failing", "absent")
        assert manager.error.startswith("there is no USB camera 77: plug it in")
        assert not manager.is_ready


def test_a_thousand_restarts_cost_no_memory(small_image: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="mien.edge.camera")  # pytest would keep each line
    camera = DemoCameraSettings(path=small_image, width=64, height=64, faults=[(0.0, 1e9, "unplugged")])
    time = SimulatedTime()

    def restart(count: int) -> None:
        for _ in range(count):
            with manager.frames() as frames:
                list(frames)
            time.sleep(1.2 * MAX_RETRY_S + 1)

    with CameraManager(camera, timer=time.timer()) as manager:
        restart(200)
        threads = threading.active_count()
        tracemalloc.start()
        try:
            used_bytes = []
            for _ in range(5):
                gc.collect()
                used_bytes.append(tracemalloc.get_traced_memory()[0])
                restart(160)
        finally:
            tracemalloc.stop()
        assert manager.failures == 1000
        assert threading.active_count() <= threads
    growths_bytes = [after - before for before, after in pairwise(used_bytes)]
    # Python's own tables grow in leaps; what a restart costs would show each time, and no object has only 20 bytes.
    assert min(growths_bytes) < 160 * 20
