"""Instants on the wire: RFC 3339 in UTC with milliseconds and `Z`; inside, aware datetimes or whole milliseconds."""

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MS_PER_DAY: Final = 86_400_000


def parse_instant_ms(text: object) -> int | None:
    """Return the instant that `text` names in milliseconds since 1970, or None where it names none.

    Anything that is not an RFC 3339 string with an offset is no instant: a wrong time is never a reason to refuse a
    record.
    """
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    try:
        since = at - EPOCH
    except OverflowError:
        return None
    return since.days * _MS_PER_DAY + since.seconds * 1000 + since.microseconds // 1000


def format_instant(at: datetime) -> str:
    """Return `at` as the wire writes it: UTC, milliseconds, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_ms(at_ms: int) -> datetime:
    """Return the aware UTC datetime `at_ms` milliseconds after 1970."""
    return EPOCH + timedelta(milliseconds=at_ms)


def to_ms(at: datetime) -> int:
    """Return the whole milliseconds from 1970 to `at`."""
    return (at - EPOCH) // _MILLISECOND


def format_known_ms(at_ms: int | None) -> str | None:
    """Return an instant as the wire writes it, None where it is not known."""
    return None if at_ms is None else format_ms(at_ms)


def format_ms(at_ms: int) -> str:
    """Return the instant `at_ms` milliseconds after 1970 as the wire writes it."""
    return format_instant(from_ms(at_ms))
