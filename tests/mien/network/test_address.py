import pytest

from mien.network.address import WrittenAddress, is_host


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "::1", "fe80::1%eth0", "localhost", "broker.lan", "broker.lan.", "müller.lan", "mqtt_broker", "a-1"],
)
def test_a_name_or_an_address_stays_as_it_is(host: str) -> None:
    address = WrittenAddress.parse(host)
    assert (address.host, address.surplus(), address.settings()) == (host, "", [f'host = "{host}"'])


@pytest.mark.parametrize(
    ("text", "surplus", "host", "port"),
    [
        ("[::1]", "brackets, spaces or slashes", "::1", None),
        ("[fd00::10]:1884", "a port", "fd00::10", 1884),
        ("127.0.0.1:1883", "a port", "127.0.0.1", 1883),
        (" broker.lan\n", "brackets, spaces or slashes", "broker.lan", None),
        ("broker.lan/", "brackets, spaces or slashes", "broker.lan", None),
        ("mqtt://127.0.0.1", "a scheme", "127.0.0.1", None),
        ("MQTTS://broker.lan:8883/", "a scheme and a port", "broker.lan", 8883),
        ("hallway@broker.lan", "an account", "broker.lan", None),
        ("wss://me:p@ss/word@broker.lan:443/mqtt", "a scheme, an account, a port and a path", "broker.lan", 443),
    ],
)
def test_what_surrounds_a_host_is_named(text: str, surplus: str, host: str, port: int | None) -> None:
    address = WrittenAddress.parse(text)
    assert (address.surplus(), address.host, address.port) == (surplus, host, port)


@pytest.mark.parametrize("text", ["", " ", "a..b", "300.1.2.3", "1.2.3", "two words", "b.lan:0", "x" * 64, "b:99999"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    assert not is_host(text)
    with pytest.raises(ValueError, match="is neither a name nor an address: set it to a name such as"):
        WrittenAddress.parse(text)


def test_a_refusal_does_not_show_a_password() -> None:
    with pytest.raises(ValueError, match="neither a name") as refusal:
        WrittenAddress.parse("mqtt://hallway:secret@two words")
    assert "secret" not in str(refusal.value)
