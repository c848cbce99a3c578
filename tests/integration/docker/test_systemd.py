"""The units of hub and watchdog: what systemd itself says of them, and what they give their processes."""

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from hub.settings import Settings, WatchdogSettings, load_settings, load_watchdog_settings
from tests.integration.docker.shipped import DOCKER

UNITS = DOCKER / "systemd"
UNIT = UNITS / "linli-hub.service"
WATCHDOG = UNITS / "linli-watchdog.service"
DROP_INS = tuple(UNITS / f"{name}.conf" for name in ("postgres", "influxdb", "watchdog", "second-broker"))
MOST_EXPOSURE = 2.0
CREDENTIALS = {
    "mqtt_url": "mqtts://admin:secret@127.0.0.1",
    "mqtt_url_2": "mqtts://linli-hub:secret@127.0.0.2",
    "admin_password": "secret",
    "database_url": "postgresql://linli:secret@127.0.0.1/linli",
    "influx_token": "secret",
    "probe_password": "secret",
    "watchdog_tell": "json://127.0.0.1/ json://127.0.0.2/",
}
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")


def entries(*paths: Path) -> dict[str, list[str]]:
    """The values of every key, over the unit and its drop-ins."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                found[key].append(value)
    return found


def environment(*paths: Path) -> dict[str, str]:
    return dict(pair.split("=", 1) for value in entries(*paths)["Environment"] for pair in value.split())


@pytest.fixture(params=[UNIT, WATCHDOG], ids=["hub", "watchdog"])
def installed(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The unit with its drop-ins as they are installed, its program in place."""
    shipped: Path = request.param
    program = Path(sys.executable).parent / "linli-hub"
    unit = tmp_path / shipped.name
    unit.write_text(
        shipped.read_text(encoding="utf-8").replace("/opt/linli/bin/linli-hub", str(program)), encoding="utf-8"
    )
    folder = tmp_path / f"{shipped.name}.d"
    folder.mkdir()
    for path in DROP_INS if shipped is UNIT else ():
        shutil.copy(path, folder)
    return unit


@needs_systemd
def test_systemd_finds_no_fault(installed: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(installed)], capture_output=True, text=True, check=False)
    about = [line for line in done.stderr.splitlines() if "linli" in line]
    assert (done.returncode, about) == (0, [])


@needs_systemd
def test_it_is_hardly_exposed(installed: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(installed)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(rf"Overall exposure level for {re.escape(installed.name)}: ([\d.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= MOST_EXPOSURE


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="this machine has no systemd")
def test_the_hub_has_a_user_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    made = ["systemd-sysusers", f"--root={tmp_path}", "-"]
    text = (UNITS / "linli-hub.sysusers.conf").read_text(encoding="utf-8")
    subprocess.run(made, input=text, capture_output=True, text=True, check=True)
    (line,) = (tmp_path / "etc" / "passwd").read_text(encoding="utf-8").splitlines()
    name, _, number, *_, home, shell = line.split(":")
    assert [name] == entries(UNIT)["User"]
    assert int(number) > 0
    assert home == f"/var/lib/{entries(UNIT)['StateDirectory'][0]}"
    assert shell.endswith("nologin")


@pytest.mark.parametrize("drop_ins", [(), DROP_INS], ids=["alone", "with its drop-ins"])
def test_what_the_unit_gives_are_good_settings(tmp_path: Path, drop_ins: tuple[Path, ...]) -> None:
    loaded = [value.split(":")[0] for value in entries(UNIT, *drop_ins)["LoadCredential"]]
    for name in loaded:
        (tmp_path / name).write_text(f"{CREDENTIALS[name]}\n", encoding="utf-8")
    given = environment(UNIT, *drop_ins)
    assert given["LINLI_CONFIG"] == "/etc/linli/hub.toml"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value.replace("%d", str(tmp_path)).replace("%S", "/var/lib"))
        patch.setenv("LINLI_CONFIG", str(UNITS / "hub.toml"))
        settings = load_settings()
    assert settings.data_dir == Path(f"/var/lib/{entries(UNIT)['StateDirectory'][0]}")
    assert settings.mqtt_url.get_secret_value() == CREDENTIALS["mqtt_url"]
    assert (settings.database_url is None, settings.influx_token is None) == (not drop_ins, not drop_ins)


def test_what_the_unit_of_the_watchdog_gives_are_good_settings(tmp_path: Path) -> None:
    for name in (value.split(":")[0] for value in entries(WATCHDOG)["LoadCredential"]):
        (tmp_path / name).write_text(f"{CREDENTIALS[name]}\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(WATCHDOG).items():
            patch.setenv(name, value.replace("%d", str(tmp_path)).replace("%S", "/var/lib"))
        patch.setenv("LINLI_WATCHDOG_CONFIG", str(UNITS / "watchdog.toml"))
        settings = load_watchdog_settings()
    assert settings.data_dir == Path(f"/var/lib/{entries(WATCHDOG)['StateDirectory'][0]}")
    assert settings.tell.get_secret_value() == CREDENTIALS["watchdog_tell"]
    assert settings.probe_password is not None


def test_the_watchdog_depends_on_nothing_of_the_hub() -> None:
    unit = entries(WATCHDOG)
    assert not any("linli-hub" in value for key in ("After", "Wants", "Requires", "BindsTo") for value in unit[key])
    loaded = {value.split(":")[0] for value in unit["LoadCredential"]}
    secret = {name for name, field in WatchdogSettings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert {name.removeprefix("watchdog_") for name in loaded} == secret


@pytest.mark.parametrize("path", [UNIT, WATCHDOG], ids=["hub", "watchdog"])
def test_systemd_begins_anew_what_hangs(path: Path) -> None:
    unit = entries(path)
    assert (unit["Type"], unit["Restart"], unit["WatchdogSec"]) == (["notify"], ["always"], ["60"])


def test_every_secret_is_a_credential_and_every_credential_is_read() -> None:
    loaded = {value.split(":")[0] for value in entries(UNIT, *DROP_INS)["LoadCredential"]}
    read = {value.removeprefix("%d/") for value in environment(UNIT, *DROP_INS).values() if value.startswith("%d/")}
    secret = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert loaded == read == secret


def test_it_tells_when_it_is_ready_and_always_comes_back() -> None:
    unit = entries(UNIT)
    assert (unit["Type"], unit["Restart"], unit["StartLimitIntervalSec"]) == (["notify"], ["always"], ["0"])
    assert unit["ExecStart"] == ["/opt/linli/bin/linli-hub serve"]
