"""The `Authorization` header that answers a camera's challenge (RFC 7617 and RFC 7616), to try an account."""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator

CHALLENGE = re.compile(
    r"^www-authenticate: *(?P<scheme>basic|digest)\b(?P<parameters>.*)$", re.IGNORECASE | re.MULTILINE
)
PARAMETER = re.compile(r'(?P<name>[a-z]+)=(?:"(?P<quoted>[^"]*)"|(?P<plain>[^",\s]+))', re.IGNORECASE)
HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def authorize(response: str, account: str, *, method: str, uri: str, client_nonce: str = "") -> str:
    """The header's value that repeats the request with `user:password`; empty if no challenge is understood.

    Digest is preferred, which does not send the password itself. `client_nonce` is random if empty.
    """
    challenges = {match["scheme"].lower(): match["parameters"] for match in CHALLENGE.finditer(response)}
    if "digest" in challenges:
        client_nonce = client_nonce or secrets.token_hex(8)
        return _digest(dict(_parameters(challenges["digest"])), account, method, uri, client_nonce)
    if "basic" in challenges:
        return f"Basic {base64.b64encode(account.encode()).decode()}"
    return ""


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    for match in PARAMETER.finditer(text):
        yield match["name"].lower(), match["plain"] if match["quoted"] is None else match["quoted"]


def _digest(challenge: dict[str, str], account: str, method: str, uri: str, client_nonce: str) -> str:
    algorithm = challenge.get("algorithm", "MD5").upper()
    qualities = [quality.strip() for quality in challenge.get("qop", "").split(",")]
    if algorithm not in HASHES or not {"realm", "nonce"} <= challenge.keys() or not {"", "auth"} & {*qualities}:
        return ""

    def digest(*parts: str) -> str:
        return HASHES[algorithm](":".join(parts).encode()).hexdigest()

    user, _, password = account.partition(":")
    realm, nonce = challenge["realm"], challenge["nonce"]
    secret, request = digest(user, realm, password), digest(method, uri)
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
    if "algorithm" in challenge:
        fields["algorithm"] = algorithm
    if "opaque" in challenge:
        fields["opaque"] = challenge["opaque"]
    if "auth" in qualities:
        count = "00000001"
        fields |= {"qop": "auth", "nc": count, "cnonce": client_nonce}
        fields["response"] = digest(secret, nonce, count, client_nonce, "auth", request)
    else:
        fields["response"] = digest(secret, nonce, request)
    unquoted = {"algorithm", "qop", "nc"}
    return "Digest " + ", ".join(
        f"{name}={value}" if name in unquoted else f'{name}="{value}"' for name, value in fields.items()
    )
