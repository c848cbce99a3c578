"""The edge's outbox under power cuts: the real one, opened, filled, acknowledged, thinned, evicted and opened again."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

from edge.errors import OutboxError
from edge.outbox import CallStage, Draft, NewCall, Opened, open_outbox
from edge.outbox.clearing import Clearing
from protocols.codec import encode_record
from protocols.events import Event
from protocols.gaps import GapReason
from protocols.lanes import Lane
from protocols.readings import Reading
from tests.chaos.power_cut.cuts import State, UnusableError

_AT: Final = datetime(2026, 11, 21, 8, tzinfo=UTC)
_BOOT: Final = "b" * 16
_MONDAY_MS: Final = 1_795_000_000_000
_AT_ONCE: Final = 60
"""Rows that a step of house-cleaning takes: as many as an append brings at most."""
_LOOKED_AT: Final = (
    "SELECT name, value FROM facts WHERE name <> 'clean' ORDER BY name",
    "SELECT * FROM lanes ORDER BY lane",
    "SELECT * FROM records ORDER BY lane, seq",
    "SELECT * FROM done_marks ORDER BY lane, seq",
    "SELECT * FROM calls ORDER BY ref",
)
"""Everything but which boots there were and whether the file was closed in order, which opening itself writes."""


class OutboxSubject:
    """An outbox; `synchronous` weakens it, for a control."""

    def __init__(self, *, synchronous: str | None = None) -> None:
        self._synchronous = synchronous
        self._opened: Opened | None = None
        self._folder: Path | None = None
        self._count = 0

    def open(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._opened = open_outbox(folder, boot=_BOOT, machine="pi", new_epoch=lambda: "e" * 16)
        except (OutboxError, sqlite3.Error) as error:
            raise UnusableError(str(error)) from error
        if self._opened.reset is not None:
            detail = self._opened.reset.detail
            self.close()
            raise UnusableError(detail)
        database = self._opened.outbox.database
        if self._synchronous is not None:
            database.rows(f"PRAGMA synchronous = {self._synchronous}")
            wanted = {"OFF": 0, "NORMAL": 1, "FULL": 2}[self._synchronous]
            assert database.row("PRAGMA synchronous") == (wanted,), "the control would be none"

    def step(self, random: Random) -> None:
        random.choices(*zip(*self._steps(random), strict=True))[0]()

    def state(self) -> State:
        assert self._opened is not None
        database = self._opened.outbox.database
        digest = sha256()
        try:
            (verdict,) = database.row("PRAGMA integrity_check")
            for query in _LOOKED_AT:
                digest.update(repr(database.rows(query)).encode())
        except sqlite3.Error as error:
            raise UnusableError(str(error)) from error
        if verdict != "ok":
            raise UnusableError(verdict)
        return (digest.hexdigest(),)

    def close(self) -> None:
        """End as after a crash: nothing is said to be in order."""
        if self._opened is not None:
            self._opened.outbox.database.close()
            self._opened.lock.close()
            self._opened = None

    def _steps(self, random: Random) -> list[tuple[Callable[[], object], int]]:
        """What an agent does, each in one transaction, and how often."""
        assert self._opened is not None
        outbox, clearing = self._opened.outbox, Clearing(self._opened.outbox, at_once=_AT_ONCE)
        marks = {lane: outbox.marks(lane) for lane in Lane}

        def done(lane: Lane) -> int:
            return random.randint(marks[lane].done, marks[lane].next - 1)

        def acknowledged() -> None:
            outbox.mark_done(Lane.TELEMETRY, done(Lane.TELEMETRY), hub_ms=None)
            outbox.mark_done(Lane.SOS, done(Lane.SOS), hub_ms=None)
            outbox.save()

        calls = [call.ref for call in outbox.calls.calls()] or ["none"]
        return [
            (lambda: self._append([self._reading(random) for _ in range(random.randint(1, 60))]), 8),
            (lambda: self._append([self._call()]), 8),
            (lambda: self._append([self._event(), self._reading(random)]), 4),
            (acknowledged, 3),
            (lambda: outbox.mark_done(Lane.TELEMETRY, done(Lane.TELEMETRY), hub_ms=_MONDAY_MS + self._count), 1),
            (lambda: outbox.release(Lane.TELEMETRY, marks[Lane.TELEMETRY].next - 1), 1),
            (lambda: outbox.calls.mark_call(random.choice(calls), CallStage.SENT, at="2026-11-21T08:00:01.000Z"), 2),
            (lambda: outbox.set_fact("home", f"hub-{self._count}"), 1),
            (clearing.thin, 1),
            (clearing.evict, 1),
            (lambda: clearing.drop_done(Lane.TELEMETRY), 1),
            (lambda: clearing.give_back(pages=64), 1),
            (
                lambda: (
                    outbox.declare_gap(Lane.EVENT, 1, 1, reason=GapReason.REFUSED) if marks[Lane.EVENT].next > 1 else 0
                ),
                1,
            ),
            (self._restart, 1),
        ]

    def _restart(self) -> None:
        assert self._opened is not None
        assert self._folder is not None
        self._opened.close(in_order=True)
        self.open(self._folder)

    def _append(self, drafts: list[Draft]) -> None:
        assert self._opened is not None
        self._opened.outbox.append(drafts, at=_AT, uptime_ms=5_000, synced=True, flowing=(Lane.SOS,))

    def _reading(self, random: Random) -> Draft:
        values = {"distance_mm": random.uniform(30, 2_000), "fill_percent": random.uniform(0, 100)}
        record = Reading(device=f"bin-{random.randint(1, 20)}-us", kind="fill_level", values=values)
        return Draft(Lane.TELEMETRY, encode_record(record))

    def _call(self) -> Draft:
        self._count += 1
        ref = f"band-07:{self._count}"
        body = encode_record(Event(device="band-07", event="sos_pressed", ref=ref))
        return Draft(Lane.SOS, body, call=NewCall(ref=ref, device="band-07", event="sos_pressed"))

    def _event(self) -> Draft:
        self._count += 1
        return Draft(Lane.EVENT, encode_record(Event(device="bin-1-us", event="lid_opened", ref=f"lid:{self._count}")))
