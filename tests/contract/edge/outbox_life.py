"""An outbox in a folder, with records that can be told apart, and ways to die."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from edge.outbox import Draft, NewCall, Opened, Outbox, Reset, Row, open_outbox
from edge.outbox.database import FILE_NAME
from protocols.codec import encode_record
from protocols.events import Event
from protocols.lanes import Lane
from protocols.readings import Reading

AT = datetime(2026, 11, 21, 8, tzinfo=UTC)
ANY_BYTES = 1 << 30


class OutboxLife:
    """A folder whose outbox is opened, used, killed and opened again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self.opened: Opened | None = None
        self._epochs = count(1)

    def open(
        self, *, boot: str = "b" * 16, machine: str | None = "pi", epoch: Callable[[], str] | None = None
    ) -> Outbox:
        """Open the outbox as an agent would at its start."""
        self.opened = open_outbox(
            self.folder, boot=boot, machine=machine, new_epoch=epoch or (lambda: f"{next(self._epochs):016x}")
        )
        return self.opened.outbox

    @property
    def outbox(self) -> Outbox:
        """The outbox as it runs."""
        assert self.opened is not None
        return self.opened.outbox

    @property
    def reset(self) -> Reset | None:
        """What opening found amiss."""
        assert self.opened is not None
        return self.opened.reset

    @property
    def found(self) -> Reset:
        """What opening found amiss, which must be something."""
        assert self.reset is not None
        return self.reset

    def crash(self) -> None:
        """Die without closing anything in order."""
        assert self.opened is not None
        self.opened.outbox.database.close()
        self.opened.lock.close()

    def reopen(self, *, boot: str = "b" * 16) -> Outbox:
        """Die and come back."""
        self.crash()
        return self.open(boot=boot)

    def close(self) -> None:
        assert self.opened is not None
        self.opened.close(in_order=True)

    def spoil(self) -> None:
        """Overwrite the pages behind the first with noise, as a dying card would."""
        with self.path.open("r+b") as file:
            file.seek(4_096)
            file.write(b"\xa5" * 8_192)

    def execute(self, sql: str) -> None:
        """Do to the file what only the test does."""
        with sqlite3.connect(self.path) as connection:
            connection.execute(sql)
        connection.close()


def a_reading(level: float = 81.0, *, device: str = "bin-42-us") -> Draft:
    record = Reading(device=device, kind="fill_level", values={"fill_percent": level})
    return Draft(Lane.TELEMETRY, encode_record(record))


def a_call(ref: str = "band-07:1") -> Draft:
    record = Event(device="band-07", event="sos_pressed", ref=ref)
    return Draft(Lane.SOS, encode_record(record), call=NewCall(ref=ref, device="band-07", event="sos_pressed"))


def an_event(ref: str = "lid:1") -> Draft:
    return Draft(Lane.EVENT, encode_record(Event(device="bin-42-us", event="lid_opened", ref=ref)))


def store(outbox: Outbox, *drafts: Draft, synced: bool = True, flowing: tuple[Lane, ...] = ()) -> None:
    outbox.append(drafts, at=AT, uptime_ms=5_000, synced=synced, flowing=flowing)


def rows(outbox: Outbox, lane: Lane = Lane.TELEMETRY, first: int = 1, *, most: int = 10_000) -> list[Row]:
    return outbox.read(lane, first, most=most, most_bytes=ANY_BYTES)


def places(outbox: Outbox, lane: Lane = Lane.TELEMETRY, first: int = 1) -> list[str]:
    """Rows as `5` or, for a gap, `5-9 evicted`."""
    return [
        f"{row.first}-{row.last} {row.body.decode().split('reason')[1].strip(chr(34) + ':}')}"
        if row.is_gap
        else str(row.first)
        for row in rows(outbox, lane, first)
    ]


def spoil_page(path: Path, table: str) -> None:
    """Overwrite a table's first page with noise while the outbox is at work, as a dying card would."""
    other = sqlite3.connect(path, isolation_level=None)
    (root,) = other.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    other.execute("INSERT INTO facts VALUES ('seen', 'by another, so that no page is remembered')")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4_096)
        file.write(b"\xa5" * 4_096)
