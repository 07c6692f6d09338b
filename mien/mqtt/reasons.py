"""The reason codes with which an MQTT 5 broker refuses or ends something, and how to fix each.

The names are those of the standard (MQTT 5.0, section 2.4). MQTT 3.1.1 gives a reason only for a refused connection.
"""

SESSION_TAKEN_OVER = "Session taken over"
PACKET_TOO_LARGE = "Packet too large"
QOS_NOT_SUPPORTED = "QoS not supported"
RETAIN_NOT_SUPPORTED = "Retain not supported"

TEMPORARY_REFUSALS = ("Server unavailable", "Server busy", "Connection rate exceeded", "Quota exceeded")
"""Refusals of a connection by a broker that will accept the client later."""

SEE_LOG = "see the broker's log"

CONNECTION_FIXES = {
    "Not authorized": "check mqtt.username, mqtt.password_file and the broker's ACL",
    "Bad user name or password": "check mqtt.username and mqtt.password_file",
    "Bad authentication method": "check mqtt.username and mqtt.password_file",
    "Unsupported protocol version": "set mqtt.protocol to auto",
    "Client identifier not valid": "rename the device or collector",
    "Banned": "ask the broker's administrator to lift the ban",
    "Use another server": "set mqtt.host to the other one",
    "Server moved": "set mqtt.host to the new one",
    "Server busy": "if it lasts, give the broker more resources",
    "Server unavailable": "if it lasts, see the broker's log",
    "Connection rate exceeded": "if it lasts, raise the broker's limit on new connections",
    "Quota exceeded": "if it lasts, raise the broker's quota for this client",
}
"""For a refused connection."""

PUBLICATION_FIXES = {
    "Not authorized": "allow this client to write to that topic",
    "Topic name invalid": "allow that topic on the broker, or choose another mqtt.base_topic",
    "Quota exceeded": "raise the broker's quota for this client",
    PACKET_TOO_LARGE: "raise the broker's message_size_limit or max_packet_size",
    "Payload format invalid": "turn off the broker's check of payloads on that topic",
}
"""For a refused message."""

SUBSCRIPTION_FIXES = {
    "Topic filter invalid": "allow these topics on the broker, or choose another mqtt.base_topic",
    "Quota exceeded": "raise the broker's quota of subscriptions for this client",
    "Shared subscription not supported": "set shared_subscription = false, or use a broker that supports them",
    "Wildcard subscription not supported": "allow wildcards on the broker, or use a broker that supports them",
}
"""For a refused subscription; for any other reason, the permission is missing."""

END_FIXES = {
    "Not authorized": "check the broker's ACL for this client",
    "Administrative action": "ask the broker's administrator why",
    "Keep alive timeout": "check the network between this machine and the broker",
    PACKET_TOO_LARGE: "raise the broker's max_packet_size",
    "Receive maximum exceeded": "raise the broker's max_inflight_messages",
    "Message rate too high": "raise the broker's limit on the message rate of this client",
    "Quota exceeded": "raise the broker's quota for this client",
    "Connection rate exceeded": "raise the broker's limit on new connections",
    QOS_NOT_SUPPORTED: "allow QoS 1 on the broker",
    RETAIN_NOT_SUPPORTED: "allow retained messages on the broker",
    "Use another server": "set mqtt.host to the other one",
    "Server moved": "set mqtt.host to the new one",
    "Malformed packet": SEE_LOG,
    "Protocol error": SEE_LOG,
    "Implementation specific error": SEE_LOG,
}
"""For a connection that the broker ended; it needs none if it shuts down, or has too much to do for a while."""


def describe_end(reason: str) -> str:
    """Why the broker ended the connection, and the fix if there is one."""
    fix = END_FIXES.get(reason)
    return f"the MQTT broker ended the connection ({reason})" + (f": {fix}" if fix else "")
