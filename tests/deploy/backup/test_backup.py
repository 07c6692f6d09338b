"""`mien server backup` and `restore`: what is in a backup, and where it can be restored."""

import io
import json
import os
import re
import sqlite3
import stat
import subprocess
import tarfile
from contextlib import closing
from pathlib import Path

import pyrage
import pytest
from postgresql import PostgreSQL

from mien.broker.database.engine import open_for_writing
from mien.cli import main
from mien.deploy.backup.age_file import AgeReader, AgeWriter
from mien.deploy.backup.backup import back_up
from mien.deploy.backup.restore import restore
from mien.deploy.server.check import check_server
from mien.deploy.server.collectors import add_collector
from mien.deploy.server.folder import ServerFolder
from mien.errors import DatabaseError, DataError, MissingExtra, UsageError

PASSPHRASE = "correct horse battery staple"  # noqa: S105
LOG2_ROUNDS = 4


def write_backup(server: ServerFolder, file: Path, *, with_database: bool = True) -> None:
    back_up(server, file, PASSPHRASE, with_database=with_database, log2_rounds=LOG2_ROUNDS)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def unpack(file: Path) -> dict[str, bytes]:
    """As `age --decrypt | tar xz` does."""
    archive = pyrage.passphrase.decrypt(file.read_bytes(), PASSPHRASE)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
        return {member.name: members.extractfile(member).read() for member in members}  # type: ignore[union-attr]


@pytest.fixture
def log_file(server: ServerFolder) -> Path:
    """The server's emotion log, with a row that only its write-ahead log contains."""
    file = server.path / "collector" / "data" / "mien.db"
    open_for_writing(str(file)).dispose()
    return file


def test_a_backup_is_restored_byte_for_byte_into_the_same_place(tmp_path: Path, server: ServerFolder) -> None:
    before = contents(server.path)
    write_backup(server, tmp_path / "backup.age")
    server.path.rename(tmp_path / "former")
    restored = restore(tmp_path / "backup.age", server.path, PASSPHRASE)
    after = contents(server.path)
    assert before.keys() - after.keys() == set()
    signed_anew = {"mosquitto/revoked.crl"}
    assert {name for name, content in before.items() if after[name] != content} <= signed_anew
    for path in [server.path, *server.path.rglob("*")]:
        former = tmp_path / "former" / path.relative_to(server.path)
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(former.stat().st_mode), path
    assert [device.name for device in restored.server.devices()] == ["hallway", "kitchen"]


def test_everything_names_the_new_folder_and_the_real_programs_accept_it(tmp_path: Path, server: ServerFolder) -> None:
    add_collector(server, "second")
    write_backup(server, tmp_path / "backup.age")
    new = restore(tmp_path / "backup.age", tmp_path / "elsewhere" / "mien-server", PASSPHRASE).server
    assert not [name for name, content in contents(new.path).items() if str(server.path).encode() in content]
    assert [check for check in check_server(new) if check.level != "ok"] == []
    for unit in (new.path / "systemd").iterdir():
        assert f"{new.path}/" in unit.read_text()
    # A path that only begins alike is another.
    other = f'database = "{server.path}2/mien.db"'
    (server.path / "collector" / "collector.toml").write_text(f"{other}\n")
    write_backup(server, tmp_path / "backup.age")
    again = restore(tmp_path / "backup.age", tmp_path / "again", PASSPHRASE).server
    assert (again.path / "collector" / "collector.toml").read_text() == f"{other}\n"


def test_the_log_is_copied_while_it_is_written(tmp_path: Path, server: ServerFolder, log_file: Path) -> None:
    with closing(sqlite3.connect(log_file, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE extra (value)")
        writer.execute("INSERT INTO extra VALUES ('committed')")
        writer.execute("BEGIN IMMEDIATE")  # a collector in the middle of a batch
        writer.execute("INSERT INTO extra VALUES ('not committed')")
        write_backup(server, tmp_path / "backup.age")
        writer.execute("COMMIT")
    result = restore(tmp_path / "backup.age", tmp_path / "new", PASSPHRASE)
    assert result.log == tmp_path / "new" / "collector" / "data" / "mien.db"
    with closing(sqlite3.connect(result.log)) as copy:
        assert copy.execute("SELECT value FROM extra").fetchall() == [("committed",)]
    assert not list(log_file.parent.glob(".backup-*"))


def test_a_log_outside_the_folder_comes_with_it(tmp_path: Path, server: ServerFolder) -> None:
    outside = tmp_path / "disk" / "emotions.db"
    outside.parent.mkdir()
    open_for_writing(str(outside)).dispose()
    for program in ("collector", "dashboard"):
        file = server.path / program / f"{program}.toml"
        file.write_text(re.sub("^database = .*$", f'database = "{outside}"', file.read_text(), flags=re.MULTILINE))
    write_backup(server, tmp_path / "backup.age")
    result = restore(tmp_path / "backup.age", tmp_path / "new", PASSPHRASE)
    assert result.log == tmp_path / "new" / "collector" / "data" / "emotions.db"
    for program in ("collector", "dashboard"):
        assert f'database = "{result.log}"' in (tmp_path / "new" / program / f"{program}.toml").read_text()


def test_age_and_tar_open_it_without_mien(tmp_path: Path, server: ServerFolder, log_file: Path) -> None:
    write_backup(server, tmp_path / "backup.age")
    members = unpack(tmp_path / "backup.age")
    assert next(iter(members)) == "backup.json"
    manifest = json.loads(members["backup.json"])
    assert (manifest["folder"], manifest["copy"]) == (str(server.path), "collector/data/mien.db")
    assert members["server/certificate-authority/ca.key"] == (server.path / "certificate-authority/ca.key").read_bytes()
    assert members["server/collector/data/mien.db"].startswith(b"SQLite format 3")
    assert "server/mosquitto/mosquitto.pid" not in members


def test_only_its_owner_can_read_the_file_and_nothing_in_it_is_legible(tmp_path: Path, server: ServerFolder) -> None:
    file = tmp_path / "backup.age"
    write_backup(server, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for word in (b"PRIVATE", b"kitchen", b"mosquitto", b"backup.json"):
        assert word not in file.read_bytes()


def test_a_postgresql_log_is_dumped_and_pg_restore_reads_it(
    tmp_path: Path, server: ServerFolder, postgresql_server: PostgreSQL
) -> None:
    url = postgresql_server.database("backed_up")
    open_for_writing(url).dispose()
    file = server.path / "collector" / "collector.toml"
    file.write_text(re.sub("^database = .*$", f'database = "{url}"', file.read_text(), flags=re.MULTILINE))
    write_backup(server, tmp_path / "backup.age")
    result = restore(tmp_path / "backup.age", tmp_path / "new", PASSPHRASE)
    assert (result.log, result.database) == (None, url)
    assert result.dump is not None
    listing = subprocess.run(["pg_restore", "--list", result.dump], capture_output=True, text=True, check=True).stdout
    assert "TABLE DATA public observation" in listing
    assert f'database = "{url}"' in (tmp_path / "new" / "collector" / "collector.toml").read_text()


def test_a_postgresql_log_that_cannot_be_dumped_is_an_error_and_leaves_no_file(
    tmp_path: Path, server: ServerFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = server.path / "collector" / "collector.toml"
    url = "postgresql://mien:hidden@127.0.0.1:1/mien"
    file.write_text(re.sub("^database = .*$", f'database = "{url}"', file.read_text(), flags=re.MULTILINE))
    with pytest.raises(DatabaseError, match=r"pg_dump failed .*--without-database") as error:
        write_backup(server, tmp_path / "backup.age")
    assert "hidden" not in str(error.value)
    monkeypatch.setattr("mien.deploy.backup.log_copy.find_program", lambda _: None)
    with pytest.raises(MissingExtra, match="pg_dump is not installed: apt install postgresql-client"):
        write_backup(server, tmp_path / "backup.age")
    assert not list(tmp_path.glob("*backup*"))
    write_backup(server, tmp_path / "backup.age", with_database=False)
    assert restore(tmp_path / "backup.age", tmp_path / "new", PASSPHRASE).dump is None


def test_a_damaged_log_is_an_error(tmp_path: Path, server: ServerFolder, log_file: Path) -> None:
    log_file.write_bytes(b"not a database, and longer than a header of one" * 100)
    with pytest.raises(DatabaseError, match=r"cannot be copied .*: see `mien db check`, or leave it out"):
        write_backup(server, tmp_path / "backup.age")


def test_a_restoration_leaves_nothing_behind_where_it_fails(tmp_path: Path, server: ServerFolder) -> None:
    file = tmp_path / "backup.age"
    write_backup(server, file)
    complete = file.read_bytes()
    file.write_bytes(complete[:-1])
    with pytest.raises(DataError, match="damaged or incomplete"):
        restore(file, tmp_path / "new", PASSPHRASE)
    file.write_bytes(complete)
    with pytest.raises(UsageError, match="not the backup's passphrase"):
        restore(file, tmp_path / "new", "wrong horse battery")
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".*"))
    occupied = tmp_path / "occupied"
    occupied.mkdir()
    (occupied / "file").touch()
    with pytest.raises(UsageError, match="occupied is not empty"):
        restore(file, occupied, PASSPHRASE)


def test_an_archive_of_somebody_else_writes_nothing_outside_the_folder(tmp_path: Path, server: ServerFolder) -> None:
    write_backup(server, tmp_path / "backup.age")
    manifest = unpack(tmp_path / "backup.age")["backup.json"]
    link = tarfile.TarInfo("server/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    for member in (tarfile.TarInfo("server/../../escaped"), tarfile.TarInfo("/escaped"), link):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as members:
            first = tarfile.TarInfo("backup.json")
            first.size = len(manifest)
            members.addfile(first, io.BytesIO(manifest))
            members.addfile(member)
        file = tmp_path / "forged.age"
        with file.open("wb") as target, AgeWriter(target, PASSPHRASE, log2_rounds=LOG2_ROUNDS) as age:
            age.write(archive.getvalue())
        with pytest.raises(DataError, match="which mien never writes"):
            restore(file, tmp_path / "new", PASSPHRASE)
        assert not (tmp_path / "escaped").exists()
        assert not (tmp_path / "new").exists()


def test_the_commands_take_the_passphrase_from_a_file_and_print_what_is_next(
    tmp_path: Path, server: ServerFolder, log_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, file = tmp_path / "passphrase", tmp_path / "backup.age"
    secret.write_text(f"{PASSPHRASE}\n")
    options = ["--passphrase-file", str(secret)]
    assert main(["server", "backup", str(file), "--server", str(server.path), *options]) == 0
    assert main(["server", "restore", str(file), str(tmp_path / "new"), *options]) == 0
    output = capsys.readouterr()
    assert f"bytes, with {log_file}" in output.out
    assert f"sudo install -m 644 {tmp_path}/new/systemd/*.service /etc/systemd/system/" in output.out
    assert "what was revoked or erased since then must be again" in output.err
    assert "devices that may connect: hallway, kitchen" in output.err
    assert "devices connect once localhost leads to this machine" in output.err
    assert PASSPHRASE not in output.out + output.err
    with file.open("rb") as source:
        assert b" 18\n" in source.read(100)  # the work factor of age's own programs
    with file.open("rb") as source:
        assert AgeReader(source, PASSPHRASE).read(2) == b"\x1f\x8b"


@pytest.mark.parametrize(
    ("target", "passphrase", "message"),
    [
        ("server/backup.age", PASSPHRASE, "would be lost together with"),
        ("nowhere/backup.age", PASSPHRASE, "nowhere is not a folder"),
        (".", PASSPHRASE, "is not a regular file"),
        ("backup.age", "short", "the passphrase is too short: at least 12 characters"),
        ("backup.age", "", "passphrase is empty: write one line into it"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    server: ServerFolder,
    target: str,
    passphrase: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "passphrase").write_text(passphrase)
    options = ["--server", str(server.path), "--passphrase-file", str(tmp_path / "passphrase")]
    assert main(["server", "backup", str(tmp_path / target), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not list(tmp_path.glob("*.age"))


def test_a_backup_that_fails_keeps_the_former_one(tmp_path: Path, server: ServerFolder) -> None:
    with pytest.raises(UsageError, match="is not a regular file"):
        write_backup(server, Path(os.devnull))
    write_backup(server, tmp_path / "backup.age")
    former = (tmp_path / "backup.age").read_bytes()
    os.mkfifo(server.path / "devices" / "fifo")  # neither followed nor waited for
    (server.path / "linked").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="linked is a link to a folder"):
        write_backup(server, tmp_path / "backup.age")
    assert (tmp_path / "backup.age").read_bytes() == former
