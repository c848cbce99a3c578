"""The last backup: whether there is one, and how old it is."""

from collections.abc import Callable
from typing import Final

from hub.settings import Environment, Settings
from hub.upkeep.backup.last import LastBackup, read_last
from hub.upkeep.doctor.finding import Finding, Verdict

OLD_MS: Final = 26 * 3_600_000
"""A day, and what a daily timer may be late by."""
_BACKUP: Final = "backup"


def check_backup(settings: Settings, *, now_ms: Callable[[], int]) -> list[Finding]:
    """Judge the last backup that was finished here."""
    if settings.environment is not Environment.PRODUCTION:
        return [Finding(_BACKUP, Verdict.SKIP, f"LINLI_ENVIRONMENT={settings.environment}: nothing to keep")]
    if not settings.data_dir.exists():
        return [Finding(_BACKUP, Verdict.SKIP, "there is nothing to back up yet")]
    return [judge_backup(read_last(settings.data_dir), at_ms=now_ms())]


def judge_backup(last: LastBackup | None, *, at_ms: int) -> Finding:
    """Judge its age; it cannot be seen from here whether the file still lies where it was put."""
    remedy = "linli-hub backup FOLDER --key FILE, every day by a timer (docs/deployment.md)"
    if last is None:
        return Finding(_BACKUP, Verdict.WARN, "none was made yet", remedy)
    hours = max(0, at_ms - last.at_ms) // 3_600_000
    detail = f"{hours} h ago, {last.size / 1_000_000:.1f} MB: {last.file}"
    if at_ms - last.at_ms > OLD_MS:
        return Finding(_BACKUP, Verdict.WARN, f"the last one is old: {detail}", remedy)
    return Finding(_BACKUP, Verdict.OK, detail)
