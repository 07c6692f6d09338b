"""The commands `mien db erase|export-subject`: what is held for a device and a span of time."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.errors import DataError, UsageError

from .options import DatabaseOption

if TYPE_CHECKING:
    from mien.broker.admin.erase import ErasureReceipt, ErasureRequest

DeviceOption = Annotated[str, typer.Option(help="The device's name.")]
StartOption = Annotated[
    str | None, typer.Option("--from", help="Only from this time on: 2026-11-22 or 2026-11-22T14:30.")
]
EndOption = Annotated[str | None, typer.Option("--to", help="Only up to, but not including, this time.")]

REMAINS = {
    "backups": "backups of the log and of its machine, and the copies that `mien db migrate` made beside it",
    "exports": "files that `mien query` and `mien db export-subject` wrote, and logs that these were imported into",
    "home_assistant": "Home Assistant's history of this device: purge its entities there, `recorder.purge_entities`",
    "outbox": "rows in the device's outbox: it deletes them when it sends them and is told that they were erased; "
    "an agent of an older release keeps them as rejected",
    "log": "this erasure's span, sequence numbers, declared losses, and the ids of rejected messages",
}
"""What an erasure does not reach, or has to keep."""
RETAINED = "retained messages at the MQTT broker: the collector clears them within two minutes, once it runs"
IN_FILE = (
    "copies of single rows in unused parts of the log's file, where SQLite left them when it moved rows: "
    "`mien db vacuum` rewrites the file without them"
)
IN_WRITE_AHEAD_LOG = (
    "deleted rows in the log's write-ahead log, because other programs are reading it: stop those (dashboard, "
    "queries), then run `mien db vacuum`"
)
IN_POSTGRESQL = (
    "deleted rows in PostgreSQL's files until VACUUM has run (`mien db vacuum` does at once), and in its archived "
    "write-ahead log and replicas"
)


def erase(
    device: DeviceOption,
    start: StartOption = None,
    end: EndOption = None,
    database: DatabaseOption = "mien.db",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")] = False,
) -> None:
    """Erase what the log holds for a device, or for a span of its time, for good.

    Observations, counts and the content of rejected messages are deleted while the collector may be running, and are
    never stored again. The span is extended to whole quarters of an hour, because that is how observations are counted.
    If it is interrupted, run the same command again.
    """
    import time

    from mien.broker.admin import erase as erasing
    from mien.broker.database.engine import open_for_reading, open_for_writing
    from mien.broker.query.filters import parse_time
    from mien.progress import progress_bar

    reader = open_for_reading(database)
    now_ms = time.time_ns() // 1_000_000
    request = erasing.plan_erasure(
        reader,
        device,
        start=None if start is None else parse_time(start, None, "from"),
        end=None if end is None else parse_time(end, None, "to"),
        now_ms=now_ms,
    )
    if not yes:
        _confirm(request)
    writer = open_for_writing(database, create=False)
    receipt = erasing.erase(writer, reader, request, now_ms=now_ms, progress=progress_bar)
    remains = _list_remains(request, receipt, is_sqlite=writer.dialect.name == "sqlite")
    for engine in (writer, reader):
        engine.dispose()
    if as_json:
        _print_json(request, receipt, remains)
    else:
        _print_receipt(request, receipt, remains)


def export_subject(
    device: DeviceOption,
    start: StartOption = None,
    end: EndOption = None,
    database: DatabaseOption = "mien.db",
    out: Annotated[
        Path | None, typer.Option(help="The file to write, readable only by you; by default, standard output.")
    ] = None,
) -> None:
    """Write all that the log holds for a device, or for a span of its time: one JSON object per line.

    The field `record` says what each is: observation, count, rejected, loss, state, outbox, erasure. The last is `end`.
    """
    from mien.broker.admin.export_subject import export_subject as read_records
    from mien.broker.database.engine import open_for_reading
    from mien.broker.query.filters import parse_time
    from mien.files.atomic_file import SECRET, atomic_write
    from mien.output import print_ndjson

    records = read_records(
        open_for_reading(database),
        device,
        start=None if start is None else parse_time(start, None, "from"),
        end=None if end is None else parse_time(end, None, "to"),
    )
    if out is None:
        print_ndjson(records)
        return
    try:
        with atomic_write(out, mode=SECRET) as part, part.open("w", encoding="utf-8") as file:
            print_ndjson(records, file=file)
    except OSError as error:
        raise DataError(f"{out} cannot be written ({error.strerror}): name another file") from error
    typer.echo(out)


def _confirm(request: "ErasureRequest") -> None:
    if not sys.stdin.isatty():
        raise UsageError("erasing cannot be undone, and there is no terminal to ask on: add --yes")
    question = f"Erase {request.observations} observations of {request.device}, {_format_span(request)}, for good?"
    typer.confirm(question, abort=True, err=True)


def _list_remains(request: "ErasureRequest", receipt: "ErasureReceipt", *, is_sqlite: bool) -> dict[str, str]:
    remains = dict(REMAINS)
    if request.is_whole_device:
        remains["mqtt_broker"] = RETAINED
    if not is_sqlite:
        remains["database_files"] = IN_POSTGRESQL
    else:
        remains["database_files"] = IN_FILE if receipt.is_overwritten else IN_WRITE_AHEAD_LOG
    return remains


def _print_receipt(request: "ErasureRequest", receipt: "ErasureReceipt", remains: dict[str, str]) -> None:
    counts = _deleted(receipt)
    typer.echo(f"erased {request.device}, {_format_span(request)} (whole quarters of an hour):")
    for name, count in counts.items():
        typer.echo(f"  {count:>9} {name.replace('_', ' ')}")
    typer.echo("observations of this span that arrive later are rejected")
    typer.echo("what remains:")
    for text in remains.values():
        typer.echo(f"  {text}")


def _print_json(request: "ErasureRequest", receipt: "ErasureReceipt", remains: dict[str, str]) -> None:
    import json

    fields: dict[str, Any] = {
        "device": request.device,
        "from": _format_time(request.start_ms) if request.start_ms else None,
        "to": _format_time(request.end_ms),
        "is_whole_device": request.is_whole_device,
        "erased": _format_time(receipt.erased_ms),
        "deleted": _deleted(receipt),
        "remains": remains,
    }
    typer.echo(json.dumps(fields))


def _deleted(receipt: "ErasureReceipt") -> dict[str, int]:
    return {
        "observations": receipt.observations,
        "counts_of_deleted_observations": receipt.counts,
        "rejected_messages": receipt.rejected,
        "device_states": receipt.device_states,
        "captures": receipt.captures,
    }


def _format_span(request: "ErasureRequest") -> str:
    start = f"from {_format_time(request.start_ms)}" if request.start_ms else "from the beginning"
    return f"{start} to {_format_time(request.end_ms)}"


def _format_time(time_ms: int) -> str:
    """In this machine's time zone, with its offset."""
    from mien.broker.database.encoding import to_datetime

    return to_datetime(time_ms, None).isoformat(timespec="minutes")
