"""Whether the clock is synchronized: by timedated, else by the kernel, remembered between rare questions."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_program import install_program
from polling import wait_for
from system_bus import running_system_bus

from mien.clock_sync import (
    EARLY_ASK_S,
    EARLY_S,
    HOLDOVER_S,
    SYNCED_ASK_S,
    UNSYNCED_ASK_S,
    ClockSync,
    SyncAnswer,
    ask_clock_sync,
)

NO_BUS = "unix:path=/nonexistent"


def install_busctl(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    install_program(folder, monkeypatch, "busctl", "\n".join(["#!/bin/sh", *lines, ""]))


@pytest.mark.parametrize(("output", "expected"), [("b true", True), ("b false", False)])
def test_timedated_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, expected: bool) -> None:
    install_busctl(tmp_path, monkeypatch, f"echo $* > {tmp_path}/arguments", f"echo {output}")
    assert ask_clock_sync() == SyncAnswer(expected, "timedated")
    arguments = (tmp_path / "arguments").read_text().split()
    assert arguments[-1] == "NTPSynchronized"
    assert "--system" in arguments


@pytest.mark.parametrize("lines", [("echo broken >&2", "exit 1"), ("echo b maybe",), ("true",)])
def test_the_kernel_is_asked_if_timedated_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...]
) -> None:
    install_busctl(tmp_path, monkeypatch, *lines)
    answer = ask_clock_sync()
    assert answer.source == "kernel"
    assert answer.is_synchronized in (True, False)


def test_the_question_is_not_reported_to_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real busctl would report its exit status as the service's."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    install_busctl(tmp_path, monkeypatch, f'echo "$NOTIFY_SOCKET" > {tmp_path}/seen', "echo b true")
    ask_clock_sync()
    assert (tmp_path / "seen").read_text() == "\n"


def test_the_kernel_is_asked_without_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_clock_sync().source == "kernel"


def test_the_real_timedated_agrees_with_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", NO_BUS)
    kernel = ask_clock_sync()
    assert kernel.source == "kernel"
    with running_system_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        wait_for(lambda: ask_clock_sync().source == "timedated")
        assert ask_clock_sync().is_synchronized == kernel.is_synchronized


class Machine:
    """Two clocks and an answer, as the test sets them; answers come at once unless `delayed` collects them."""

    def __init__(self, answer: bool | None = False) -> None:
        self.wall_s, self.uptime_s, self.answer = 1_800_000_000.0, 100.0, answer
        self.questions = 0
        self.step_during_question_s = 0
        self.delayed: list[Callable[[], None]] | None = None
        self.sync = ClockSync(
            self._ask,
            wall_s=lambda: self.wall_s,
            uptime_s=lambda: self.uptime_s,
            run_in_background=lambda work: work() if self.delayed is None else self.delayed.append(work),
        )

    def _ask(self) -> SyncAnswer:
        self.questions += 1
        self.wall_s += self.step_during_question_s
        return SyncAnswer(self.answer, "kernel")

    def run_s(self, duration_s: float) -> bool | None:
        self.wall_s += duration_s
        self.uptime_s += duration_s
        return self.sync.is_synchronized()


def test_an_answer_is_remembered_and_the_question_repeated_more_rarely() -> None:
    machine = Machine()
    for _ in range(100):
        assert machine.run_s(0.01) is False
    assert machine.questions == 1
    for _ in range(10):
        machine.run_s(EARLY_ASK_S)
    assert machine.questions == 11
    machine.run_s(EARLY_S)
    machine.run_s(UNSYNCED_ASK_S / 2)
    assert machine.questions == 12
    machine.answer = True
    assert machine.run_s(UNSYNCED_ASK_S) is True
    for _ in range(10):
        machine.run_s(SYNCED_ASK_S / 11)
    assert machine.questions == 13


def test_nobody_waits_for_an_answer() -> None:
    machine = Machine(answer=True)
    machine.delayed = []
    assert machine.run_s(1) is None
    assert machine.run_s(1000) is None
    assert len(machine.delayed) == 1
    machine.delayed.pop()()
    assert machine.run_s(0) is True


def test_a_network_that_fails_does_not_make_the_clock_wrong_at_once() -> None:
    machine = Machine(answer=True)
    assert machine.run_s(0) is True
    machine.answer = False
    assert machine.run_s(SYNCED_ASK_S) is True
    assert machine.run_s(HOLDOVER_S - SYNCED_ASK_S) is False


@pytest.mark.parametrize("step_s", [3600, -3600, 1])
def test_a_clock_that_has_been_set_is_not_synchronized_until_asked_again(step_s: float) -> None:
    machine = Machine(answer=True)
    assert machine.run_s(0) is True
    machine.wall_s += step_s
    machine.delayed = []
    machine.answer = False
    assert machine.run_s(0) is None
    machine.delayed.pop()()
    assert machine.run_s(0) is False


def test_a_step_by_a_time_server_is_seen_at_once() -> None:
    machine = Machine()
    machine.run_s(EARLY_S)
    assert machine.run_s(0) is False
    machine.wall_s += 86_400
    machine.answer = True
    assert machine.run_s(0) is True


def test_an_answer_from_before_a_step_does_not_count() -> None:
    machine = Machine(answer=True)
    machine.step_during_question_s = 3600
    assert machine.run_s(0) is None
    machine.answer, machine.step_during_question_s = False, 0
    assert machine.run_s(0) is False
    assert machine.questions == 2


def test_a_change_is_logged_once_and_an_unknown_clock_with_its_fix(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    machine = Machine(answer=None)
    for _ in range(5):
        machine.run_s(EARLY_ASK_S)
    assert len(caplog.messages) == 1
    assert 'or set clock = "trusted" if something else keeps the clock right' in caplog.messages[0]
    machine.answer = True
    machine.run_s(EARLY_ASK_S)
    assert caplog.messages[1:] == ["the clock is synchronized (kernel)"]


def test_a_question_that_fails_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    asked = threading.Semaphore(0)

    def fail() -> SyncAnswer:
        asked.release()
        raise ZeroDivisionError

    uptime_s = [0.0]
    sync = ClockSync(fail, wall_s=lambda: 1e9 + uptime_s[0], uptime_s=lambda: uptime_s[0])
    for _ in range(2):
        assert sync.is_synchronized() is None
        assert asked.acquire(timeout=10)
        wait_for(lambda: not sync._is_asking)
        uptime_s[0] += EARLY_ASK_S
    assert "asking whether the clock is synchronized failed" in caplog.text


def test_the_answer_comes_in_a_thread_of_its_own() -> None:
    sync = ClockSync(lambda: SyncAnswer(True, str(os.getpid())))
    wait_for(sync.is_synchronized)
