"""What can still be read of a corrupt outbox: calls, and records that were not done, also behind a broken page."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from edge.outbox.database import LANE_NUMBERS, connect_read_only
from edge.outbox.packing import DamagedRecordError, unpack
from edge.outbox.rows import CALL_COLUMNS, DISTRUSTED, Call, Salvaged, boot_of, call_event, call_of, is_id
from protocols.codec import decode_record, encode_record
from protocols.events import Event
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.rejections import RecordRejection

MOST_FAILURES: Final = 20_000
"""Looks at broken pages that one reading takes, some 10 µs each: a page of records takes two for each of its rows."""
_FAILURE_OF_DISK: Final = 400
"""Looks that one at a sector that cannot be read counts for: a card takes its time over it."""


_NO_BOOT: Final = "0" * 16


class Wreck:
    """A corrupt outbox, open to look only; raises sqlite3.Error where it cannot even be opened.

    A call or event said twice is one fact; a reading said twice would be two. So where the marks are gone too, all
    calls and events are taken, and no telemetry.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect_read_only(path)
        # What is no text fits nowhere below; an error would take the rows behind it along.
        self._connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        self._done = self._lanes("done")
        self._next = self._lanes("next")
        boots = [boot_of(row) for row in self._rows("SELECT id, boot, anchor_at, anchor_uptime_ms FROM boots")]
        self._boots = {known[0]: known[1:] for known in boots if known is not None}
        names = [name for (name,) in self._rows(f"SELECT name FROM facts WHERE name GLOB '{DISTRUSTED}*'")]  # noqa: S608 our own text
        self._distrusted = {name.removeprefix(DISTRUSTED) for name in names if isinstance(name, str)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def pending(self, lane: Lane, *, is_late: Callable[[], bool] = lambda: False) -> "Pending":
        """The records of a lane that are not done."""
        done = self._done.get(lane)
        if done is None or done >= self._next.get(lane, done + 1):
            if lane is Lane.TELEMETRY:
                return Pending(self, lane, 1, 0)
            done = 0
        return Pending(self, lane, done + 1, self._last(lane), is_late=is_late)

    def done_calls(self, *, is_late: Callable[[], bool] = lambda: False) -> "Pending":
        """The records of calls that the home hub has."""
        return Pending(self, Lane.SOS, 1, self._done.get(Lane.SOS, 0), is_late=is_late)

    def calls(self) -> list[Call]:
        """Followed calls; those before and those behind a broken page."""
        query = f"SELECT {CALL_COLUMNS} FROM calls ORDER BY ref"  # noqa: S608 our own text
        rows = {row[0]: row for descending in ("", " DESC") for row in self._rows(query + descending)}
        return [call for row in rows.values() if (call := call_of(row)) is not None]

    def texts(self) -> list[tuple[str, str, str]]:
        """Texts (ref, number, instant) that the network has taken."""
        rows = self._rows("SELECT ref, number, sent_at FROM texts")
        return [row for row in rows if all(isinstance(text, str) for text in row)]

    def fact(self, name: str) -> str | None:
        """A stored fact."""
        rows = self._rows("SELECT value FROM facts WHERE name = ?", name)
        return next((value for (value,) in rows if isinstance(value, str)), None)

    def look(self, lane: Lane, first: int, last: int) -> Iterator[tuple[int, object, object, object]]:
        """Rows (seq, boot, synced, body) in order; raises sqlite3.DatabaseError where they are broken."""
        query = (
            "SELECT seq, boot, synced, body FROM records"
            " WHERE lane = ? AND seq BETWEEN ? AND ? AND through IS NULL ORDER BY seq"
        )
        for seq, *rest in self._connection.execute(query, (LANE_NUMBERS[lane], first, last)):
            if not isinstance(seq, int) or not first <= seq <= last:
                raise sqlite3.DatabaseError("out of order")
            first = seq + 1
            yield seq, *rest

    def stamped(self, lane: Lane, boot_id: object, kept: object, *, synced: bool) -> Salvaged | None:
        """The row as a record; None where it is damaged. A boot that is not known any more gets a name of its own."""
        body = _unpacked(kept)
        if isinstance(decode_record(body, lane=lane), RecordRejection):
            return None
        number = boot_id if isinstance(boot_id, int) else 0
        boot, anchor = self._boots.get(number) or (f"{number & (1 << 64) - 1:016x}", None)
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
        boot = call.boot if is_id(call.boot) else _NO_BOOT
        return Salvaged(lane=Lane.SOS, boot=boot, anchor=anchor, synced=False, body=body)

    def _lanes(self, column: str) -> dict[Lane, int]:
        read = self._rows(f"SELECT lane, {column} FROM lanes")  # noqa: S608 our own text
        rows = {number: mark for number, mark in read if isinstance(mark, int) and mark >= 0}
        return {lane: rows[number] for lane, number in LANE_NUMBERS.items() if number in rows}

    def _last(self, lane: Lane) -> int:
        """The last seq there can be; where neither mark nor last page tells, more than there ever were of calls."""
        newest = self._rows("SELECT max(seq) FROM records WHERE lane = ?", LANE_NUMBERS[lane])
        last = (newest[0][0] or 0) if newest else None
        told = [seq for seq in (last, self._next.get(lane, 0) - 1) if isinstance(seq, int)]
        return max(told) if isinstance(last, int) or lane in self._next else 1 << 20

    def _rows(self, query: str, *values: object) -> list[Any]:
        """Rows up to the first broken page."""
        rows: list[Any] = []
        with suppress(sqlite3.Error):
            rows.extend(self._connection.execute(query, values))
        return rows


class Pending:
    """Reads records from `first` through `last`; around a broken page by smaller parts, down to the rows beside it.

    It ends early where it has met too many failures or is late, but never before it has come further.
    """

    def __init__(
        self,
        wreck: Wreck,
        lane: Lane,
        first: int,
        last: int,
        *,
        most_failures: int = MOST_FAILURES,
        is_late: Callable[[], bool] = lambda: False,
    ) -> None:
        self._wreck = wreck
        self._lane = lane
        self._first = first
        self._failures_left = most_failures
        self._is_late = is_late
        self._ranges = [(first, last)]
        self.through = first - 1
        """Up to here everything that can be read has been."""
        self.last = last

    def __iter__(self) -> Iterator[Salvaged]:
        while self._ranges and not self._is_spent():
            first, last = self._ranges.pop()
            try:
                for seq, boot_id, synced, kept in self._wreck.look(self._lane, first, last):
                    first, self.through = seq + 1, seq
                    record = self._wreck.stamped(self._lane, boot_id, kept, synced=synced == 1)
                    if record is not None:
                        yield record
                    if self._is_late():
                        return
            except sqlite3.DatabaseError as error:
                is_disk = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF == sqlite3.SQLITE_IOERR
                self._failures_left -= _FAILURE_OF_DISK if is_disk else 1
                if first < last:
                    self._ranges += _parts(first, last)
                    continue
            self.through = last

    def _is_spent(self) -> bool:
        return self.through >= self._first and (self._failures_left <= 0 or self._is_late())


def _parts(first: int, last: int) -> list[tuple[int, int]]:
    """The range in parts of 1, 2, 4 … rows, the first at the end: what is met next is small, so that it goes on."""
    parts: list[tuple[int, int]] = []
    size = 1
    while first <= last:
        parts.append((first, min(first + size - 1, last)))
        first, size = first + size, 2 * size
    return parts[::-1]


def opens_call(record: Salvaged) -> Call | None:
    """The call that this record of the sos lane opens."""
    event = call_event(record.body)
    if event is None:
        return None
    return Call(event.ref, event.device, event.event, event.at or format_ms(0), event.uptime_ms or 0, record.boot)


def _unpacked(kept: object) -> bytes:
    """The record, or bytes that are none."""
    try:
        return unpack(kept) if isinstance(kept, bytes) else b""
    except DamagedRecordError:
        return b""
