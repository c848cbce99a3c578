"""How the outbox makes room, and what a record costs."""

from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from edge.outbox import Draft, Outbox
from edge.outbox.clearing import Clearing
from protocols.codec import encode_record
from protocols.gaps import GapReason
from protocols.lanes import Lane
from tests.contract.edge.outbox_life import AT, OutboxLife, a_call, a_reading, an_event, places, rows, store
from tests.fakes.usual_reading import usual_reading

DAY_MS = 86_400_000
MONDAY_MS = 1_795_000_000_000


@pytest.fixture
def outbox(tmp_path: Path) -> Generator[Outbox]:
    life = OutboxLife(tmp_path)
    yield life.open()
    life.crash()


def test_done_rows_stay_for_seventy_two_hours_of_the_hubs_time(outbox: Outbox) -> None:
    store(outbox, a_reading(), a_reading(), a_call())
    outbox.mark_done(Lane.TELEMETRY, 1, hub_ms=MONDAY_MS)
    outbox.mark_done(Lane.SOS, 1, hub_ms=MONDAY_MS)
    outbox.mark_done(Lane.TELEMETRY, 2, hub_ms=MONDAY_MS + DAY_MS)
    clearing = Clearing(outbox)
    assert not clearing.drop_aged(hub_ms=MONDAY_MS + 3 * DAY_MS - 1)
    assert clearing.drop_aged(hub_ms=MONDAY_MS + 3 * DAY_MS)
    assert (outbox.min_retained(Lane.TELEMETRY), outbox.min_retained(Lane.SOS)) == (2, 2)
    assert not clearing.drop_aged(hub_ms=MONDAY_MS + 3 * DAY_MS)


def test_what_a_restored_hub_asks_for_again_is_not_old(outbox: Outbox) -> None:
    store(outbox, a_reading(), a_reading())
    outbox.mark_done(Lane.TELEMETRY, 2, hub_ms=MONDAY_MS)
    outbox.mark_done(Lane.TELEMETRY, 0, hub_ms=MONDAY_MS + DAY_MS)
    assert not Clearing(outbox).drop_aged(hub_ms=MONDAY_MS + 30 * DAY_MS)
    assert places(outbox) == ["1", "2"]


def test_thinning_keeps_the_extremes_and_the_last_and_goes_over_nothing_twice(outbox: Outbox) -> None:
    clearing = Clearing(outbox, at_once=8)
    store(outbox, *[a_reading(level) for level in (5, 1, 5, 9, 5, 5, 5)])
    assert not clearing.thin(), "a step is not full"
    store(outbox, a_reading(5))
    assert clearing.thin()
    assert places(outbox) == ["1-1 thinned", "2", "3-3 thinned", "4", "5-7 thinned", "8"]
    assert not clearing.thin()


def test_eviction_takes_the_oldest_pending_telemetry_into_one_gap(outbox: Outbox) -> None:
    store(outbox, *[a_reading(level % 100) for level in range(1_500)])
    outbox.mark_done(Lane.TELEMETRY, 10, hub_ms=None)
    clearing = Clearing(outbox)
    assert clearing.evict()
    assert places(outbox, first=11)[:2] == ["11-1010 evicted", "1011"]
    assert clearing.evict()
    assert places(outbox, first=11) == ["11-1500 evicted"]
    assert not clearing.evict()


def test_calls_and_events_are_never_thinned_or_evicted(outbox: Outbox) -> None:
    store(outbox, a_call(), an_event(), a_reading())
    clearing = Clearing(outbox)
    while clearing.thin() or clearing.evict():
        pass
    assert [places(outbox, lane) for lane in Lane] == [["1"], ["1"], ["1-1 evicted"]]


def test_done_rows_go_before_their_time_when_room_is_short_pending_ones_do_not(outbox: Outbox) -> None:
    store(outbox, a_call("a:1"), a_call("a:2"))
    outbox.mark_done(Lane.SOS, 1, hub_ms=None)
    clearing = Clearing(outbox)
    assert clearing.drop_done(Lane.SOS)
    assert not clearing.drop_done(Lane.SOS)
    assert len(rows(outbox, Lane.SOS, 2)) == 1


def test_what_lies_deep_in_a_long_outbox_is_read_and_declared_lost_as_quickly_as_what_lies_first(
    outbox: Outbox,
) -> None:
    store(outbox, *[a_reading()] * 20_000)

    def steps(seq: int) -> int:
        taken: list[int] = []
        outbox.database._connection.set_progress_handler(lambda: taken.append(1), 100)  # noqa: SLF001 only SQLite itself counts its steps
        outbox.read(Lane.TELEMETRY, seq, most=10, most_bytes=1 << 20)
        outbox.declare_gap(Lane.TELEMETRY, seq, seq, reason=GapReason.THINNED)
        outbox.database._connection.set_progress_handler(None, 0)  # noqa: SLF001 as above
        return len(taken)

    assert steps(19_000) <= steps(5) + 10


def test_a_million_readings_fit_a_hundred_megabytes(outbox: Outbox) -> None:
    """Twenty devices at 10 s come to 1.2 million in seven days; ten thousand of them tell what one costs."""
    for first in range(0, 10_000, 20):
        store(outbox, *[_usual(number) for number in range(first, first + 20)])
    file, free = Clearing(outbox).sizes()
    assert (file - free) / 10_000 * 1_000_000 < 100_000_000


def _usual(number: int) -> Draft:
    """A reading as a bin's node stores it, no two alike."""
    at, uptime_ms = AT + timedelta(milliseconds=500 * number), 86_400_123 + 500 * number
    record = usual_reading(f"bin-{number % 20:04d}-us", at=at, uptime_ms=uptime_ms, random=Random(number))
    return Draft(Lane.TELEMETRY, encode_record(record))
