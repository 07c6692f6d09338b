"""The installer that a kit brings: install, upgrade, go back, remove; here into a folder in the place of a system."""

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from kits import NewKit, Supervisor

from mien.deploy.installer import Installation, InstallError, Kit, main


def agent_toml(root: Path) -> Path:
    return root / "etc" / "mien" / "agent.toml"


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def everything(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_a_release_is_there_whole_and_the_key_is_the_agent_s_alone(
    root: Path, installation: Installation, supervisor: Supervisor, new_kit: NewKit
) -> None:
    kit = new_kit(extra="token")
    key = kit.key.read_bytes()
    assert installation.install(kit) == f"kitchen has release {kit.release}"
    assert supervisor.told == ["enable", "restart"]
    site = root / "opt" / "mien" / "current"
    assert site.readlink() == Path("releases") / kit.release
    told = subprocess.run(
        [sys.executable, "-P", "-c", "import mien, small; print(mien.__file__, small.SAYS)"],
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == [str(site / "mien" / "__init__.py"), "there"]
    assert (root / "etc" / "mien" / "device.key").read_bytes() == key
    assert mode(root / "etc" / "mien" / "device.key") == 0o600
    assert mode(root / "etc" / "mien" / "token") == 0o600
    assert mode(agent_toml(root)) == 0o644
    assert mode(root / "usr" / "local" / "bin" / "mien") == 0o755
    unit = "mien-agent.service"
    assert (root / "etc" / "systemd" / "system" / unit).read_text() == (kit.folder / unit).read_text()
    assert not kit.key.exists()  # a card can be read by whoever holds it


def test_installing_again_changes_nothing(root: Path, installation: Installation, new_kit: NewKit) -> None:
    kit = new_kit()
    installation.install(kit)
    before = everything(root)
    installation.install(kit)  # though the key has left the kit
    assert everything(root) == before


def test_an_upgrade_keeps_outbox_and_settings_that_were_changed(
    root: Path, installation: Installation, new_kit: NewKit
) -> None:
    installation.install(first := new_kit(release="a"))
    outbox = root / "var" / "lib" / "mien" / "outbox.db"
    outbox.parent.mkdir(parents=True)
    outbox.write_bytes(b"rows")
    mine = agent_toml(root).read_text() + "\n[motion]\nkind = 'frames'\n"
    agent_toml(root).write_text(mine)
    told = installation.install(second := new_kit(release="b", settings="\n[camera]\nkind = 'usb'\n"))
    assert told.endswith("your agent.toml stays, the kit's lies beside it as agent.toml.new")
    assert agent_toml(root).read_text() == mine
    assert "usb" in agent_toml(root).with_name("agent.toml.new").read_text()
    assert outbox.read_bytes() == b"rows"
    assert installation.release == second.release
    installation.install(third := new_kit(release="c"))
    releases = {folder.name for folder in (root / "opt" / "mien" / "releases").iterdir()}
    assert releases == {second.release, third.release}
    assert first.release not in releases


def test_settings_that_nobody_changed_follow_the_kit(root: Path, installation: Installation, new_kit: NewKit) -> None:
    installation.install(new_kit(release="a"))
    installation.install(new_kit(release="b", settings="\n[camera]\nkind = 'usb'\n"))
    assert "usb" in agent_toml(root).read_text()
    assert not agent_toml(root).with_name("agent.toml.new").exists()


def test_a_release_that_does_not_get_ready_gives_way_to_the_one_before(
    root: Path, installation: Installation, supervisor: Supervisor, new_kit: NewKit
) -> None:
    installation.install(first := new_kit(release="a"))
    before = everything(root)
    supervisor.told.clear()
    supervisor.ready = [False, True]
    bad = new_kit(release="b", settings="\nnonsense = 1\n", extra="extra.txt")
    with pytest.raises(InstallError, match=rf"b did not get ready \(see `journalctl.*{first.release} is back"):
        installation.install(bad)
    assert supervisor.told == ["enable", "restart", "enable", "restart"]
    assert installation.release == first.release
    after = everything(root)
    assert {name: after[name] for name in after if "releases/" not in name} == {
        name: before[name] for name in before if "releases/" not in name
    }
    assert bad.key.exists()  # to try again


def test_the_first_release_that_does_not_get_ready_can_be_mended_and_tried_again(
    installation: Installation, supervisor: Supervisor, new_kit: NewKit
) -> None:
    supervisor.ready = [False]
    kit = new_kit()
    with pytest.raises(InstallError, match=r"mend /etc/mien/agent\.toml and install again"):
        installation.install(kit)
    assert installation.install(kit) == f"kitchen has release {kit.release}"


def test_a_first_release_that_got_ready_later_is_what_a_failing_upgrade_returns_to(
    root: Path, installation: Installation, supervisor: Supervisor, new_kit: NewKit
) -> None:
    supervisor.ready = [False]  # its camera is not there yet, and is put in without another installation
    with pytest.raises(InstallError, match="install again"):
        installation.install(first := new_kit(release="a"))
    agent_toml(root).write_text(agent_toml(root).read_text() + "\n[motion]\nkind = 'frames'\n")
    before = agent_toml(root).read_text()
    supervisor.ready = [False, True]
    with pytest.raises(InstallError, match=f"{first.release} is back"):
        installation.install(new_kit(release="b"))
    assert installation.release == first.release
    assert agent_toml(root).read_text() == before


def test_a_power_cut_while_unpacking_leaves_the_release_before(
    root: Path, installation: Installation, new_kit: NewKit
) -> None:
    installation.install(first := new_kit(release="a"))
    second = new_kit(release="b")
    half = root / "opt" / "mien" / "releases" / f"{second.release}.new"
    half.mkdir()
    (half / "half.py").write_text("of an attempt before")
    assert installation.release == first.release
    installation.install(second)
    assert not half.exists()
    assert not list((root / "opt").rglob("half.py"))


def test_an_older_kit_in_the_same_folder_lends_it_nothing(
    root: Path, installation: Installation, new_kit: NewKit
) -> None:
    kit = new_kit()
    for name in ("mien-0.0.1-py3-none-any.whl", "zzz.whl"):
        with zipfile.ZipFile(kit.folder / name, "w") as wheel:
            wheel.writestr("mien/old.py", "")
    installation.install(kit)
    assert not list(root.rglob("old.py"))
    assert (root / "opt" / "mien" / "current" / "mien" / "version.py").exists()


def test_a_device_s_older_kit_in_the_same_folder_lends_it_nothing(
    root: Path, installation: Installation, new_kit: NewKit
) -> None:
    kit = new_kit()
    (kit.folder / "device" / "model.tflite").write_bytes(b"of an older kit")
    installation.install(kit)
    assert not (root / "etc" / "mien" / "model.tflite").exists()


def test_the_key_leaves_the_kit_when_all_else_is_on_the_disk(
    installation: Installation, new_kit: NewKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = new_kit()
    at_sync: list[tuple[bool, bool]] = []
    monkeypatch.setattr(os, "sync", lambda: at_sync.append((installation.release is not None, kit.key.exists())))
    installation.install(kit)
    assert at_sync[-2:] == [(True, True), (True, False)]


def test_what_cannot_be_installed_is_named_and_changes_nothing(
    root: Path, installation: Installation, new_kit: NewKit
) -> None:
    installation.install(new_kit())
    before = everything(root)
    for spoil, message in (
        (lambda kit: (kit.folder / "packages.tar.gz").write_bytes(b"x"), r"packages\.tar\.gz of the kit is damaged"),
        (lambda kit: (kit.folder / "packages.tar.gz").unlink(), r"packages\.tar\.gz of the kit cannot be read"),
        (lambda kit: (kit.folder / "device" / "ca.crt").write_bytes(b""), r"device/ca\.crt of the kit is damaged"),
        (lambda kit: kit.key.write_bytes(kit.key.read_bytes()[:99]), r"device/device\.key of the kit is damaged"),
        (lambda kit: _tell(kit, "machine", "armv7l"), "this kit is for armv7l with Python"),
        (lambda kit: _tell(kit, "python", "3.9"), r"with Python 3\.9, here is"),
    ):
        kit = new_kit(release="z")
        spoil(kit)
        with pytest.raises(InstallError, match=message):
            installation.install(Kit(kit.folder))
        assert everything(root) == before
    with pytest.raises(InstallError, match="this Pi is kitchen, the kit is of hallway: say --replace"):
        installation.install(new_kit("hallway"))
    assert everything(root) == before


def _tell(kit: Kit, key: str, value: str) -> None:
    manifest = json.loads((kit.folder / "manifest.json").read_text())
    (kit.folder / "manifest.json").write_text(json.dumps(manifest | {key: value}))


def test_a_pi_becomes_another_device_when_told_and_the_data_of_the_first_stays_its_own(
    root: Path, installation: Installation, supervisor: Supervisor, new_kit: NewKit
) -> None:
    installation.install(new_kit())
    agent_toml(root).write_text(agent_toml(root).read_text() + "\n[motion]\nkind = 'frames'\n")
    data = root / "var" / "lib" / "mien"
    (root / "var" / "lib" / "mien-of-kitchen").mkdir(parents=True)  # it was kitchen before
    data.mkdir()
    (data / "outbox.db").write_bytes(b"of kitchen")
    setup = root / "etc" / "systemd" / "system" / "mien-setup.service"
    setup.write_text("runs this")
    supervisor.told.clear()
    kit = new_kit("hallway")
    told = installation.install(kit, replace=True)
    assert told == f"hallway has release {kit.release}; what this Pi observed before lies in {data}-of-kitchen-2"
    assert supervisor.told == ["remove", "enable", "restart"]
    assert 'device = "hallway"' in agent_toml(root).read_text()
    assert "frames" not in agent_toml(root).read_text()
    assert not data.exists()
    assert (root / "var" / "lib" / "mien-of-kitchen-2" / "outbox.db").read_bytes() == b"of kitchen"
    assert setup.exists()
    assert not list((root / "opt" / "mien").glob("previous*"))


def test_a_device_that_returns_finds_what_it_had_not_sent(
    root: Path, installation: Installation, new_kit: NewKit
) -> None:
    data, aside = (root / "var" / "lib" / name for name in ("mien", "mien-of-kitchen"))
    installation.install(new_kit())
    data.mkdir(parents=True)
    (data / "outbox.db").write_bytes(b"of kitchen")
    installation.uninstall()
    installation.install(new_kit("hallway"))
    assert not data.exists()
    installation.install(new_kit(), replace=True)
    assert (data / "outbox.db").read_bytes() == b"of kitchen"
    assert not aside.exists()


def test_the_setup_of_a_card_goes_with_the_rest(root: Path, installation: Installation, new_kit: NewKit) -> None:
    installation.install(new_kit())
    units = root / "etc" / "systemd" / "system"
    (units / "mien-setup.service").write_text("")
    (units / "multi-user.target.wants").mkdir()
    (units / "multi-user.target.wants" / "mien-setup.service").symlink_to("../mien-setup.service")
    installation.uninstall()
    assert not everything(root)
    assert not list((units / "multi-user.target.wants").iterdir())


def test_a_kit_that_has_given_its_key_away_takes_no_other_device_s_place(
    root: Path, installation: Installation, new_kit: NewKit
) -> None:
    installation.install(first := new_kit())
    installation.install(new_kit("hallway"), replace=True)
    before = everything(root)
    with pytest.raises(InstallError, match="the key of kitchen is not in the kit any more"):
        installation.install(first, replace=True)
    assert everything(root) == before


def test_a_kit_without_its_key_is_refused_on_another_pi(tmp_path: Path, new_kit: NewKit) -> None:
    kit = new_kit()
    Installation(tmp_path / "one", Supervisor()).install(kit)
    with pytest.raises(InstallError, match="the key of kitchen is not in the kit any more"):
        Installation(tmp_path / "other", Supervisor()).install(kit)


def test_removal_leaves_nothing_but_the_data(
    root: Path, installation: Installation, supervisor: Supervisor, new_kit: NewKit
) -> None:
    root.mkdir()
    before = {"etc/hostname": b"pi"}
    (root / "etc").mkdir()
    (root / "etc" / "hostname").write_bytes(b"pi")
    installation.install(new_kit())
    (root / "var" / "lib" / "mien").mkdir(parents=True)
    (root / "var" / "lib" / "mien" / "outbox.db").write_bytes(b"rows")
    edited = root / "etc" / "systemd" / "system" / "mien-agent.service.d"  # as `systemctl edit` leaves it
    edited.mkdir()
    (edited / "override.conf").write_text("[Service]\nNice=5\n")
    assert installation.uninstall().endswith(
        f"what it observed and has not sent lies in {root}/var/lib/mien-of-kitchen"
    )
    assert everything(root) == before | {"var/lib/mien-of-kitchen/outbox.db": b"rows"}
    assert not edited.exists()
    assert supervisor.told[-1] == "remove"


@pytest.mark.skipif(shutil.which("systemctl") is None, reason="systemd is not installed: make system")
def test_install_sh_and_systemd_have_the_agent_start_with_the_system(root: Path, new_kit: NewKit) -> None:
    kit = new_kit()
    subprocess.run([kit.folder / "install.sh", "--root", root], check=True, timeout=60)
    wanted = root / "etc" / "systemd" / "system" / "multi-user.target.wants" / "mien-agent.service"
    assert wanted.is_symlink()
    subprocess.run([kit.folder / "install.sh", "uninstall", "--root", root], check=True, timeout=60)
    assert not wanted.is_symlink()
    assert not everything(root)


def test_what_goes_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path)]) == 1  # where the installer itself lies is no kit
    told = capsys.readouterr().err
    assert told.startswith("mien: ")
    assert "holds no kit of mien" in told
    assert told.count("\n") == 1
