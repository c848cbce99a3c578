"""How old a backup may be before somebody should look."""

from hub.upkeep.backup.last import LastBackup
from hub.upkeep.doctor.backups import judge_backup
from hub.upkeep.doctor.finding import Verdict

HOUR_MS = 3_600_000
AT_MS = 1_795_000_000_000


def judged(hours: float) -> tuple[Verdict, str]:
    finding = judge_backup(LastBackup(AT_MS - round(hours * HOUR_MS), "/b/x.age", 2_500_000), at_ms=AT_MS)
    assert bool(finding.remedy) == (finding.verdict is not Verdict.OK)
    return finding.verdict, finding.detail


def test_a_daily_backup_is_in_order_though_its_timer_is_late() -> None:
    assert judged(25.5) == (Verdict.OK, "25 h ago, 2.5 MB: /b/x.age")


def test_an_older_one_is_said_to_be_old() -> None:
    assert judged(26.5) == (Verdict.WARN, "the last one is old: 26 h ago, 2.5 MB: /b/x.age")


def test_none_is_a_warning_and_says_how_to_make_one() -> None:
    finding = judge_backup(None, at_ms=AT_MS)
    assert (finding.verdict, finding.detail) == (Verdict.WARN, "none was made yet")
    assert "linli-hub backup" in finding.remedy


def test_a_clock_that_stepped_back_makes_no_backup_old() -> None:
    assert judged(-5)[0] is Verdict.OK
