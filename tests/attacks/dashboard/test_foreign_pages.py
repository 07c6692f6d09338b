"""Another web page in the user's browser, or a crafted path, wants the log of `mien dashboard`."""

import socket
from collections.abc import Iterator

import pytest
from dashboard_process import DashboardProcess

from mien.broker.database.engine import open_for_writing


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardProcess]:
    folder = tmp_path_factory.mktemp("dashboard")
    open_for_writing(folder / "mien.db").dispose()
    with DashboardProcess(folder) as process:
        yield process


def request(dashboard: DashboardProcess, path: str, *headers: str, host: str = "127.0.0.1") -> str:
    """The head of the answer to a request with exactly this path, which an HTTP library would tidy."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", dashboard.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        with connection.makefile(encoding="utf-8") as answer:
            return answer.read().partition("\n\n")[0]


@pytest.mark.parametrize("path", ["/api/devices", "/api/events", "/api/observations?format=csv"])
def test_a_page_of_another_site_gets_nothing(dashboard: DashboardProcess, path: str) -> None:
    assert request(dashboard, path, "Sec-Fetch-Site: cross-site").startswith("HTTP/1.1 403 ")


def test_a_page_whose_name_is_rebound_to_this_machine_gets_nothing(dashboard: DashboardProcess) -> None:
    for path in ("/", "/api/devices"):
        assert request(dashboard, path, host="evil.example").startswith("HTTP/1.1 400 ")


def test_no_other_origin_may_embed_or_read_an_answer(dashboard: DashboardProcess) -> None:
    head = request(dashboard, "/api/devices", "Origin: https://evil.example").lower()
    assert head.startswith("http/1.1 200 ")
    assert "cross-origin-resource-policy: same-origin" in head
    assert "access-control-allow-origin" not in head


@pytest.mark.parametrize(
    "path",
    ["/assets/../app.py", "/assets/%2e%2e/app.py", "/assets/..%2fapp.py", "/assets//etc/passwd", "/../mien.db"],
)
def test_a_path_leads_to_no_file(dashboard: DashboardProcess, path: str) -> None:
    assert request(dashboard, path).startswith("HTTP/1.1 404 ")
