import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from edge.owner.service import (
    UNIT_PATH,
    Placement,
    Run,
    Write,
    install_steps,
    known_groups,
    remove_steps,
    told,
    unit_text,
)

WORST = 2.0
"""Exposure that `systemd-analyze security` may find at most (0 is none, 10 all)."""
GROUPS = ("dialout", "gpio", "i2c", "spi")
HERE = Placement(
    program=Path("/bin/true"),
    interpreter=Path("/usr/bin/python3"),
    config=Path("/etc/linli/edge.toml"),
    data_dir=Path("/var/lib/linli-edge"),
    groups=("gpio",),
    readable=(Path("/etc/linli/password"),),
)


def directives(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def test_the_unit_is_ready_when_told_watched_and_restarted_but_not_over_a_wrong_configuration() -> None:
    unit = dict(directives(unit_text(HERE)))
    assert (unit["Type"], unit["WatchdogSec"], unit["Restart"]) == ("notify", "30", "always")
    assert unit["RestartPreventExitStatus"] == "2"
    assert unit["ExecStart"] == "/bin/true run --config /etc/linli/edge.toml"
    assert (unit["StateDirectory"], unit["WorkingDirectory"]) == ("linli-edge", "/var/lib/linli-edge")


def test_only_the_devices_of_the_configured_drivers_can_be_opened() -> None:
    unit = directives(unit_text(HERE))
    assert [value for name, value in unit if name == "DeviceAllow"] == ["char-gpiochip rw", "/dev/gpiomem rw"]
    assert dict(unit)["SupplementaryGroups"] == "gpio"
    bare = dict(directives(unit_text(replace(HERE, groups=()))))
    assert bare["PrivateDevices"] == "yes"
    assert "SupplementaryGroups" not in bare


def test_a_folder_elsewhere_is_writable_by_name() -> None:
    unit = dict(directives(unit_text(replace(HERE, data_dir=Path("/srv/linli")))))
    assert unit["ReadWritePaths"] == "/srv/linli"
    assert "StateDirectory" not in unit


@pytest.mark.parametrize("groups", [(), ("gpio",), GROUPS])
def test_systemd_finds_little_exposed_and_nothing_wrong(tmp_path: Path, groups: tuple[str, ...]) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze judges the unit")
    path = tmp_path / UNIT_PATH.name
    path.write_text(unit_text(replace(HERE, groups=groups)))
    asked = ["systemd-analyze", "security", "--offline=true", str(path)]
    security = subprocess.run(asked, capture_output=True, text=True, check=False)
    (verdict,) = [line for line in security.stdout.splitlines() if "Overall exposure level" in line]
    assert float(verdict.partition(f"{UNIT_PATH.name}: ")[2].split()[0]) <= WORST
    verify = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert (verify.returncode, verify.stderr) == (0, "")


def test_installing_makes_the_user_once_and_lets_it_read_what_it_must() -> None:
    steps = install_steps(HERE, user_exists=False)
    commands = [step.command for step in steps if isinstance(step, Run)]
    assert [command[0] for command in commands] == [
        "useradd",
        "install",
        "chown",
        "chgrp",
        "chmod",
        "chgrp",
        "chmod",
        "systemctl",
        "systemctl",
        "systemctl",
    ]
    assert ("chmod", "0640", "/etc/linli/password") in commands
    assert [step.path for step in steps if isinstance(step, Write)] == [UNIT_PATH]
    again = [step.command[0] for step in install_steps(HERE, user_exists=True) if isinstance(step, Run)]
    assert "useradd" not in again


def test_removing_takes_the_unit_and_leaves_user_and_outbox() -> None:
    assert told(remove_steps()) == [
        "$ systemctl disable --now linli-edge.service",
        f"$ rm -f {UNIT_PATH}",
        "$ systemctl daemon-reload",
    ]


def test_the_steps_can_be_read_before_they_are_taken() -> None:
    lines = told(install_steps(HERE, user_exists=True))
    assert f"# write {UNIT_PATH}" in lines
    assert "    Type=notify" in lines


def test_folders_that_the_service_cannot_see_are_refused() -> None:
    assert HERE.faults() == []
    at_home = replace(HERE, program=Path("/home") / "pi/bin/linli-edge", interpreter=Path("/root") / "python3")
    assert [fault.split()[0] for fault in at_home.faults()] == ["program", "Python"]


def test_a_group_that_is_not_there_is_left_out_and_named() -> None:
    assert known_groups({"spi", "gpio"}, ["root", "gpio"]) == (("gpio",), ("spi",))
