"""An address as a QR code in the terminal, for a phone's camera."""

import io

import segno

BORDER = 2
"""Modules around it; scanners manage with half of the standard's four (ISO/IEC 18004), and lines are scarce."""
WHITE_ON_BLACK, RESET = "\x1b[97;40m", "\x1b[0m"
"""On a light terminal the code would be inverted otherwise, which not all phones read."""


def qr_code_lines(url: str) -> list[str]:
    """The code in half blocks: the light modules in the text's color, two rows of modules in a line."""
    output = io.StringIO()
    segno.make_qr(url, error="l").terminal(output, border=BORDER, compact=True)
    return output.getvalue().splitlines()


def print_qr_code(url: str) -> bool:
    """Print it on standard output; False if its encoding does not have the half blocks."""
    lines = qr_code_lines(url)
    try:
        for line in lines:
            print(f"{WHITE_ON_BLACK}{line}{RESET}")
    except UnicodeEncodeError:
        return False
    return True
