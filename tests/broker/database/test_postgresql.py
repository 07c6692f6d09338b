"""Which PostgreSQL URLs are refused, and how other machines are connected to."""

import pytest
from sqlalchemy import make_url

from mien.broker.database.engine import open_for_writing
from mien.broker.database.postgresql import _connect_arguments, create_reader
from mien.errors import ConfigurationError


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mysql://host/mien", "mien does not support mysql: name a file or a postgresql:// URL"),
        ("postgresql//:host://", "is not a valid URL"),
        ("postgresql://me:secret@host/mien", "the URL of the database on host contains a password.*~/.pgpass"),
        ("postgresql://host/mien?password=secret", "the URL of the database on host contains a password.*~/.pgpass"),
        ("postgresql:///mien?host=db.example.org", "URL cannot set host: write postgresql://HOST/DATABASE"),
        ("postgresql://host:port/mien", "the database is not a valid URL"),
    ],
)
def test_an_invalid_url_is_refused_without_its_password(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        open_for_writing(name)
    assert "secret" not in str(raised.value)


def test_other_machines_need_a_valid_certificate() -> None:
    remote = _connect_arguments(make_url("postgresql://db.example.org/mien"), None)
    assert (remote["sslmode"], remote["sslrootcert"]) == ("verify-full", "system")
    assert "sslmode" not in _connect_arguments(make_url("postgresql://127.0.0.1/mien"), None)
    assert "sslmode" not in _connect_arguments(make_url("postgresql://db.example.org/mien?sslmode=require"), None)


def test_a_url_of_several_servers_leads_readers_to_the_one_that_can_be_written() -> None:
    """Their own sessions are read-only: libpq would find no server with `read-write`."""
    engine = create_reader(
        make_url("postgresql://one.example.org,two.example.org/mien?target_session_attrs=read-write"), None
    )
    arguments = engine.dialect.create_connect_args(engine.url)[1]
    assert arguments["host"] == "one.example.org,two.example.org"
    assert arguments["target_session_attrs"] == "primary"
    assert _connect_arguments(engine.url, None)["sslmode"] == "verify-full"
