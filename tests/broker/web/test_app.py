"""The HTTP API on both databases: responses, errors, authentication."""

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
from dashboard_process import DashboardProcess
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from samples import make_health, make_observation
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from sqlalchemy import insert, select

from mien.broker.database import schema
from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.query import EmotionLog
from mien.broker.web.app import create_app
from mien.broker.web.auth import read_token
from mien.cli import main
from mien.deploy.server.certificate_authority import CertificateAuthority
from mien.errors import ConfigurationError
from mien.messages.health import encode_health
from mien.messages.motion import MotionState, encode_motion
from mien.messages.observation import encode_observation
from mien.messages.status import DeviceStatus, encode_device_status
from mien.model.model_card import DEFAULT_MODEL, read_model

NOW = datetime.now(UTC).replace(microsecond=0)
NOW_MS = round(NOW.timestamp() * 1000)
TOKEN = "correct-horse-battery-staple"  # noqa: S105 (only for this test)


@pytest.fixture
def seeded(log: str) -> str:
    """A log with eight observations by two devices within the last hours, the state of one of them, which also sent far
    too many, and of two collectors."""
    store_engine = open_for_writing(log)
    store = Store(store_engine)
    observations = [
        make_observation(at=NOW - timedelta(hours=number), device=("hallway", "cellar")[number % 2], track=1 + number)
        for number in range(8)
    ]
    store.record(
        [
            decode_message(
                topic="t", payload=encode_observation(observation), received_ms=NOW_MS, device=observation.device
            )
            for observation in observations
        ]
    )
    status = DeviceStatus(state="online", agent="0.1.0", model="0123456789ab")
    store.save_device_states(
        {
            ("hallway", "status"): DeviceState(encode_device_status(status), NOW_MS),
            ("hallway", "health"): DeviceState(encode_health(make_health(dropped=3, oldest_seq=1)), NOW_MS),
            ("hallway", "motion"): DeviceState(encode_motion(MotionState(state="on", since=NOW)), NOW_MS),
            ("cellar", "status"): DeviceState(b"from a later release", NOW_MS),
        }
    )
    with store_engine.begin() as connection:
        hallway = connection.scalar(select(schema.device.c.key).where(schema.device.c.name == "hallway"))
        connection.execute(insert(schema.discarded).values(device=hallway, rows=5000, last_ms=NOW_MS))
        states = [("one", "busy", "clock"), ("two", "online", "")]
        columns = ("name", "state", "reason", "received_ms")
        rows = [dict(zip(columns, (*state, NOW_MS), strict=True)) for state in states]
        connection.execute(insert(schema.collector_state), rows)
    return log


@pytest.fixture
def client(seeded: str) -> Iterator[TestClient]:
    with (
        EmotionLog(seeded, zone="Europe/Berlin", timeout_s=20) as log,
        TestClient(create_app(log), base_url="http://127.0.0.1") as client,
    ):
        yield client


def get(client: TestClient, path: str, **parameters: Any) -> Any:
    response = client.get(f"/api/{path}", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def test_observations_are_paged(client: TestClient) -> None:
    first = get(client, "observations", limit=5, timezone="UTC")
    second = get(client, "observations", limit=5, timezone="UTC", after=first["next"])
    assert [row["track"] for row in first["observations"] + second["observations"]] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert second["next"] is None
    assert first["observations"][0]["at"] == NOW.isoformat(timespec="milliseconds")
    filtered = get(client, "observations", device="cellar", limit=1)["observations"]
    assert filtered[0]["track"] == 2
    assert datetime.fromisoformat(filtered[0]["at"]).tzinfo != UTC


def test_counts_are_the_same_as_from_mien_query(
    client: TestClient, seeded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = {"by": "hour,device", "device": ["hallway", "cellar"], "since": "3h", "timezone": "Asia/Kolkata"}
    response = get(client, "counts", **parameters)
    arguments = ["--by", "hour,device", "--since", "3h", "--timezone", "Asia/Kolkata"]
    assert main(["query", "--db", seeded, "--json", *arguments]) == 0
    assert response["counts"] == json.loads(capsys.readouterr().out)
    assert len(response["counts"]) == 3
    assert response["source"].startswith("quarter-hour counts")


def test_thresholds_and_drift_are_available(client: TestClient) -> None:
    (model, threshold), *_ = get(client, "thresholds")["thresholds"].items()
    _, card = read_model(DEFAULT_MODEL)
    assert card.threshold
    assert (model, threshold) == (card.model_id, card.threshold.confidence)
    cellar, hallway = get(client, "drift")["devices"]
    assert (cellar["device"], hallway["device"]) == ("cellar", "hallway")
    assert hallway["observations"] + cellar["observations"] == 8
    assert (hallway["stability_index"], hallway["has_drifted"], hallway["model"]) == (None, False, "0123456789ab")


def test_devices_have_the_state_they_reported(client: TestClient) -> None:
    cellar, hallway = get(client, "devices")["devices"]
    assert (cellar["device"], cellar["state"], cellar["last_emotion"], cellar["gaps"]) == (
        "cellar",
        None,
        "happy",
        0,
    )
    assert (hallway["state"], hallway["dropped"], hallway["motion"], hallway["camera"]) == ("online", 3, True, None)
    assert datetime.fromisoformat(hallway["last_observed_at"]) == NOW
    assert hallway["last_model"] == "0123456789ab"
    assert (cellar["discarded"], cellar["last_discarded_at"], hallway["discarded"]) == (0, None, 5000)
    assert datetime.fromisoformat(hallway["last_discarded_at"]) == NOW


def test_collectors_say_why_they_are_busy(client: TestClient) -> None:
    one, two = get(client, "collectors", timezone="UTC")["collectors"]
    assert (one["collector"], one["state"], one["reason"]) == ("one", "busy", "clock")
    assert (two["collector"], two["state"], two["reason"]) == ("two", "online", "")
    assert one["reported_at"] == NOW.isoformat(timespec="milliseconds")


def test_csv_has_the_same_rows(client: TestClient) -> None:
    for path, name in (("observations", "observations"), ("counts", "counts")):
        rows = get(client, path)[name]
        response = client.get(f"/api/{path}", params={"format": "csv"})
        assert response.headers["content-type"].startswith("text/csv")
        table = list(csv.DictReader(io.StringIO(response.text)))
        assert [list(row) for row in table] == [list(row) for row in rows]
        assert [row["emotion"] for row in table] == [row["emotion"] for row in rows]


@pytest.mark.parametrize(
    ("path", "parameters", "field", "message"),
    [
        ("counts", {"by": "mood"}, "by", "choose from minute, hour, day"),
        ("counts", {"since": "soon"}, "since", "write 90s, 15m, 24h"),
        ("counts", {"from": "x"}, "from", "write 2026-11-22"),
        ("counts", {"to": "x"}, "to", "write 2026-11-22"),
        ("counts", {"from": "2026-11-22", "to": "2026-11-21"}, "to", "later than from"),
        ("counts", {"since": "1h", "from": "2026-11-21"}, "since", "use only one of them"),
        ("counts", {"emotion": "contempt"}, "emotion", "choose from angry"),
        ("counts", {"device": "attic"}, "device", "choose from cellar, hallway"),
        ("counts", {"model": "x'; DROP TABLE observation; --"}, "model", "choose from 0123456789ab"),
        ("counts", {"capture": "../../etc/passwd"}, "capture", "is not a capture id"),
        ("counts", {"timezone": "../../etc/passwd"}, "timezone", "use a name such as Europe/Berlin"),
        ("counts", {"min_confidence": "2"}, "min_confidence", "less than or equal to 1"),
        ("observations", {"limit": "0"}, "limit", "greater than or equal to 1"),
        ("observations", {"limit": "many"}, "limit", "valid integer"),
        ("observations", {"after": "x"}, "after", "use `next` of the previous page"),
        ("observations", {"devise": "hallway"}, "devise", "unknown parameter 'devise'"),
        ("observations", {"format": "xml"}, "format", "'json' or 'csv'"),
        ("devices", {"timezone": "Mars/Base"}, "timezone", "unknown time zone 'Mars/Base'"),
    ],
)
def test_an_invalid_parameter_is_named_with_a_valid_value(
    client: TestClient, path: str, parameters: dict[str, str], field: str, message: str
) -> None:
    response = client.get(f"/api/{path}", params=parameters)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["field"] == field
    assert message in response.json()["detail"]
    assert len(get(client, "observations")["observations"]) == 8


@pytest.mark.parametrize(
    "path", ["/nothing", "/assets/../settings.py", "/assets/%2e%2e/settings.py", "/assets/", "/docs"]
)
def test_an_unknown_path_is_a_problem(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert client.post("/api/counts").status_code == 405


def test_a_missing_log_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "mien.db"
    open_for_writing(path).dispose()
    log = EmotionLog(path)
    log.close()
    path.unlink()
    with TestClient(create_app(log), base_url="http://127.0.0.1") as client:
        response = client.get("/api/devices")
    assert response.status_code == 503
    assert "cannot be read" in response.json()["detail"]
    assert response.headers["retry-after"] == "5"


def test_without_a_token_only_this_machine_s_names_are_served(client: TestClient) -> None:
    for host, status in (("127.0.0.1:8501", 200), ("localhost", 200), ("evil.example", 400)):
        assert client.get("/api/devices", headers={"Host": host}).status_code == status, host


def test_with_a_token_nothing_is_served_without_it(seeded: str) -> None:
    log = EmotionLog(seeded)
    app = create_app(log, token=TOKEN)
    with TestClient(app, base_url="https://server.example", follow_redirects=False) as client:
        for path in (
            "/api/devices",
            "/api/observations",
            "/api/counts",
            "/api/events",
            "/openapi.json",
            "/assets/dashboard.js",
        ):
            assert client.get(path).status_code == 401
            assert client.get(path).headers["content-type"] == "application/problem+json"
            assert client.get(path, headers={"Cookie": f"mien={TOKEN}"}).status_code == 401
        assert client.get("/api/devices", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/api/devices", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/").headers["location"] == "/login"
        assert "Wrong token" in client.get("/login").text
        assert client.post("/login", data={"token": "wrong"}).headers["location"] == "/login?wrong=1"
        assert client.post("/login", data={"token": "x" * 9999}).status_code == 413
        assert client.get("/api/devices").status_code == 401
        logged_in = client.post("/login", data={"token": TOKEN})
        cookie = logged_in.headers["set-cookie"]
        assert logged_in.headers["location"] == "/"
        assert all(attribute in cookie for attribute in ("HttpOnly", "Secure", "SameSite=strict"))
        assert TOKEN not in cookie
        assert client.get("/api/devices").status_code == 200
        assert client.get("/").status_code == 200
    log.close()


def test_a_session_can_be_ended(seeded: str) -> None:
    with EmotionLog(seeded) as log:
        app = create_app(log, token=TOKEN)
        first, second = (TestClient(app, base_url="https://server.example") for _ in range(2))
        for client in (first, second):
            client.post("/login", data={"token": TOKEN})
            assert client.get("/api/devices").status_code == 200
        copied_cookie = dict(first.cookies)
        assert "Log out" in first.get("/").text
        assert first.post("/logout").url.path == "/login"
        assert not first.cookies
        assert TestClient(app, cookies=copied_cookie).get("/api/devices").status_code == 401
        assert second.get("/api/devices").status_code == 200
        restarted = TestClient(create_app(log, token="another" + TOKEN), cookies=dict(second.cookies))
        assert restarted.get("/api/devices").status_code == 401


def test_the_log_says_who_read_what_and_nothing_secret(seeded: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "access")
    with EmotionLog(seeded) as log:
        client = TestClient(create_app(log, token=TOKEN), client=("192.0.2.7", 5))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for _ in range(3):
            assert client.get("/api/devices?timezone=UTC", headers=headers).status_code == 200
        client.get("/api/observations", headers=headers)
        client.get("/api/counts")
        client.get("/api/counts?by=mood", headers=headers)
    lines = [record.getMessage() for record in caplog.records if record.name == "access"]
    assert lines == ["192.0.2.7 read /api/devices", "192.0.2.7 read /api/observations"]
    assert {record.levelname for record in caplog.records if record.name == "access"} == {"INFO"}


def test_only_a_proxy_on_this_machine_may_say_whose_request_it_passes_on(
    seeded: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "access")
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "spoofed, 192.0.2.9"}
    with EmotionLog(seeded) as log:
        for is_proxied, peer in ((True, "127.0.0.1"), (True, "192.0.2.1"), (False, "127.0.0.1")):
            client = TestClient(create_app(log, token=TOKEN, is_proxied=is_proxied), client=(peer, 5))
            client.get("/api/devices", headers=headers)
    lines = [record.getMessage() for record in caplog.records if record.name == "access"]
    assert lines == [f"{address} read /api/devices" for address in ("192.0.2.9", "192.0.2.1", "127.0.0.1")]


def test_pages_of_other_sites_get_nothing_from_the_api(client: TestClient) -> None:
    cross_site = {"Sec-Fetch-Site": "cross-site"}
    for path in ("/api/devices", "/api/events"):
        response = client.get(path, headers=cross_site)
        assert (response.status_code, response.headers["content-type"]) == (403, "application/problem+json")
    assert client.post("/login", headers=cross_site).status_code == 403
    assert client.get("/", headers=cross_site).status_code == 200  # a link to it
    assert client.get("/api/devices", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_every_response_has_security_headers(client: TestClient) -> None:
    for path in ("/", "/api/devices", "/nothing", "/assets/dashboard.css"):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "strict-transport-security" not in headers
        tls = client.get(f"https://127.0.0.1{path}").headers
        assert tls["strict-transport-security"] == "max-age=31536000"
    page = client.get("/").text
    assert "http" not in page.replace("http-equiv", "")  # loads nothing from other servers


@pytest.mark.parametrize(
    ("content", "message"),
    [("short", "16 characters"), ("sixteen or so letters", "without spaces"), (None, "cannot be read")],
)
def test_a_weak_token_is_rejected(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        read_token(file)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["--host", "0.0.0.0"], 3, "other machines can reach 0.0.0.0: set token_file, certificate_file and key_file"),  # noqa: S104
        (["--port", "70000"], 3, "port"),
        (["--db", "no.db"], 8, "does not exist"),
    ],
)
def test_a_dashboard_that_cannot_start_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], exit_code: int, message: str
) -> None:
    path = tmp_path / "mien.db"
    open_for_writing(path).dispose()
    assert main(["dashboard", "--db", str(path), *arguments]) == exit_code
    assert message in capsys.readouterr().err


def test_other_machines_need_tls_and_the_token(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path / "authority", "test")
    identity = authority.issue_server(["localhost"])
    for name, content in (("crt", identity.certificate), ("key", identity.key), ("token", TOKEN.encode())):
        (tmp_path / name).write_bytes(content)
    open_for_writing(tmp_path / "mien.db").dispose()
    tls_settings = {"host": "0.0.0.0", "certificate_file": "crt", "key_file": "key", "token_file": "token"}  # noqa: S104
    with DashboardProcess(tmp_path, **tls_settings) as dashboard:
        tls = ssl.create_default_context(cadata=authority.certificate.decode())
        url = f"https://localhost:{dashboard.port}/api/devices"
        assert httpx2.get(url, verify=tls, headers={"Authorization": f"Bearer {TOKEN}"}).json() == {"devices": []}
        assert httpx2.get(url, verify=tls).status_code == 401
        with pytest.raises(httpx2.HTTPError):
            httpx2.get(url.replace("https", "http"))
        second = DashboardProcess(tmp_path, **tls_settings, port=dashboard.port)
        assert "choose another with --port" in second.failure_message()
    assert dashboard.code == 0


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_api_conforms_to_its_openapi_schema(client: TestClient, mode: GenerationMode) -> None:
    """Valid and invalid parameters, which schemathesis generates from the OpenAPI schema.

    A well-formed name that is not in the log is rejected too.
    """
    headers = {"Host": "127.0.0.1"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", client.app, headers=headers)
    all_operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    operations = [operation for operation in all_operations if operation.path != "/api/events"]  # which never ends
    assert len(operations) == 6
    for operation in operations:

        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def check_response(case: schemathesis.Case[Any]) -> None:
            response = case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])
            assert response.status_code in (200, 422)

        check_response()
