"""Adapts the files of a server folder to another path, user and `mien`: they name all three."""

import re
from collections.abc import Mapping
from pathlib import Path

from mien.deploy.systemd_units import collector_unit, server_units
from mien.files.atomic_file import write_file
from mien.files.text_file import read_text

PATH = r"(?<![A-Za-z0-9._/-]){}(?![A-Za-z0-9._-])"
"""A whole path, or the folders that another begins with."""
TEXT_FILES = {".conf", ".toml", ".yaml", ".sql"}


def relocate(
    content: Path, folder: Path, renamed: Mapping[str, str], user: str, ids: tuple[int, int], mien: Path | None = None
) -> None:
    """Rewrite the files in `content`, which will be `folder`, and run as `user` with these IDs of user and group.

    `renamed` names the new path of each former one. `mien` is as for `server_units`.
    """
    # The longest first: the log may be in the folder.
    pattern = "|".join(PATH.format(re.escape(path)) for path in sorted(renamed, key=len, reverse=True))
    for file in sorted(path for path in content.rglob("*") if path.suffix in TEXT_FILES):
        if file.is_relative_to(content / "devices"):
            continue  # these name paths of the device
        text = read_text(file)
        text = re.sub(pattern, lambda match: renamed[match[0]], text)
        if file.name == "mosquitto.conf":
            text = re.sub(r"^user .*$", f"user {user}", text, flags=re.MULTILINE)
        elif file.name == "compose.yaml":
            text = re.sub(r'^  user: ".*"$', f'  user: "{ids[0]}:{ids[1]}"', text, flags=re.MULTILINE)
        write_file(file, text.encode(), mode=file.stat().st_mode & 0o777)
    for name, unit in units_of(content, folder, user, mien).items():
        write_file(content / "systemd" / name, unit.encode(), mode=0o644)


def units_of(content: Path, folder: Path, user: str, mien: Path | None = None) -> dict[str, str]:
    """All units of a server folder that is, or will be, `folder`: its further collectors', too."""
    units = server_units(folder, user, mien)
    for further in sorted((content / "collectors").iterdir()):
        name = f"mien-collector-{further.name}.service"
        units[name] = collector_unit(folder, user, f"collectors/{further.name}", mien)
    return units
