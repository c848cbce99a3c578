"""The outbox's folder: whether it can be written, how fast, what is free, and on what kind of medium it lies."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from shutil import disk_usage
from typing import Final

from edge.checks.finding import Finding, Verdict

SLOW_S: Final = 1.0
"""A write that takes this long to reach the medium holds up every call for help."""
_PROBE: Final = b"\0" * 65_536
_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


def check_disk(data_dir: Path, *, min_free_mb: int, now_s: Callable[[], float]) -> list[Finding]:
    """Make the folder where it is missing, write 64 KiB through to the medium, and look at what is free."""
    what = f"data_dir {data_dir}"
    begun: Path | None = None
    try:
        begun = None if data_dir.exists() else data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        took_s = _write_through(data_dir, now_s)
        free_mb = disk_usage(data_dir).free >> 20
    except OSError as error:
        return [Finding(what, Verdict.FAIL, f"cannot be written: {error.strerror or error}", _remedy(data_dir))]
    finally:
        if begun is not None and begun.is_dir() and not any(begun.iterdir()):
            begun.rmdir()
    detail = f"{free_mb} MB free, 64 KiB written through in {took_s * 1_000:.0f} ms"
    if free_mb < min_free_mb:
        remedy = "make room, or lower outbox.min_free_mb: until then telemetry makes way"
        return [Finding(what, Verdict.FAIL, detail, remedy)]
    if took_s > SLOW_S:
        return [Finding(what, Verdict.WARN, detail, "a card that writes this slowly is worn or a poor one: replace it")]
    return [Finding(what, Verdict.OK, detail)]


def check_medium(data_dir: Path, *, mounts: Path = Path("/proc/self/mountinfo")) -> list[Finding]:
    """Tell on what the folder lies; nothing where the system does not say."""
    try:
        table = mounts.read_text(encoding="utf-8")
        folder = data_dir.resolve()
    except OSError:
        return []
    medium = _medium_of(folder, table)
    if medium is None:
        return []
    kind, device = medium
    if kind in _MEMORY:
        remedy = "name a data_dir on a card or disk: a power cut takes what lies here"
        return [Finding("medium", Verdict.WARN, f"{kind}: in memory only", remedy)]
    if device.startswith("/dev/mmcblk"):
        detail = f"{kind} on {device}, a memory card: the outbox writes little, power cuts are what kills cards"
        return [Finding("medium", Verdict.OK, detail)]
    return [Finding("medium", Verdict.OK, f"{kind} on {device}")]


def _medium_of(folder: Path, table: str) -> tuple[str, str] | None:
    """Return the file system and device of the longest mount point above `folder`."""
    found: tuple[int, tuple[str, str]] | None = None
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        fields, source = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(source) < 2:
            continue
        point = fields[4].encode().decode("unicode_escape")
        if folder.is_relative_to(point) and (found is None or len(point) >= found[0]):
            found = (len(point), (source[0], source[1]))
    return None if found is None else found[1]


def _write_through(data_dir: Path, now_s: Callable[[], float]) -> float:
    path = data_dir / f".check-{os.getpid()}"
    started_s = now_s()
    try:
        with path.open("wb") as file:
            file.write(_PROBE)
            file.flush()
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)
    return now_s() - started_s


def _remedy(data_dir: Path) -> str:
    """What to do: never take a folder from the user whose service works in it."""
    try:
        owner = data_dir.stat().st_uid
    except OSError:
        return f"sudo install -d -o {_name(os.getuid())} {data_dir}, or name another data_dir"
    if owner != os.getuid():
        return f"it belongs to {_name(owner)}: run the command with sudo, or as that user"
    return "is the card mounted read-only, or full? dmesg says why"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
