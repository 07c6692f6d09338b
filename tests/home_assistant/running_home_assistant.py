"""Home Assistant as an owner sets it up: by its own pages' API, with an account and the MQTT integration."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from mosquitto import free_port
from polling import wait_for
from websockets.sync.client import connect

ENVIRONMENT = Path(__file__).parents[2] / ".venv" / "home-assistant"
CONFIGURATION = """
homeassistant:
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
logger:
  default: warning
  logs:
    homeassistant.components.mqtt: info
"""
START_TIMEOUT_S = 180.0
"""The first start compiles its sources."""
REPORT = re.compile(r"^\S+ \S+ (?:WARNING|ERROR|CRITICAL) .*", re.MULTILINE)

ABOUT_MQTT = re.compile(r"mqtt|mien|sensor|template|entity|device", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Device:
    """What Home Assistant knows of a device: from its registries, and its entities' states by their unique ids."""

    registry: dict[str, Any]
    entities: dict[str, dict[str, Any]]
    """Of the registry, by the last part of the unique id."""
    states: dict[str, dict[str, Any]]
    """By the same."""

    def state(self, name: str) -> str:
        """One entity's state; empty if there is none."""
        return str(self.states[name]["state"]) if name in self.states else ""


class HomeAssistant:
    """A running Home Assistant, with an account."""

    def __init__(self, folder: Path, port: int) -> None:
        self.log_file = folder / "home-assistant.log"
        self._url = f"http://127.0.0.1:{port}"
        self._client = httpx.Client(base_url=self._url, timeout=30)
        self._token = ""

    def complaints(self) -> list[str]:
        """The warnings and errors that it has logged about MQTT, entities and their templates."""
        return [line for line in REPORT.findall(self.log_file.read_text()) if ABOUT_MQTT.search(line)]

    def is_up(self) -> bool:
        try:
            return self._client.get("/api/onboarding").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def create_account(self) -> None:
        """Do the first step of onboarding, and log in with its code."""
        account = {"name": "Owner", "username": "owner", "password": "only for this test", "language": "en"}
        client_id = f"{self._url}/"
        code = self._post("/api/onboarding/users", json={**account, "client_id": client_id})["auth_code"]
        grant = {"grant_type": "authorization_code", "code": code, "client_id": client_id}
        self._token = self._post("/auth/token", data=grant)["access_token"]
        self._client.headers["Authorization"] = f"Bearer {self._token}"

    def add_mqtt(self, port: int) -> None:
        """Add the MQTT integration, as its dialog does."""
        flow = self._post("/api/config/config_entries/flow", json={"handler": "mqtt"})
        step = f"/api/config/config_entries/flow/{flow['flow_id']}"
        outcome = self._post(step, json={"broker": "127.0.0.1", "port": port})
        assert outcome["type"] == "create_entry", outcome

    def device(self, name: str) -> Device | None:
        """A device by its name; None if Home Assistant does not have it."""
        devices, entities, states = self._ask(
            {"type": "config/device_registry/list"}, {"type": "config/entity_registry/list"}, {"type": "get_states"}
        )
        for device in devices:
            if device["name"] == name:
                own = {
                    entity["unique_id"].rpartition("-")[2]: entity
                    for entity in entities
                    if entity["device_id"] == device["id"]
                }
                by_id = {state["entity_id"]: state for state in states}
                current = {
                    key: by_id[entity["entity_id"]] for key, entity in own.items() if entity["entity_id"] in by_id
                }
                return Device(device, own, current)
        return None

    def received_qos(self, name: str) -> set[int]:
        """The quality of service at which it got this device's last messages."""
        device = self.device(name)
        assert device is not None
        (debug,) = self._ask({"type": "mqtt/device/debug_info", "device_id": device.registry["id"]})
        return {
            message["qos"]
            for entity in debug["entities"]
            for subscription in entity["subscriptions"]
            for message in subscription["messages"]
        }

    def reload_mqtt(self) -> None:
        """Connect to the MQTT broker anew, which publishes its last will and then its birth message."""
        (entry,) = [entry for entry in self._get("/api/config/config_entries/entry") if entry["domain"] == "mqtt"]
        self._post(f"/api/config/config_entries/entry/{entry['entry_id']}/reload")

    def _ask(self, *commands: dict[str, Any]) -> list[Any]:
        with connect(f"{self._url.replace('http', 'ws')}/api/websocket", max_size=None) as socket:
            socket.recv()
            socket.send(json.dumps({"type": "auth", "access_token": self._token}))
            assert json.loads(socket.recv())["type"] == "auth_ok"
            answers = []
            for number, command in enumerate(commands, 1):
                socket.send(json.dumps({"id": number, **command}))
                answer = json.loads(socket.recv())
                assert answer["success"], answer
                answers.append(answer["result"])
            return answers

    def _get(self, path: str) -> Any:
        return self._client.get(path).raise_for_status().json()

    def _post(self, path: str, **body: Any) -> Any:
        response = self._client.post(path, **body)
        assert response.is_success, response.text
        return response.json()


@contextmanager
def running_home_assistant(folder: Path) -> Iterator[HomeAssistant]:
    """A new Home Assistant with an account while the block runs; it installs nothing."""
    port = free_port()
    (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=port))
    home_assistant = HomeAssistant(folder, port)
    command = [str(ENVIRONMENT / "bin" / "python"), "-m", "homeassistant", "--config", str(folder), "--skip-pip"]
    with home_assistant.log_file.open("w") as log:
        process = subprocess.Popen([*command, "--log-no-color"], stdout=log, stderr=log, cwd=folder)
    try:
        wait_for(lambda: home_assistant.is_up() or process.poll() is not None, START_TIMEOUT_S)
        assert process.poll() is None, home_assistant.log_file.read_text()
        home_assistant.create_account()
        yield home_assistant
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
