"""An outbox at its limit, on a full disk, on one that takes nothing, with a corrupt file; then the hub's real ingest.

`python -m tests.chaos.outbox_full SEED FOLDER FILE FAULT` plays it on the disk that FOLDER lies on.
"""

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

from edge.agent.upkeep import Upkeep
from edge.clock import EARLIEST, Moment
from edge.errors import OutboxError
from edge.outbox import Draft, NewCall, Outbox, Row
from edge.outbox.clearing import Clearing
from edge.outbox.database import FILE_NAME
from edge.uplink.memory_courier import MemoryCourier
from edge.uplink.memory_lane import MemoryCall
from edge.uplink.message import RECORD_BYTES, compose
from hub.events import LifeSafetyHeard
from hub.storage.memory import MemoryTelemetryStore
from hub.storage.sqlite_telemetry import SqliteTelemetryStore
from protocols.ack import Ack
from protocols.codec import decode_ack, encode_record
from protocols.envelope import ClockState, Stamp
from protocols.events import Event
from protocols.gaps import GapReason
from protocols.hello import NewEpochBecause
from protocols.instant import format_instant
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.topics import Channel
from tests.chaos.quiet import quiet
from tests.chaos.small_disk import MountedDisk, SmallDisk
from tests.contract.edge.outbox_life import OutboxLife
from tests.integration.ingest.conftest import START_MS, IngestHarness

LIMIT_BYTES: Final = 450_000
MIN_FREE_BYTES: Final = 1 << 20
READINGS: Final = 16_000
"""More than fit, thinned or not."""
ROUNDS_FULL: Final = 60
AT_ONCE: Final = 200
MOST_UNSTORED: Final = 100_000
BOOT: Final = "b" * 16
DEVICE: Final = "bin-1-us"
BAND: Final = "band-1"


class EvictsCalls(Clearing):
    """Calls for help go as readings do."""

    def evict(self) -> bool:
        marks = self._outbox.marks(Lane.SOS)
        if marks.next - 1 > marks.done:
            self._outbox.declare_gap(Lane.SOS, marks.done + 1, marks.next - 1, reason=GapReason.EVICTED)
        return super().evict()


EVICTS_CALLS: Final = "evicts calls for help"
HIDDEN: Final = {"evicts without a gap": b"evicted", "thins without a gap": b"thinned"}
"""Builds that go on as if nothing had been there, and what they do not tell."""


@dataclass
class Ledger:
    """What was written, lane by lane, from seq 1."""

    bodies: dict[Lane, list[bytes]] = field(default_factory=lambda: {lane: [] for lane in Lane})
    refs: list[str] = field(default_factory=list[str])
    reports: list[str] = field(default_factory=list[str])
    from_memory: int = 0
    wrong: list[str] = field(default_factory=list[str])


class HubBesides(IngestHarness):
    """The hub's real ingest on real stores, without a broker."""

    def calls(self) -> set[str]:
        """The refs of the calls for help that it has heard."""
        return {event.ref for event in self.happened if isinstance(event, LifeSafetyHeard)}


class Play:
    """An outbox that is filled on a small disk, and the hub it meets afterwards."""

    def __init__(self, disk: SmallDisk, hub: HubBesides, random: Random, fault: str) -> None:
        self._disk, self._hub, self._random = disk, hub, random
        self._hidden = HIDDEN.get(fault)
        self._clearing = EvictsCalls if fault == EVICTS_CALLS else None
        self.ledger = Ledger()
        self.life = OutboxLife(disk.folder)
        self._second = 0
        self.life.open(boot=BOOT, epoch=lambda: f"{random.getrandbits(64):016x}")
        self.keeper = self._new_keeper()
        self.memory = MemoryCourier(publish=self._publish, boot=BOOT, new_epoch=lambda: "0" * 16)

    @property
    def outbox(self) -> Outbox:
        return self.life.outbox

    def to_the_limit(self) -> None:
        """More readings than fit, with calls and events among them."""
        self.keeper.tick(self._moment())
        for number in range(0, READINGS, AT_ONCE):
            self._append(*self._readings(AT_ONCE))
            if number % 1_000 == 0:
                self._append(self._call())
                self._append(self._event())
            self.keeper.tick(self._moment())

    def on_a_full_disk(self) -> None:
        """Others take all the room: calls and events go on for as long as it lasts."""
        self._disk.fill()
        for number in range(ROUNDS_FULL):
            try:
                self._append(self._call())
                self._append(self._event(), *self._readings(20))
            except OutboxError as error:
                self.ledger.wrong.append(f"round {number} on a full disk: {error}")
                return
            self.keeper.tick(self._moment())

    def on_a_disk_that_takes_nothing(self) -> None:
        """Without its reserve and without upkeep the outbox fills to its last page; a call leaves from memory."""
        self._disk.fill_reserve()
        try:
            for _ in range(0, MOST_UNSTORED, AT_ONCE):
                self._append(*self._readings(AT_ONCE))
        except OutboxError:
            pass
        else:
            self.ledger.wrong.append(f"a disk without room took {MOST_UNSTORED:,} readings")
            return
        call, moment = self._call(), self._moment()
        while self._stored(call):  # a last page may be left
            call = self._call()
        assert call.call is not None
        self.memory.hold([MemoryCall(call.call.ref, "sos_pressed", call.body, synced=True)], moment)
        self.memory.tick(moment)
        self.memory.answered(cast("Ack", decode_ack(json.dumps(self._hub.last_answer(Lane.SOS)).encode())))
        self.ledger.from_memory += self.memory.has_sent(call.call.ref)
        if not self.memory.has_sent(call.call.ref) or call.call.ref not in self._hub.calls():
            self.ledger.wrong.append("a call that the disk does not take did not reach the hub")
        self._disk.empty()
        self.keeper.tick(self._moment())
        if not self._stored(call):
            self.ledger.wrong.append("a call is not stored though there is room again")
        self.memory.stored()

    def meet_the_hub(self) -> None:
        """Send everything as an agent does; the hub must come to the end of every lane."""
        for lane in Lane:
            marks = self.outbox.marks(lane)
            self._hub.hello(lane, marks.next, epoch=self.outbox.epoch, boot=BOOT)
            first = self._hub.last_answer(lane)["hw"] + 1
            while first < self.outbox.marks(lane).next:
                rows = self._rows(lane, first)
                if not rows:
                    break
                stamp = Stamp(at=format_instant(self._moment().at), uptime_ms=1_000)
                message = compose(rows, epoch=self.outbox.epoch, boot=BOOT, now=stamp)
                self._hub.deliver(Channel.records(lane), message.payload)
                self._hub.now_ms += 1_000  # a repeated acknowledgement comes at most every 0.2 s
                self._hub.hello(lane, marks.next, epoch=self.outbox.epoch, boot=BOOT)
                reached = self._hub.last_answer(lane)["hw"]
                if reached < first:
                    self.ledger.wrong.append(f"{lane}: the hub does not get beyond {reached} of {marks.next - 1}")
                    break
                first = reached + 1
                self.outbox.mark_done(lane, reached, hub_ms=None)
        self.outbox.save()

    def lose_the_file(self) -> tuple[str, NewEpochBecause | None]:
        """Something waits to be sent when the file is spoilt; return the epoch before, and what the start says."""
        for _ in range(3):
            self._append(self._call())
            self._append(self._event(), *self._readings(AT_ONCE))
        epoch = self.outbox.epoch
        for lane in Lane:
            self._hub.hello(lane, self.outbox.marks(lane).next, epoch=epoch, boot=BOOT)
        self.outbox.database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        self.life.crash()
        self.life.spoil()
        self.life.open(boot=BOOT, epoch=lambda: f"{self._random.getrandbits(64):016x}")
        self.keeper = self._new_keeper()
        return epoch, None if self.life.reset is None else self.life.reset.because

    def _rows(self, lane: Lane, first: int) -> list[Row]:
        rows = self.outbox.read(lane, first, most=AT_ONCE, most_bytes=RECORD_BYTES)
        return [row for row in rows if self._hidden is None or not (row.is_gap and self._hidden in row.body)]

    def _new_keeper(self) -> Upkeep:
        keeper = Upkeep(
            self.outbox,
            limit_bytes=LIMIT_BYTES,
            min_disk_free=MIN_FREE_BYTES,
            disk_free=self._disk.free_bytes,
            report=lambda event, details: self.ledger.reports.append(event.value),
        )
        if self._clearing is not None:
            keeper._clearing = self._clearing(self.outbox)  # noqa: SLF001 a mutant is made inside
        return keeper

    def _publish(self, payload: bytes) -> bool:
        self._hub.deliver(Channel.SOS, payload)
        return True

    def _stored(self, call: Draft) -> bool:
        try:
            self._append(call)
        except OutboxError:
            return False
        return True

    def _append(self, *drafts: Draft) -> None:
        moment = self._moment()
        self.outbox.append(drafts, at=moment.at, uptime_ms=moment.uptime_ms, synced=True)
        for draft in drafts:
            self.ledger.bodies[draft.lane].append(draft.body)

    def _moment(self) -> Moment:
        self._second += 1
        return Moment(EARLIEST + timedelta(seconds=self._second), self._second * 1_000, ClockState.SYNCED)

    def _readings(self, count: int) -> list[Draft]:
        """Each tells its seq in `distance_mm`, in tenths."""
        first = len(self.ledger.bodies[Lane.TELEMETRY]) + 1
        return [
            Draft(Lane.TELEMETRY, encode_record(_reading(seq, self._random))) for seq in range(first, first + count)
        ]

    def _call(self) -> Draft:
        ref = f"{BAND}:{len(self.ledger.refs)}"
        self.ledger.refs.append(ref)
        body = encode_record(Event(device=BAND, event="sos_pressed", ref=ref))
        return Draft(Lane.SOS, body, call=NewCall(ref=ref, device=BAND, event="sos_pressed"))

    def _event(self) -> Draft:
        ref = f"lid:{len(self.ledger.bodies[Lane.EVENT])}"
        return Draft(Lane.EVENT, encode_record(Event(device=DEVICE, event="lid_opened", ref=ref)))


def play(seed: int, disk: SmallDisk, *, fault: str = "") -> dict[str, Any]:
    """Go through all of it; return figures, and as `wrong` what speaks against the promise."""
    with TemporaryDirectory(prefix="linli-outbox-hub-") as name, quiet():
        path = Path(name)
        telemetry = SqliteTelemetryStore.open(path / "telemetry.db")
        store = cast("MemoryTelemetryStore", telemetry)  # the harness asks it for no more than the port
        hub = HubBesides(f"sqlite:///{path / 'state.db'}", now_ms=START_MS, telemetry=store)
        course = Play(disk, hub, Random(seed), fault)
        steps: tuple[Callable[[], None], ...] = (
            course.to_the_limit, course.on_a_full_disk, course.on_a_disk_that_takes_nothing, course.meet_the_hub,
        )  # fmt: skip
        try:
            for step in steps:
                step()
            figures = _audit(course, hub, path / "telemetry.db")
            _audit_lost_file(course, hub)
        finally:
            disk.empty()
            course.life.crash()
            telemetry.close()
            hub.engine.dispose()
    return {**figures, "wrong": course.ledger.wrong}


def _audit(course: Play, hub: HubBesides, telemetry: Path) -> dict[str, Any]:
    ledger, epoch, wrong = course.ledger, course.outbox.epoch, course.ledger.wrong
    with closing(sqlite3.connect(telemetry)) as connection:
        values = connection.execute("SELECT at_ns % 1000000, v0, v1 FROM readings").fetchall()
    told = {lane: hub.lane(lane, epoch) for lane in Lane}
    for lane, item in told.items():
        made = len(ledger.bodies[lane])
        if (item.high_water, item.quarantined) != (made, 0):
            wrong.append(f"{lane}: {made} made, high water {item.high_water}, {item.quarantined} in quarantine")
        if lane is not Lane.TELEMETRY and (item.stored, item.gaps) != (made, 0):
            wrong.append(f"{lane}: of {made} made {item.stored} are stored and {item.gaps} were given up")
    stored = told[Lane.TELEMETRY].stored
    numbers = {seq: round(10 * max(first, second)) for seq, first, second in values}
    if len(numbers) != stored:
        wrong.append(f"{stored} readings are counted as stored, and {len(numbers)} are there")
    if shifted := sum(seq != number for seq, number in numbers.items()):
        wrong.append(f"{shifted} readings are stored in the place of others")
    if missing := set(ledger.refs) - hub.calls():
        wrong.append(f"{len(missing)} of {len(ledger.refs)} calls for help were not heard")
    with hub.transactions.read() as unit:
        gaps = unit.lanes.gap_items("demo", "pi-1", limit=100_000)
        if residual := unit.lanes.residual():
            wrong.append(f"the conservation residual is {residual}")
    by_reason: dict[str, int] = {"thinned": 0, "evicted": 0}
    for gap in gaps:
        by_reason[gap.reason] = by_reason.get(gap.reason, 0) + gap.to_seq - gap.from_seq + 1
    made = len(ledger.bodies[Lane.TELEMETRY])
    if sum(by_reason.values()) + stored != made:
        wrong.append(f"{made} readings made, {stored} stored, {by_reason} declared lost")
    wrong += [f"nothing was {reason}: the limit was not reached" for reason, count in by_reason.items() if not count]
    if "low_disk" not in ledger.reports:
        wrong.append("nobody was told that room is short")
    return {
        "readings": made, "stored": stored, **by_reason, "gap_records": len(gaps), "calls": len(ledger.refs),
        "events": len(ledger.bodies[Lane.EVENT]), "calls_from_memory": ledger.from_memory,
    }  # fmt: skip


def _audit_lost_file(course: Play, hub: HubBesides) -> None:
    """A corrupt file is kept and a new epoch begun: what it took with it is the closed epoch's loss."""
    wrong = course.ledger.wrong
    before, because = course.lose_the_file()
    waiting = {lane: len(course.ledger.bodies[lane]) for lane in Lane}
    if because is not NewEpochBecause.OUTBOX_CORRUPT or course.outbox.epoch == before:
        wrong.append(f"a corrupt file is said to be {because}")
        return
    if not list(course.life.folder.glob(f"{FILE_NAME}*corrupt*")) and course.life.found.set_aside is None:
        wrong.append("the corrupt file was not kept")
    course.meet_the_hub()
    for lane in Lane:
        item = hub.lane(lane, before)
        if item.closed_at_ms is None or item.high_water + item.loss != waiting[lane]:
            wrong.append(f"{lane}: of {waiting[lane]} made {item.high_water} arrived and {item.loss} count as lost")
    if "outbox_reset" not in hub.incidents():
        wrong.append("nobody was told of the corrupt file")


def _reading(seq: int, random: Random) -> Reading:
    values = {"distance_mm": seq / 10, "fill_percent": round(random.uniform(0, 0.09), 3)}
    return Reading(device=DEVICE, kind="fill_level", values=values)


def main(seed: str, folder: str, answer: str, fault: str) -> None:
    """Play on that disk, and write what it came to."""
    Path(answer).write_text(json.dumps(play(int(seed), MountedDisk(Path(folder)), fault=fault)))


if __name__ == "__main__":
    main(*sys.argv[1:])
