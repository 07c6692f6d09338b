"""The QR code in the terminal is the address."""

import cv2
import numpy as np
import pytest

from mien.edge.aim.qr_code import print_qr_code, qr_code_lines

URL = "https://192.168.178.120:8502/#UGgaxg6hUCfVWnQjGfnVLQ"
HALVES = {" ": (0, 0), "█": (1, 1), "▀": (1, 0), "▄": (0, 1)}
"""Whether the upper and the lower half of a character are light."""


def test_a_scanner_reads_the_address_off_the_terminal() -> None:
    lines = qr_code_lines(URL)
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) < 80
    rows = [[HALVES[character][half] for character in line] for line in lines for half in (0, 1)]
    image = np.kron(np.array(rows, np.uint8) * 255, np.ones((8, 8), np.uint8))
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(image)
    assert text == URL


def test_it_is_white_on_black_in_any_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_qr_code(URL)
    assert [
        line.startswith("\x1b[97;40m") and line.endswith("\x1b[0m") for line in capsys.readouterr().out.splitlines()
    ]
