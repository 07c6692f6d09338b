"""`mien query --sql` with a statement that wants more than to read: nothing is written, and nothing of it remains."""

import pytest
from postgresql import PostgreSQL
from sqlalchemy import Engine, text

from mien.broker.database.writer_locks import WRITER_LOCK
from mien.broker.query import EmotionLog
from mien.errors import UsageError


@pytest.mark.parametrize("log", ["postgresql"], indirect=True)
def test_nothing_that_a_statement_changes_remains(reading: str, writer: Engine) -> None:
    with EmotionLog(reading) as emotion_log:
        for statement in (
            f"SELECT pg_advisory_lock({WRITER_LOCK})",
            "SELECT set_config('statement_timeout', '0', false)",
            "SELECT set_config('default_transaction_read_only', 'off', false)",
        ):
            assert len(emotion_log.sql(statement)) == 1
        with writer.begin() as connection:  # takes the writers' lock
            assert connection.execute(text("SELECT count(*) FROM observation")).scalar_one() == 0
        settings = emotion_log.sql(
            "SELECT current_setting('statement_timeout') AS time, current_setting('transaction_read_only') AS read_only"
        )
        assert settings.to_dicts() == [{"time": "30s", "read_only": "on"}]


def test_a_statement_that_writes_is_refused(reading: str, writer: Engine) -> None:
    statements = (
        "DELETE FROM device",
        "SELECT 1; DELETE FROM device",
        "WITH d AS (DELETE FROM device RETURNING 1) SELECT 1",
        "SELECT nextval('device_key_seq')",
        "SELECT load_extension('x')",
        "COMMIT",
    )
    with EmotionLog(reading) as emotion_log:
        for statement in statements:
            with pytest.raises(UsageError, match="write one SELECT"):
                emotion_log.sql(statement)
    with writer.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM device")).scalar_one() == 0


@pytest.mark.parametrize("log", ["postgresql"], indirect=True)
def test_a_role_that_can_do_more_is_refused_with_the_way_to_a_reading_one(
    log: str, reading: str, writer: Engine, postgresql_server: PostgreSQL
) -> None:
    database = log.rpartition("/")[2]
    with writer.begin() as connection:
        connection.execute(text(f'CREATE ROLE "files-{database}" LOGIN IN ROLE pg_read_server_files'))
    files = postgresql_server.url(database).replace("//mien@", f"//files-{database}@")
    with EmotionLog(reading) as emotion_log:
        assert emotion_log.sql("SELECT 1 AS one")[0] == {"one": 1}
    for url in (log, files.replace("-", "%2D")):
        if url != log:
            with writer.begin() as connection:
                connection.execute(text(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "files-{database}"'))
        with EmotionLog(url) as emotion_log, pytest.raises(UsageError, match="CREATE ROLE mien_reader LOGIN"):
            emotion_log.sql("SELECT pg_read_file('/etc/passwd')")
