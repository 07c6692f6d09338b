"""Settings, passwords, tokens and exports that Windows programs have saved are read, or refused by their encoding."""

import codecs
import subprocess
import sys
from pathlib import Path

import pytest
from sample_logs import write_log

from mien.broker.query import EmotionLog
from mien.broker.web.auth import read_token
from mien.cli import main
from mien.edge.settings import AgentSettings
from mien.errors import ConfigurationError
from mien.mqtt.settings import MqttSettings
from mien.settings.load import load_settings

ENCODINGS = {"utf-8": b"", "utf-8 with a mark": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE}
COUNT = 700


def encode(text: str, encoding: str) -> bytes:
    """As an editor on Windows saves it."""
    return ENCODINGS[encoding] + text.replace("\n", "\r\n").encode(encoding.split()[0])


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_settings_and_secrets_are_read_in_every_encoding_with_a_mark(tmp_path: Path, encoding: str) -> None:
    password, token, settings_file = tmp_path / "password", tmp_path / "token", tmp_path / "agent.toml"
    password.write_bytes(encode('pä$s w#ör"d\n', encoding))
    token.write_bytes(encode("sixteen-letters-or-more\n", encoding))
    settings_file.write_bytes(
        encode(f'# Küche\ndevice = "kitchen"\n[mqtt]\nusername = "k"\npassword_file = "{password}"\n', encoding)
    )
    settings = load_settings(settings_file, AgentSettings)
    assert (settings.device, settings.mqtt.password()) == ("kitchen", 'pä$s w#ör"d')
    assert read_token(token) == "sixteen-letters-or-more"


def test_other_encodings_are_named(tmp_path: Path) -> None:
    settings_file, password = tmp_path / "agent.toml", tmp_path / "password"
    settings_file.write_bytes('# a\n# Küche\ndevice = "kitchen"\n'.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"agent.toml is not UTF-8 but probably Latin-1 .* in line 2\)"):
        load_settings(settings_file, AgentSettings)
    settings = MqttSettings(username="kitchen", password_file=str(password))
    password.write_bytes("pässword".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"^mqtt.password_file .*/password is not UTF-8 but probably Latin-1"):
        settings.password()
    password.write_bytes(b"# of the kitchen\nsecret\n")
    with pytest.raises(ConfigurationError, match="password has 2 lines: leave only the one that is meant"):
        settings.password()
    password.write_bytes(b"\r\n")
    with pytest.raises(ConfigurationError, match="password is empty: write one line into it"):
        settings.password()


@pytest.fixture
def exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """All observations of a log in each text format."""
    log = str(tmp_path / "mien.db")
    write_log(log, COUNT)
    texts = {}
    for output_format in ("csv", "json", "ndjson"):
        zone = ["--timezone", "Asia/Kolkata"]
        assert main(["query", "--db", log, "--all", "--format", output_format, *zone]) == 0
        texts[output_format] = capsys.readouterr().out
    return texts


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_export_is_imported_in_every_encoding_with_a_mark(
    tmp_path: Path, exports: dict[str, str], encoding: str
) -> None:
    with EmotionLog(tmp_path / "mien.db") as log:
        expected = list(log.observations(limit=None))
    for name, text in exports.items():
        file, copy = tmp_path / "export", tmp_path / f"{name}.db"
        file.write_bytes(encode(text, encoding))
        assert main(["import", str(file), "--db", str(copy)]) == 0
        with EmotionLog(copy) as log:
            assert list(log.observations(limit=None)) == expected


def test_an_export_is_imported_from_standard_input(tmp_path: Path, exports: dict[str, str]) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "mien", "import", "-", "--db", "copy.db"],
        cwd=tmp_path,
        input=exports["csv"].encode(),
        capture_output=True,
        check=True,
    )
    assert process.stdout.decode() == f"{COUNT} stored, 0 already in the log\n"
