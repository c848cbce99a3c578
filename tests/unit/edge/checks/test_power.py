from pathlib import Path

import pytest

from edge.checks.finding import Verdict
from edge.checks.power import check_power, judge_throttled


@pytest.mark.parametrize(
    ("flags", "verdict"),
    [(0, Verdict.OK), (0x1, Verdict.FAIL), (0x50005, Verdict.FAIL), (0x50000, Verdict.WARN), (0x4, Verdict.WARN)],
)
def test_undervoltage_now_fails_and_since_boot_is_warned_of(flags: int, verdict: Verdict) -> None:
    assert judge_throttled(flags).verdict is verdict


def a_program(folder: Path, says: str) -> str:
    path = folder / "vcgencmd"
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return str(path)


def test_the_firmware_is_asked_first(tmp_path: Path) -> None:
    assert check_power(sys=tmp_path, vcgencmd=a_program(tmp_path, "echo throttled=0x50000")).verdict is Verdict.WARN


def test_without_the_program_the_kernel_is_asked(tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    shown = tmp_path / "devices/platform/soc/soc:firmware/get_throttled"
    shown.parent.mkdir(parents=True)
    shown.write_text("1\n")
    assert check_power(sys=tmp_path, vcgencmd=none).verdict is Verdict.FAIL
    shown.unlink()
    monitor = tmp_path / "class/hwmon/hwmon1"
    monitor.mkdir(parents=True)
    (monitor / "name").write_text("rpi_volt\n")
    (monitor / "in0_lcrit_alarm").write_text("0\n")
    assert check_power(sys=tmp_path, vcgencmd=none).verdict is Verdict.OK
    (monitor / "in0_lcrit_alarm").write_text("1\n")
    assert check_power(sys=tmp_path, vcgencmd=none).verdict is Verdict.WARN


def test_another_machine_is_skipped_by_name(tmp_path: Path) -> None:
    finding = check_power(sys=tmp_path, vcgencmd=a_program(tmp_path, "exit 1"))
    assert (finding.verdict, "vcgencmd" in finding.detail) == (Verdict.SKIP, True)
