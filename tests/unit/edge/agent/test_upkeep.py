from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edge.agent.upkeep import Upkeep
from edge.clock import Moment
from edge.outbox import Draft, Opened, Outbox, open_outbox
from edge.outbox.clearing import Clearing
from edge.retention import RESERVE_BYTES
from protocols.codec import encode_record
from protocols.envelope import ClockState
from protocols.events import EventName
from protocols.gaps import GapReason
from protocols.lanes import Lane
from protocols.readings import Reading

BEGAN = datetime(2026, 11, 21, 8, tzinfo=UTC)
MB = 1 << 20


@pytest.fixture
def opened(tmp_path: Path) -> Generator[Opened]:
    opened = open_outbox(tmp_path, boot="b" * 16, machine=None, new_epoch=lambda: "e" * 16)
    yield opened
    opened.close(in_order=True)


class House:
    """An upkeep and what it reported."""

    def __init__(self, opened: Opened, *, limit_mb: int = 8, disk_free_mb: int = 10_000) -> None:
        self.reports: list[tuple[EventName, dict[str, Any]]] = []
        self.disk_free_mb = disk_free_mb
        self.upkeep = Upkeep(
            opened.outbox,
            limit_bytes=limit_mb * MB,
            min_disk_free=64 * MB,
            disk_free=lambda: self.disk_free_mb * MB,
            report=lambda event, details: self.reports.append((event, details)),
        )


def a_lamp(device: str, *, power_w: float) -> Draft:
    return Draft(Lane.TELEMETRY, encode_record(Reading(device=device, kind="lamp", values={"power_w": power_w})))


def at(uptime_ms: int, *, ahead_s: float = 0, state: ClockState = ClockState.SYNCED) -> Moment:
    return Moment(BEGAN + timedelta(milliseconds=uptime_ms, seconds=ahead_s), uptime_ms, state)


def test_a_boot_that_learns_the_time_gets_an_anchor_and_no_alarm(opened: Opened) -> None:
    house = House(opened)
    house.upkeep.watch_clock(at(1_000, ahead_s=-1e9, state=ClockState.UNSYNCED))
    assert opened.outbox.anchor is None
    house.upkeep.watch_clock(at(2_000))
    assert opened.outbox.anchor is not None
    assert (opened.outbox.anchor.at, opened.outbox.anchor.uptime_ms) == ("2026-11-21T08:00:02.000Z", 2_000)
    assert house.reports == []


def test_a_clock_that_jumps_is_reported_and_one_that_drifts_is_not(opened: Opened) -> None:
    house = House(opened)
    house.upkeep.watch_clock(at(1_000))
    house.upkeep.watch_clock(at(2_000, ahead_s=5))
    assert house.reports == []
    house.upkeep.watch_clock(at(3_000, ahead_s=-3_595))
    assert house.reports == [(EventName.CLOCK_STEPPED, {"by_ms": -3_600_000})]


def off(uptime_ms: int, *, off_s: float, overruled: bool) -> Moment:
    right = at(uptime_ms)
    return Moment(right.at, uptime_ms, right.state, round(off_s * 1_000), overruled=overruled)


def stamped(opened: Opened) -> list[bool]:
    return [row.synced for row in opened.outbox.read(Lane.TELEMETRY, 1, most=10, most_bytes=MB)]


def test_what_was_stamped_by_a_set_clock_is_not_believed_once_the_hub_contradicts_it(opened: Opened) -> None:
    house = House(opened)
    house.upkeep.watch_clock(at(1_000, ahead_s=-86_400))
    opened.outbox.append([a_lamp("d", power_w=1.0)], at=BEGAN, uptime_ms=1_000, synced=True)
    assert stamped(opened) == [True]
    house.upkeep.watch_clock(off(2_000, off_s=-86_400, overruled=True))
    assert stamped(opened) == [False]
    assert opened.outbox.anchor is not None
    assert opened.outbox.anchor.at == "2026-11-21T08:00:02.000Z"
    assert house.reports == [(EventName.CLOCK_STEPPED, {"off_ms": -86_400_000, "counts": "the hub's time"})]
    house.upkeep.watch_clock(off(3_000, off_s=-86_400, overruled=True))
    house.upkeep.watch_clock(at(4_000))
    assert len(house.reports) == 1, "once is enough"
    again = Outbox(opened.outbox.database, boot="b" * 16, new_epoch=lambda: "e" * 16)
    assert not again.read(Lane.TELEMETRY, 1, most=10, most_bytes=MB)[0].synced, "a restart does not forget it"


def test_a_boot_whose_clock_jumped_is_dated_by_its_uptime(opened: Opened) -> None:
    house = House(opened)
    house.upkeep.watch_clock(at(1_000))
    opened.outbox.append([a_lamp("d", power_w=1.0)], at=BEGAN, uptime_ms=1_000, synced=True)
    house.upkeep.watch_clock(at(2_000, ahead_s=-3_600))
    assert stamped(opened) == [False]


def test_a_clock_that_was_set_while_no_agent_ran_has_jumped(opened: Opened) -> None:
    House(opened).upkeep.watch_clock(at(1_000))
    later = House(opened)
    later.upkeep.watch_clock(at(60_000, ahead_s=-3_600))
    assert later.reports == [(EventName.CLOCK_STEPPED, {"by_ms": -3_600_000})]


def test_a_clock_that_always_counts_and_is_off_by_more_than_five_seconds_is_told_once_and_believed(
    opened: Opened,
) -> None:
    house = House(opened)
    opened.outbox.append([a_lamp("d", power_w=1.0)], at=BEGAN, uptime_ms=1_000, synced=True)
    for uptime_ms, off_s in ((1_000, 4.9), (2_000, 5.1), (3_000, 5.2)):
        house.upkeep.watch_clock(off(uptime_ms, off_s=off_s, overruled=False))
    assert house.reports == [(EventName.CLOCK_STEPPED, {"off_ms": 5_100, "counts": "the system's clock"})]
    assert stamped(opened) == [True]


def test_marks_are_saved_after_two_seconds(opened: Opened) -> None:
    house = House(opened)
    opened.outbox.append([a_lamp("d", power_w=1.0)], at=BEGAN, uptime_ms=0, synced=True)
    house.upkeep.tick(at(2_000))
    opened.outbox.mark_done(Lane.TELEMETRY, 1, hub_ms=None)
    query = "SELECT done FROM lanes WHERE lane = 2"
    house.upkeep.tick(at(3_000))
    assert opened.outbox.database.row(query) == (0,)
    house.upkeep.tick(at(4_000))
    assert opened.outbox.database.row(query) == (1,)


@pytest.mark.parametrize(("devices", "reason"), [(1, GapReason.THINNED), (1_000, GapReason.EVICTED)])
def test_at_its_limit_the_outbox_thins_what_it_can_then_evicts_and_says_once_that_room_is_short(
    opened: Opened, devices: int, reason: GapReason
) -> None:
    """A thousand devices give no window to thin among the thousand rows of one step."""
    house = House(opened, limit_mb=1)
    for first in range(0, 30_000, 1_000):
        drafts = [a_lamp(f"d{number % devices}", power_w=float(number % 9)) for number in range(first, first + 1_000)]
        opened.outbox.append(drafts, at=BEGAN, uptime_ms=0, synced=True)
    for second in range(60):
        house.upkeep.tick(at(second * 1_000))
    assert [event for event, _ in house.reports] == [EventName.LOW_DISK]
    rows = opened.outbox.read(Lane.TELEMETRY, 1, most=20, most_bytes=MB)
    assert reason.value.encode() in b"".join(row.body for row in rows if row.is_gap)
    assert opened.outbox.marks(Lane.TELEMETRY).next == 30_001
    file, free = Clearing(opened.outbox).sizes()
    assert file - free < 0.95 * MB


def test_while_readings_go_on_coming_the_outbox_stays_within_its_limit(opened: Opened) -> None:
    house, random = House(opened, limit_mb=1), Random(1)
    clearing = Clearing(opened.outbox)
    used: list[int] = []
    for second in range(1, 91):
        names = [random.randbytes(60).hex() for _ in range(200)]
        drafts = [a_lamp(f"d{number % 20}-{name}", power_w=1.0) for number, name in enumerate(names)]
        opened.outbox.append(drafts, at=BEGAN, uptime_ms=0, synced=True)
        house.upkeep.tick(at(second * 1_000))
        file, free = clearing.sizes()
        used.append(file - free)
    assert max(used) <= MB
    assert max(used) > 0.9 * MB, "the limit was not reached"


def test_on_a_full_disk_a_reserve_is_kept_inside_the_file(opened: Opened) -> None:
    house = House(opened, limit_mb=512, disk_free_mb=1)
    for number in range(10):
        hard_to_pack = Random(number).randbytes(100).hex()
        opened.outbox.append([a_lamp(hard_to_pack, power_w=1.0)] * 1_000, at=BEGAN, uptime_ms=0, synced=True)
    for second in range(40):
        house.upkeep.tick(at(second * 1_000))
    assert Clearing(opened.outbox).sizes()[1] >= RESERVE_BYTES
    assert len(opened.outbox.read(Lane.TELEMETRY, 1, most=10_000, most_bytes=1 << 30)) > 1, "not everything went"
