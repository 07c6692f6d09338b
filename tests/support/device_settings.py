"""The settings of a device that a server folder has added, as the device itself would read them."""

import shutil

from mien.deploy.server.folder import ServerFolder
from mien.edge.settings import AgentSettings
from mien.mqtt.settings import MqttSettings
from mien.settings.load import load_settings


def device_mqtt_settings(server: ServerFolder, name: str) -> MqttSettings:
    """A device's MQTT settings, with its identity in a folder next to the server's instead of /etc/mien."""
    folder = server.path.parent / name
    shutil.copytree(server.path / "devices" / name, folder, dirs_exist_ok=True)
    settings = (folder / "agent.toml").read_text().replace("/etc/mien", str(folder))
    (folder / "local.toml").write_text(settings)
    return load_settings(folder / "local.toml", AgentSettings).mqtt
