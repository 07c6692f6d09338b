from pathlib import Path

import pytest

from mien.configuration import load, schema, settings_type_of, show
from mien.edge.settings import AgentSettings
from mien.errors import ConfigurationError, MienError


def written(folder: Path, text: str) -> Path:
    file = folder / "agent.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_what_show_prints_loads_as_the_same_settings(tmp_path: Path) -> None:
    text = (
        'device = "hallway"\noutbox = "📦.db"\n[motion]\npin = 17\nscript = [[0.5, 2.0]]\n[mqtt]\nhost = "broker.lan"\n'
    )
    settings = load(written(tmp_path, text), AgentSettings)
    assert settings.motion.pin == 17
    assert load(written(tmp_path, show(settings)), AgentSettings) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("device = 'a'\n[motion]\npim = 4\n", "unknown key motion.pim: did you mean motion.pin?"),
        ("device = 'a'\n[mqtt]\nprot = 4\n", "unknown key mqtt.prot: did you mean mqtt.port or mqtt.root?"),
        ("device = 'A b'\n", ": Name of this device: lower-case letters, digits"),
        ("device = 'a'\nqwertz = 4\n", "unknown key qwertz: known here: device, model, outbox,"),
        ("device = 'a'\n[motion]\npin = 'four'\n", "motion.pin: Expected `int`, got `str`"),
        ("device = 'a'\n[camera]\nkind = 'gopro'\n", "camera.kind: Invalid enum value 'gopro': choose from "),
        ("device = 'a'\nmotion = 3\n", "motion: Expected `object`, got `int`"),
        ("device = 'A b'\n", "device: Expected `str` matching regex"),
        ("device = 'a\\n'\n", "device: Expected `str` matching regex"),
        ('device = "a\\n"\n', "device: Expected `str` matching regex"),
        ("device = 'a'\n[mqtt]\nport = 70000\n", "mqtt.port: Expected `int` <= 65535"),
        ("device = 'a'\n[mqtt]\nroot = 'mien/#'\n", "mqtt.root: Expected `str` matching regex"),
        ("device = 'a'\n[mqtt]\nhost = ''\n", "mqtt.host: Expected `str` of length >= 1"),
        ("device = 'a'\n[mqtt]\npassword_file = 'x'\n", "mqtt: password_file is set but username is not"),
        ("device = 'a'\n[motion]\nscript = [[5.0, 1.0]]\n", "motion: script does not go forward in time"),
        ("device = 'a'\n[motion]\nscript = [[0.0, inf]]\n", "motion.script[0][1]: Expected `float` <= "),
        ("device = 'a'\n[motion]\npin = 99\n", "motion.pin: Expected `int` <= 27"),
        ("device = 'a'\n[camera]\nkind = 'file'\n", "camera: path is not set: name what file shall show"),
        ("device = 'a'\n[camera]\nwidth = 650\n", "camera: width 650 must be a multiple of 64 for rpicam"),
        ("device = 'a'\n[camera]\nframes_per_second = 2.0\n", "reporting.fewest_frames is more than the 2 frames"),
        ("", "missing required field `device`"),
        ("device = \n", "is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load(file, AgentSettings)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere.toml does not exist"):
        load(Path("nowhere.toml"), AgentSettings)


def test_the_schema_describes_every_setting() -> None:
    for program in ("agent", "collector"):
        described = schema(settings_type_of(program))
        for struct in described["$defs"].values():
            for name, field in struct["properties"].items():
                assert field.get("description"), f"{struct['title']}.{name} has no docstring"


def test_an_unknown_program_is_refused() -> None:
    with pytest.raises(MienError, match="choose from agent, collector"):
        settings_type_of("toaster")
