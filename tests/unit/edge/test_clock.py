from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from edge.clock import Clock, ClockSource
from protocols.envelope import ClockState, Stamp

WRONG = datetime(1970, 1, 1, tzinfo=UTC)
RIGHT = datetime(2026, 11, 21, 8, tzinfo=UTC)


class Machine:
    """A machine with a wall clock of its own."""

    def __init__(self, *, wall: datetime = WRONG, set_by_service: bool = False) -> None:
        self.uptime_s = 100.0
        self.wall = wall
        self.set_by_service = set_by_service

    def clock(self, source: ClockSource = ClockSource.AUTO) -> Clock:
        return Clock(
            source,
            is_synchronized=lambda: self.set_by_service,
            uptime_s=lambda: self.uptime_s,
            wall=lambda: self.wall + timedelta(seconds=self.uptime_s - 100),
        )


def test_a_clock_that_nobody_set_says_so() -> None:
    moment = Machine().clock().moment()
    assert (moment.at, moment.uptime_ms, moment.state) == (WRONG, 100_000, ClockState.UNSYNCED)


def test_a_clock_set_by_a_time_service_is_believed_from_then_on() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.moment()
    machine.set_by_service, machine.wall, machine.uptime_s = True, RIGHT, 102.0
    assert clock.moment().state is ClockState.SYNCED
    machine.set_by_service = False
    assert clock.moment().at == RIGHT + timedelta(seconds=2)


def test_the_hubs_time_is_taken_in_the_middle_of_its_round_trip() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.learn(RIGHT, asked_ms=99_800, answered_ms=100_000)
    moment = clock.moment()
    assert (moment.at, moment.state) == (RIGHT + timedelta(milliseconds=100), ClockState.SYNCED)


@pytest.mark.parametrize(
    ("hub_time", "round_trip_ms"), [(RIGHT, 2_001), (RIGHT, -1), (WRONG, 10)], ids=["slow", "backwards", "before 2025"]
)
def test_a_hubs_time_of_little_worth_is_not_taken(hub_time: datetime, round_trip_ms: int) -> None:
    clock = Machine().clock()
    clock.learn(hub_time, asked_ms=100_000 - round_trip_ms, answered_ms=100_000)
    assert clock.moment().state is ClockState.UNSYNCED


def test_small_differences_to_the_hub_do_not_move_the_clock_and_great_ones_do() -> None:
    machine = Machine()
    clock = machine.clock()
    clock.learn(RIGHT, asked_ms=100_000, answered_ms=100_000)
    clock.learn(RIGHT + timedelta(milliseconds=400), asked_ms=100_000, answered_ms=100_000)
    assert clock.moment().at == RIGHT
    clock.learn(RIGHT + timedelta(seconds=9), asked_ms=100_000, answered_ms=100_000)
    assert clock.moment().at == RIGHT + timedelta(seconds=9)


def test_what_counts_can_be_configured() -> None:
    machine = Machine(wall=RIGHT, set_by_service=True)
    assert machine.clock(ClockSource.HUB).moment().state is ClockState.UNSYNCED
    trusted = Machine(wall=RIGHT).clock(ClockSource.SYSTEM)
    trusted.learn(RIGHT + timedelta(days=1), asked_ms=100_000, answered_ms=100_000)
    assert (trusted.moment().at, trusted.moment().state) == (RIGHT, ClockState.SYNCED)


def test_a_restarted_agent_recalls_the_time_its_boot_had_learnt() -> None:
    clock = Machine().clock()
    clock.recall(Stamp(at="2026-11-21T08:00:00.000Z", uptime_ms=40_000))
    assert clock.moment().at == RIGHT + timedelta(seconds=60)


def test_the_time_of_an_earlier_uptime_is_counted_back() -> None:
    moment = Machine(wall=RIGHT).clock(ClockSource.SYSTEM).moment()
    assert moment.back_at(99_000) == RIGHT - timedelta(seconds=1)


def test_the_system_is_asked_at_most_once_a_second() -> None:
    asked = 0

    def is_synchronized() -> bool:
        nonlocal asked
        asked += 1
        return False

    uptime_s: Callable[[], float] = iter([1.0, 1.5, 1.9, 2.0]).__next__
    clock = Clock(is_synchronized=is_synchronized, uptime_s=uptime_s, wall=lambda: RIGHT)
    for _ in range(4):
        clock.moment()
    assert asked == 2


def test_a_clock_before_2025_is_never_synchronized_whoever_says_so() -> None:
    set_wrong = Machine(set_by_service=True)
    assert set_wrong.clock().moment().state is ClockState.UNSYNCED
    assert set_wrong.clock(ClockSource.SYSTEM).moment().state is ClockState.UNSYNCED
    clock = set_wrong.clock()
    clock.learn(RIGHT, asked_ms=100_000, answered_ms=100_000)
    assert (clock.moment().at, clock.moment().state) == (RIGHT, ClockState.SYNCED)


@pytest.mark.parametrize(
    "ahead", [timedelta(days=1), timedelta(days=-1), timedelta(days=27_000), timedelta(seconds=-3)]
)
def test_a_set_clock_that_the_hub_contradicts_is_overruled_until_it_is_right(ahead: timedelta) -> None:
    machine = Machine(wall=RIGHT + ahead, set_by_service=True)
    clock = machine.clock()
    assert clock.moment().at == RIGHT + ahead
    clock.learn(RIGHT, asked_ms=100_000, answered_ms=100_000)
    moment = clock.moment()
    assert (moment.at, moment.state, moment.overruled) == (RIGHT, ClockState.SYNCED, True)
    assert moment.off_ms == ahead // timedelta(milliseconds=1)
    machine.wall = RIGHT
    assert (clock.moment().off_ms, clock.moment().overruled) == (None, False)


def test_a_set_clock_near_the_hubs_counts_and_the_longer_ago_the_hub_was_heard_the_less_it_says() -> None:
    machine = Machine(wall=RIGHT + timedelta(seconds=1.9), set_by_service=True)
    clock = machine.clock()
    clock.learn(RIGHT, asked_ms=98_000, answered_ms=100_000)
    assert (clock.moment().at, clock.moment().overruled) == (machine.wall, False)
    week_s = 7 * 86_400
    machine.uptime_s += week_s
    machine.wall += timedelta(seconds=59)
    assert clock.moment().overruled is False
    machine.wall += timedelta(seconds=10)
    assert clock.moment().overruled is True


def test_a_clock_configured_to_count_always_tells_how_far_it_is_off() -> None:
    clock = Machine(wall=RIGHT + timedelta(hours=1)).clock(ClockSource.SYSTEM)
    clock.learn(RIGHT, asked_ms=100_000, answered_ms=100_000)
    moment = clock.moment()
    assert (moment.at, moment.off_ms, moment.overruled) == (RIGHT + timedelta(hours=1), 3_600_000, False)


def test_what_was_recalled_does_not_overrule_a_clock_that_was_set_since() -> None:
    machine = Machine(wall=RIGHT, set_by_service=True)
    clock = machine.clock()
    clock.recall(Stamp(at="2026-11-21T07:00:00.000Z", uptime_ms=100_000))
    assert (clock.moment().at, clock.moment().overruled) == (RIGHT, False)


def test_a_better_answer_of_the_hub_replaces_a_vague_one() -> None:
    clock = Machine().clock()
    clock.learn(RIGHT + timedelta(milliseconds=900), asked_ms=98_000, answered_ms=100_000)
    clock.learn(RIGHT, asked_ms=99_900, answered_ms=100_000)
    assert clock.moment().at == RIGHT + timedelta(milliseconds=50)
