"""A disk that is full to the last byte, by somebody else's doing: SQLite under the real outbox is told so."""

from collections.abc import Callable, Generator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from edge.agent.upkeep import Upkeep
from edge.clock import EARLIEST, Moment
from edge.errors import OutboxError
from edge.outbox import Outbox
from edge.outbox.reserve import BYTES, NAME
from protocols.envelope import ClockState
from protocols.lanes import Lane
from tests.chaos.power_cut.recorder import Recorder, UnreachableSqliteError, recording
from tests.contract.edge.outbox_life import OutboxLife, a_call, a_reading, an_event, places, rows, store


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Recorder]:
    try:
        with recording() as recorder:
            recorder.begin(tmp_path)
            yield recorder
    except UnreachableSqliteError as error:
        pytest.skip(str(error))


@pytest.fixture
def life(disk: Recorder, tmp_path: Path) -> Generator[OutboxLife]:
    life = OutboxLife(tmp_path)
    life.open()
    yield life
    disk.room = None
    life.crash()


def fill(disk: Recorder, life: OutboxLife) -> None:
    """Let others take all the room there is, but what the outbox keeps in reserve."""
    disk.room = 0
    reserve = life.folder / NAME
    disk.freed = lambda: 0 if reserve.exists() else BYTES


def upkeep(outbox: Outbox, disk_free: Callable[[], int]) -> Upkeep:
    return Upkeep(
        outbox,
        limit_bytes=512 << 20,
        min_disk_free=64 << 20,
        disk_free=disk_free,
        report=lambda event, details: None,
    )


def at(second: int) -> Moment:
    return Moment(EARLIEST + timedelta(seconds=second), second * 1_000, ClockState.SYNCED)


def test_without_any_room_an_append_fails_whole_and_goes_on_when_there_is_room(
    disk: Recorder, life: OutboxLife
) -> None:
    disk.room = 300_000
    stored = 0
    with suppress(OutboxError):
        while True:
            store(life.outbox, *[a_reading()] * 50)
            stored += 50
    with pytest.raises(OutboxError, match="full"):
        store(life.outbox, *[a_reading()] * 50)
    assert life.outbox.marks(Lane.TELEMETRY).next == len(rows(life.outbox)) + 1 == stored + 1
    disk.room = None
    store(life.outbox, a_call(), a_reading())
    assert (len(rows(life.reopen())), places(life.outbox, Lane.SOS)) == (stored + 1, ["1"])


def test_the_reserve_is_laid_while_there_is_room_given_up_on_a_full_disk_and_laid_again(
    disk: Recorder, life: OutboxLife
) -> None:
    free = 10 << 30
    keeper = upkeep(life.outbox, lambda: free)
    keeper.tick(at(1))
    assert (life.folder / NAME).stat().st_size == BYTES
    fill(disk, life)
    store(life.outbox, a_call())
    assert not (life.folder / NAME).exists()
    free = 0
    keeper.tick(at(2))
    assert not (life.folder / NAME).exists(), "not out of the room that others need"
    free = 10 << 30
    keeper.tick(at(3))
    assert (life.folder / NAME).exists()


def test_on_a_disk_that_stays_full_calls_and_events_are_stored_for_ever_in_the_place_of_telemetry(
    disk: Recorder, life: OutboxLife
) -> None:
    keeper = upkeep(life.outbox, lambda: 10 << 30 if disk.room is None else 0)
    keeper.tick(at(1))
    for level in range(60):
        store(life.outbox, *[a_reading(level, device=f"bin-{number}-us") for number in range(500)])
    fill(disk, life)
    for second in range(2, 302):
        store(life.outbox, a_call(f"band-07:{second}"), an_event(f"lid:{second}"), *[a_reading()] * 20)
        keeper.tick(at(second))
    assert [len(rows(life.outbox, lane)) for lane in (Lane.SOS, Lane.EVENT)] == [300, 300]
    telemetry = rows(life.outbox, most=100_000)
    assert any(row.is_gap for row in telemetry)
    assert telemetry[0].first == 1
    assert telemetry[-1].last == life.outbox.marks(Lane.TELEMETRY).next - 1 == 60 * 500 + 300 * 20
    assert len(rows(life.reopen(), Lane.SOS)) == 300


def test_an_agent_that_starts_on_a_full_disk_begins_by_its_reserve(disk: Recorder, life: OutboxLife) -> None:
    upkeep(life.outbox, lambda: 10 << 30).tick(at(1))
    store(life.outbox, a_call("band-07:1"))
    life.close()
    fill(disk, life)
    store(life.open(), a_call("band-07:2"))
    assert places(life.outbox, Lane.SOS) == ["1", "2"]
    assert life.reset is None


def test_without_a_reserve_it_says_that_the_disk_is_full_and_leaves_everything_as_it_was(
    disk: Recorder, life: OutboxLife
) -> None:
    store(life.outbox, a_call("band-07:1"))
    life.close()
    disk.room = 0
    with pytest.raises(OutboxError, match="full"):
        life.open()
    disk.room = None
    assert places(life.open(), Lane.SOS) == ["1"]
    assert life.reset is None
