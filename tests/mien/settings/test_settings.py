from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from mien.edge.motion.settings import (
    AlwaysOnSettings,
    FrameDifferenceSettings,
    MotionSettings,
    PirSettings,
    SimulatedMotionSettings,
)
from mien.edge.settings import AgentSettings
from mien.edge.vision.settings import YuNetSettings
from mien.errors import ConfigurationError, MienError
from mien.settings.display import to_json_schema, to_toml
from mien.settings.load import load_settings, to_settings
from mien.settings.registry import settings_type_of
from mien.settings.tagged_union import tag_of


def write_config(folder: Path, text: str) -> Path:
    file = folder / "agent.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_displayed_settings_load_as_the_same_settings(tmp_path: Path) -> None:
    text = (
        'device = "hallway"\noutbox = "📦.db"\n[motion]\npin = 17\n'
        '[mqtt]\nhost = "broker.lan"\n[faces]\ndetector = "yunet"\ndetector_model = "yunet.onnx"\n'
    )
    settings = load_settings(write_config(tmp_path, text), AgentSettings)
    assert settings.motion == PirSettings(pin=17)
    assert settings.faces == YuNetSettings(detector_model="yunet.onnx")
    for all_kinds in (False, True):
        displayed = to_toml(settings, all_kinds=all_kinds)
        assert load_settings(write_config(tmp_path, displayed), AgentSettings) == settings


@pytest.mark.parametrize(
    ("table", "motion"),
    [
        ("", PirSettings()),
        ("hold_s = 3.0", PirSettings(hold_s=3.0)),
        ('kind = "pir"\ndebounce_s = 0.5', PirSettings(debounce_s=0.5)),
        ('kind = "always"\nhold_s = 3.0', AlwaysOnSettings(hold_s=3.0)),
        ('kind = "frame_difference"\nmotion_threshold = 0.5', FrameDifferenceSettings(motion_threshold=0.5)),
        (
            'kind = "simulated"\nintervals_s = [[0.5, 2.0]]\nperiod_s = 9.0',
            SimulatedMotionSettings(intervals_s=[(0.5, 2.0)], period_s=9.0),
        ),
    ],
)
def test_a_table_has_the_settings_of_its_kind(tmp_path: Path, table: str, motion: MotionSettings) -> None:
    settings = load_settings(write_config(tmp_path, f'device = "hallway"\n[motion]\n{table}\n'), AgentSettings)
    assert settings.motion == motion
    displayed = to_toml(settings)
    assert f'kind = "{tag_of(motion)}"' in displayed
    assert ("pin = " in displayed) == isinstance(motion, PirSettings)
    assert load_settings(write_config(tmp_path, displayed), AgentSettings) == settings


@pytest.mark.parametrize(
    ("former", "rotate", "flip"),
    [
        ("rotation = 90\nmirror = true", 90, "horizontal"),
        ("mirror = false", 0, "none"),
        ("rotation = 90\nrotate = 180", 180, "none"),
    ],
)
def test_keys_of_earlier_releases_are_read(tmp_path: Path, former: str, rotate: int, flip: str) -> None:
    text = f'device = "hallway"\n[camera]\nkind = "demo"\n{former}\n'
    camera = load_settings(write_config(tmp_path, text), AgentSettings).camera
    assert (camera.rotate, camera.flip) == (rotate, flip)


@pytest.mark.parametrize(("key", "value"), [("rotation", "45"), ("mirror", "[1]"), ("mirror", '"yes"')])
def test_a_wrong_value_of_an_earlier_key_is_an_error(tmp_path: Path, key: str, value: str) -> None:
    text = f'device = "hallway"\n[camera]\nkind = "demo"\n{key} = {value}\n'
    with pytest.raises(ConfigurationError, match=r"camera\.(rotate|flip): .*: choose from"):
        load_settings(write_config(tmp_path, text), AgentSettings)


def test_every_kind_is_displayed_with_what_it_has_and_lacks() -> None:
    lines = to_toml(AgentSettings(device="hallway"), all_kinds=True).splitlines()
    assert 'kind = "pir"' in lines
    assert '# With kind = "always", without pin, warmup_s and debounce_s.' in lines
    start = lines.index('# With kind = "network", without width and height:')
    assert lines[start + 1 : start + 3] == [
        "#     # A file that contains only the camera's URL, rtsp://... or http://..., "
        "which may include a user and a password.",
        "#     # url_file =",
    ]
    start = lines.index('# With detector = "haar", without min_score and detector_model:')
    assert "#     min_neighbors = 3" in lines[start:]
    assert "#     working_width = 640" in lines[start:]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("device = 'a'\n[motion]\npim = 4\n", "unknown key motion.pim: did you mean motion.pin?"),
        ("device = 'a'\n[mqtt]\nhort = 4\n", "unknown key mqtt.hort: did you mean mqtt.host or mqtt.port?"),
        ("device = 'A b'\n", ": Name of this device: lower-case letters, digits"),
        ("device = 'a'\nqwertz = 4\n", "unknown key qwertz: known keys: device, model, outbox,"),
        ("device = 'a'\n[motion]\npin = 'four'\n", "motion.pin: Expected `int`, got `str`"),
        (
            "device = 'a'\n[camera]\nkind = 'gopro'\n",
            "camera.kind: Invalid enum value 'gopro': choose from rpicam, ",
        ),
        ("device = 'a'\nmotion = 3\n", "motion: Expected `object`, got `int`"),
        ("device = 'A b'\n", "device: Expected `str` matching regex"),
        ("device = 'a\\n'\n", "device: Expected `str` matching regex"),
        ('device = "a\\n"\n', "device: Expected `str` matching regex"),
        ("device = 'a'\n[mqtt]\nport = 70000\n", "mqtt.port: Expected `int` <= 65535"),
        ("device = 'a'\n[mqtt]\nbase_topic = 'mien/#'\n", "mqtt.base_topic: Expected `str` matching regex"),
        ("device = 'a'\n[mqtt]\nhost = ''\n", "mqtt.host: Expected `str` of length >= 1"),
        ("device = 'a'\n[mqtt]\npassword_file = 'x'\n", "mqtt: password_file is set but username is not"),
        (
            "device = 'a'\n[motion]\nkind = 'simulated'\nintervals_s = [[5.0, 1.0]]\n",
            "motion: intervals_s is not in chronological order",
        ),
        (
            "device = 'a'\n[motion]\nkind = 'simulated'\nintervals_s = [[0.0, inf]]\n",
            "motion.intervals_s[0][1]: Expected `float` <= ",
        ),
        (
            "device = 'a'\n[motion]\nkind = 'simulated'\nintervals_s = [[0.0, 9.0]]\nperiod_s = 5.0\n",
            "motion: period_s 5.0 is shorter than intervals_s",
        ),
        (
            "device = 'a'\n[motion]\nkind = 'simulated'\n",
            "motion: intervals_s is not set: Start and end of ",
        ),
        (
            "device = 'a'\n[motion]\nkind = 'always'\npin = 4\n",
            'unknown key motion.pin: kind "always" has no pin, kind "pir" has',
        ),
        ("device = 'a'\n[motion]\nkind = 'always'\nhold = 4\n", "unknown key motion.hold: did you mean motion.hold_s?"),
        (
            "device = 'a'\n[camera]\nkind = 'rtsp'\nwidth = 640\n",
            'unknown key camera.width: kind "network" has no width, kinds "rpicam", "usb" and "demo" have',
        ),
        ("device = 'a'\n[camera]\npath = 'x'\n", 'kind "rpicam" has no path, kinds "file" and "demo" have'),
        (
            "device = 'a'\n[camera]\nkind = 3\n",
            "camera.kind: Invalid enum value 3: choose from rpicam, usb",
        ),
        (
            "device = 'a'\n[faces]\ndetector = 'yunet'\nmin_neighbors = 3\n",
            'unknown key faces.min_neighbors: detector "yunet" has no min_neighbors, detector "haar" has',
        ),
        (
            "device = 'a'\n[camera]\nkind = 'rtsp'\n",
            "camera: url_file is not set: A file that contains only",
        ),
        ("device = 'a'\n[motion]\npin = 99\n", "motion.pin: Expected `int` <= 27"),
        ("device = 'a'\n[camera]\nkind = 'file'\n", "camera: path is not set: The file or folder to show"),
        ("device = 'a'\n[camera]\nwidth = 650\n", "camera: width 650 must be a multiple of 64 for rpicam"),
        ("device = 'a'\n[camera]\nframes_per_second = 2.0\n", "reporting.min_frames is more than the 2 frames"),
        ("", "device is not set: Name of this device: lower-case letters, digits and hyphens"),
        ("device = \n", "is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    file = write_config(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, AgentSettings)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere.toml does not exist"):
        load_settings(Path("nowhere.toml"), AgentSettings)


def test_the_schema_describes_every_setting() -> None:
    for program in ("agent", "collector"):
        schema = to_json_schema(settings_type_of(program))
        for struct in schema["$defs"].values():
            for name, field in struct["properties"].items():
                assert field.get("description"), f"{struct['title']}.{name} has no docstring"


@pytest.mark.parametrize(
    ("settings", "is_valid"),
    [
        ({}, True),
        ({"camera": {"width": 640}}, True),
        ({"camera": {"kind": "file", "path": "clip.mp4"}}, True),
        ({"camera": {"kind": "demo"}}, True),
        ({"camera": {"path": "clip.mp4"}}, False),
        ({"camera": {"kind": "file"}}, False),
        ({"camera": {"kind": "file", "path": "clip.mp4", "width": 640}}, False),
        ({"camera": {"kind": "gopro"}}, False),
        ({"motion": {"kind": "always", "pin": 4}}, False),
        ({"motion": {"kind": "simulated", "intervals_s": [[0.5, 2.0]]}}, True),
        ({"faces": {"detector": "yunet", "detector_model": "yunet.onnx"}}, True),
    ],
)
def test_the_schema_accepts_what_the_agent_accepts(settings: dict[str, Any], is_valid: bool) -> None:
    schema = to_json_schema(AgentSettings)
    values = {"device": "hallway"} | settings
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    assert validator.is_valid(values) == is_valid
    camera = schema["$defs"]["AgentSettings"]["properties"]["camera"]
    assert len(camera["oneOf"]) == 5
    try:
        to_settings(values, AgentSettings, source="agent.toml")
    except ConfigurationError:
        assert not is_valid
    else:
        assert is_valid


def test_an_unknown_program_is_refused() -> None:
    with pytest.raises(MienError, match="choose from agent, collector"):
        settings_type_of("toaster")
