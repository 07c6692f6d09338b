"""The agent's notifications, received on a socket that replaces systemd's."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mosquitto import free_port

from mien.edge.health.watchdog import LOOP_TIMEOUT_S, Watchdog


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        yield systemd


def read_messages(systemd: socket.socket) -> list[bytes]:
    systemd.setblocking(False)
    messages = []
    while True:
        try:
            messages.append(systemd.recv(100))
        except BlockingIOError:
            return messages


def test_it_notifies_systemd_only_while_every_loop_sends_heartbeats(systemd: socket.socket) -> None:
    now_s = [100.0]
    watchdog = Watchdog(["first", "second"], now_s=lambda: now_s[0])
    watchdog.heartbeat("first")
    assert read_messages(systemd) == [b"WATCHDOG=1"]
    watchdog.heartbeat("second")
    assert read_messages(systemd) == []  # four times in systemd's second, not at every heartbeat
    for _ in range(5):
        now_s[0] += LOOP_TIMEOUT_S / 2
        watchdog.heartbeat("first")
    assert read_messages(systemd) == [b"WATCHDOG=1"]  # after that the second loop was late
    watchdog.heartbeat("second")
    assert read_messages(systemd) == [b"WATCHDOG=1"]


def test_it_does_nothing_if_systemd_did_not_request_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    watchdog = Watchdog(["first"])
    watchdog.ready()
    watchdog.heartbeat("first")


def test_an_agent_without_a_broker_is_ready_sends_heartbeats_and_stops_in_time(
    systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    (tmp_path / "agent.toml").write_text(
        f'device = "hallway"\noutbox = "outbox.db"\n[mqtt]\nport = {free_port()}\n[motion]\nkind = "always"\n'
        '[camera]\nkind = "demo"\n'
    )
    command = [sys.executable, "-m", "mien", "agent", "--config", "agent.toml"]
    with subprocess.Popen(command, cwd=tmp_path, env=os.environ, stderr=subprocess.DEVNULL) as agent:
        assert systemd.recv(100) == b"READY=1"
        assert [systemd.recv(100) for _ in range(8)] == [b"WATCHDOG=1"] * 8
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(5) == 0
    assert b"STOPPING=1" in read_messages(systemd)
