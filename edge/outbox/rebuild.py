"""A new outbox out of a corrupt one: built beside it, synced, then put in its place; cut short anywhere, it goes on.

Until the new file is whole nothing of the old one is touched. Calls come first, then events, then telemetry: of that a
start takes a little, and `Remains` the rest while the agent runs.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

from edge.errors import OutboxError
from edge.outbox.database import Database
from edge.outbox.rows import Call, Salvaged
from edge.outbox.salvage import Pending, Wreck, opens_call
from edge.outbox.store import Outbox
from protocols.hello import NewEpochBecause
from protocols.lanes import Lane

RESET: Final = "reset"
"""The fact that an epoch was begun at an opening and nobody has been told yet."""
REMAINS: Final = "remains"
"""The fact that names the corrupt files whose telemetry has not all been brought over."""
SPOILT: Final = "outbox.spoilt"
"""Names the epoch of a file that proved corrupt at work, also where a check does not find it."""
_BUILDING: Final = "outbox.building.db"
_READY: Final = "outbox.ready-"
_KEPT: Final = "outbox.corrupt-{}.db"
_CHUNK: Final = 1_000
_TELEMETRY_AT_START: Final = 10_000
"""Readings brought over before the agent runs: a second or a few, in which no call is taken."""
_LANE_S: Final = 10.0
"""Seconds that a start spends on one lane; systemd gives it two minutes, and a card takes its time over bad sectors."""
_STEP_S: Final = 1.0
_PARTS: Final = ("", "-wal", "-shm", "-journal")
_log = logging.getLogger(__name__)


def rebuild(
    path: Path,
    *,
    fault: str,
    boot: str,
    new_epoch: Callable[[], str],
    now_s: Callable[[], float] | None = None,
    open_wreck: Callable[[Path], Wreck] = Wreck,
) -> None:
    """Put an outbox of a new epoch in the place of a corrupt one, with what can be read of that."""
    epoch = new_epoch()
    building = path.with_name(_BUILDING)
    _remove(building)
    database = Database(building, scratch=True)
    try:
        database.create(epoch=epoch, facts={"because": NewEpochBecause.OUTBOX_CORRUPT.value})
        outbox = Outbox(database, boot=boot, new_epoch=new_epoch)
        given_up: list[str] = []
        facts: dict[str, str] = {}
        with _giving_up("the file", given_up), open_wreck(path) as wreck:
            facts[REMAINS] = _fill(outbox, wreck, kept=_KEPT.format(epoch), given_up=given_up, now_s=now_s)
        count = sum(outbox.marks(lane).next - 1 for lane in Lane)
        detail = "; ".join([fault, *given_up])
        facts[RESET] = json.dumps({"detail": detail, "set_aside": _KEPT.format(epoch), "salvaged": count})
        outbox.salvage([], facts=facts)
    finally:
        database.close()
    _sync(building)
    building.rename(path.with_name(f"{_READY}{epoch}.db"))
    settle(path)


def settle(path: Path) -> None:
    """Put a new outbox that is whole in its place, and the corrupt one aside; nothing where none is."""
    for ready in path.parent.glob(f"{_READY}*.db"):
        _sync(path.parent)
        epoch = ready.stem.removeprefix(_READY)
        for part in _PARTS:
            old = path.with_name(path.name + part)
            if old.exists():
                old.rename(path.with_name(_KEPT.format(epoch) + part))
        # No log of the old file may meet the new one.
        _sync(path.parent)
        ready.rename(path)
        path.with_name(SPOILT).unlink(missing_ok=True)
        _sync(path.parent)


class Remains:
    """What a start left in corrupt outboxes, brought over step by step while the agent runs."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        at_once: int = 500,
        now_s: Callable[[], float] | None = None,
        open_wreck: Callable[[Path], Wreck] = Wreck,
    ) -> None:
        self._outbox = outbox
        self._at_once = at_once
        self._now_s = now_s
        self._open_wreck = open_wreck

    @property
    def are_left(self) -> bool:
        """Whether something is left to bring over."""
        return bool(_remains(self._outbox.fact(REMAINS)))

    def step(self) -> int | None:
        """Bring some over; return how many records came, None where nothing is left."""
        remains = _remains(self._outbox.fact(REMAINS))
        if not remains:
            return None
        name, first, last, word = remains[0]
        lane = Lane(word)
        chunk: list[Salvaged] = []
        through = last
        path = self._outbox.database.path.with_name(name)
        if path.exists():
            given_up: list[str] = []
            with _giving_up("the rest", given_up), _told(), self._open_wreck(path) as wreck:
                pending = Pending(
                    wreck,
                    lane,
                    first,
                    last,
                    most_failures=4 * self._at_once,
                    is_late=_late(self._now_s, _STEP_S),
                )
                chunk.extend(islice(pending, self._at_once))
                through = pending.through
            if given_up:
                _log.error("outbox.given_up", extra={"file": name, "why": given_up[0]})
                through = last
        left = remains[1:] if through >= last else [(name, through + 1, last, word), *remains[1:]]
        calls = [call for record in chunk if lane is Lane.SOS and (call := opens_call(record)) is not None]
        self._outbox.salvage(chunk, calls=calls, facts={REMAINS: json.dumps(left)})
        return len(chunk)


def _fill(outbox: Outbox, wreck: Wreck, *, kept: str, given_up: list[str], now_s: Callable[[], float] | None) -> str:
    """Bring over what a start takes; return what is left as the fact `REMAINS`."""
    remains: list[tuple[str, int, int, str]] = []

    def leave(lane: Lane, through: int, last: int) -> None:
        if through < last:
            remains.append((kept, through + 1, last, lane.value))

    with _giving_up("calls", given_up):
        leave(Lane.SOS, *_bring_calls(outbox, wreck, is_late=_late(now_s, _LANE_S)))
    with _giving_up("events", given_up):
        pending = wreck.pending(Lane.EVENT, is_late=_late(now_s, _LANE_S))
        for chunk in _chunks(pending):
            outbox.salvage(chunk)
        leave(Lane.EVENT, pending.through, pending.last)
    with _giving_up("readings", given_up):
        remains += _remains(wreck.fact(REMAINS))
        leave(Lane.TELEMETRY, *_bring_telemetry(outbox, wreck, is_late=_late(now_s, _LANE_S)))
    return json.dumps(remains)


def _late(now_s: Callable[[], float] | None, seconds: float) -> Callable[[], bool]:
    if now_s is None:
        return lambda: False
    until_s = now_s() + seconds
    return lambda: now_s() >= until_s


@contextmanager
def _giving_up(part: str, given_up: list[str]) -> Generator[None]:
    """Give a part up over whatever its bytes bring about: without an agent no press is heard. Its file is kept."""
    try:
        yield
    except OutboxError:
        raise
    except Exception as error:  # noqa: BLE001 the next start would meet it again, and the next
        given_up.append(f"{part} given up: {error!r}")


def _bring_calls(outbox: Outbox, wreck: Wreck, *, is_late: Callable[[], bool]) -> tuple[int, int]:
    """Calls as they were followed, and records not done; each makes up for the other where that cannot be read.

    Return through which seq of how many those were read.
    """
    calls = {call.ref: call for call in wreck.calls()}
    said: set[str] = set()
    pending = wreck.pending(Lane.SOS, is_late=is_late)
    for chunk in _chunks(pending):
        opened = {call.ref: call for record in chunk if (call := opens_call(record)) is not None}
        said |= opened.keys()
        outbox.salvage(chunk, calls=[call for ref, call in opened.items() if ref not in calls])
    done = wreck.done_calls(is_late=is_late)
    said |= {call.ref for record in done if (call := opens_call(record)) is not None}
    unsaid = [call for call in calls.values() if _is_owed(call) and call.ref not in said]
    again = [record for call in unsaid if (record := wreck.said_again(call)) is not None]
    outbox.salvage(again, calls=list(calls.values()), texts=wreck.texts())
    return pending.through, pending.last


def _is_owed(call: Call) -> bool:
    return call.sent_at is None and call.closed_at is None


def _bring_telemetry(outbox: Outbox, wreck: Wreck, *, is_late: Callable[[], bool]) -> tuple[int, int]:
    """Return through which seq of how many they were read."""
    pending = wreck.pending(Lane.TELEMETRY, is_late=is_late)
    through = pending.through
    try:
        for chunk in _chunks(islice(pending, _TELEMETRY_AT_START)):
            outbox.salvage(chunk)
            through = pending.through
    except OutboxError:
        # There is no room: the rest stays where it is until there is.
        return through, pending.last
    return pending.through, pending.last


def _chunks(records: Iterable[Salvaged]) -> Iterator[list[Salvaged]]:
    each = iter(records)
    while chunk := list(islice(each, _CHUNK)):
        yield chunk


def _remains(text: str | None) -> list[tuple[str, int, int, str]]:
    try:
        rows = cast("list[Any]", json.loads(text or "[]"))
        return [
            (Path(str(row[0])).name, int(row[1]), int(row[2]), Lane(row[3] if row[3:] else "telemetry").value)
            for row in rows
        ]
    except (ValueError, TypeError, LookupError):
        return []


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OutboxError(f"outbox: {error}") from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    for part in _PARTS:
        path.with_name(path.name + part).unlink(missing_ok=True)
