"""The parts of a camera's URL, and what its host says when no frames arrive."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mien.edge.camera.network.camera_url import CameraUrl

PASSWORD = "s3cret"  # noqa: S105


def read(folder: Path, url: str) -> CameraUrl:
    (folder / "url").write_text(url)
    return CameraUrl.read(folder / "url")


@contextmanager
def camera(*responses: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that gives one response to each connection; its port, and the requests so far."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for response in responses:
                connection, _ = server.accept()
                with connection:
                    requests.append(connection.recv(4096))
                    connection.sendall(response)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], requests
        thread.join(5)


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("rtsp://camera/live/1", "camera", 554, "/live/1"),
        ("rtsps://camera", "camera", 322, ""),
        ("https://camera.lan/video?size=2", "camera.lan", 443, "/video?size=2"),
        (" http://me:a@b:c@[fe80::1]:81?x#y \n", "fe80::1", 81, "?x"),
    ],
)
def test_a_url_has_a_host_a_port_and_a_target(tmp_path: Path, url: str, host: str, port: int, target: str) -> None:
    parts = read(tmp_path, url)
    assert (parts.host, parts.port, parts.target, parts.text) == (host, port, target, url.strip())


def test_its_password_is_not_in_its_representation(tmp_path: Path) -> None:
    assert PASSWORD not in repr(read(tmp_path, f"rtsp://viewer:{PASSWORD}@camera/live"))


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (b"RTSP/1.0 404 Stream Not Found\r\nCSeq: 1\r\n\r\n", "the camera responds 404 Stream Not Found"),
        (b"RTSP/1.0 503\r\n\r\n", "the camera responds 503"),
        (b"RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\n\r\nv=0", ""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what responds there is no camera"),
        (b"", "what responds there is no camera"),
    ],
)
def test_an_rtsp_camera_s_response_is_passed_on(tmp_path: Path, response: bytes, reason: str) -> None:
    with camera(response) as (port, requests):
        assert read(tmp_path, f"rtsp://127.0.0.1:{port}/live").probe(timeout_s=5).reason == reason
    assert requests[0].startswith(f"DESCRIBE rtsp://127.0.0.1:{port}/live RTSP/1.0\r\n".encode())


def test_a_password_is_sent_as_it_is_only_to_a_camera_that_asks_for_it_so(tmp_path: Path) -> None:
    refused = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: %s realm=x\r\n\r\n"
    with camera(refused % b"Digest") as (port, requests):
        assert read(tmp_path, f"http://viewer:{PASSWORD}@127.0.0.1:{port}/").probe(timeout_s=5).reason == ""
    assert b"authorization" not in b"".join(requests).lower()
    with camera(refused % b"Basic", refused % b"Basic") as (port, requests):
        reason = read(tmp_path, f"http://viewer:{PASSWORD}@127.0.0.1:{port}/").probe(timeout_s=5).reason
    assert reason == "the camera responds 401 Unauthorized"
    assert [b"\r\nAuthorization: Basic dmlld2VyOnMzY3JldA==\r\n" in request for request in requests] == [False, True]


def test_a_camera_that_asks_for_a_password_that_the_url_lacks_is_passed_on(tmp_path: Path) -> None:
    with camera(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=x\r\n\r\n") as (port, _):
        result = read(tmp_path, f"http://127.0.0.1:{port}/").probe(timeout_s=5)
    assert (result.reason, result.is_refused) == ("the camera responds 401 Unauthorized", True)


def test_a_name_that_nobody_knows_and_a_silent_host_are_told_apart(tmp_path: Path) -> None:
    assert (
        "no response from nowhere.invalid:80, " in read(tmp_path, "http://nowhere.invalid/").probe(timeout_s=5).reason
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert read(tmp_path, f"http://127.0.0.1:{port}").probe(timeout_s=0.1).reason == (
            f"no response from 127.0.0.1:{port}, timed out"
        )
