"""When a record happened: the sources in their order, at their limits."""

import json
from typing import Any

import pytest

from hub.ingest.effective_time import Stamping, TimeSource, effective_time
from protocols.codec import decode_header
from protocols.instant import format_ms

RECEIVED_MS = 1_795_000_000_000
HOUR_MS = 3_600_000
NEW_YEAR_2025_MS = 1_735_689_600_000


def stamping(**header: Any) -> Stamping:
    said = {"schema": 1, "epoch": "0" * 16, "first": 1, "boot": "0" * 16, "clock": "synced", **header}
    return Stamping.of(decode_header(json.dumps(said)), received_ms=RECEIVED_MS)


@pytest.mark.parametrize(
    ("at_ms", "believed"),
    [
        (NEW_YEAR_2025_MS - 1, False),
        (NEW_YEAR_2025_MS, True),
        (RECEIVED_MS - 30 * 24 * HOUR_MS, True),
        (RECEIVED_MS + 300_000, True),
        (RECEIVED_MS + 300_001, False),
    ],
)
def test_a_synced_clock_is_believed_from_2025_to_five_minutes_ahead(at_ms: int, believed: bool) -> None:
    when = effective_time(stamping(), format_ms(at_ms), None, previous_ms=None)
    assert (when.source is TimeSource.AT) is believed
    assert not believed or when.at_ms == at_ms


@pytest.mark.parametrize("at", [None, "yesterday", "2026-11-21T08:00:00", 1795000000, "1970-01-01T00:00:00Z"])
def test_what_is_no_plausible_time_falls_back_to_uptime(at: object) -> None:
    now = {"at": None, "uptime_ms": 90_000}
    when = effective_time(stamping(now=now), at, 60_000, previous_ms=None)
    assert (when.at_ms, when.source) == (RECEIVED_MS - 30_000, TimeSource.UPTIME)


def test_an_unsynced_clock_is_never_believed() -> None:
    now = {"at": None, "uptime_ms": 90_000}
    when = effective_time(stamping(clock="unsynced", now=now), format_ms(RECEIVED_MS), 80_000, previous_ms=None)
    assert (when.at_ms, when.source) == (RECEIVED_MS - 10_000, TimeSource.UPTIME)


def test_an_earlier_boot_is_timed_by_its_anchor() -> None:
    anchor = {"at": format_ms(RECEIVED_MS - HOUR_MS), "uptime_ms": 500_000}
    when = effective_time(stamping(clock="unsynced", anchor=anchor), None, 440_000, previous_ms=None)
    assert (when.at_ms, when.source) == (RECEIVED_MS - HOUR_MS - 60_000, TimeSource.ANCHOR)


def test_an_implausible_anchor_is_no_anchor() -> None:
    anchor = {"at": "1970-01-01T00:10:00.000Z", "uptime_ms": 500_000}
    when = effective_time(stamping(clock="unsynced", anchor=anchor), None, 440_000, previous_ms=RECEIVED_MS - 7)
    assert (when.at_ms, when.source) == (RECEIVED_MS - 7, TimeSource.BOUNDED)


def test_without_any_time_a_record_lies_between_its_neighbours() -> None:
    unsynced = stamping(clock="unsynced")
    assert effective_time(unsynced, None, 5, previous_ms=None).at_ms == RECEIVED_MS
    assert effective_time(unsynced, None, 5, previous_ms=RECEIVED_MS - 9) == (RECEIVED_MS - 9, TimeSource.BOUNDED)
    assert effective_time(unsynced, None, 5, previous_ms=RECEIVED_MS + 9).at_ms == RECEIVED_MS


def test_uptimes_that_run_backwards_do_not_reach_into_the_future() -> None:
    when = effective_time(stamping(clock="unsynced", now={"uptime_ms": 10}), None, 20, previous_ms=None)
    assert when.at_ms == RECEIVED_MS


@pytest.mark.parametrize("header", [{"now": {"uptime_ms": 2**53 - 2}}, {"anchor": {"uptime_ms": 2**53 - 2}}])
def test_an_uptime_of_centuries_is_no_time(header: dict[str, Any]) -> None:
    if "anchor" in header:
        header["anchor"]["at"] = format_ms(RECEIVED_MS - HOUR_MS)
    when = effective_time(stamping(clock="unsynced", **header), None, 0, previous_ms=RECEIVED_MS - 7)
    assert (when.at_ms, when.source) == (RECEIVED_MS - 7, TimeSource.BOUNDED)


@pytest.mark.parametrize(("uptime_ms", "latest_ms"), [(90_000, RECEIVED_MS - 90_000), (2**53 - 2, RECEIVED_MS)])
def test_what_a_former_boot_made_without_a_clock_happened_before_the_boot_of_now(
    uptime_ms: int, latest_ms: int
) -> None:
    said = {"schema": 1, "epoch": "0" * 16, "first": 1, "boot": "0" * 16, "clock": "unsynced"}
    header = decode_header(json.dumps(said))
    stamped = Stamping.of(header, received_ms=RECEIVED_MS, next_boot_ms=RECEIVED_MS - uptime_ms)
    assert effective_time(stamped, None, 5, previous_ms=None) == (latest_ms, TimeSource.BOUNDED)
