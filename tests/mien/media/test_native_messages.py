"""Native libraries' lines are collected; all other lines reach standard error."""

import os

import pytest

from mien.media.native_messages import capture_messages


def test_the_lines_of_libraries_are_collected_and_all_others_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with capture_messages() as messages:
        os.write(2, b"Corrupt JPEG data: 3 extraneous bytes before marker 0xd9\nanother thread's line\n")
    os.write(2, b"after the block\n")
    assert messages == ["Corrupt JPEG data: 3 extraneous bytes before marker 0xd9"]
    assert capfd.readouterr().err == "another thread's line\nafter the block\n"


def test_standard_error_is_restored_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="inside"), capture_messages():
        raise ValueError("inside")
    os.write(2, b"visible\n")
    assert capfd.readouterr().err == "visible\n"
