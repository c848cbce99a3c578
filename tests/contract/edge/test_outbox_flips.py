"""Bits that flip in a closed outbox: whatever they make of it, the agent starts, and calls beside them are sent."""

import sqlite3
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from edge.errors import OutboxError
from edge.outbox import Outbox
from edge.outbox.database import FILE_NAME
from edge.outbox.rebuild import Remains, rebuild
from edge.outbox.salvage import Pending, Wreck
from protocols.lanes import Lane
from tests.contract.edge.outbox_life import OutboxLife, a_call, a_reading, an_event, rows, store

NAMES = [f"band-07:{number:04}" for number in range(150)]
_PAGE = 4_096
_LEAVES = (0x0A, 0x0D)
_HEAD = 10
"""Bytes of a cell that hold its size and the types of its values, with some of the first values."""


@pytest.fixture
def life(tmp_path: Path) -> Generator[OutboxLife]:
    life = OutboxLife(tmp_path / "data")
    yield life
    life.crash()


def leaf_of(content: bytes, table: str, path: Path) -> int:
    """Where the first leaf of a table begins."""
    connection = sqlite3.connect(path)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    connection.close()
    start = (root - 1) * _PAGE
    while content[start] not in _LEAVES:
        cell = start + int.from_bytes(content[start + 12 : start + 14], "big")
        start = (int.from_bytes(content[cell : cell + 4], "big") - 1) * _PAGE
    return start


def heads(content: bytes, start: int, *, each: int) -> Iterator[int]:
    """Where the page's own head lies, and the first bytes of some of its cells."""
    yield from range(start, start + 8)
    count = int.from_bytes(content[start + 3 : start + 5], "big")
    for number in range(0, count, each):
        pointer = start + 8 + 2 * number
        cell = start + int.from_bytes(content[pointer : pointer + 2], "big")
        yield from (pointer, pointer + 1, *range(cell, cell + _HEAD))


def refs(outbox: Outbox) -> set[str]:
    return {row.body.decode().partition('"ref":"')[2].partition('"')[0] for row in rows(outbox, Lane.SOS)}


def found_in(life: OutboxLife) -> set[str]:
    """Calls to be sent; what a read proves spoilt ends the agent in order, and its next start saves what is left."""
    for _ in range(2):
        outbox = life.open(epoch=lambda: "f" * 16)
        try:
            outbox.calls.calls()
            return refs(outbox)
        except OutboxError:
            assert outbox.spoilt is not None
            life.close()
    raise AssertionError("it was spoilt twice")


def calls_on(content: bytes, start: int) -> set[str]:
    page = content[start : start + _PAGE]
    return {name for name in NAMES if name.encode() in page}


@pytest.mark.parametrize("checked", [True, False], ids=["after a crash", "after an orderly end"])
@pytest.mark.parametrize("table", ["records", "boots", "lanes", "facts", "calls"])
def test_whatever_byte_flips_the_outbox_opens_and_has_every_call_of_other_pages(
    life: OutboxLife, tmp_path: Path, table: str, checked: bool
) -> None:
    store(life.open(), *map(a_call, NAMES), an_event(), a_reading())
    life.close()
    if checked:
        life.execute("UPDATE facts SET value = '0' WHERE name = 'clean'")
    content = life.path.read_bytes()
    start = leaf_of(content, table, life.path)
    spared = set(NAMES) - (calls_on(content, start) if table == "records" else set())
    for place in sorted(set(heads(content, start, each=1 if table in {"boots", "lanes"} else 25))):
        for changed in {0, content[place] ^ 1, content[place] ^ 0x80} - {content[place]}:
            folder = tmp_path / f"{place}-{changed}"
            folder.mkdir()
            (folder / FILE_NAME).write_bytes(content[:place] + bytes([changed]) + content[place + 1 :])
            other = OutboxLife(folder)
            try:
                found = found_in(other)
            finally:
                if other.opened is not None:
                    other.crash()
            # A mark or a row that might have been written so is found by no check, and the file is used as it is.
            assert spared <= found or (other.reset is None and table in {"lanes", "records"}), (place - start, changed)


class Unforeseen(Wreck):
    """A file of which one lane brings something about that nobody thought of."""

    def pending(self, lane: Lane, *, is_late: Callable[[], bool] = lambda: False) -> Pending:
        if lane is Lane.EVENT:
            raise RecursionError("too deep")
        return super().pending(lane, is_late=is_late)


def test_a_lane_that_brings_about_what_nobody_foresaw_is_given_up_alone_and_the_reset_tells(life: OutboxLife) -> None:
    store(life.open(), a_call(), an_event(), a_reading())
    life.crash()
    rebuild(life.path, fault="test", boot="b" * 16, new_epoch=lambda: "f" * 16, open_wreck=Unforeseen)
    outbox = life.open()
    assert [len(rows(outbox, lane)) for lane in Lane] == [1, 0, 1]
    assert life.found.detail == "test; events given up: RecursionError('too deep')"
    assert life.found.set_aside is not None
    assert life.found.set_aside.exists()


class SlowCard:
    """A file whose middle cannot be read, on a card that takes half a second to say so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def open(self, path: Path) -> Wreck:
        card = self

        class Worn(Wreck):
            def look(self, lane: Lane, first: int, last: int) -> Iterator[tuple[int, object, object, object]]:
                for row in super().look(lane, first, last):
                    if 40 <= row[0] < 100:
                        card.now_s += 0.5
                        error = sqlite3.OperationalError("disk I/O error")
                        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_CORRUPTFS
                        raise error
                    yield row

        return Worn(path)


def test_sectors_that_cannot_be_read_hold_up_neither_the_start_nor_a_turn_and_what_is_behind_them_comes(
    life: OutboxLife,
) -> None:
    store(life.open(), *map(a_call, NAMES), *[an_event(f"lid:{number}") for number in range(150)])
    store(life.outbox, *[a_reading(float(number)) for number in range(150)])
    life.crash()
    card = SlowCard()
    rebuild(
        life.path,
        fault="test",
        boot="b" * 16,
        new_epoch=lambda: "f" * 16,
        now_s=lambda: card.now_s,
        open_wreck=card.open,
    )
    assert card.now_s <= 33
    outbox = life.open()
    assert refs(outbox) == set(NAMES), "those that were not read are said again by their notes"
    remains = Remains(outbox, now_s=lambda: card.now_s, open_wreck=card.open)
    while remains.are_left:
        before_s = card.now_s
        remains.step()
        assert card.now_s - before_s <= 2
    assert [len(rows(outbox, lane)) for lane in (Lane.EVENT, Lane.TELEMETRY)] == [90, 90]
    assert refs(outbox) == set(NAMES)
