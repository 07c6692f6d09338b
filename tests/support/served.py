"""A device of a server's folder, as it is on the device."""

import shutil

from mien.configuration import load
from mien.deploy.server import ServerFolder
from mien.edge.settings import AgentSettings
from mien.mqtt import Mqtt


def identity(folder: ServerFolder, name: str) -> Mqtt:
    """A device's own settings, with its identity in a folder beside the server's and not in /etc."""
    place = folder.path.parent / name
    shutil.copytree(folder.path / "devices" / name, place, dirs_exist_ok=True)
    text = (place / "agent.toml").read_text().replace("/etc/mien", str(place))
    (place / "here.toml").write_text(text)
    return load(place / "here.toml", AgentSettings).mqtt
