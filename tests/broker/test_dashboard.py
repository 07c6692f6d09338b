"""The log over HTTP, on both stores: what it answers, what it refuses and in which words, who may ask."""

import csv
import io
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from dashboards import Dashboard
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from samples import make_health, make_observation
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from mien.broker.access import read_token
from mien.broker.arrival import decode_arrival
from mien.broker.dashboard import make_dashboard
from mien.broker.database import open_for_reading, open_for_writing
from mien.broker.device_state import State
from mien.broker.store import Store
from mien.command import main
from mien.deploy.authority import Authority
from mien.errors import ConfigurationError
from mien.health import encode as encode_health
from mien.motion import MotionState
from mien.motion import encode as encode_motion
from mien.observation import encode
from mien.status import DeviceStatus
from mien.status import encode as encode_status

NOW = datetime.now(UTC).replace(microsecond=0)
TOKEN = "correct-horse-battery-staple"  # noqa: S105 (for the test alone)


@pytest.fixture
def seeded(log: str) -> str:
    """Eight observations of two devices within the last hours; one device has told how it is."""
    store = Store(open_for_writing(log))
    made = [
        make_observation(at=NOW - timedelta(hours=number), device=("hallway", "cellar")[number % 2], track=1 + number)
        for number in range(8)
    ]
    store.record(
        [decode_arrival(topic="t", payload=encode(one), received_ms=ms(NOW), device=one.device) for one in made]
    )
    store.note(
        {
            ("hallway", "status"): State(
                encode_status(DeviceStatus(state="online", agent="0.1.0", model="0123456789ab")), ms(NOW)
            ),
            ("hallway", "health"): State(encode_health(make_health(dropped=3, oldest_seq=1)), ms(NOW)),
            ("hallway", "motion"): State(encode_motion(MotionState(state="on", since=NOW)), ms(NOW)),
            ("cellar", "status"): State(b"of a later release", ms(NOW)),
        }
    )
    return log


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


@pytest.fixture
def client(seeded: str) -> Iterator[TestClient]:
    engine = open_for_reading(seeded, limit_s=20)
    with TestClient(make_dashboard(engine, timezone="Europe/Berlin"), base_url="http://127.0.0.1") as client:
        yield client
    engine.dispose()


def get(client: TestClient, path: str, **parameters: Any) -> Any:
    response = client.get(f"/api/{path}", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def test_observations_come_in_pages(client: TestClient) -> None:
    first = get(client, "observations", limit=5, timezone="UTC")
    second = get(client, "observations", limit=5, timezone="UTC", after=first["next"])
    assert [row["track"] for row in first["observations"] + second["observations"]] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert second["next"] is None
    assert first["observations"][0]["at"] == NOW.isoformat(timespec="milliseconds")
    own = get(client, "observations", device="cellar", limit=1)["observations"]
    assert own[0]["track"] == 2
    assert datetime.fromisoformat(own[0]["at"]).tzinfo != UTC


def test_counts_are_those_of_mien_query(client: TestClient, seeded: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"by": "hour,device", "device": ["hallway", "cellar"], "since": "3h", "timezone": "Asia/Kolkata"}
    answer = get(client, "counts", **asked)
    arguments = ["--by", "hour,device", "--since", "3h", "--timezone", "Asia/Kolkata"]
    assert main(["query", "--db", seeded, "--json", *arguments]) == 0
    assert answer["counts"] == json.loads(capsys.readouterr().out)
    assert len(answer["counts"]) == 3
    assert answer["source"].startswith("the counts by quarters")


def test_devices_say_how_they_are(client: TestClient) -> None:
    cellar, hallway = get(client, "devices")["devices"]
    assert (cellar["device"], cellar["state"], cellar["last_emotion"], cellar["missing"]) == (
        "cellar",
        None,
        "happy",
        0,
    )
    assert (hallway["state"], hallway["dropped"], hallway["moving"], hallway["camera"]) == ("online", 3, True, None)
    assert datetime.fromisoformat(hallway["last_at"]) == NOW


def test_csv_has_the_same_rows(client: TestClient) -> None:
    for path, name in (("observations", "observations"), ("counts", "counts")):
        rows = get(client, path)[name]
        response = client.get(f"/api/{path}", params={"format": "csv"})
        assert response.headers["content-type"].startswith("text/csv")
        table = list(csv.DictReader(io.StringIO(response.text)))
        assert [list(row) for row in table] == [list(row) for row in rows]
        assert [row["emotion"] for row in table] == [row["emotion"] for row in rows]


@pytest.mark.parametrize(
    ("path", "parameters", "field", "words"),
    [
        ("counts", {"by": "mood"}, "by", "choose from minute, hour, day"),
        ("counts", {"since": "soon"}, "since", "write 90s, 15m, 24h"),
        ("counts", {"from": "x"}, "from", "write 2026-11-22"),
        ("counts", {"to": "x"}, "to", "write 2026-11-22"),
        ("counts", {"from": "2026-11-22", "to": "2026-11-21"}, "to", "later than from"),
        ("counts", {"since": "1h", "from": "2026-11-21"}, "since", "give one of them"),
        ("counts", {"emotion": "contempt"}, "emotion", "choose from angry"),
        ("counts", {"device": "attic"}, "device", "it knows cellar, hallway"),
        ("counts", {"model": "x'; DROP TABLE observation; --"}, "model", "it knows 0123456789ab"),
        ("counts", {"capture": "../../etc/passwd"}, "capture", "is no capture"),
        ("counts", {"timezone": "../../etc/passwd"}, "timezone", "write it like Europe/Berlin"),
        ("counts", {"confidence": "2"}, "confidence", "less than or equal to 1"),
        ("observations", {"limit": "0"}, "limit", "greater than or equal to 1"),
        ("observations", {"limit": "many"}, "limit", "valid integer"),
        ("observations", {"after": "x"}, "after", "take `next` of the page before"),
        ("observations", {"devise": "hallway"}, "devise", "there is no parameter 'devise'"),
        ("observations", {"format": "xml"}, "format", "'json' or 'csv'"),
        ("devices", {"timezone": "Mars/Base"}, "timezone", "there is no time zone 'Mars/Base'"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_would_be_right(
    client: TestClient, path: str, parameters: dict[str, str], field: str, words: str
) -> None:
    response = client.get(f"/api/{path}", params=parameters)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["field"] == field
    assert words in response.json()["detail"]
    assert len(get(client, "observations")["observations"]) == 8


@pytest.mark.parametrize(
    "path", ["/nothing", "/assets/../settings.py", "/assets/%2e%2e/settings.py", "/assets/", "/docs"]
)
def test_what_is_not_there_is_a_problem(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert client.post("/api/counts").status_code == 405


def test_a_log_that_is_gone_is_a_problem_and_not_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "mien.db"
    open_for_writing(path).dispose()
    engine = open_for_reading(path)
    engine.dispose()
    path.unlink()
    with TestClient(make_dashboard(engine), base_url="http://127.0.0.1") as client:
        response = client.get("/api/devices")
    assert response.status_code == 503
    assert "cannot be read" in response.json()["detail"]
    assert response.headers["retry-after"] == "5"


def test_only_names_of_this_machine_are_answered_without_a_token(client: TestClient) -> None:
    for host, status in (("127.0.0.1:8501", 200), ("localhost", 200), ("evil.example", 400)):
        assert client.get("/api/devices", headers={"Host": host}).status_code == status, host


def test_with_a_token_nothing_is_shown_without_it(seeded: str) -> None:
    engine = open_for_reading(seeded)
    app = make_dashboard(engine, token=TOKEN)
    with TestClient(app, base_url="https://server.example", follow_redirects=False) as client:
        for path in (
            "/api/devices",
            "/api/observations",
            "/api/counts",
            "/api/events",
            "/openapi.json",
            "/assets/page.js",
        ):
            assert client.get(path).status_code == 401
            assert client.get(path).headers["content-type"] == "application/problem+json"
            assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
            assert client.get(path, headers={"Cookie": f"mien={TOKEN}"}).status_code == 401
        assert client.get("/api/devices", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/").headers["location"] == "/login"
        assert "not the token" in client.get("/login").text
        assert client.post("/login", data={"token": "wrong"}).headers["location"] == "/login?wrong=1"
        assert client.post("/login", data={"token": "x" * 9999}).status_code == 413
        assert client.get("/api/devices").status_code == 401
        entered = client.post("/login", data={"token": TOKEN})
        cookie = entered.headers["set-cookie"]
        assert entered.headers["location"] == "/"
        assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=strict"))
        assert TOKEN not in cookie
        assert client.get("/api/devices").status_code == 200
        assert client.get("/").status_code == 200
    engine.dispose()


def test_every_answer_keeps_other_pages_out(client: TestClient) -> None:
    for path in ("/", "/api/devices", "/nothing", "/assets/page.css"):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    page = client.get("/").text
    assert "http" not in page.replace("http-equiv", "")  # nothing comes from elsewhere


@pytest.mark.parametrize(
    ("content", "words"),
    [("short", "16 characters"), ("sixteen or so letters", "without spaces"), (None, "cannot be read")],
)
def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=words):
        read_token(file)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--host", "0.0.0.0"], 3, "others can reach it: set token_file, certificate_file and key_file"),  # noqa: S104
        (["--port", "70000"], 3, "port"),
        (["--db", "no.db"], 8, "does not exist"),
    ],
)
def test_a_dashboard_that_cannot_start_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    path = tmp_path / "mien.db"
    open_for_writing(path).dispose()
    assert main(["dashboard", "--db", str(path), *arguments]) == code
    assert words in capsys.readouterr().err


def test_others_reach_it_over_tls_and_with_the_token_alone(tmp_path: Path) -> None:
    authority = Authority.found(tmp_path / "authority", "test")
    identity = authority.server(["localhost"])
    for name, content in (("crt", identity.certificate), ("key", identity.key), ("token", TOKEN.encode())):
        (tmp_path / name).write_bytes(content)
    open_for_writing(tmp_path / "mien.db").dispose()
    given = {"host": "0.0.0.0", "certificate_file": "crt", "key_file": "key", "token_file": "token"}  # noqa: S104
    with Dashboard(tmp_path, **given) as dashboard:
        trust = ssl.create_default_context(cadata=authority.certificate.decode())
        url = f"https://localhost:{dashboard.port}/api/devices"
        assert httpx2.get(url, verify=trust, headers={"Authorization": f"Bearer {TOKEN}"}).json() == {"devices": []}
        assert httpx2.get(url, verify=trust).status_code == 401
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(url.replace("https", "http"))
        assert "choose another with --port" in Dashboard(tmp_path, **given, port=dashboard.port).fail()
    assert dashboard.code == 0


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_interface_does_what_its_description_says(client: TestClient, mode: GenerationMode) -> None:
    """Right and wrong parameters, made up by schemathesis from OpenAPI's description.

    Names that are right by their form need not be in the log, and are then refused as well.
    """
    here = {"Host": "127.0.0.1"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app, headers=here)
    operations = [found.ok() for found in schema.get_all_operations()]
    asked = [one for one in operations if one.path != "/api/events"]  # which has no end
    assert len(asked) == 3
    for operation in asked:

        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers(case: schemathesis.Case) -> None:
            response = case.call_and_validate(headers=here, excluded_checks=[positive_data_acceptance])
            assert response.status_code in (200, 422)

        answers()
