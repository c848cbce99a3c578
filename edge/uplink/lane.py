"""The lane protocol of `wire.md` §3-§4 from the edge's side, pure: `(state, input, at_ms) -> (state, effects)`.

Times are milliseconds of uptime. The courier runs the effects at once and in order; `Sent` answers each `Send`.
"""

from dataclasses import dataclass, replace
from typing import Final

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
from protocols.ack import Ack
from protocols.hello import DEFAULT_INTERVAL_S, NewEpochBecause
from protocols.lanes import Lane
from protocols.rejections import MessageReason

WIDEST_WINDOW: Final = 8
"""Messages unacknowledged at most."""
MOST_RECORDS: Final = 200
"""Records in a message."""
HELLO_RETRY_MS: Final = 2_000
LONGEST_HELLO_RETRY_MS: Final = 30_000
RESEND_MS: Final = 2_000
LONGEST_RESEND_MS: Final = 30_000
SOS_RESEND_MS: Final = 500
LONGEST_SOS_RESEND_MS: Final = 2_000
ACK_TIMES: Final = 4
"""A message counts as lost after this many smoothed ack times."""
EPOCH_AGAIN_MS: Final = 10_000
"""Least time between two new epochs, should a hub answer nonsense."""
_SMOOTHING: Final = 0.125
_REMEMBERED: Final = 32
"""Messages whose refusal can still be understood."""
_HELD: Final = frozenset({MessageReason.UNSUPPORTED_SCHEMA, MessageReason.UNKNOWN_NODE})
"""Refusals that say nothing about a record: what is refused so is held and sent again, never given up."""


@dataclass(frozen=True, slots=True)
class Flight:
    """A message that was sent and may still be acknowledged or refused."""

    first: int
    last: int
    records: int
    digest: str
    has_gap: bool
    sent_ms: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class LaneState:
    """One lane of one connection. `sent` is the last seq on its way: done <= sent < next."""

    lane: Lane
    epoch: str
    next: int
    done: int
    released: int
    home: str | None
    interval_ms: int
    connected: bool = False
    answered: bool = False
    sending: bool = False
    hello_due_ms: int | None = None
    hello_wait_ms: int = HELLO_RETRY_MS
    told_next: int = 1
    sent: int = 0
    reached: int = 0
    flights: tuple[Flight, ...] = ()
    remembered: tuple[Flight, ...] = ()
    window: int = WIDEST_WINDOW
    progress_ms: int = 0
    smoothed_ms: float | None = None
    resend_ms: int | None = None
    jitter: float = 1.0
    singly_through: int = 0
    begun_ms: int | None = None

    @property
    def flowing(self) -> bool:
        """Whether records may leave: connected, and (but for SOS) the first hello answered."""
        return self.connected and (self.answered or self.lane is Lane.SOS)


def start(*, lane: Lane, epoch: str, next_seq: int, done: int, released: int, home: str | None) -> LaneState:
    """The state of a lane before its first connection."""
    return LaneState(
        lane=lane,
        epoch=epoch,
        next=next_seq,
        done=done,
        released=released,
        home=home,
        interval_ms=int(DEFAULT_INTERVAL_S[lane] * 1_000),
        sent=done,
        reached=done,
    )


def wake_ms(state: LaneState) -> int | None:
    """When the lane wants its next Tick."""
    due = [due_ms for due_ms in (state.hello_due_ms, _resend_due_ms(state)) if due_ms is not None]
    return min(due, default=None) if state.connected else None


def advance(state: LaneState, given: Input, at_ms: int) -> tuple[LaneState, tuple[Effect, ...]]:
    """Return the next state of the lane and what is to be done."""
    match given:
        case Connected():
            return _connected(state, at_ms)
        case Disconnected():
            return _disconnected(state), ()
        case Appended(next=next_seq, released=released):
            return _flow(replace(state, next=next_seq, released=max(state.released, released)))
        case Sent():
            return _flow(_sent(state, given, at_ms))
        case NothingSent():
            return replace(state, sending=False), ()
        case GapAhead(last=last):
            return _hello(state, at_ms) if last >= state.told_next else (state, ())
        case Acked(ack=ack):
            return _acked(state, ack, at_ms)
        case Refused():
            return _refused(state, given)
        case Adopted(hub_id=hub_id):
            return replace(state, home=hub_id), ()
        case EpochBegun(epoch=epoch, next=next_seq):
            return _epoch_begun(state, epoch, next_seq, at_ms)
        case Tick(jitter=jitter):
            return _tick(state, jitter, at_ms)


def _connected(state: LaneState, at_ms: int) -> tuple[LaneState, tuple[Effect, ...]]:
    fresh = replace(_disconnected(state), connected=True, hello_wait_ms=HELLO_RETRY_MS)
    greeted, hello = _hello(fresh, at_ms)
    flowing, sends = _flow(greeted)
    return flowing, hello + sends


def _disconnected(state: LaneState) -> LaneState:
    return replace(
        state,
        connected=False,
        answered=False,
        sending=False,
        hello_due_ms=None,
        told_next=1,
        sent=state.done,
        flights=(),
        window=WIDEST_WINDOW,
        resend_ms=None,
        jitter=1.0,
    )


def _hello(state: LaneState, at_ms: int) -> tuple[LaneState, tuple[Effect, ...]]:
    waiting = replace(
        state,
        hello_due_ms=at_ms + state.hello_wait_ms,
        hello_wait_ms=min(LONGEST_HELLO_RETRY_MS, 2 * state.hello_wait_ms),
        told_next=state.next,
    )
    return waiting, (SayHello(state.interval_ms / 1_000),)


def _flow(state: LaneState) -> tuple[LaneState, tuple[Effect, ...]]:
    """Send the next message when the lane flows, the window has room and there is something to send."""
    if not state.flowing or state.sending or len(state.flights) >= state.window or state.sent + 1 >= state.next:
        return state, ()
    first = state.sent + 1
    send = Send(first, 1 if first <= state.singly_through else MOST_RECORDS)
    if state.released >= state.next - 1:
        return replace(state, sending=True), (send,)
    through = state.next - 1
    return replace(state, sending=True, released=through), (Release(through), send)


def _sent(state: LaneState, sent: Sent, at_ms: int) -> LaneState:
    flight = Flight(
        first=sent.first,
        last=sent.last,
        records=sent.records,
        digest=sent.digest,
        has_gap=sent.has_gap,
        sent_ms=at_ms,
        repeated=sent.first <= state.reached,
    )
    return replace(
        state,
        sending=False,
        sent=max(state.sent, sent.last),
        reached=max(state.reached, sent.last),
        flights=(*state.flights, flight),
        remembered=(*state.remembered, flight)[-_REMEMBERED:],
    )


def _acked(state: LaneState, ack: Ack, at_ms: int) -> tuple[LaneState, tuple[Effect, ...]]:
    home = state.home if state.home is not None else ack.hub_id
    at_home = ack.hub_id == home
    effects: list[Effect] = [Light(receipt, at_home) for receipt in ack.sos or ()]
    if ack.epoch != state.epoch or not at_home:
        return state, tuple(effects)
    if state.home is None:
        effects.append(Adopt(home))
        state = replace(state, home=home)
    if ack.hw > state.released:
        # The hub has what this file never let go: an older image of it was put back.
        if state.begun_ms is not None and at_ms - state.begun_ms < EPOCH_AGAIN_MS:
            return state, tuple(effects)
        return state, (*effects, BeginEpoch(NewEpochBecause.IMAGE_RESTORED))
    if ack.hello_interval_s is not None:
        state = replace(state, interval_ms=int(ack.hello_interval_s * 1_000))
    if ack.uptime_ms is not None or not state.answered:
        state = replace(
            state, answered=state.connected, hello_due_ms=at_ms + state.interval_ms, hello_wait_ms=HELLO_RETRY_MS
        )
    if ack.hw != state.done:
        effects.append(MarkDone(ack.hw))
        state = _progressed(state, ack.hw, at_ms) if ack.hw > state.done else _rewound(state, ack.hw)
    flowing, sends = _flow(state)
    return flowing, (*effects, *sends)


def _progressed(state: LaneState, hw: int, at_ms: int) -> LaneState:
    smoothed = state.smoothed_ms
    for flight in state.flights:
        if flight.last <= hw and not flight.repeated:
            took = at_ms - flight.sent_ms
            smoothed = took if smoothed is None else smoothed + _SMOOTHING * (took - smoothed)
    return replace(
        state,
        done=hw,
        sent=max(state.sent, hw),
        reached=max(state.reached, hw),
        flights=tuple(flight for flight in state.flights if flight.last > hw),
        window=min(WIDEST_WINDOW, 2 * state.window),
        progress_ms=at_ms,
        smoothed_ms=smoothed,
        resend_ms=None,
        jitter=1.0,
    )


def _rewound(state: LaneState, hw: int) -> LaneState:
    return replace(state, done=hw, sent=hw, flights=())


def _refused(state: LaneState, refusal: Refused) -> tuple[LaneState, tuple[Effect, ...]]:
    flight = next((known for known in reversed(state.remembered) if known.digest == refusal.digest), None)
    if flight is None or flight.last <= state.done or refusal.reason in _HELD:
        return state, ()
    before = max(state.done, flight.first - 1)
    again = replace(
        state,
        sent=min(state.sent, before),
        flights=tuple(other for other in state.flights if other.last <= before),
        remembered=tuple(other for other in state.remembered if other.digest != refusal.digest),
    )
    if flight.records > 1:
        flowing, sends = _flow(replace(again, singly_through=max(state.singly_through, flight.last)))
        return flowing, sends
    if flight.has_gap:
        return replace(state, remembered=again.remembered), ()
    flowing, sends = _flow(again)
    return flowing, (ReplaceByGap(flight.first), *sends)


def _epoch_begun(state: LaneState, epoch: str, next_seq: int, at_ms: int) -> tuple[LaneState, tuple[Effect, ...]]:
    begun = replace(
        start(lane=state.lane, epoch=epoch, next_seq=next_seq, done=0, released=0, home=state.home),
        interval_ms=state.interval_ms,
        smoothed_ms=state.smoothed_ms,
        begun_ms=at_ms,
    )
    return _connected(begun, at_ms) if state.connected else (begun, ())


def _tick(state: LaneState, jitter: float, at_ms: int) -> tuple[LaneState, tuple[Effect, ...]]:
    if not state.connected:
        return state, ()
    effects: tuple[Effect, ...] = ()
    if state.hello_due_ms is not None and at_ms >= state.hello_due_ms:
        state, effects = _hello(state, at_ms)
    due_ms = _resend_due_ms(state)
    if due_ms is not None and at_ms >= due_ms:
        longest = LONGEST_SOS_RESEND_MS if state.lane is Lane.SOS else LONGEST_RESEND_MS
        state = replace(
            state,
            sent=state.done,
            flights=(),
            window=1,
            resend_ms=min(longest, 2 * _resend_ms(state)),
            jitter=jitter,
        )
    flowing, sends = _flow(state)
    return flowing, effects + sends


def _resend_due_ms(state: LaneState) -> int | None:
    if not state.flights:
        return None
    since_ms = max(state.progress_ms, state.flights[0].sent_ms)
    return since_ms + int(_resend_ms(state) * state.jitter)


def _resend_ms(state: LaneState) -> int:
    if state.resend_ms is not None:
        return state.resend_ms
    if state.lane is Lane.SOS:
        return SOS_RESEND_MS
    return max(RESEND_MS, int(ACK_TIMES * (state.smoothed_ms or 0)))
