"""What can still be read of a corrupt outbox: rows that were not done, in order, up to the first broken page."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from edge.outbox.database import LANE_NUMBERS, connect_read_only
from edge.outbox.packing import DamagedRecordError, unpack
from edge.outbox.rows import DISTRUSTED, Salvaged
from protocols.codec import decode_record
from protocols.envelope import Stamp
from protocols.lanes import Lane
from protocols.rejections import RecordRejection


def salvage(path: Path) -> list[Salvaged]:
    """Return what is left. Where the marks are gone too, all calls and events are taken, and no telemetry.

    A call or event said twice is one fact; a reading said twice would be two.
    """
    saved: list[Salvaged] = []
    try:
        connection = connect_read_only(path)
    except sqlite3.Error:
        return saved
    try:
        done = _done(connection)
        boots = _boots(connection)
        distrusted = _distrusted(connection)
        for lane, number in LANE_NUMBERS.items():
            if lane in done or lane is not Lane.TELEMETRY:
                saved += _rows(connection, lane, number, after=done.get(lane, 0), boots=boots, distrusted=distrusted)
    finally:
        connection.close()
    return saved


def _done(connection: sqlite3.Connection) -> dict[Lane, int]:
    try:
        rows = dict(connection.execute("SELECT lane, done FROM lanes").fetchall())
    except sqlite3.DatabaseError:
        return {}
    return {lane: rows[number] for lane, number in LANE_NUMBERS.items() if number in rows}


def _boots(connection: sqlite3.Connection) -> dict[int, tuple[str, Stamp | None]]:
    try:
        rows = connection.execute("SELECT id, boot, anchor_at, anchor_uptime_ms FROM boots").fetchall()
    except sqlite3.DatabaseError:
        return {}
    return {row[0]: (row[1], None if row[2] is None else Stamp(at=row[2], uptime_ms=row[3])) for row in rows}


def _distrusted(connection: sqlite3.Connection) -> set[str]:
    """Boots whose clock proved wrong."""
    try:
        names = connection.execute("SELECT name FROM facts WHERE name GLOB ?", (f"{DISTRUSTED}*",)).fetchall()
    except sqlite3.DatabaseError:
        return set()
    return {name.removeprefix(DISTRUSTED) for (name,) in names}


def _rows(
    connection: sqlite3.Connection,
    lane: Lane,
    number: int,
    *,
    after: int,
    boots: dict[int, tuple[str, Stamp | None]],
    distrusted: set[str],
) -> Iterator[Salvaged]:
    query = "SELECT boot, synced, body FROM records WHERE lane = ? AND seq > ? AND through IS NULL ORDER BY seq"
    try:
        for boot_id, synced, kept in connection.execute(query, (number, after)):
            body = _unpacked(kept)
            if boot_id in boots and not isinstance(decode_record(body, lane=lane), RecordRejection):
                boot, anchor = boots[boot_id]
                believed = bool(synced) and boot not in distrusted
                yield Salvaged(lane=lane, boot=boot, anchor=anchor, synced=believed, body=body)
    except sqlite3.DatabaseError:
        return


def _unpacked(kept: bytes) -> bytes:
    """The record, or bytes that are none."""
    try:
        return unpack(kept)
    except DamagedRecordError:
        return b""
