"""The machine: its clock and the disk under the data directory."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from shutil import disk_usage
from typing import Final

from hub.settings import ClockKind, Settings
from hub.upkeep.doctor.finding import Finding, Verdict

TOO_LITTLE_MB: Final = 200
"""Below this a database cannot even be tidied."""
LITTLE_MB: Final = 1024
_TIME_ERROR: Final = 5
"""adjtimex(2): the kernel's clock is not synchronized."""
_MARK: Final = Path("/run/systemd/timesync/synchronized")
_TIMEX_BYTES: Final = 512
"""More than any kernel's `struct timex`; all zero it only asks."""


def clock_is_kept() -> bool:
    """Tell whether a time service keeps this machine's clock: systemd-timesyncd's mark, else the kernel's word."""
    if _MARK.exists():
        return True
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (AttributeError, OSError):
        return False
    return adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) not in (-1, _TIME_ERROR)


def check_clock(settings: Settings, *, is_kept: Callable[[], bool] = clock_is_kept) -> list[Finding]:
    """Judge who keeps the clock."""
    if settings.clock is ClockKind.MESSAGES:
        return [Finding("clock", Verdict.SKIP, "LINLI_CLOCK=messages: the messages are the clock")]
    if is_kept():
        return [Finding("clock", Verdict.OK, "kept by a time service")]
    remedy = "timedatectl set-ntp true (and let UDP 123 out); in a container or virtual machine look at its host"
    detail = "not known to be kept by a time service: nodes take their time from the hub"
    return [Finding("clock", Verdict.WARN, detail, remedy)]


def check_disk(settings: Settings) -> list[Finding]:
    """Look at what is free where the data directory lies, and whether this user may write there."""
    folder = settings.data_dir.absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        remedy = "run this as the hub's user (sudo -u linli linli-hub doctor), or give the folder to it"
        return [Finding("disk", Verdict.FAIL, f"{there} may not be written by this user", remedy)]
    try:
        usage = disk_usage(there)
    except OSError as error:
        return [Finding("disk", Verdict.FAIL, f"{there}: {error.strerror}", "dmesg says more")]
    return [judge_space(there, free_mb=usage.free >> 20, total_mb=usage.total >> 20)]


def judge_space(folder: Path, *, free_mb: int, total_mb: int) -> Finding:
    """Judge what is free."""
    detail = f"{free_mb} MB of {total_mb} MB free at {folder}"
    remedy = "make room (journalctl --vacuum-size=200M; old backups), or move LINLI_DATA_DIR to a larger disk"
    if free_mb < TOO_LITTLE_MB:
        return Finding("disk", Verdict.FAIL, detail, remedy)
    if free_mb < LITTLE_MB:
        return Finding("disk", Verdict.WARN, detail, remedy)
    return Finding("disk", Verdict.OK, detail)
