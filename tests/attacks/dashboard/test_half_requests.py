"""Clients that never finish what they begin, against `mien dashboard`: held connections must not silence the page.

The attackers use addresses of their own in 127.0.0.0/8; the user's is 127.0.0.1.
"""

import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2
import pytest
from dashboard_process import DashboardProcess
from polling import wait_for

from mien.broker.database.engine import open_for_writing
from mien.broker.web.bounded_protocol import REQUEST_S
from mien.broker.web.connections import MAX_CONNECTIONS_PER_ADDRESS
from mien.deploy.server.certificate_authority import CertificateAuthority

TOKEN = "correct-horse-battery-staple"  # noqa: S105 (only for this test)
HALF_HEADER = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
HALF_BODY = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\ntoken="
BIG_REQUESTS = b"GET /assets/dashboard.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1000
CONNECTIONS = 1014
SLOW_S = 3 * REQUEST_S
"""Generous: other tests may use the processor."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dashboard's log, and its token and certificate."""
    open_for_writing(tmp_path / "mien.db").dispose()
    identity = CertificateAuthority.create(tmp_path / "authority", "test").issue_server(["localhost"])
    for name, content in (("crt", identity.certificate), ("key", identity.key), ("token", TOKEN.encode())):
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def dashboard(folder: Path) -> Iterator[DashboardProcess]:
    with DashboardProcess(folder) as process:
        yield process
    assert process.code == 0


@pytest.fixture
def enough_files() -> Iterator[None]:
    """For the attacker: two files a connection in one process would be the usual limit."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, limits[1]), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def connect(dashboard: DashboardProcess, number: int) -> socket.socket:
    """A connection from one of the attackers' addresses."""
    return socket.create_connection(("127.0.0.1", dashboard.port), source_address=(f"127.0.0.{number}", 0), timeout=5)


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def processor_s(pid: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.usefixtures("enough_files")
def test_a_thousand_half_headers_neither_silence_the_page_nor_fill_its_log(dashboard: DashboardProcess) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connect(dashboard, 2 + number // 250)) for number in range(CONNECTIONS)]
        for connection in held:
            with suppress(OSError):
                connection.sendall(HALF_HEADER)
        assert httpx2.get(f"{dashboard.url}/api/devices", timeout=20).json() == {"devices": []}
        before_s = processor_s(dashboard.pid)
        time.sleep(1)
        assert processor_s(dashboard.pid) - before_s < 0.5
    assert len(dashboard.log.splitlines()) < 10


def test_one_address_gets_no_more_than_its_share(dashboard: DashboardProcess) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connect(dashboard, 2)) for _ in range(MAX_CONNECTIONS_PER_ADDRESS + 20)]
        wait_for(lambda: all(is_closed(connection) for connection in held[:20]))
        assert httpx2.get(f"{dashboard.url}/api/devices", timeout=20).status_code == 200
    assert dashboard.log.count("too many connections") == 1
    assert "the last of 127.0.0.2" in dashboard.log


def test_running_out_of_files_is_said_once(dashboard: DashboardProcess) -> None:
    limits = resource.prlimit(dashboard.pid, resource.RLIMIT_NOFILE)
    httpx2.get(f"{dashboard.url}/api/devices", timeout=20)
    open_files = len(list(Path(f"/proc/{dashboard.pid}/fd").iterdir()))
    resource.prlimit(dashboard.pid, resource.RLIMIT_NOFILE, (open_files + 5, limits[1]))
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connect(dashboard, 2))
        wait_for(lambda: "raise LimitNOFILE=" in dashboard.log)
        time.sleep(1.5)
    resource.prlimit(dashboard.pid, resource.RLIMIT_NOFILE, limits)
    assert httpx2.get(f"{dashboard.url}/api/devices", timeout=20).status_code == 200
    assert dashboard.log.count("cannot accept connections (Too many open files)") == 1
    assert len(dashboard.log.splitlines()) < 10


@pytest.mark.slow_attack
@pytest.mark.parametrize("tls", [False, True])
def test_whoever_does_not_finish_a_request_in_ten_seconds_is_disconnected(folder: Path, tls: bool) -> None:
    settings = {"certificate_file": "crt", "key_file": "key"} if tls else {}
    cases: dict[str, tuple[bytes, bytes]] = {
        "silent": (b"", b""),
        "half header": (HALF_HEADER, b""),
        "dripping header": (HALF_HEADER, b"X-More: yes\r\n"),
        "half body": (HALF_BODY, b""),
        "dripping body": (HALF_BODY, b"x"),
        "body that nobody reads": (HALF_BODY.replace(b"/login", b"/api/devices"), b"x"),
        "second half header": (HALF_HEADER + b"\r\n" + HALF_HEADER, b"X-More: yes\r\n"),
    }
    ended_s: dict[str, float] = {}

    def hold(name: str, connection: socket.socket, first: bytes, more: bytes) -> None:
        start_s = time.monotonic()
        with connection, suppress(ConnectionError, ssl.SSLError):
            connection.settimeout(0.5)
            connection.sendall(first)
            while time.monotonic() - start_s < SLOW_S:
                with suppress(TimeoutError):
                    if connection.recv(65_536) == b"":
                        break
                connection.sendall(more)
        ended_s[name] = time.monotonic() - start_s

    with DashboardProcess(folder, token_file="token", **settings) as dashboard:  # noqa: S106 (a file's name)
        threads = []
        for number, (name, (first, more)) in enumerate(cases.items()):
            connection = connect(dashboard, 2 + number)
            if tls:
                connection = ssl._create_unverified_context().wrap_socket(connection)  # noqa: S323 (only for this test)
            threads.append(threading.Thread(target=hold, args=(name, connection, first, more)))
        if tls:
            threads.append(threading.Thread(target=hold, args=("half handshake", connect(dashboard, 50), b"\x16", b"")))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {name: round(duration_s) for name, duration_s in ended_s.items() if duration_s > REQUEST_S + 5} == {}
    assert ended_s["dripping header"] > REQUEST_S - 1
    assert "Traceback" not in dashboard.log
    assert dashboard.code == 0


@pytest.mark.slow_attack
def test_whoever_does_not_take_a_response_is_disconnected_and_a_slow_reader_is_not(dashboard: DashboardProcess) -> None:
    with connect(dashboard, 2) as greedy, connect(dashboard, 3) as slow:
        for connection in (greedy, slow):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            connection.sendall(BIG_REQUESTS)
        start_s, received = time.monotonic(), 0
        while time.monotonic() - start_s < 1.5 * REQUEST_S:
            received += len(slow.recv(4096))
            greedy.setblocking(False)
            time.sleep(0.1)
        assert received > 100_000
        assert slow.recv(4096)

        def greedy_has_ended() -> bool:
            try:
                greedy.sendall(b"x")
            except BlockingIOError:
                return False
            except ConnectionError:
                return True
            return False

        wait_for(greedy_has_ended, SLOW_S)
