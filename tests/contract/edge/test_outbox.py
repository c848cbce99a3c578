"""What the outbox promises, looked at while it runs and after a crash: both must tell the same."""

from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from edge.outbox import CallStage, LaneMarks, Outbox
from protocols.envelope import Stamp
from protocols.gaps import GapReason
from protocols.hello import NewEpochBecause
from protocols.lanes import Lane
from tests.contract.edge.outbox_life import AT, OutboxLife, a_call, a_reading, an_event, places, rows, store

Look = Callable[[], Outbox]


@pytest.fixture
def life(tmp_path: Path) -> Generator[OutboxLife]:
    life = OutboxLife(tmp_path)
    life.open()
    yield life
    life.crash()


@pytest.fixture(params=["running", "after a crash"])
def look(request: pytest.FixtureRequest, life: OutboxLife) -> Look:
    """The outbox as it runs, or as it is found again."""

    def running() -> Outbox:
        return life.outbox

    return running if request.param == "running" else life.reopen


def test_seqs_are_contiguous_from_one_in_each_lane(life: OutboxLife, look: Look) -> None:
    store(life.outbox, a_reading(), an_event(), a_reading(), a_call())
    outbox = look()
    assert [places(outbox, lane) for lane in Lane] == [["1"], ["1"], ["1", "2"]]
    store(outbox, a_reading())
    assert places(outbox) == ["1", "2", "3"]


def test_a_commit_waits_for_the_disk(life: OutboxLife, look: Look) -> None:
    """FULL: what a write-ahead log commits is synchronized before the commit returns."""
    assert look().database.row("PRAGMA synchronous") == (2,)


def test_records_keep_how_they_were_stamped(life: OutboxLife, look: Look) -> None:
    store(life.outbox, a_reading(), synced=False)
    life.outbox.set_anchor(at=AT, uptime_ms=6_000)
    (row,) = rows(look())
    assert (row.boot, row.synced) == ("b" * 16, False)
    assert row.anchor == Stamp(at="2026-11-21T08:00:00.000Z", uptime_ms=6_000)


def test_what_may_have_left_is_known_before_it_leaves(life: OutboxLife, look: Look) -> None:
    outbox = life.outbox
    store(outbox, a_reading())
    store(outbox, a_reading(), flowing=(Lane.TELEMETRY,))
    assert look().marks(Lane.TELEMETRY).released == 2
    outbox = look()
    store(outbox, a_reading())
    outbox.release(Lane.TELEMETRY, 3)
    assert look().marks(Lane.TELEMETRY).released == 3


def test_marks_ride_along_with_the_next_commit(life: OutboxLife, look: Look) -> None:
    outbox = life.outbox
    store(outbox, a_reading(), a_reading())
    outbox.mark_done(Lane.TELEMETRY, 2, hub_ms=None)
    store(outbox, an_event())
    assert look().marks(Lane.TELEMETRY) == LaneMarks(next=3, done=2, released=0)


def test_a_lower_mark_of_a_restored_hub_is_kept_at_once(life: OutboxLife, look: Look) -> None:
    outbox = life.outbox
    store(outbox, a_reading(), a_reading())
    outbox.mark_done(Lane.TELEMETRY, 2, hub_ms=None)
    outbox.save()
    outbox.mark_done(Lane.TELEMETRY, 1, hub_ms=None)
    assert look().marks(Lane.TELEMETRY).done == 1


def test_done_rows_can_still_be_read(life: OutboxLife, look: Look) -> None:
    store(life.outbox, a_reading(), a_reading())
    life.outbox.mark_done(Lane.TELEMETRY, 2, hub_ms=None)
    assert places(look()) == ["1", "2"]


def test_gaps_take_the_place_of_rows_and_neighbours_of_one_reason_join(life: OutboxLife, look: Look) -> None:
    outbox = life.outbox
    store(outbox, *[a_reading() for _ in range(9)])
    outbox.declare_gap(Lane.TELEMETRY, 2, 3, reason=GapReason.THINNED)
    outbox.declare_gap(Lane.TELEMETRY, 4, 4, reason=GapReason.REFUSED)
    outbox.declare_gap(Lane.TELEMETRY, 5, 6, reason=GapReason.EVICTED)
    outbox.declare_gap(Lane.TELEMETRY, 7, 7, reason=GapReason.EVICTED)
    assert places(look()) == ["1", "2-3 thinned", "4-4 refused", "5-7 evicted", "8", "9"]


def test_reading_may_begin_inside_a_gap(life: OutboxLife, look: Look) -> None:
    store(life.outbox, *[a_reading() for _ in range(4)])
    life.outbox.declare_gap(Lane.TELEMETRY, 1, 3, reason=GapReason.EVICTED)
    assert places(look(), first=2) == ["2-3 evicted", "4"]


def test_what_is_no_longer_there_comes_as_a_gap_so_that_the_hub_never_hangs(life: OutboxLife, look: Look) -> None:
    store(life.outbox, *[a_reading() for _ in range(4)])
    with life.outbox.database.transaction():
        life.outbox.database.run("DELETE FROM records WHERE seq <= 2")
    outbox = look()
    assert (outbox.min_retained(Lane.TELEMETRY), places(outbox)) == (3, ["1-2 evicted", "3", "4"])
    with outbox.database.transaction():
        outbox.database.run("DELETE FROM records")
    outbox = look()
    assert (outbox.min_retained(Lane.TELEMETRY), places(outbox)) == (5, ["1-4 evicted"])


def test_a_record_that_the_medium_has_spoilt_is_declared_lost_by_itself(life: OutboxLife, look: Look) -> None:
    store(life.outbox, a_reading(1), a_reading(2), a_reading(3))
    with life.outbox.database.transaction():
        life.outbox.database.run("UPDATE records SET body = x'01ffffffff' WHERE seq = 2")
    assert places(look()) == ["1", "2-2 corrupt", "3"]


def test_a_message_is_bounded_by_records_and_bytes_but_never_empty(life: OutboxLife, look: Look) -> None:
    store(life.outbox, *[a_reading() for _ in range(4)])
    outbox = look()
    size = len(rows(outbox)[0].body)
    assert len(outbox.read(Lane.TELEMETRY, 1, most=3, most_bytes=1_000_000)) == 3
    assert len(outbox.read(Lane.TELEMETRY, 1, most=200, most_bytes=2 * size + 2)) == 2
    assert len(outbox.read(Lane.TELEMETRY, 1, most=200, most_bytes=1)) == 1
    assert outbox.read(Lane.TELEMETRY, 5, most=200, most_bytes=1_000_000) == []


def test_a_new_epoch_takes_what_is_not_done_with_it(life: OutboxLife, look: Look) -> None:
    outbox = life.outbox
    store(outbox, *[a_reading(level) for level in (1, 2, 3, 4, 5, 6)], an_event())
    outbox.declare_gap(Lane.TELEMETRY, 2, 4, reason=GapReason.EVICTED)
    outbox.mark_done(Lane.TELEMETRY, 3, hub_ms=None)
    old = outbox.epoch
    outbox.begin_epoch(NewEpochBecause.MACHINE_CHANGED)
    outbox = look()
    assert outbox.epoch != old
    assert outbox.because is NewEpochBecause.MACHINE_CHANGED
    assert places(outbox) == ["1-1 evicted", "2", "3"]
    assert [b'"fill_percent":%d.0' % level in row.body for level, row in zip((5, 6), rows(outbox)[1:], strict=True)]
    assert outbox.marks(Lane.TELEMETRY) == LaneMarks(next=4, done=0, released=0)
    assert places(outbox, Lane.EVENT) == ["1"]


def test_after_an_old_image_was_put_back_calls_since_then_are_said_again_whatever_was_acknowledged(
    life: OutboxLife,
) -> None:
    store(life.outbox, a_call("band-07:1"), a_reading())
    outbox = life.reopen()
    store(outbox, a_call("band-07:2"), a_reading())
    outbox.mark_done(Lane.SOS, 2, hub_ms=None)
    outbox.mark_done(Lane.TELEMETRY, 2, hub_ms=None)
    outbox.begin_epoch(NewEpochBecause.IMAGE_RESTORED)
    (row,) = rows(outbox, Lane.SOS)
    assert b"band-07:2" in row.body
    assert rows(outbox) == []


def test_calls_are_followed_from_stored_to_closed(life: OutboxLife, look: Look) -> None:
    store(life.outbox, a_call())
    outbox = look()
    assert outbox.calls.mark_call("band-07:1", CallStage.SENT, at="2026-11-21T08:00:01.000Z")
    assert not outbox.calls.mark_call("band-07:1", CallStage.SENT, at="2026-11-21T09:00:00.000Z")
    assert not outbox.calls.mark_call("band-99:1", CallStage.SENT, at="2026-11-21T09:00:00.000Z")
    outbox.calls.mark_call("band-07:1", CallStage.HEARD, at="2026-11-21T08:00:09.000Z", by="Duty desk")
    (call,) = look().calls.calls()
    assert (call.stored_at, call.sent_at) == ("2026-11-21T08:00:00.000Z", "2026-11-21T08:00:01.000Z")
    assert (call.heard_at, call.heard_by, call.closed_at) == ("2026-11-21T08:00:09.000Z", "Duty desk", None)


def test_a_repeat_of_an_open_call_is_the_same_call_and_after_its_end_a_new_one(life: OutboxLife, look: Look) -> None:
    outbox = life.outbox
    store(outbox, a_call())
    outbox.calls.mark_call("band-07:1", CallStage.SENT, at="2026-11-21T08:00:01.000Z")
    store(outbox, a_call())
    assert [call.sent_at for call in look().calls.calls()] == ["2026-11-21T08:00:01.000Z"]
    outbox = look()
    outbox.calls.mark_call("band-07:1", CallStage.CLOSED, at="2026-11-21T08:09:00.000Z")
    store(outbox, a_call())
    assert [call.sent_at for call in look().calls.calls()] == [None]


def test_the_home_hub_is_remembered(life: OutboxLife, look: Look) -> None:
    life.outbox.set_fact("home", "hub-a")
    assert look().home == "hub-a"


def test_a_call_that_the_hub_passed_over_is_said_again_once_and_one_that_it_lists_or_has_not_reached_is_not(
    life: OutboxLife,
) -> None:
    outbox = life.outbox
    store(outbox, a_call("band-07:1"), a_call("band-07:2"), a_call("band-07:3"))
    assert outbox.say_again(high_water=2, listed={"band-07:1"}) == ["band-07:2"]
    assert outbox.say_again(high_water=4, listed={"band-07:1", "band-07:3"}) == []
    first, second, third, again = rows(outbox, Lane.SOS)
    assert (again.first, again.body, again.boot, again.synced) == (4, second.body, second.boot, second.synced)
    assert len({first.body, second.body, third.body}) == 3
    assert outbox.marks(Lane.SOS).released == 0, "it leaves as any other"
