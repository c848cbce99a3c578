from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from hub.dashboard.language import words
from hub.dashboard.times import duration, moment, parse_local_ms, zone_of
from protocols.instant import format_ms, parse_instant_ms
from tests.unit.hub.dashboard.scene import NOW_MS, SHANGHAI

MINUTE = 60_000
HOUR, DAY = 60 * MINUTE, 1440 * MINUTE


@pytest.mark.parametrize(
    ("ahead_ms", "zh", "en"),
    [
        (0, "刚刚", "just now"),
        (-59_999, "刚刚", "just now"),
        (30_000, "马上", "in a moment"),
        (-MINUTE, "1 分钟前", "1 min ago"),
        (-59 * MINUTE, "59 分钟前", "59 min ago"),
        (-HOUR, "1 小时前", "1 h ago"),
        (-47 * HOUR, "47 小时前", "47 h ago"),
        (-2 * DAY, "2 天前", "2 d ago"),
        (5 * MINUTE, "5 分钟后", "in 5 min"),
        (3 * DAY, "3 天后", "in 3 d"),
    ],
)
def test_an_instant_is_told_by_its_distance(ahead_ms: int, zh: str, en: str) -> None:
    told = [
        moment(NOW_MS + ahead_ms, now_ms=NOW_MS, zone=SHANGHAI, words=words(locale)).relative for locale in ("zh", "en")
    ]
    assert told == [zh, en]


@pytest.mark.parametrize(
    ("at", "zh", "en"),
    [
        ("2026-11-25T11:03:00Z", "19:03", "19:03"),
        ("2026-11-24T15:59:59Z", "11月24日 23:59", "24 Nov, 23:59"),
        ("2026-11-24T16:00:00Z", "00:00", "00:00"),
        ("2025-12-31T15:59:00Z", "2025年12月31日 23:59", "31 Dec 2025, 23:59"),
    ],
)
def test_an_instant_is_told_by_the_clock_of_its_site(at: str, zh: str, en: str) -> None:
    at_ms = parse_instant_ms(at) or 0
    told = [moment(at_ms, now_ms=NOW_MS, zone=SHANGHAI, words=words(locale)).absolute for locale in ("zh", "en")]
    assert told == [zh, en]


def test_an_instant_is_written_for_machines_in_utc() -> None:
    assert moment(NOW_MS, now_ms=NOW_MS, zone=SHANGHAI, words=words("zh")).iso == "2026-11-25T11:03:00.000Z"


@pytest.mark.parametrize("at_ms", [-1, 253_402_300_799_999, 10**18])
def test_an_instant_beyond_every_calendar_is_shown_all_the_same(at_ms: int) -> None:
    for zone in (SHANGHAI, ZoneInfo("America/Los_Angeles")):
        assert moment(at_ms, now_ms=NOW_MS, zone=zone, words=words("zh")).absolute


def test_a_span_is_never_told_as_nothing() -> None:
    assert duration(3, words("zh")) == "1 分钟"


def test_a_zone_that_does_not_exist_is_utc() -> None:
    assert zone_of("Mars/Olympus") == ZoneInfo("UTC")
    assert zone_of("../etc/passwd") == ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-26T08:00", "2026-11-26T00:00:00.000Z"),
        ("2026-11-26T08:00+02:00", "2026-11-26T06:00:00.000Z"),
        ("soon", None),
        ("", None),
        ("0001-01-01T00:00", None),
        ("9999-12-31T23:59", None),
    ],
)
def test_a_forms_time_is_read_in_the_zone_of_the_site(text: str, at: str | None) -> None:
    at_ms = parse_local_ms(text, SHANGHAI)
    assert (None if at_ms is None else format_ms(at_ms)) == at
    assert parse_local_ms("2026-11-26T08:00", UTC) != parse_local_ms("2026-11-26T08:00", SHANGHAI)
