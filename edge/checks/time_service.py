"""The clock: whether a time service keeps it, and how far it is from the hub's."""

from datetime import datetime, timedelta
from typing import Final

from edge.checks.finding import Finding, Verdict
from edge.clock import EARLIEST, ClockSource
from protocols.instant import format_instant

_SYNCHRONIZE: Final = "sudo timedatectl set-ntp true (and let UDP 123 out); timedatectl tells how it stands"
TOLERATED: Final = timedelta(seconds=2)
"""A clock this near the hub's is right."""
FUTURE_LIMIT: Final = timedelta(minutes=5)
"""Records further ahead than this have no plausible time (`wire.md` §5)."""


def check_clock(at: datetime, source: ClockSource, *, is_synchronized: bool, has_rtc: bool) -> Finding:
    """Judge the system's clock, read as `at`."""
    detail = f"{format_instant(at)}, {'set by' if is_synchronized else 'not set by'} a time service, source {source}"
    if source is ClockSource.HUB:
        return Finding("clock", Verdict.OK, f"{format_instant(at)}: the hub's time counts")
    if is_synchronized:
        return Finding("clock", Verdict.OK, detail)
    if source is ClockSource.SYSTEM:
        verdict = Verdict.FAIL if at < EARLIEST else Verdict.WARN
        return Finding("clock", verdict, detail, f'{_SYNCHRONIZE}, or say clock = "auto"')
    if not has_rtc:
        detail += "; no clock of its own: after a power cut it begins where it stopped"
    return Finding("clock", Verdict.WARN, f"{detail}; the hub's time counts until then", _SYNCHRONIZE)


def check_skew(ours: datetime, hubs: datetime, *, round_trip: timedelta, source: ClockSource) -> Finding:
    """Compare with the hub's time, which came in an answer that took `round_trip`."""
    skew = ours - (hubs + round_trip / 2)
    seconds = skew.total_seconds()
    detail = f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} the hub's"
    if abs(skew) <= TOLERATED + round_trip / 2:
        return Finding("clock skew", Verdict.OK, detail)
    if source is not ClockSource.SYSTEM:
        return Finding("clock skew", Verdict.WARN, f"{detail}; the hub's counts until a service sets it", _SYNCHRONIZE)
    verdict = Verdict.FAIL if abs(skew) > FUTURE_LIMIT else Verdict.WARN
    return Finding("clock skew", verdict, detail, f'{_SYNCHRONIZE}, or say clock = "auto"')
