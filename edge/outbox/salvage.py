"""What can still be read of a corrupt outbox: calls, and records that were not done, also behind a broken page."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from edge.outbox.database import LANE_NUMBERS, connect_read_only
from edge.outbox.packing import DamagedRecordError, unpack
from edge.outbox.rows import CALLS, DISTRUSTED, Call, Salvaged
from protocols.codec import decode_record, encode_record
from protocols.envelope import Stamp
from protocols.events import Event
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.rejections import RecordRejection

_CALL_COLUMNS: Final = (
    "ref, device, event, stored_at, stored_ms, boot, sent_at, heard_at, heard_by, coming_at, closed_at"
)
MOST_FAILURES: Final = 20_000
"""Looks at broken pages that one reading takes, some 10 µs each: a page of records takes two for each of its rows."""


class Wreck:
    """A corrupt outbox, open to look only; raises sqlite3.Error where it cannot even be opened.

    A call or event said twice is one fact; a reading said twice would be two. So where the marks are gone too, all
    calls and events are taken, and no telemetry.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect_read_only(path)
        self._done = self._lanes("done")
        self._next = self._lanes("next")
        self._boots = {
            row[0]: (row[1], None if row[2] is None else Stamp(at=row[2], uptime_ms=row[3]))
            for row in self._rows("SELECT id, boot, anchor_at, anchor_uptime_ms FROM boots")
        }
        names = [name for (name,) in self._rows(f"SELECT name FROM facts WHERE name GLOB '{DISTRUSTED}*'")]  # noqa: S608 our own text
        self._distrusted = {name.removeprefix(DISTRUSTED) for name in names}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def pending(self, lane: Lane) -> "Pending":
        """The records of a lane that are not done."""
        done = self._done.get(lane, 0 if lane is not Lane.TELEMETRY else None)
        if done is None:
            return Pending(self, lane, 1, 0)
        return Pending(self, lane, done + 1, self._last(lane))

    def done_calls(self) -> "Pending":
        """The records of calls that the home hub has."""
        return Pending(self, Lane.SOS, 1, self._done.get(Lane.SOS, 0))

    def calls(self) -> list[Call]:
        """Followed calls; those before and those behind a broken page."""
        query = f"SELECT {_CALL_COLUMNS} FROM calls ORDER BY ref"  # noqa: S608 our own text
        rows = {row[0]: row for descending in ("", " DESC") for row in self._rows(query + descending)}
        return [Call(*row) for row in rows.values()]

    def texts(self) -> list[tuple[str, str, str]]:
        """Texts (ref, number, instant) that the network has taken."""
        return self._rows("SELECT ref, number, sent_at FROM texts")

    def fact(self, name: str) -> str | None:
        """A stored fact."""
        return next((value for (value,) in self._rows("SELECT value FROM facts WHERE name = ?", name)), None)

    def look(self, lane: Lane, first: int, last: int) -> Iterator[tuple[int, int, int, bytes]]:
        """Rows (seq, boot, synced, body) in order; raises sqlite3.DatabaseError at a broken page."""
        query = (
            "SELECT seq, boot, synced, body FROM records"
            " WHERE lane = ? AND seq BETWEEN ? AND ? AND through IS NULL ORDER BY seq"
        )
        yield from self._connection.execute(query, (LANE_NUMBERS[lane], first, last))

    def stamped(self, lane: Lane, boot_id: int, kept: object, *, synced: bool) -> Salvaged | None:
        """The row as a record; None where it is damaged. A boot that is not known any more gets a name of its own."""
        body = _unpacked(kept)
        if isinstance(decode_record(body, lane=lane), RecordRejection):
            return None
        boot, anchor = self._boots.get(boot_id, (f"{boot_id & (1 << 64) - 1:016x}", None))
        return Salvaged(lane=lane, boot=boot, anchor=anchor, synced=synced and boot not in self._distrusted, body=body)

    def said_again(self, call: Call) -> Salvaged | None:
        """A record of a call whose own cannot be read; its boot's anchor dates it."""
        record = Event(device=call.device, event=call.event, ref=call.ref, at=call.stored_at, uptime_ms=call.stored_ms)
        try:
            body = encode_record(record)
        except (ValueError, TypeError):
            return None
        if isinstance(decode_record(body, lane=Lane.SOS), RecordRejection):
            return None
        anchor = next((anchor for boot, anchor in self._boots.values() if boot == call.boot), None)
        return Salvaged(lane=Lane.SOS, boot=call.boot, anchor=anchor, synced=False, body=body)

    def _lanes(self, column: str) -> dict[Lane, int]:
        rows = dict(self._rows(f"SELECT lane, {column} FROM lanes"))  # noqa: S608 our own text
        return {lane: rows[number] for lane, number in LANE_NUMBERS.items() if number in rows}

    def _last(self, lane: Lane) -> int:
        """The last seq there can be; where neither mark nor last page tells, more than there ever were of calls."""
        if lane in self._next:
            return self._next[lane] - 1
        newest = self._rows("SELECT max(seq) FROM records WHERE lane = ?", LANE_NUMBERS[lane])
        return (newest[0][0] or 0) if newest else 1 << 20

    def _rows(self, query: str, *values: object) -> list[Any]:
        """Rows up to the first broken page."""
        rows: list[Any] = []
        with suppress(sqlite3.Error):
            rows.extend(self._connection.execute(query, values))
        return rows


class Pending:
    """Reads records from `first` through `last`; around a broken page by halves, down to the rows beside it."""

    def __init__(self, wreck: Wreck, lane: Lane, first: int, last: int, *, most_failures: int = MOST_FAILURES) -> None:
        self._wreck = wreck
        self._lane = lane
        self._failures_left = most_failures
        self._ranges = [(first, last)]
        self.through = first - 1
        """Up to here everything that can be read has been."""
        self.last = last

    def __iter__(self) -> Iterator[Salvaged]:
        while self._ranges and self._failures_left:
            first, last = self._ranges.pop()
            try:
                for seq, boot_id, synced, kept in self._wreck.look(self._lane, first, last):
                    if not first <= seq <= last:
                        raise sqlite3.DatabaseError("out of order")
                    first, self.through = seq + 1, seq
                    record = self._wreck.stamped(self._lane, boot_id, kept, synced=bool(synced))
                    if record is not None:
                        yield record
            except sqlite3.DatabaseError:
                self._failures_left -= 1
                if first < last:
                    middle = (first + last) // 2
                    self._ranges += [(middle + 1, last), (first, middle)]
                    continue
            self.through = last


def opens_call(record: Salvaged) -> Call | None:
    """The call that this record of the sos lane opens."""
    event = decode_record(record.body, lane=record.lane)
    if not isinstance(event, Event) or event.event not in CALLS:
        return None
    return Call(event.ref, event.device, event.event, event.at or format_ms(0), event.uptime_ms or 0, record.boot)


def _unpacked(kept: object) -> bytes:
    """The record, or bytes that are none."""
    try:
        return unpack(kept) if isinstance(kept, bytes) else b""
    except DamagedRecordError:
        return b""
