from datetime import UTC, datetime, timedelta

import pytest

from edge.checks.finding import Verdict
from edge.checks.time_service import check_clock, check_skew
from edge.clock import ClockSource

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
BEFORE_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "synchronized", "at", "verdict"),
    [
        (ClockSource.AUTO, True, NOW, Verdict.OK),
        (ClockSource.AUTO, False, NOW, Verdict.WARN),
        (ClockSource.HUB, False, BEFORE_TIME, Verdict.OK),
        (ClockSource.SYSTEM, True, NOW, Verdict.OK),
        (ClockSource.SYSTEM, False, NOW, Verdict.WARN),
        (ClockSource.SYSTEM, False, BEFORE_TIME, Verdict.FAIL),
    ],
)
def test_a_clock_is_judged_by_whose_time_counts(
    source: ClockSource, synchronized: bool, at: datetime, verdict: Verdict
) -> None:
    finding = check_clock(at, source, is_synchronized=synchronized, has_rtc=False)
    assert finding.verdict is verdict
    assert bool(finding.remedy) is (verdict is not Verdict.OK)


@pytest.mark.parametrize(
    ("ahead_s", "round_trip_s", "source", "verdict"),
    [
        (2, 0, ClockSource.SYSTEM, Verdict.OK),
        (-2, 0, ClockSource.SYSTEM, Verdict.OK),
        (2.1, 0, ClockSource.SYSTEM, Verdict.WARN),
        (3, 2, ClockSource.SYSTEM, Verdict.OK),
        (301, 0, ClockSource.SYSTEM, Verdict.FAIL),
        (-301, 0, ClockSource.SYSTEM, Verdict.FAIL),
        (301, 0, ClockSource.AUTO, Verdict.WARN),
    ],
)
def test_a_difference_to_the_hub_counts_where_nothing_corrects_it(
    ahead_s: float, round_trip_s: float, source: ClockSource, verdict: Verdict
) -> None:
    finding = check_skew(
        NOW + timedelta(seconds=ahead_s), NOW, round_trip=timedelta(seconds=round_trip_s), source=source
    )
    assert finding.verdict is verdict


def test_the_direction_is_told() -> None:
    behind = check_skew(NOW - timedelta(seconds=40), NOW, round_trip=timedelta(), source=ClockSource.SYSTEM)
    assert behind.detail == "40.0 s behind the hub's"
