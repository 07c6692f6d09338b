"""This release and the one before it, as two wheels: each one's devices deliver to the other's collector."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fault_plan import AGENT_CONFIG, COLLECTOR_CONFIG
from mosquitto import Mosquitto
from polling import wait_for
from releases import Release, check_out, copy_working_tree
from traffic import Traffic

RELEASE_BEFORE = "fc9f5b5de9a30ebfb736036fe3dae3a8c811a576"
"""The commit of the release before. With each release, move it on to the commit that the last one was built from."""
DEVICE = Path(__file__).parent / "device.py"
START_TIMEOUT_S = 30.0
DRAIN_S = 60.0
BACKLOG, LIVE = 300, 20
MAX_ROWS = 200
"""The backlog does not fit: the device declares a loss."""
INVALID = 2
NO_LIMIT = 100_000
DEVICES_SCRIPT = """
import json, sys
from mien.broker.query import EmotionLog
with EmotionLog(sys.argv[1]) as log:
    print(json.dumps(log.devices().to_dicts(), default=str))
"""


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Release]:
    """The release before, and the working tree as the next one."""
    folder = tmp_path_factory.mktemp("releases")
    before = check_out(RELEASE_BEFORE, folder / "before")
    sources = {"before": before, "now": copy_working_tree(folder / "now")}
    sites = {name: folder / f"{name}-installed" for name in sources}
    for site in sites.values():
        site.mkdir()
    return {name: Release(source, sites[name]) for name, source in sources.items()}


@pytest.fixture
def traffic(start_mosquitto: Callable[..., Mosquitto]) -> Iterator[Traffic]:
    """An observer of a running MQTT broker."""
    with Traffic(start_mosquitto().port) as traffic:
        yield traffic


@contextmanager
def running_collectors(folder: Path, traffic: Traffic, **collectors: Release) -> Iterator[None]:
    """Collectors, each with a log NAME.db of its own, while the block runs; they are online when it begins."""
    with ExitStack() as stack:
        for name, release in collectors.items():
            config = folder / f"{name}.toml"
            database = folder / f"{name}.db"
            config.write_text(COLLECTOR_CONFIG.format(name=name, database=database, sharing="", port=traffic.port))
            command = ("-m", "mien", "collect", "--config", str(config))
            stack.enter_context(release.running(*command, log=folder / f"{name}.log"))
        wait_for(lambda: len(traffic.online_collectors) == len(collectors), START_TIMEOUT_S)
        yield


@contextmanager
def running_device(
    folder: Path,
    release: Release,
    traffic: Traffic,
    *,
    backlog: int = BACKLOG,
    live: int = LIVE,
    max_rows: int = NO_LIMIT,
    drain_s: float = DRAIN_S,
) -> Iterator["subprocess.Popen[bytes]"]:
    """The device `hallway`, while the block runs; see device.py."""
    numbers = [str(number) for number in (backlog, live, max_rows, drain_s)]
    command = (str(DEVICE), "hallway", str(folder / "outbox.db"), str(traffic.port), *numbers)
    with release.running(*command, log=folder / "device.log") as process:
        yield process


def run_device(folder: Path, release: Release, traffic: Traffic, **options: Any) -> None:
    with running_device(folder, release, traffic, **options) as process:
        assert process.wait(2 * DRAIN_S) == 0, (folder / "device.log").read_text()


def appended_ids(folder: Path) -> list[str]:
    """The ids of all rows that the device has written into its outbox."""
    lines = (folder / "device.log").read_text().splitlines()
    return [line for line in lines if len(line) == 36 and " " not in line]


def waiting(folder: Path) -> int:
    """How many rows waited in the outbox when the device stopped for the last time."""
    return int((folder / "device.log").read_text().splitlines()[-1].removeprefix("waiting "))


@dataclass(frozen=True)
class Log:
    """A collector's log, as the commands of its own release show it."""

    release: Release
    path: Path

    def ids(self) -> list[str]:
        lines = self._mien("query", "--all", "--format", "ndjson").splitlines()
        return [json.loads(line)["id"] for line in lines]

    def reject_reasons(self) -> list[str]:
        return [row["reason"] for row in json.loads(self._mien("rejected", "list", "--json"))]

    def check(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self._mien("db", "check", "--json"))
        return report

    def device(self) -> dict[str, Any]:
        (device,) = json.loads(self.release.run("-c", DEVICES_SCRIPT, str(self.path)))
        return dict(device)

    def _mien(self, *arguments: str) -> str:
        return self.release.run("-m", "mien", *arguments, "--db", str(self.path))


def assert_each_row_has_one_fate(log: Log, ids: list[str], *, rejected: int, is_full: bool) -> None:
    """Stored once, rejected once, or in a declared loss; and the log is sound and without gaps."""
    stored, report = log.ids(), log.check()
    assert len(stored) == len(set(stored))
    assert set(stored) <= set(ids)
    assert len(log.reject_reasons()) == rejected
    dropped = sum(report["dropped"].values())
    assert dropped > 0 if is_full else dropped == 0
    assert len(stored) + rejected + dropped == len(ids) == len(set(ids))
    assert not any(report["problems"].values())
    assert not any(report["gaps"].values())


PAIRS = [("before", "now"), ("now", "before"), ("now", "now")]


@pytest.mark.parametrize(("device", "collector"), PAIRS)
def test_a_device_catches_up_with_the_other_release_s_collector(
    tmp_path: Path, traffic: Traffic, releases: dict[str, Release], device: str, collector: str
) -> None:
    with running_device(tmp_path, releases[device], traffic, max_rows=MAX_ROWS) as process:
        wait_for(lambda: len(appended_ids(tmp_path)) > MAX_ROWS, START_TIMEOUT_S)
        with running_collectors(tmp_path, traffic, one=releases[collector]):
            assert process.wait(2 * DRAIN_S) == 0, (tmp_path / "device.log").read_text()
    assert waiting(tmp_path) == 0
    log, ids = Log(releases[collector], tmp_path / "one.db"), appended_ids(tmp_path)
    assert len(ids) == BACKLOG + LIVE
    assert_each_row_has_one_fate(log, ids, rejected=INVALID, is_full=True)
    health = log.device()
    assert (health["state"], health["gaps"]) == ("stopped", 0)
    assert health["waiting"] is not None
    assert (traffic.batches > 0) == (device == collector == "now"), "batches go only where they are understood"


def test_in_real_time_one_row_is_one_small_message(
    tmp_path: Path, traffic: Traffic, releases: dict[str, Release]
) -> None:
    with running_collectors(tmp_path, traffic, one=releases["now"]):
        run_device(tmp_path, releases["now"], traffic, backlog=0)
    assert waiting(tmp_path) == 0
    assert traffic.batches == 0
    assert traffic.messages >= LIVE


def test_one_collector_of_the_release_before_is_enough_to_get_single_messages(
    tmp_path: Path, traffic: Traffic, releases: dict[str, Release]
) -> None:
    with running_collectors(tmp_path, traffic, old=releases["before"], new=releases["now"]):
        run_device(tmp_path, releases["now"], traffic)
    assert waiting(tmp_path) == 0
    assert traffic.batches == 0
    for name, release in (("old", releases["before"]), ("new", releases["now"])):
        log = Log(release, tmp_path / f"{name}.db")
        assert_each_row_has_one_fate(log, appended_ids(tmp_path), rejected=INVALID, is_full=False)


@pytest.mark.parametrize("collector", ["before", "now"])
def test_an_outbox_outlives_the_upgrade_of_its_device(
    tmp_path: Path, traffic: Traffic, releases: dict[str, Release], collector: str
) -> None:
    # With a rejected row, a declared loss that waits, and more rows than one batch holds.
    with running_collectors(tmp_path, traffic, one=releases[collector]):
        run_device(tmp_path, releases["before"], traffic, backlog=5, live=0)
    run_device(tmp_path, releases["before"], traffic, backlog=1500, live=0, max_rows=1200, drain_s=0)
    assert waiting(tmp_path) > 1000
    with running_collectors(tmp_path, traffic, one=releases[collector]):
        run_device(tmp_path, releases["now"], traffic, backlog=10, live=5)
    assert waiting(tmp_path) == 0
    log = Log(releases[collector], tmp_path / "one.db")
    assert_each_row_has_one_fate(log, appended_ids(tmp_path), rejected=4, is_full=True)


@pytest.mark.parametrize(("agent", "collector"), [("before", "now"), ("now", "before")])
def test_an_agent_reports_everything_to_the_other_release_s_collector(
    tmp_path: Path, traffic: Traffic, releases: dict[str, Release], agent: str, collector: str
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(AGENT_CONFIG.format(device="hallway", outbox=tmp_path / "outbox.db", port=traffic.port))
    log = Log(releases[collector], tmp_path / "one.db")
    with running_collectors(tmp_path, traffic, one=releases[collector]):
        command = ("-m", "mien", "agent", "--config", str(config))
        with releases[agent].running(*command, log=tmp_path / "agent.log"):
            wait_for(lambda: traffic.messages >= 5, START_TIMEOUT_S)
        wait_for(lambda: log.device()["state"] == "stopped")
    device = log.device()
    assert len(log.ids()) >= 5
    assert log.reject_reasons() == []
    reported = ("motion", "waiting", "camera", "sensor", "clock", "disk_free_bytes", "agent", "model")
    assert [name for name in reported if device[name] in (None, "")] == []
