"""The agent's one loop: everything that happens comes through its queue; it alone writes the outbox."""

import logging
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from edge.agent.calls import Calls
from edge.agent.devices import Occurred, Sampled
from edge.agent.outputs import Outputs
from edge.agent.recording import Unusable, event_draft, is_call, is_life_safety, reading_draft
from edge.agent.upkeep import Upkeep
from edge.clock import Clock, Moment
from edge.errors import OutboxError
from edge.link import Arrived, LinkDown, LinkEvent, LinkName, LinkUp, NotTaken
from edge.outbox import Draft, Outbox
from edge.sms.desk import Texted
from edge.uplink.courier import Courier
from edge.uplink.memory_courier import MemoryCourier
from edge.uplink.memory_lane import MemoryCall
from edge.uplink.second_courier import Held, SecondCourier
from edge.watchdog import Watchdog
from protocols.ack import Ack
from protocols.codec import decode_ack, encode
from protocols.envelope import ClockState
from protocols.instant import from_ms, parse_instant_ms
from protocols.lanes import Lane
from protocols.presence import PresenceState, Status
from protocols.rejections import MessageRejection
from protocols.topics import Channel, NodeAddress, TopicError, parse_topic

GROUP_MS: Final = 200
"""Telemetry is committed at the latest this long after it was read."""
GROUP_RECORDS: Final = 200
_AGAIN_MS: Final = 1_000
"""Between attempts to store what the disk would not take."""
_MOST_UNSTORED: Final = 1_000
"""Readings held in memory while the disk takes none; events and calls are held without limit."""
_LAST_WORD_MS: Final = 5_000
"""How long an agent that ends waits for a hub to have the calls that only its memory holds."""
LANES: Final = {LinkName.SOS: (Lane.SOS,), LinkName.REST: (Lane.EVENT, Lane.TELEMETRY)}
_log = logging.getLogger(__name__)


class Stop:
    """Asks the loop to end."""


Item = LinkEvent | Sampled | Occurred | Texted | Stop
Inbox = SimpleQueue[Item]


class Worker(Protocol):
    """A device as far as the watchdog is concerned."""

    def is_stuck(self, *, at_s: float) -> bool: ...


class Publisher(Protocol):
    """A connection to publish on."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> object | None: ...


class Loop:
    """Runs until it is told to stop; one turn takes what has come, and the clock is read once in it."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        clock: Clock,
        outbox: Outbox,
        courier: Courier,
        memory: MemoryCourier,
        second: SecondCourier,
        calls: Calls,
        outputs: Outputs,
        upkeep: Upkeep,
        devices: Sequence[Worker],
        rest: Publisher,
        address: NodeAddress,
        version: str,
        new_ref: Callable[[str], str],
        watchdog: Watchdog,
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._outbox = outbox
        self._courier = courier
        self._memory = memory
        self._second = second
        self._calls = calls
        self._outputs = outputs
        self._upkeep = upkeep
        self._devices = devices
        self._rest = rest
        self._address = address
        self._version = version
        self._new_ref = new_ref
        self._watchdog = watchdog
        self._urgent: list[tuple[Occurred, str]] = []
        self._unfollowed: list[tuple[Occurred, str]] = []
        self._events: list[tuple[Occurred, str]] = []
        self._readings: list[Sampled] = []
        self._group_due_ms: int | None = None
        self._again_ms = 0
        self._told: dict[LinkName, str] = {}

    def run(self) -> None:
        """Take turns until a Stop comes."""
        while self.turn(self._take(), self._clock.moment()):
            pass

    def finish(self) -> None:
        """Store what has still come, once the devices are stopped."""
        items: list[Item] = []
        while not self._inbox.empty():
            items.append(self._inbox.get())
        moment = self._clock.moment()
        self.turn([item for item in items if isinstance(item, Sampled | Occurred | Texted)], moment)
        self._store(moment, everything=True)
        until_ms = moment.uptime_ms + _LAST_WORD_MS
        while self._memory.owes and (moment := self._clock.moment()).uptime_ms < until_ms:
            self.turn(self._take(), moment)

    def turn(self, items: Sequence[Item], moment: Moment) -> bool:
        """Do everything that these items and this moment ask for, calls for help first; False when asked to stop."""
        going = True
        for item in items:
            match item:
                case Occurred():
                    self._occurred(item)
                case Sampled():
                    self._sampled(item, moment)
                case Texted():
                    self._second.texted(item, moment)
                case Stop():
                    going = False
                case _:
                    pass
        self._store_calls(moment)
        for item in items:
            if isinstance(item, Arrived):
                moment = self._arrived(item, moment)
            elif isinstance(item, LinkUp | LinkDown | NotTaken):
                self._linked(item, moment)
        self._store(moment, everything=False)
        self._courier.tick(moment)
        self._memory.tick(moment)
        self._second.tick(self._calls.open, self._held(), self._courier, moment, marks=self._outbox.marks(Lane.SOS))
        self._calls.tick(moment)
        self._outputs.tick(self._calls.open, self._calls.unwritten, moment)
        self._keep_up(moment)
        if not any(device.is_stuck(at_s=moment.uptime_ms / 1_000) for device in self._devices):
            self._watchdog.feed(at_ms=moment.uptime_ms)
        return going and not self._must_end()

    def _must_end(self) -> bool:
        """Whether the outbox proved corrupt and no call is held here alone: the next start saves what is left of it."""
        if self._outbox.spoilt is None or self._memory.owes:
            return False
        _log.critical("outbox.spoilt", extra={"why": self._outbox.spoilt, "unstored": len(self._owed)})
        return True

    def status(self, state: PresenceState) -> tuple[str, bytes]:
        """The retained topic and payload that tell this presence."""
        return presence(self._address, state, boot=self._outbox.boot, version=self._version)

    def _take(self) -> list[Item]:
        items: list[Item] = []
        try:
            items.append(self._inbox.get(timeout=self.patience_s()))
            while len(items) < GROUP_RECORDS:
                items.append(self._inbox.get_nowait())
        except Empty:
            pass
        return items

    def patience_s(self) -> float:
        """Seconds until something is due without anything coming."""
        now_ms = int(self._clock.monotonic_s() * 1_000)
        parts = (self._courier, self._memory, self._second, self._calls)
        due = [self._upkeep.due_ms, *(wake_ms for each in parts if (wake_ms := each.wake_ms()) is not None)]
        if self._group_due_ms is not None:
            due.append(max(self._group_due_ms, self._again_ms))
        return max(0.0, (min(due) - now_ms) / 1_000)

    def _keep_up(self, moment: Moment) -> None:
        try:
            if self._upkeep.tick(moment):
                self._courier.appended(set(Lane), moment)
                self._calls.brought(moment)
        except (OutboxError, OSError) as error:
            _log.error("upkeep.failed", extra={"why": str(error)})
        self._watch_clock(moment)

    def _watch_clock(self, moment: Moment) -> None:
        try:
            self._upkeep.watch_clock(moment)
        except OutboxError as error:
            _log.error("upkeep.failed", extra={"why": str(error)})

    def _occurred(self, item: Occurred) -> None:
        ref = item.occurrence.ref or self._new_ref(item.device)
        (self._urgent if is_life_safety(item.occurrence) else self._events).append((item, ref))

    def _sampled(self, item: Sampled, moment: Moment) -> None:
        self._outputs.sampled(item.device, item.measurement.values, uptime_ms=item.uptime_ms, moment=moment)
        self._readings.append(item)
        if self._group_due_ms is None:
            self._group_due_ms = moment.uptime_ms + GROUP_MS
        if len(self._readings) > _MOST_UNSTORED:
            lost = self._readings.pop(0)
            _log.error("reading.lost", extra={"device": lost.device, "why": "the disk takes nothing"})

    def _store_calls(self, moment: Moment) -> None:
        """Commit calls for help alone and at once, then show that they are stored; else they go out from memory.

        What is committed is not committed again, also where it cannot be read back to be followed: that alone is owed.
        """
        if not self._owed:
            return
        if moment.uptime_ms < self._again_ms:
            if len(self._owed) > self._memory.held:
                self._hold_calls(moment)
            return
        is_new = bool(self._urgent)
        if is_new and not self._commit(self._drafts_of(self._urgent, moment), moment):
            self._hold_calls(moment)
            return
        self._unfollowed += self._urgent
        self._urgent.clear()
        if self._follow_calls(moment):
            self._unfollowed.clear()
            self._memory.stored()
        else:
            self._hold_calls(moment)
        if is_new:
            self._courier.appended({Lane.SOS}, moment)

    @property
    def _owed(self) -> list[tuple[Occurred, str]]:
        """Calls that are not yet stored and followed; until then they are memory's too."""
        return [*self._unfollowed, *self._urgent]

    def _follow_calls(self, moment: Moment) -> bool:
        try:
            self._calls.stored(moment)
        except OutboxError as error:
            self._refused(error, moment)
            return False
        return True

    def _hold_calls(self, moment: Moment) -> None:
        held: list[MemoryCall] = []
        for item, ref in self._owed:
            draft = event_draft(item.device, item.occurrence, ref=ref, moment=moment)
            if isinstance(draft, Draft):
                synced = moment.state is ClockState.SYNCED
                held.append(MemoryCall(ref=ref, event=item.occurrence.event, body=draft.body, synced=synced))
        self._memory.hold(held, moment)
        self._show_unstored()

    def _held(self) -> list[Held]:
        """Presses and falls that the disk did not take."""
        return [
            Held(ref, item.device, item.occurrence.event, is_sent=self._memory.has_sent(ref))
            for item, ref in self._owed
            if is_call(item.occurrence)
        ]

    def _show_unstored(self) -> None:
        self._calls.unstored([(item.device, ref, self._memory.has_sent(ref)) for item, ref in self._owed])

    def _store(self, moment: Moment, *, everything: bool) -> None:
        """Commit events at once, and readings with them or when their group is full or due."""
        due = self._group_due_ms is not None and moment.uptime_ms >= self._group_due_ms
        if not (self._events or due or len(self._readings) >= GROUP_RECORDS or everything):
            return
        if moment.uptime_ms < self._again_ms:
            return
        drafts = self._drafts_of(self._events, moment)
        for sampled in self._readings:
            draft = reading_draft(
                sampled.device, sampled.kind, sampled.measurement, uptime_ms=sampled.uptime_ms, moment=moment
            )
            self._keep(sampled.device, draft, drafts)
        if not drafts or self._commit(drafts, moment):
            self._events.clear()
            self._readings.clear()
            self._group_due_ms = None
            self._courier.appended({draft.lane for draft in drafts}, moment)
        else:
            self._group_due_ms = self._again_ms

    def _drafts_of(self, occurred: list[tuple[Occurred, str]], moment: Moment) -> list[Draft]:
        drafts: list[Draft] = []
        for item, ref in occurred:
            self._keep(item.device, event_draft(item.device, item.occurrence, ref=ref, moment=moment), drafts)
        return drafts

    def _keep(self, device: str, draft: Draft | Unusable, drafts: list[Draft]) -> None:
        if isinstance(draft, Draft):
            drafts.append(draft)
        else:
            _log.error("record.unusable", extra={"device": device, "why": draft.detail})

    def _commit(self, drafts: list[Draft], moment: Moment) -> bool:
        try:
            self._outbox.append(
                drafts,
                at=moment.at,
                uptime_ms=moment.uptime_ms,
                synced=moment.state is ClockState.SYNCED,
                flowing=self._courier.flowing(),
            )
        except OutboxError as error:
            self._refused(error, moment)
            return False
        return True

    def _refused(self, error: OutboxError, moment: Moment) -> None:
        _log.critical("outbox.failed", extra={"why": str(error), "again_ms": _AGAIN_MS})
        self._again_ms = moment.uptime_ms + _AGAIN_MS

    def _linked(self, event: LinkUp | LinkDown | NotTaken, moment: Moment) -> None:
        match event:
            case LinkUp(link=link, largest_packet=largest):
                self._told.pop(link, None)
                _log.info("link.up", extra={"link": link})
                if link is LinkName.REST:
                    self._rest.publish(*self.status(PresenceState.ONLINE), retain=True)
                if link is LinkName.SECOND:
                    self._second.connected(moment, largest_packet=largest)
                    return
                self._courier.connected(LANES[link], moment, largest_packet=largest)
                if link is LinkName.SOS:
                    self._memory.connected(moment)
            case LinkDown(link=link, reason=reason):
                if self._told.get(link) != reason:
                    self._told[link] = reason
                    _tell_down(event)
                if link is LinkName.SECOND:
                    self._second.disconnected(moment)
                    return
                self._courier.disconnected(LANES[link], moment)
            case NotTaken(link=link, reason=reason):
                _log.warning("broker.refused", extra={"link": link, "why": reason})

    def _arrived(self, item: Arrived, moment: Moment) -> Moment:
        """Take an answer; return the moment by what is known since."""
        is_aside = item.link is LinkName.SECOND
        try:
            lane = parse_topic(item.topic).channel.lane
        except TopicError:
            lane = None
        answer = decode_ack(item.payload)
        if lane is None or isinstance(answer, MessageRejection) or answer.lane is not lane:
            _log.warning("answer.unusable", extra={"topic": item.topic})
            return moment
        if isinstance(answer, Ack):
            if not is_aside:
                moment = self._learn(answer, moment)
            if lane is Lane.SOS and self._owed:
                self._memory.answered(answer)
                self._show_unstored()
        if is_aside:
            self._courier.answered_aside(lane, answer, moment)
        else:
            self._courier.answered(lane, answer, moment)
        return moment

    def _learn(self, ack: Ack, moment: Moment) -> Moment:
        """Take the time from an ack; return the moment by what is known now, before anything more is sent by it."""
        hub_ms = parse_instant_ms(ack.hub_time)
        if hub_ms is None or ack.hub_id != (self._courier.home or ack.hub_id):
            return moment
        self._upkeep.heard_hub(hub_ms)
        if ack.uptime_ms is not None:
            self._clock.learn(from_ms(hub_ms), asked_ms=ack.uptime_ms, answered_ms=moment.uptime_ms)
            moment = self._clock.moment()
            self._watch_clock(moment)
            if ack.lane is Lane.SOS and ack.sos is not None and self._has_every_call(ack):
                self._listed({receipt.ref for receipt in ack.sos}, moment)
        return moment

    def _has_every_call(self, ack: Ack) -> bool:
        """Whether nothing that is stored here lies ahead of the hub, as it does where the hub was put back."""
        return ack.epoch == self._outbox.epoch and ack.hw >= self._outbox.marks(Lane.SOS).next - 1

    def _listed(self, refs: set[str], moment: Moment) -> None:
        try:
            self._calls.listed(refs, moment)
        except OutboxError as error:
            _log.error("outbox.failed", extra={"why": str(error)})


def presence(address: NodeAddress, state: PresenceState, *, boot: str, version: str) -> tuple[str, bytes]:
    """The retained topic and payload that tell a node's presence."""
    return address.topic(Channel.STATUS), encode(Status(state=state, boot=boot, version=version))


def _tell_down(event: LinkDown) -> None:
    told = {"link": event.link, "why": event.reason}
    if not event.refused:
        _log.warning("link.down", extra=told)
        return
    key = "second_path.broker.password" if event.link is LinkName.SECOND else "broker.password"
    _log.error("link.refused", extra={**told, "hint": f"check {key}"})
