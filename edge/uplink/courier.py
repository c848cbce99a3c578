"""Runs the lane protocol: keeps the three lanes' states, carries out their effects on outbox and connections."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Protocol

from edge.clock import Moment
from edge.errors import OutboxError
from edge.outbox.rows import LaneMarks, Row
from edge.uplink.lane import MOST_RECORDS, LaneState, advance, start, wake_ms
from edge.uplink.message import RECORD_BYTES, Message, compose, record_bytes
from edge.uplink.steps import (
    Acked,
    Adopt,
    Adopted,
    Appended,
    BeginEpoch,
    Connected,
    Disconnected,
    Effect,
    EpochBegun,
    GapAhead,
    Input,
    Light,
    MarkDone,
    NothingSent,
    Refused,
    Release,
    ReplaceByGap,
    SayHello,
    Send,
    Sent,
    Tick,
)
from protocols.ack import Ack, Refusal, SosReceipt
from protocols.codec import encode
from protocols.envelope import SCHEMA, Stamp
from protocols.gaps import GapReason
from protocols.hello import Hello, NewEpochBecause
from protocols.instant import format_instant, parse_instant_ms
from protocols.lanes import Lane
from protocols.topics import Channel

_log = logging.getLogger(__name__)


class Shelf(Protocol):
    """What the courier needs of the outbox."""

    @property
    def epoch(self) -> str: ...
    @property
    def because(self) -> NewEpochBecause | None: ...
    @property
    def boot(self) -> str: ...
    @property
    def home(self) -> str | None: ...
    def marks(self, lane: Lane) -> LaneMarks: ...
    def min_retained(self, lane: Lane) -> int: ...
    def read(self, lane: Lane, first: int, *, most: int, most_bytes: int) -> list[Row]: ...
    def say_again(self, *, high_water: int, listed: Collection[str]) -> list[str]: ...
    def release(self, lane: Lane, through: int) -> None: ...
    def mark_done(self, lane: Lane, through: int, *, hub_ms: int | None) -> None: ...
    def declare_gap(self, lane: Lane, first: int, last: int, *, reason: GapReason) -> None: ...
    def begin_epoch(self, reason: NewEpochBecause) -> str: ...
    def set_fact(self, name: str, value: str) -> None: ...


Publish = Callable[[Channel, bytes], bool]
"""Publish on the connection that the channel belongs to; False where that cannot be done now."""
Advance = Callable[[LaneState, Input, int], tuple[LaneState, tuple[Effect, ...]]]
"""The lane protocol itself."""
Lit = Callable[[SosReceipt, bool, Moment], None]
"""Told of each call that an ack lists, and whether the ack was the home hub's."""


class Courier:
    """The uplink of a node; called from one thread, with the clock read once a turn."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        publish: Publish,
        lit: Lit,
        draw: Callable[[], float],
        machine: str | None,
        home: str | None,
        advance: Advance = advance,
    ) -> None:
        """`draw` gives 0..1 for the jitter of resend timers; `home` is the configured hub."""
        self._advance = advance
        self._shelf = shelf
        self._publish = publish
        self._lit = lit
        self._draw = draw
        self._machine = machine
        self._home = home or shelf.home
        self._largest: dict[Lane, int] = dict.fromkeys(Lane, RECORD_BYTES)
        self._lanes: dict[Lane, LaneState] = {lane: self._fresh(lane) for lane in Lane}

    @property
    def lanes(self) -> Mapping[Lane, LaneState]:
        """Where the lanes stand."""
        return self._lanes

    @property
    def home(self) -> str | None:
        """The home hub's id, once known."""
        return self._lanes[Lane.SOS].home

    def flowing(self) -> tuple[Lane, ...]:
        """Lanes whose records may leave as soon as they are stored."""
        return tuple(lane for lane, state in self._lanes.items() if state.flowing)

    def wake_ms(self) -> int | None:
        """When `tick` is due, in uptime."""
        return min((due for state in self._lanes.values() if (due := wake_ms(state)) is not None), default=None)

    def connected(self, lanes: tuple[Lane, ...], moment: Moment, *, largest_packet: int | None = None) -> None:
        """The connection of these lanes is up."""
        for lane in lanes:
            self._largest[lane] = record_bytes(largest_packet)
            self._give(lane, Connected(), moment)

    def disconnected(self, lanes: tuple[Lane, ...], moment: Moment) -> None:
        """The connection of these lanes is gone."""
        for lane in lanes:
            self._give(lane, Disconnected(), moment)

    def appended(self, lanes: set[Lane], moment: Moment) -> None:
        """Records of these lanes were committed; SOS first."""
        for lane in Lane:
            if lane in lanes:
                marks = self._shelf.marks(lane)
                self._give(lane, Appended(next=marks.next, released=marks.released), moment)

    def answered(self, lane: Lane, answer: Ack | Refusal, moment: Moment) -> None:
        """The hub said this of the lane."""
        if isinstance(answer, Refusal):
            _log.warning("message.refused", extra={"lane": lane, "reason": answer.refused, "hash": answer.hash})
            self._give(lane, Refused(answer.refused, answer.hash), moment)
        else:
            self._give(lane, Acked(answer), moment)
            if lane is Lane.SOS and answer.sos is not None and self._is_own(answer):
                self._say_again(answer.hw, {receipt.ref for receipt in answer.sos}, moment)

    def _is_own(self, ack: Ack) -> bool:
        return ack.epoch == self._shelf.epoch and ack.hub_id == self.home

    def _say_again(self, high_water: int, listed: set[str], moment: Moment) -> None:
        try:
            said = self._shelf.say_again(high_water=high_water, listed=listed)
        except OutboxError as error:
            _log.error("outbox.failed", extra={"lane": Lane.SOS, "why": str(error)})
            return
        if said:
            _log.warning("call.said_again", extra={"refs": said})
            self.appended({Lane.SOS}, moment)

    def answered_aside(self, lane: Lane, answer: Ack | Refusal, moment: Moment) -> None:
        """A hub said this on the second path: it lights calls; marks, epoch and home are the first path's business."""
        if isinstance(answer, Refusal):
            _log.warning("message.refused", extra={"lane": lane, "reason": answer.refused, "hash": answer.hash})
            return
        try:
            for receipt in answer.sos or ():
                self._lit(receipt, answer.hub_id == self.home, moment)
        except OutboxError as error:
            _log.error("outbox.failed", extra={"lane": lane, "why": str(error)})

    def copies(self, lane: Lane, moment: Moment, *, largest_packet: int | None) -> list[bytes]:
        """Return what is not done of a lane, its newest records at most, as messages for another way.

        The lane itself learns only that they may have left: window, timers and marks stay as they are.
        """
        marks = self._shelf.marks(lane)
        through = marks.next - 1
        if marks.released < through:
            self._shelf.release(lane, through)
            self._give(lane, Appended(next=marks.next, released=through), moment)
        now = Stamp(at=format_instant(moment.at), uptime_ms=moment.uptime_ms)
        messages: list[bytes] = []
        first = max(marks.done, through - MOST_RECORDS) + 1
        while first <= through:
            rows = self._shelf.read(lane, first, most=MOST_RECORDS, most_bytes=record_bytes(largest_packet))
            if not rows:
                break
            message = compose(rows, epoch=self._shelf.epoch, boot=self._shelf.boot, now=now)
            messages.append(message.payload)
            first = message.last + 1
        return messages

    def tick(self, moment: Moment) -> None:
        """Do what is due."""
        for lane in Lane:
            due_ms = wake_ms(self._lanes[lane])
            if due_ms is not None and moment.uptime_ms >= due_ms:
                self._give(lane, Tick(jitter=0.75 + 0.5 * self._draw()), moment)

    def _fresh(self, lane: Lane) -> LaneState:
        marks = self._shelf.marks(lane)
        return start(
            lane=lane,
            epoch=self._shelf.epoch,
            next_seq=marks.next,
            done=marks.done,
            released=marks.released,
            home=self._home,
        )

    def _give(self, lane: Lane, given: Input, moment: Moment) -> None:
        before = self._lanes[lane]
        self._lanes[lane], effects = self._advance(before, given, moment.uptime_ms)
        hub_ms = parse_instant_ms(given.ack.hub_time) if isinstance(given, Acked) else None
        try:
            for effect in effects:
                self._run(lane, effect, moment, hub_ms)
        except OutboxError as error:
            # Nothing of this turn has left; the lane stands where the outbox does, and the next input tries again.
            _log.error("outbox.failed", extra={"lane": lane, "why": str(error)})
            released = self._shelf.marks(lane).released
            self._lanes[lane] = replace(self._lanes[lane], sending=False, released=released)

    def _run(self, lane: Lane, effect: Effect, moment: Moment, hub_ms: int | None) -> None:
        match effect:
            case SayHello(interval_s=interval_s):
                self._publish(Channel.hello(lane), self._hello(lane, interval_s, moment))
            case Release(through=through):
                self._shelf.release(lane, through)
            case Send():
                self._give(lane, self._send(lane, effect, moment), moment)
            case MarkDone(through=through):
                self._shelf.mark_done(lane, through, hub_ms=hub_ms)
            case Adopt(hub_id=hub_id):
                _log.info("hub.adopted", extra={"hub": hub_id})
                self._shelf.set_fact("home", hub_id)
                for other in Lane:
                    self._give(other, Adopted(hub_id), moment)
            case BeginEpoch(reason=reason):
                self.begin_epoch(reason, moment)
            case ReplaceByGap(seq=seq):
                _log.error("record.refused", extra={"lane": lane, "seq": seq})
                self._shelf.declare_gap(lane, seq, seq, reason=GapReason.REFUSED)
            case Light(receipt=receipt, at_home=at_home):
                self._lit(receipt, at_home, moment)

    def begin_epoch(self, reason: NewEpochBecause, moment: Moment) -> None:
        """Move what is not done into a new epoch, on all lanes."""
        epoch = self._shelf.begin_epoch(reason)
        _log.warning("epoch.begun", extra={"epoch": epoch, "because": reason})
        for lane in Lane:
            self._give(lane, EpochBegun(epoch=epoch, next=self._shelf.marks(lane).next), moment)

    def _send(self, lane: Lane, send: Send, moment: Moment) -> Input:
        rows = self._shelf.read(lane, send.first, most=send.most_records, most_bytes=self._largest[lane])
        if not rows:
            return NothingSent()
        if not self._lanes[lane].answered:
            # A call goes before any answer: nobody has compared the clock yet, and the uptime dates it as well.
            rows = [replace(row, synced=row.synced and row.boot != self._shelf.boot) for row in rows]
        now = Stamp(at=format_instant(moment.at), uptime_ms=moment.uptime_ms)
        message = compose(rows, epoch=self._shelf.epoch, boot=self._shelf.boot, now=now)
        if message.gap_through is not None:
            self._give(lane, GapAhead(message.gap_through), moment)
        if not self._publish(Channel.records(lane), message.payload):
            return NothingSent()
        return _sent(message)

    def _hello(self, lane: Lane, interval_s: float, moment: Moment) -> bytes:
        return encode(
            Hello(
                schema_version=SCHEMA,
                lane=lane,
                epoch=self._shelf.epoch,
                boot=self._shelf.boot,
                min_retained=self._shelf.min_retained(lane),
                next=self._shelf.marks(lane).next,
                at=format_instant(moment.at),
                uptime_ms=moment.uptime_ms,
                clock=moment.state,
                machine=self._machine,
                new_epoch_because=self._shelf.because,
                desired_version=0,
                command_counter=0,
                interval_s=interval_s,
            )
        )


def _sent(message: Message) -> Sent:
    return Sent(
        first=message.first,
        last=message.last,
        records=message.records,
        digest=sha256(message.payload).hexdigest(),
        has_gap=message.gap_through is not None,
    )
