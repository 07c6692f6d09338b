"""The URL of a network camera: read from its file, checked, and tried without OpenCV if no frames arrive."""

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from mien.errors import CameraError
from mien.files.text_file import read_line

from .authorization import authorize

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "rtmp": 1935}
"""What FFmpeg, which OpenCV uses, opens, with the port if the URL names none."""
URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]+)(:(?P<port>\d{1,5})?)?")
ESCAPES = {"@": "%40", "#": "%23", "/": "%2F", "?": "%3F"}
"""How characters that separate the parts of a URL are written within a password (RFC 3986, 2.1)."""
METHODS = {"http": ("GET", "HTTP/1.0"), "rtsp": ("DESCRIBE", "RTSP/1.0")}
"""The request for a stream, and the protocol that it is made in."""
STATUS_LINE = re.compile(r"(?:HTTP|RTSP)/[\d.]+ (?P<code>\d{3}) ?(?P<reason>[ -~]*)")
CONTENT_TYPE = re.compile(r"^content-type: *(?P<type>[\w.+-]+/[\w.+-]+)", re.IGNORECASE | re.MULTILINE)
RESPONSE_BYTES = 4096
"""More than the headers of a camera's response."""
REFUSALS = {"401", "403"}
"""Status codes of a camera that wants another user or password."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Why no frames may arrive."""

    reason: str = ""
    """In a few words; empty if the host responds as a camera does."""
    is_refused: bool = False
    """Whether the camera does not accept the user or the password."""


@dataclass(frozen=True, slots=True)
class CameraUrl:
    """A URL whose parts can be told apart. Neither its user nor its password is in any message."""

    text: str = field(repr=False)
    scheme: str
    account: str = field(repr=False)
    """User and password as they are written in the URL; empty without."""
    host: str
    """Without brackets."""
    port: int
    target: str
    """Path and query."""

    @classmethod
    def read(cls, file: Path) -> Self:
        """The URL in a file's only line. CameraError if the file or the URL cannot be understood."""
        name = f"camera.url_file {file}"
        match = URL.fullmatch(read_line(file, name=name, error=CameraError).strip())
        if match is None:
            raise CameraError(
                f"{name} contains no URL: write one into it, such as rtsp://HOST/PATH or http://HOST/PATH"
            )
        scheme, authority, rest = match["scheme"].lower(), match["authority"], match["rest"]
        if scheme not in DEFAULT_PORTS:
            known = ", ".join(f"{name}://" for name in DEFAULT_PORTS)
            raise CameraError(f"{name} has a URL that begins with {scheme}://: use one of {known}")
        account, _, address = authority.rpartition("@")
        place = HOST_AND_PORT.fullmatch(address)
        if not account and "@" in rest and (place is None or rest.startswith("#")):
            hint = f"write it as {ESCAPES[rest[0]]}"
            raise CameraError(f"{name} has a URL with {rest[0]} in its user or password: {hint}")
        if place is None:
            raise CameraError(f"{name} has a URL without a valid host or port: write {scheme}://HOST:PORT/PATH")
        return cls(
            text=f"{scheme}://{authority}{rest}",
            scheme=scheme,
            account=account,
            host=place["host"].strip("[]"),
            port=int(place["port"] or DEFAULT_PORTS[scheme]),
            target=rest.partition("#")[0],
        )

    def password_hint(self) -> str:
        """What in the URL may be meant as a part of the password, and how to write it; empty if there is nothing."""
        raw = [character for character in ESCAPES if character in self.account]
        if not self.account and "@" in self.target:
            raw.append(self.target[0])
        return "".join(f"; if {character} is in the password, write it as {ESCAPES[character]}" for character in raw)

    def probe(self, timeout_s: float) -> ProbeResult:
        """Ask the host for the stream, as the account in the URL. The password is sent as it is only if the camera
        accepts it in no other way (RFC 7617)."""
        try:
            response = self._request("", timeout_s)
            if _status(response) == "401" and self.account:
                method, target = METHODS[self.scheme][0], self._request_target
                authorization = authorize(response, unquote(self.account), method=method, uri=target)
                if not authorization:
                    return ProbeResult()
                response = self._request(authorization, timeout_s)
        except (OSError, UnicodeError) as error:
            problem = getattr(error, "strerror", None) or error
            return ProbeResult(f"no response from {self.host}:{self.port}, {problem}")
        if self.scheme not in METHODS:
            return ProbeResult()
        return ProbeResult(_explain(response), _status(response) in REFUSALS)

    def _request(self, authorization: str, timeout_s: float) -> str:
        """The beginning of the response; empty for a protocol that is only connected to. OSError if there is none."""
        with socket.create_connection((self.host, self.port), timeout=timeout_s) as connection:
            if self.scheme not in METHODS:
                return ""
            connection.sendall(self._request_lines(authorization))
            return connection.recv(RESPONSE_BYTES).decode("latin-1")

    @property
    def _address(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def _request_target(self) -> str:
        return f"rtsp://{self._address}{self.target}" if self.scheme == "rtsp" else self.target or "/"

    def _request_lines(self, authorization: str) -> bytes:
        method, protocol = METHODS[self.scheme]
        lines = [f"{method} {self._request_target} {protocol}", f"Host: {self._address}", "CSeq: 1"]
        if authorization:
            lines.append(f"Authorization: {authorization}")
        return "\r\n".join([*lines, "", ""]).encode()


def _status(response: str) -> str:
    """The code in the first line, which HTTP and RTSP have in common; empty if there is none."""
    match = STATUS_LINE.match(response)
    return match["code"] if match else ""


def _explain(response: str) -> str:
    status = STATUS_LINE.match(response)
    if status is None:
        return "what responds there is no camera"
    if not status["code"].startswith("2"):
        return f"the camera responds {status['code']} {status['reason']}".rstrip()
    content_type = CONTENT_TYPE.search(response)
    if content_type and content_type["type"].startswith("text/"):
        return f"it leads to {content_type['type']}, not to a stream"
    return ""
