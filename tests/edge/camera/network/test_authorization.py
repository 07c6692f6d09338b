"""A camera's challenge is answered as the RFCs say."""

from mien.edge.camera.network.authorization import authorize

ACCOUNT = "Mufasa:Circle Of Life"


def answer(*challenges: str, account: str = ACCOUNT, client_nonce: str = "") -> str:
    response = "\r\n".join(["HTTP/1.1 401 Unauthorized", *(f"WWW-Authenticate: {line}" for line in challenges), "", ""])
    return authorize(response, account, method="GET", uri="/dir/index.html", client_nonce=client_nonce)


def test_basic_sends_the_account() -> None:
    assert answer('Basic realm="camera"') == "Basic TXVmYXNhOkNpcmNsZSBPZiBMaWZl"


def test_digest_without_quality_is_that_of_rfc_2069() -> None:
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    value = answer(challenge, 'Basic realm="x"', account="Mufasa:CircleOfLife")
    assert value == (  # the example of RFC 2069, 2.4, with its errata
        'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'uri="/dir/index.html", response="1949323746fe6a43ef61f9606e7febea"'
    )


def test_digest_with_quality_is_that_of_rfc_2617() -> None:
    challenge = 'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    value = answer(challenge, client_nonce="0a4f113b")
    assert value.endswith(
        'qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1"'
    )  # 3.5


def test_digest_with_quality_has_a_nonce_of_its_own() -> None:
    challenge = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf", opaque="FQ"'
    )
    one, other = answer(challenge), answer(challenge)
    assert one != other
    for field in ("algorithm=SHA-256", 'opaque="FQ"', "qop=auth", "nc=00000001", 'cnonce="', 'response="'):
        assert field in one
    assert "Circle" not in one


def test_a_challenge_that_cannot_be_met_has_no_answer() -> None:
    assert answer('Digest realm="x", nonce="y", algorithm=TOKEN') == ""
    assert answer('Digest realm="x", nonce="y", qop="auth-int"') == ""
    assert answer("Digest realm=x") == ""
    assert answer("Bearer") == ""
    assert answer() == ""
