"""What systemd hears of the agent, on a socket like its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mosquitto import free_port

import mien.broker
from mien.edge.watchdog import LATE_S, Watchdog

PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        own.bind(str(tmp_path / "notify"))
        own.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        yield own


def heard(systemd: socket.socket) -> list[bytes]:
    systemd.setblocking(False)
    messages = []
    while True:
        try:
            messages.append(systemd.recv(100))
        except BlockingIOError:
            return messages


def test_it_is_fed_only_while_every_loop_reports(systemd: socket.socket) -> None:
    now_s = [100.0]
    watchdog = Watchdog(["one", "two"], now_s=lambda: now_s[0])
    watchdog.beat("one")
    assert heard(systemd) == [b"WATCHDOG=1"]
    watchdog.beat("two")
    assert heard(systemd) == []  # four times in systemd's second, not at every turn
    for _ in range(5):
        now_s[0] += LATE_S / 2
        watchdog.beat("one")
    assert heard(systemd) == [b"WATCHDOG=1"]  # then the other one was late
    watchdog.beat("two")
    assert heard(systemd) == [b"WATCHDOG=1"]


def test_it_is_silent_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    watchdog = Watchdog(["one"])
    watchdog.ready()
    watchdog.beat("one")


def test_an_agent_is_ready_without_a_broker_is_watched_and_leaves_in_time(
    systemd: socket.socket, tmp_path: Path
) -> None:
    (tmp_path / "agent.toml").write_text(
        f'device = "hallway"\noutbox = "outbox.db"\n[mqtt]\nport = {free_port()}\n[motion]\nkind = "always"\n'
        f'[camera]\nkind = "portrait"\npath = "{PORTRAIT}"\n'
    )
    command = [sys.executable, "-m", "mien", "agent", "run", "--config", "agent.toml"]
    with subprocess.Popen(command, cwd=tmp_path, env=os.environ, stderr=subprocess.DEVNULL) as agent:
        assert systemd.recv(100) == b"READY=1"
        assert [systemd.recv(100) for _ in range(8)] == [b"WATCHDOG=1"] * 8
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(5) == 0
    assert b"STOPPING=1" in heard(systemd)
