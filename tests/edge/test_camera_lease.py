"""The camera goes back and forth between the agent and `mien aim`."""

import os
import signal
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from polling import wait_for

from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera.settings import DemoCameraSettings
from mien.edge.camera_lease import CameraLease, borrow_camera
from mien.errors import CameraError, ConfigurationError

BORROW = """
import sys, time
from pathlib import Path
from mien.edge.camera_lease import borrow_camera
with borrow_camera(Path(sys.argv[1])):
    print("borrowed", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def test_the_agent_has_the_camera_until_it_is_borrowed(outbox: Path) -> None:
    with CameraLease(outbox) as lease:
        assert lease.take()
        assert lease.take()
        lease.release()
        with borrow_camera(outbox):
            assert lease.is_wanted
            assert not lease.take()
        assert not lease.is_wanted
        assert lease.take()


def test_an_agent_that_keeps_its_camera_is_named(outbox: Path) -> None:
    with CameraLease(outbox) as lease:
        lease.take()
        message = r"has not closed its camera within 0\.1 s: restart it, `sudo systemctl"
        with pytest.raises(CameraError, match=message), borrow_camera(outbox, within_s=0.1):
            pass
        assert lease.take()


def test_a_second_one_is_told_so(outbox: Path) -> None:
    with (
        borrow_camera(outbox),
        pytest.raises(CameraError, match="another `mien aim` shows this camera: close it"),
        borrow_camera(outbox),
    ):
        pass


def test_the_agent_s_motion_is_seen(outbox: Path) -> None:
    with CameraLease(outbox) as lease, borrow_camera(outbox) as borrowed:
        assert not borrowed.is_agent_moving
        lease.show_motion(is_moving=True)
        assert borrowed.is_agent_moving
        lease.show_motion(is_moving=False)
        assert not borrowed.is_agent_moving


def test_the_camera_comes_back_when_the_borrower_is_killed(outbox: Path) -> None:
    with (
        CameraLease(outbox) as lease,
        subprocess.Popen([sys.executable, "-c", BORROW, str(outbox)], stdout=subprocess.PIPE, text=True) as borrower,
    ):
        assert borrower.stdout
        assert borrower.stdout.readline() == "borrowed\n"
        assert not lease.take()
        borrower.send_signal(signal.SIGKILL)
        borrower.wait(30)
        wait_for(lease.take)


@pytest.mark.parametrize("standby", [False, True])
def test_a_camera_manager_closes_its_camera_and_opens_it_again(outbox: Path, standby: bool) -> None:
    settings = DemoCameraSettings(frames_per_second=50)
    with (
        CameraLease(outbox) as lease,
        CameraManager(settings, standby=standby, lease=lease) as manager,
        ExitStack() as borrowing,
    ):
        with manager.frames() as frames:
            assert next(frame for frame in frames if frame is not None)
            states: list[str] = [manager.state]
            # the agent's side of the flags is of the same process: borrow as soon as it has let go
            borrower = subprocess.Popen([sys.executable, "-c", BORROW, str(outbox)], stdout=subprocess.PIPE, text=True)
            borrowing.callback(borrower.wait)
            borrowing.callback(borrower.kill)
            assert list(frames)  # until it is wanted
        states.append(manager.state)
        assert states == ["on", "closed"]
        assert manager.is_paused
        assert not manager.is_ready
        assert manager.poll() is None
        with manager.frames() as frames:
            assert list(frames) == []
        assert borrower.stdout
        assert borrower.stdout.readline() == "borrowed\n"
        borrower.kill()
        borrower.wait(30)
        wait_for(lambda: manager.is_ready)
        with manager.frames() as frames:
            assert next(frame for frame in frames if frame is not None)
        borrower.stdout.close()


def test_a_user_who_may_not_is_told_whom_to_be(outbox: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigurationError, match="run this as the agent's user, `sudo -u mien mien aim --config"),
        borrow_camera(tmp_path / "file" / "outbox.db"),
    ):
        pass


def test_no_link_of_the_agent_s_folder_is_followed(outbox: Path, tmp_path: Path) -> None:
    outbox.with_name("outbox.db-aim").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="the agent's camera cannot be borrowed"), borrow_camera(outbox):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_an_agent_without_flags_works_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with CameraLease(tmp_path / "file" / "outbox.db") as lease:
        assert lease.take()
        assert not lease.is_wanted
        lease.show_motion(is_moving=True)
        lease.release()
    assert "`mien aim` cannot borrow the camera" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_leaves_no_file_that_the_agent_cannot_open(outbox: Path, tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 1234)
    with borrow_camera(outbox):
        files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["outbox.db-aim", "outbox.db-camera", "outbox.db-motion"]
    assert {file.stat().st_uid for file in files} == {1234}
    assert {stat.S_IMODE(file.stat().st_mode) & 0o600 for file in files} == {0o600}
