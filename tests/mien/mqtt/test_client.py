"""Every connection to the MQTT broker is configured in one place."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
FACTORY = ROOT / "mien" / "mqtt" / "client.py"
SOURCES = [
    file
    for package in ("mien", "edge", "broker", "trainer", "deploy")
    for file in sorted((ROOT / package).rglob("*.py"))
    if "runs" not in file.parts
]


def test_only_the_factory_constructs_a_client() -> None:
    for file in SOURCES:
        calls, imported = set(), set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                    calls.add(name)
                case ast.Import(names):
                    imported |= {alias.name.split(".")[0] for alias in names}
                case ast.ImportFrom(module=str(module)):
                    imported.add(module.split(".")[0])
        assert "paho" not in imported or file.parent == FACTORY.parent, f"{file} imports paho: use mien.mqtt"
        assert "Client" not in calls, f"{file} constructs a client: use ClientFactory"
        assert "MqttClient" not in calls or file == FACTORY, f"{file} constructs a client: use ClientFactory"
