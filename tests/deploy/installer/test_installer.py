"""The installer in a bundle: install, upgrade, roll back, remove; under a folder in place of a system's root."""

import ast
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import BundleFactory, FakeService

from mien.deploy.installer.__main__ import main
from mien.deploy.installer.bundle import Bundle
from mien.deploy.installer.errors import InstallError
from mien.deploy.installer.installation import Installation


def agent_toml(root: Path) -> Path:
    return root / "etc" / "mien" / "agent.toml"


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def all_files(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_a_release_is_installed_completely_and_only_the_agent_can_read_the_key(
    root: Path, installation: Installation, service: FakeService, make_bundle: BundleFactory
) -> None:
    bundle = make_bundle(extra="token")
    key = bundle.key.read_bytes()
    assert installation.install(bundle) == f"kitchen: installed release {bundle.release}"
    assert service.calls == ["enable", "restart"]
    site = root / "opt" / "mien" / "current"
    assert site.readlink() == Path("releases") / bundle.release
    result = subprocess.run(
        [sys.executable, "-P", "-c", "import mien, small; print(mien.__file__, small.MESSAGE)"],
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == [str(site / "mien" / "__init__.py"), "imported"]
    assert (root / "etc" / "mien" / "device.key").read_bytes() == key
    assert mode(root / "etc" / "mien" / "device.key") == 0o600
    assert mode(root / "etc" / "mien" / "token") == 0o600
    assert mode(agent_toml(root)) == 0o644
    assert mode(root / "usr" / "local" / "bin" / "mien") == 0o755
    unit = "mien-agent.service"
    assert (root / "etc" / "systemd" / "system" / unit).read_text() == (bundle.folder / unit).read_text()
    assert not bundle.key.exists()  # anyone who has the SD card can read it
    assert not (bundle.folder / "device" / "token").exists()


def test_installing_again_changes_nothing(root: Path, installation: Installation, make_bundle: BundleFactory) -> None:
    bundle = make_bundle()
    installation.install(bundle)
    before = all_files(root)
    installation.install(bundle)  # although the bundle no longer contains the key
    assert all_files(root) == before


def test_an_upgrade_keeps_the_outbox_and_edited_settings(
    root: Path, installation: Installation, make_bundle: BundleFactory
) -> None:
    installation.install(first := make_bundle(release="a"))
    outbox = root / "var" / "lib" / "mien" / "outbox.db"
    outbox.parent.mkdir(parents=True)
    outbox.write_bytes(b"rows")
    edited = agent_toml(root).read_text() + "\n[motion]\nkind = 'frame_difference'\n"
    agent_toml(root).write_text(edited)
    message = installation.install(second := make_bundle(release="b", settings="\n[camera]\nkind = 'usb'\n"))
    assert message.endswith("kept your agent.toml, the bundle's is next to it as agent.toml.new")
    assert agent_toml(root).read_text() == edited
    assert "usb" in agent_toml(root).with_name("agent.toml.new").read_text()
    assert outbox.read_bytes() == b"rows"
    assert installation.release == second.release
    installation.install(third := make_bundle(release="c"))
    releases = {folder.name for folder in (root / "opt" / "mien" / "releases").iterdir()}
    assert releases == {second.release, third.release}
    assert first.release not in releases


def test_settings_that_nobody_edited_are_replaced_by_the_bundle_s(
    root: Path, installation: Installation, make_bundle: BundleFactory
) -> None:
    installation.install(make_bundle(release="a"))
    installation.install(make_bundle(release="b", settings="\n[camera]\nkind = 'usb'\n"))
    assert "usb" in agent_toml(root).read_text()
    assert not agent_toml(root).with_name("agent.toml.new").exists()


def test_a_release_that_does_not_become_ready_is_rolled_back(
    root: Path, installation: Installation, service: FakeService, make_bundle: BundleFactory
) -> None:
    installation.install(first := make_bundle(release="a"))
    before = all_files(root)
    service.calls.clear()
    service.restart_results = [False, True]
    bad = make_bundle(release="b", settings="\nnonsense = 1\n", extra="extra.txt")
    message = rf"b did not become ready \(see `journalctl.*restored release {first.release}"
    with pytest.raises(InstallError, match=message):
        installation.install(bad)
    assert service.calls == ["enable", "restart", "enable", "restart"]
    assert installation.release == first.release
    after = all_files(root)
    assert {name: after[name] for name in after if "releases/" not in name} == {
        name: before[name] for name in before if "releases/" not in name
    }
    assert bad.key.exists()  # to try again


def test_a_first_release_that_does_not_become_ready_can_be_fixed_and_installed_again(
    installation: Installation, service: FakeService, make_bundle: BundleFactory
) -> None:
    service.restart_results = [False]
    bundle = make_bundle()
    with pytest.raises(InstallError, match=r"fix /etc/mien/agent\.toml and install again"):
        installation.install(bundle)
    assert installation.install(bundle) == f"kitchen: installed release {bundle.release}"


def test_a_failing_upgrade_returns_to_a_first_release_that_became_ready_later(
    root: Path, installation: Installation, service: FakeService, make_bundle: BundleFactory
) -> None:
    service.restart_results = [False]  # its camera is missing, and is connected without another installation
    with pytest.raises(InstallError, match="install again"):
        installation.install(first := make_bundle(release="a"))
    agent_toml(root).write_text(agent_toml(root).read_text() + "\n[motion]\nkind = 'frame_difference'\n")
    before = agent_toml(root).read_text()
    service.restart_results = [False, True]
    with pytest.raises(InstallError, match=f"restored release {first.release}"):
        installation.install(make_bundle(release="b"))
    assert installation.release == first.release
    assert agent_toml(root).read_text() == before


def test_a_power_cut_while_unpacking_leaves_the_previous_release(
    root: Path, installation: Installation, make_bundle: BundleFactory
) -> None:
    installation.install(first := make_bundle(release="a"))
    second = make_bundle(release="b")
    partial = root / "opt" / "mien" / "releases" / f"{second.release}.new"
    partial.mkdir()
    (partial / "partial.py").write_text("of an earlier attempt")
    assert installation.release == first.release
    installation.install(second)
    assert not partial.exists()
    assert not list((root / "opt").rglob("partial.py"))


def test_wheels_that_an_older_bundle_left_in_the_folder_are_ignored(
    root: Path, installation: Installation, make_bundle: BundleFactory
) -> None:
    bundle = make_bundle()
    for name in ("mien-0.0.1-py3-none-any.whl", "zzz.whl"):
        with zipfile.ZipFile(bundle.folder / name, "w") as wheel:
            wheel.writestr("mien/old.py", "")
    installation.install(bundle)
    assert not list(root.rglob("old.py"))
    assert (root / "opt" / "mien" / "current" / "mien" / "version.py").exists()


def test_a_model_that_an_older_bundle_left_in_the_folder_is_ignored(
    root: Path, installation: Installation, make_bundle: BundleFactory
) -> None:
    bundle = make_bundle()
    (bundle.folder / "device" / "model.tflite").write_bytes(b"of an older bundle")
    installation.install(bundle)
    assert not (root / "etc" / "mien" / "model.tflite").exists()


def test_the_key_leaves_the_bundle_once_everything_else_is_on_the_disk(
    installation: Installation, make_bundle: BundleFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle()
    at_sync: list[tuple[bool, bool]] = []
    monkeypatch.setattr(os, "sync", lambda: at_sync.append((installation.release is not None, bundle.key.exists())))
    installation.install(bundle)
    assert at_sync[-2:] == [(True, True), (True, False)]


def test_a_bundle_that_cannot_be_installed_is_refused_and_changes_nothing(
    root: Path, installation: Installation, make_bundle: BundleFactory
) -> None:
    installation.install(make_bundle())
    before = all_files(root)
    cases: list[tuple[Callable[[Bundle], object], str]] = [
        (
            lambda bundle: (bundle.folder / "packages.tar.gz").write_bytes(b"x"),
            r"packages\.tar\.gz of the bundle is damaged",
        ),
        (
            lambda bundle: (bundle.folder / "packages.tar.gz").unlink(),
            r"packages\.tar\.gz of the bundle cannot be read",
        ),
        (
            lambda bundle: (bundle.folder / "device" / "ca.crt").write_bytes(b""),
            r"device/ca\.crt of the bundle is damaged",
        ),
        (
            lambda bundle: bundle.key.write_bytes(bundle.key.read_bytes()[:99]),
            r"device/device\.key of the bundle is damaged",
        ),
        (lambda bundle: _edit_manifest(bundle, "machine", "armv7l"), "the bundle is for armv7l with Python"),
        (lambda bundle: _edit_manifest(bundle, "python", "3.9"), r"with Python 3\.9, but this system is"),
    ]
    for spoil, message in cases:
        bundle = make_bundle(release="z")
        spoil(bundle)
        with pytest.raises(InstallError, match=message):
            installation.install(Bundle(bundle.folder))
        assert all_files(root) == before
    with pytest.raises(InstallError, match="this Pi is kitchen, but the bundle is for hallway: use --replace"):
        installation.install(make_bundle("hallway"))
    assert all_files(root) == before


def _edit_manifest(bundle: Bundle, key: str, value: str) -> None:
    manifest = json.loads((bundle.folder / "manifest.json").read_text())
    (bundle.folder / "manifest.json").write_text(json.dumps(manifest | {key: value}))


def test_a_pi_becomes_another_device_with_replace_and_the_first_device_keeps_its_data(
    root: Path, installation: Installation, service: FakeService, make_bundle: BundleFactory
) -> None:
    installation.install(make_bundle())
    agent_toml(root).write_text(agent_toml(root).read_text() + "\n[motion]\nkind = 'frame_difference'\n")
    data = root / "var" / "lib" / "mien"
    (root / "var" / "lib" / "mien-of-kitchen").mkdir(parents=True)  # it was kitchen before
    data.mkdir()
    (data / "outbox.db").write_bytes(b"of kitchen")
    first_boot = root / "etc" / "systemd" / "system" / "mien-first-boot.service"
    first_boot.write_text("runs this")
    service.calls.clear()
    bundle = make_bundle("hallway")
    assert installation.install(bundle, replace=True) == (
        f"hallway: installed release {bundle.release}; "
        f"the unsent observations of the previous device are in {data}-of-kitchen-2"
    )
    assert service.calls == ["remove", "enable", "restart"]
    assert 'device = "hallway"' in agent_toml(root).read_text()
    assert "frame_difference" not in agent_toml(root).read_text()
    assert not data.exists()
    assert (root / "var" / "lib" / "mien-of-kitchen-2" / "outbox.db").read_bytes() == b"of kitchen"
    assert first_boot.exists()
    assert not list((root / "opt" / "mien").glob("previous*"))


def test_a_device_that_is_installed_again_gets_its_unsent_observations_back(
    root: Path, installation: Installation, make_bundle: BundleFactory
) -> None:
    data, aside = (root / "var" / "lib" / name for name in ("mien", "mien-of-kitchen"))
    installation.install(make_bundle())
    data.mkdir(parents=True)
    (data / "outbox.db").write_bytes(b"of kitchen")
    installation.uninstall()
    installation.install(make_bundle("hallway"))
    assert not data.exists()
    installation.install(make_bundle(), replace=True)
    assert (data / "outbox.db").read_bytes() == b"of kitchen"
    assert not aside.exists()


def test_the_first_boot_unit_is_removed_with_the_rest(
    root: Path, installation: Installation, make_bundle: BundleFactory
) -> None:
    installation.install(make_bundle())
    units = root / "etc" / "systemd" / "system"
    (units / "mien-first-boot.service").write_text("")
    (units / "multi-user.target.wants").mkdir()
    (units / "multi-user.target.wants" / "mien-first-boot.service").symlink_to("../mien-first-boot.service")
    installation.uninstall()
    assert not all_files(root)
    assert not list((units / "multi-user.target.wants").iterdir())


def test_a_bundle_without_its_key_cannot_replace_another_device(
    root: Path, installation: Installation, make_bundle: BundleFactory
) -> None:
    installation.install(first := make_bundle())
    installation.install(make_bundle("hallway"), replace=True)
    before = all_files(root)
    with pytest.raises(InstallError, match="the bundle no longer contains the key of kitchen"):
        installation.install(first, replace=True)
    assert all_files(root) == before


def test_a_bundle_without_its_key_is_refused_on_another_pi(tmp_path: Path, make_bundle: BundleFactory) -> None:
    bundle = make_bundle()
    Installation(tmp_path / "first", FakeService()).install(bundle)
    with pytest.raises(InstallError, match="the bundle no longer contains the key of kitchen"):
        Installation(tmp_path / "second", FakeService()).install(bundle)


def test_removal_leaves_only_the_data(
    root: Path, installation: Installation, service: FakeService, make_bundle: BundleFactory
) -> None:
    root.mkdir()
    before = {"etc/hostname": b"pi"}
    (root / "etc").mkdir()
    (root / "etc" / "hostname").write_bytes(b"pi")
    installation.install(make_bundle())
    (root / "var" / "lib" / "mien").mkdir(parents=True)
    (root / "var" / "lib" / "mien" / "outbox.db").write_bytes(b"rows")
    overrides = root / "etc" / "systemd" / "system" / "mien-agent.service.d"  # as `systemctl edit` leaves it
    overrides.mkdir()
    (overrides / "override.conf").write_text("[Service]\nNice=5\n")
    assert installation.uninstall().endswith(f"its unsent observations are in {root}/var/lib/mien-of-kitchen")
    assert all_files(root) == before | {"var/lib/mien-of-kitchen/outbox.db": b"rows"}
    assert not overrides.exists()
    assert service.calls[-1] == "remove"


@pytest.mark.skipif(shutil.which("systemctl") is None, reason="systemd is not installed: make system")
def test_install_sh_makes_systemd_start_the_agent_with_the_system(root: Path, make_bundle: BundleFactory) -> None:
    bundle = make_bundle()
    subprocess.run([bundle.folder / "install.sh", "--root", root], check=True, timeout=60)
    link = root / "etc" / "systemd" / "system" / "multi-user.target.wants" / "mien-agent.service"
    assert link.is_symlink()
    subprocess.run([bundle.folder / "install.sh", "uninstall", "--root", root], check=True, timeout=60)
    assert not link.is_symlink()
    assert not all_files(root)
    assert not list(bundle.folder.rglob("__pycache__"))


def test_an_error_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path)]) == 1  # the installer of this checkout is not in a bundle
    output = capsys.readouterr().err
    assert output.startswith("mien: ")
    assert "is not a bundle of mien" in output
    assert output.count("\n") == 1


def test_the_installer_needs_only_the_standard_library(make_bundle: BundleFactory) -> None:
    for module in (make_bundle().folder / "installer").glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            match node:
                case ast.Import(names):
                    imported = {alias.name for alias in names}
                case ast.ImportFrom(name, _, 0):
                    imported = {str(name)}
                case _:
                    continue
            assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names, module.name
