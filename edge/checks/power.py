"""Undervoltage: what a Raspberry Pi's firmware or kernel says of its supply; skipped by name on other machines."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from edge.checks.finding import Finding, Verdict

WHAT: Final = "undervoltage"
_NOW: Final = 1 << 0
_SINCE_BOOT: Final = 1 << 16
_THROTTLED_NOW: Final = 1 << 2
_REMEDY: Final = "use the official supply and a short thick cable; sensors on 5 V draw from it as well"
_FIRMWARE: Final = Path("devices/platform/soc/soc:firmware/get_throttled")


def check_power(*, sys: Path = Path("/sys"), vcgencmd: str | None = None) -> Finding:
    """Ask `vcgencmd`, else what the kernel shows."""
    program = vcgencmd or shutil.which("vcgencmd")
    text = _ask(program) if program is not None else None
    if text is None:
        text = _read(sys / _FIRMWARE)
    flags = _flags(text)
    if flags is not None:
        return judge_throttled(flags)
    for monitor in sorted(sys.glob("class/hwmon/hwmon*")):
        if _read(monitor / "name") == "rpi_volt":
            alarm = _read(monitor / "in0_lcrit_alarm")
            return judge_throttled(_SINCE_BOOT if alarm == "1" else 0)
    return Finding(WHAT, Verdict.SKIP, "no vcgencmd and no rpi_volt sensor here: no Raspberry Pi, or not permitted")


def judge_throttled(flags: int) -> Finding:
    """Judge the firmware's flags (bits 0 and 16: undervoltage now, since boot; 2: throttled now)."""
    if flags & _NOW:
        return Finding(WHAT, Verdict.FAIL, f"now (flags {flags:#x}): readings jump and cards are damaged", _REMEDY)
    if flags & _SINCE_BOOT:
        return Finding(WHAT, Verdict.WARN, f"since the last boot (flags {flags:#x})", _REMEDY)
    if flags & _THROTTLED_NOW:
        return Finding(WHAT, Verdict.WARN, f"none, but throttled (flags {flags:#x})", "let air to the board")
    return Finding(WHAT, Verdict.OK, "none since the last boot")


def _ask(program: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 a fixed program, found by the resolver
            [program, "get_throttled"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _flags(text: str | None) -> int | None:
    """`throttled=0x50005`, or the bare number in hex."""
    if text is None:
        return None
    try:
        return int(text.rpartition("=")[2], 16)
    except ValueError:
        return None
