"""Instants as people read them: how long ago, and the hour in the site's time zone; pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.dashboard.language import Words
from protocols.instant import format_ms, from_ms, to_ms

_LAST_MS: Final = to_ms(datetime(9999, 1, 1, tzinfo=UTC))
"""Later instants have no calendar in every zone; they are shown as this one."""
_STEPS: Final = ((60, "minute"), (3600, "hour"), (86_400, "day"))


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant for a page."""

    iso: str
    relative: str
    absolute: str
    past: bool


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its IANA name, UTC where it is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def moment(at_ms: int, *, now_ms: int, zone: tzinfo, words: Words) -> Moment:
    """Return an instant as it looks from now, in the zone of its site."""
    at_ms = min(max(at_ms, 0), _LAST_MS)
    return Moment(
        iso=format_ms(at_ms),
        relative=_relative(at_ms - now_ms, words),
        absolute=_absolute(from_ms(at_ms).astimezone(zone), from_ms(now_ms).astimezone(zone), words),
        past=at_ms <= now_ms,
    )


def duration(span_ms: int, words: Words) -> str:
    """Return how long: in minutes below an hour, in hours below two days, then in days."""
    seconds = abs(span_ms) // 1000
    if seconds < _STEPS[1][0]:
        return words("time.minute", n=max(1, seconds // 60))
    if seconds < 2 * _STEPS[2][0]:
        return words("time.hour", n=seconds // 3600)
    return words("time.day", n=seconds // 86_400)


def parse_local_ms(text: str, zone: tzinfo) -> int | None:
    """Return the instant that a form's date and time field names in the zone; None where it names none."""
    try:
        at = datetime.fromisoformat(text)
        at_ms = to_ms(at if at.tzinfo else at.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        return None
    return at_ms if 0 <= at_ms <= _LAST_MS else None


def _relative(ahead_ms: int, words: Words) -> str:
    if abs(ahead_ms) < _STEPS[0][0] * 1000:
        return words("time.now" if ahead_ms <= 0 else "time.soon")
    return words("time.ago" if ahead_ms < 0 else "time.ahead", span=duration(ahead_ms, words))


def _absolute(at: datetime, now: datetime, words: Words) -> str:
    clock = f"{at:%H:%M}"
    if at.date() == now.date():
        return clock
    day = words("time.date", month=words(f"time.month.{at.month}"), day=at.day)
    if at.year != now.year:
        day = words("time.year", date=day, year=at.year)
    return words("time.date_clock", date=day, clock=clock)
