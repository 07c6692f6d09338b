"""`mien doctor --motion` counts what the sensor sees while someone walks past it."""

import json
from pathlib import Path

import pytest

from mien.cli import main
from mien.edge.agent_lock import agent_lock

Results = list[tuple[str, str, str]]


def watch(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    motion: str,
    duration_s: float = 2.0,
    camera: str = 'kind = "demo"',
) -> tuple[int, Results]:
    """The exit code, and level, message and hint of each result about motion."""
    (folder / "agent.toml").write_text(
        f'device = "hallway"\noutbox = "{folder}/outbox.db"\n[motion]\n{motion}\n[camera]\n{camera}\n', encoding="utf-8"
    )
    code = main(["doctor", "--config", str(folder / "agent.toml"), "--motion", str(duration_s), "--json"])
    config, *results = json.loads(capsys.readouterr().out)["checks"]
    assert config["subject"] == "config"
    assert {result["subject"] for result in results} == {"motion"}
    return code, [(result["level"], result["message"], result["hint"]) for result in results]


def simulate(intervals_s: str) -> str:
    return f'kind = "simulated"\nintervals_s = {intervals_s}'


def test_each_movement_has_a_line_and_they_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, results = watch(tmp_path, capsys, simulate("[[0.2, 0.6], [1.0, 1.3], [1.7, 9.0]]"), 3.0)
    assert code == 0
    assert [level for level, _, _ in results] == ["ok"] * 4
    assert [message.split(":")[0] for _, message, _ in results[:3]] == ["movement 1", "movement 2", "movement 3"]
    assert results[3][1].startswith("3 movements in 3 s, the longest 1.")


def test_no_motion_is_an_error_that_names_the_wires(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, results = watch(tmp_path, capsys, simulate("[[60.0, 61.0]]"), 0.3)
    assert (code, results) == (1, [("error", "no motion in 0.3 s", "motion.intervals_s has no movement so early")])


def test_motion_without_a_pause_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, results = watch(tmp_path, capsys, simulate("[[0.0, 60.0]]"), 1.5)
    assert (code, results[-1][:2]) == (1, ("error", "motion without a pause for 1.5 s"))
    assert results[-1][2].startswith("leave its view and try again")


def test_a_line_that_bounces_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, results = watch(tmp_path, capsys, simulate("[[0.0, 0.02]]\nperiod_s = 0.04"), 1.5)
    level, message, hint = results[-1]
    assert (code, level) == (1, "error")
    assert message.startswith("the line bounces: ten pulses or more in ten seconds")
    assert "fix the wire to OUT" in hint


def test_a_camera_counts_what_moves_in_its_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, results = watch(tmp_path, capsys, 'kind = "frame_difference"', 2.5, 'kind = "demo"\nframes_per_second = 20')
    assert code in (0, 1)  # the image drifts, and may well do so without a pause
    assert results[0][1].startswith("movement 1: after ")
    code, results = watch(
        tmp_path, capsys, 'kind = "frame_difference"', 1.0, 'kind = "demo"\nfaults = [[0, 60, "frozen"]]'
    )
    assert code == 1
    assert results[-1][1:] == (
        "no motion in 1 s",
        "if you walked through the image, lower motion.motion_threshold from 0.01",
    )


def test_without_a_sensor_or_with_a_running_agent_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch(tmp_path, capsys, 'kind = "always"') == (0, [("ok", "no sensor: the agent is always on", "")])
    with agent_lock(tmp_path / "outbox.db"):
        code, results = watch(tmp_path, capsys, simulate("[[0.0, 1.0]]"))
    assert code == 1
    assert results == [
        ("error", "the agent is running and has the sensor", "stop it first, `sudo systemctl stop mien-agent`")
    ]


def test_a_camera_that_is_missing_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, results = watch(
        tmp_path, capsys, 'kind = "frame_difference"', 0.5, f'kind = "file"\npath = "{tmp_path}/none.png"'
    )
    assert (code, results[0][0]) == (1, "error")
