"""The configuration files of a server folder and of a device."""

from collections.abc import Sequence
from pathlib import Path

ETC = "/etc/mien"
"""The folder of a device's configuration and identity."""

MOSQUITTO = """\
# Made by `mien server init`. Clients need a certificate of this certificate authority, and all traffic is encrypted:
# mosquitto accepts TLS 1.2 and 1.3 by default.
user {user}
listener {port}
cafile {folder}/mosquitto/ca.crt
certfile {folder}/mosquitto/server.crt
keyfile {folder}/mosquitto/server.key
crlfile {folder}/mosquitto/revoked.crl
require_certificate true
use_identity_as_username true
# The certificate's name is the client ID, too, whatever a client asks for: no client can throw another out.
use_username_as_clientid true
allow_anonymous false
acl_file {folder}/mosquitto/acl
pid_file {folder}/mosquitto/mosquitto.pid

# Queued messages survive a crash, except those of its last second; mien does not rely on them and sends again.
persistence true
persistence_location {folder}/mosquitto/data/
autosave_interval 1
autosave_on_changes false

# What waits for a collector that is slow or stopped, whoever sends it, must fit into 150 MB: at most so many packets of
# observations, whose bytes mosquitto 2.0 does not count. With fewer, a device that floods keeps others from getting
# through (benchmarks/fairness.py). A packet of this size holds 60 observations, and each other message of mien's.
max_queued_messages 24000
max_packet_size 5000
# The same for acknowledgements and reports of a device's state, whose bytes it counts.
max_queued_bytes 8388608
log_dest stderr
"""
COLLECTOR = """\
# Made by `mien server init`. All settings and their meaning: mien config show collector collector.toml
name = "{name}"
database = "{database}"
# Keep this name secret, and the same for all collectors: whoever knows it can take a share of their messages.
shared_group = "{group}"
shared_subscription = {shared}

[mqtt]
host = "{host}"
port = {port}
tls = true
ca_file = "{folder}/ca.crt"
certificate_file = "{folder}/collector.crt"
key_file = "{folder}/collector.key"
"""
DASHBOARD = """\
# Made by `mien server init`. All settings and their meaning: mien config show dashboard dashboard.toml
database = "{database}"
host = "0.0.0.0"
port = {port}
token_file = "{folder}/dashboard/token"
certificate_file = "{folder}/dashboard/server.crt"
key_file = "{folder}/dashboard/server.key"
"""
DASHBOARD_PORT = 8501
AGENT = """\
# Made by `mien device add`. All settings and their meaning: mien config show agent agent.toml
device = "{device}"

[mqtt]
host = "{host}"
port = {port}
tls = true
ca_file = "{etc}/ca.crt"
certificate_file = "{etc}/device.crt"
key_file = "{etc}/device.key"
"""


def mosquitto_conf(folder: Path, port: int, user: str) -> str:
    """For mosquitto, started from any folder; started by root it becomes `user`, who can read the keys."""
    return MOSQUITTO.format(folder=folder, port=port, user=user)


def collector_toml(folder: Path, name: str, *, database: str, group: str, host: str, port: int) -> str:
    """For a collector that reaches the MQTT broker as devices do, with its identity in `folder`.

    On a database that several can write to, it shares the work with the others of its group.
    """
    shared = "true" if "://" in database else "false"
    return COLLECTOR.format(
        folder=folder, name=name, database=database, group=group, shared=shared, host=host, port=port
    )


def dashboard_toml(folder: Path, database: str) -> str:
    """For a dashboard that is reachable from the network, over TLS and with a token."""
    return DASHBOARD.format(folder=folder, database=database, port=DASHBOARD_PORT)


def agent_toml(device: str, host: str, port: int) -> str:
    """For a device, with its identity in /etc/mien."""
    return AGENT.format(device=device, host=host, port=port, etc=ETC)


def server_toml(hosts: Sequence[str], port: int) -> str:
    """What `mien.deploy.server.folder.Server` reads."""
    names = ", ".join(f'"{host}"' for host in hosts)
    return f"# Made by `mien server init`.\nhosts = [{names}]\nport = {port}\n"
