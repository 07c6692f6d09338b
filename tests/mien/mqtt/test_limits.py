import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from mien.mqtt.limits import MAX_PACKET_BYTES, NO_LIMITS, BrokerLimits


def announced(**values: int) -> BrokerLimits:
    properties = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return BrokerLimits.from_connack(properties)


def test_a_broker_that_announces_nothing_has_no_limits() -> None:
    assert announced() == BrokerLimits.from_connack(None) == NO_LIMITS
    assert NO_LIMITS.qos == 1


def test_each_announcement_is_read() -> None:
    limits = announced(
        MaximumPacketSize=1024,
        ReceiveMaximum=7,
        MaximumQoS=0,
        RetainAvailable=0,
        WildcardSubscriptionAvailable=0,
        SharedSubscriptionAvailable=0,
    )
    assert limits == BrokerLimits(
        max_packet_bytes=1024,
        receive_maximum=7,
        max_qos=0,
        has_retained_messages=False,
        has_wildcards=False,
        has_shared_subscriptions=False,
    )
    assert limits.qos == 0


def test_the_topic_counts_towards_the_size_of_a_packet_in_bytes() -> None:
    assert announced(MaximumPacketSize=1024).max_payload_bytes("mien/küche") == 1024 - 10 - 11
    assert announced(MaximumPacketSize=20).max_payload_bytes("mien/hallway/observation") == 0
    assert announced(MaximumPacketSize=2**28 - 1).max_payload_bytes("") == MAX_PACKET_BYTES - 10


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (NO_LIMITS, ""),
        (
            BrokerLimits(has_wildcards=False),
            "the subscription to a/+, $share/g/b/# (Wildcard subscription not supported): "
            "allow wildcards on the broker, or use a broker that supports them",
        ),
        (
            BrokerLimits(has_shared_subscriptions=False),
            "the subscription to $share/g/b/# (Shared subscription not supported): "
            "set shared_subscription = false, or use a broker that supports them",
        ),
    ],
)
def test_subscriptions_that_the_broker_does_not_support_are_named(limits: BrokerLimits, problem: str) -> None:
    assert limits.find_problem(["a/+", "c", "$share/g/b/#"]) == problem
    assert limits.find_problem(["c"]) == ""
