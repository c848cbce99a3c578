"""Looking into an outbox beside the running agent, without a lock and without a write."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import OutboxError
from edge.outbox.database import FILE_NAME, LANE_NUMBERS, connect_read_only
from protocols.lanes import Lane


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the telemetry lane stands, as a hello tells it."""

    epoch: str
    next: int
    min_retained: int
    because: str | None
    home: str | None
    machine: str | None


def standing(data_dir: Path) -> Standing | None:
    """Return where the telemetry lane stands; None where there is no outbox that can be read."""
    path = data_dir / FILE_NAME
    if not path.exists():
        return None
    number = LANE_NUMBERS[Lane.TELEMETRY]
    try:
        connection = connect_read_only(path)
        try:
            facts = dict(connection.execute("SELECT name, value FROM facts"))
            (following,) = connection.execute("SELECT next FROM lanes WHERE lane = ?", (number,)).fetchone()
            (oldest,) = connection.execute("SELECT min(seq) FROM records WHERE lane = ?", (number,)).fetchone()
        finally:
            connection.close()
        return Standing(
            epoch=facts["epoch"],
            next=following,
            min_retained=following if oldest is None else oldest,
            because=facts.get("because"),
            home=facts.get("home"),
            machine=facts.get("machine"),
        )
    except (sqlite3.Error, TypeError, KeyError):
        return None


def look(data_dir: Path) -> dict[str, Any]:
    """Return where lanes and calls stand, in the shape of `linli-edge outbox --json`; raises OutboxError."""
    path = data_dir / FILE_NAME
    if not path.exists():
        raise OutboxError(f"there is no outbox in {data_dir}")
    try:
        connection = connect_read_only(path)
        try:
            (epoch,) = connection.execute("SELECT value FROM facts WHERE name = 'epoch'").fetchone()
            marks = {row[0]: row[1:] for row in connection.execute("SELECT lane, next, done FROM lanes")}
            calls = connection.execute(
                "SELECT ref, stored_at, sent_at, heard_at, heard_by FROM calls ORDER BY stored_at, ref"
            ).fetchall()
            outputs = connection.execute("SELECT value FROM facts WHERE name = 'local_outputs'").fetchone()
        finally:
            connection.close()
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise OutboxError(f"outbox {path}: {error}") from error
    lanes: list[dict[str, Any]] = []
    for lane, number in LANE_NUMBERS.items():
        following, done = marks[number]
        lanes.append(
            {"lane": lane.value, "epoch": epoch, "next": following, "high_water": done, "pending": following - 1 - done}
        )
    names = ("ref", "stored_at", "sent_at", "heard_at", "heard_by")
    return {
        "lanes": lanes,
        "sos": [dict(zip(names, call, strict=True)) for call in calls],
        "local_outputs": [] if outputs is None else json.loads(outputs[0]),
    }
