"""The sender of test presses: one lane of the wire contract with one record at a time; pure.

`(state, input, at) -> (state, effects)`. A press counts as through when the hub lists it as *notified*: committed, its
message written, leased, sent and settled by the outbox. Where hub and watchdog no longer agree about the lane, one of
them was restored, and a new epoch begins: there is nothing in it that anybody would miss.
"""

from dataclasses import dataclass, replace
from typing import Final

from protocols.ack import Ack, SosStage
from protocols.hello import DEFAULT_INTERVAL_S
from protocols.lanes import Lane

FIRST_RESEND_MS: Final = 500
LONGEST_RESEND_MS: Final = 2_000
FIRST_HELLO_MS: Final = 2_000
LONGEST_HELLO_MS: Final = 30_000
ASK_AGAIN_MS: Final = 2_000
"""A press that is stored but not handled is asked after by a hello, for the push may have been lost."""
_HANDLED: Final = frozenset(SosStage) - {SosStage.RECEIVED}


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker has taken the subscription."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Time has passed."""


Input = Connected | Lost | Passed | Ack


@dataclass(frozen=True, slots=True)
class SayHello:
    """Say where the lane stands."""


@dataclass(frozen=True, slots=True)
class Press:
    """Send the test press of this seq, for the first time or again."""

    seq: int


@dataclass(frozen=True, slots=True)
class BeginEpoch:
    """Begin a new epoch."""


@dataclass(frozen=True, slots=True)
class Through:
    """The press came through to the end of the outbox."""

    seq: int
    took_ms: int


Effect = SayHello | Press | BeginEpoch | Through


@dataclass(frozen=True, slots=True)
class Flight:
    """The press under way."""

    seq: int
    pressed_ms: int
    resend_ms: int
    wait_ms: int = FIRST_RESEND_MS
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Prober:
    """Where the lane stands."""

    every_ms: int
    epoch: str
    next: int = 1
    """The seq to come; it is kept over restarts."""
    connected: bool = False
    answered: bool = False
    hello_due_ms: int = 0
    hello_wait_ms: int = FIRST_HELLO_MS
    interval_ms: int = DEFAULT_INTERVAL_S[Lane.SOS] * 1_000
    press_due_ms: int = 0
    flight: Flight | None = None


def ref_of(epoch: str, seq: int) -> str:
    """Return the ref of a test press."""
    return f"{epoch}:{seq}"


def step(state: Prober, told: Input, *, at_ms: int) -> tuple[Prober, tuple[Effect, ...]]:
    """Take what happened at `at_ms`."""
    match told:
        case Connected():
            return _hello(replace(state, connected=True, answered=False, hello_wait_ms=FIRST_HELLO_MS), at_ms)
        case Lost():
            return replace(state, connected=False, answered=False), ()
        case Passed():
            return _passed(state, at_ms)
        case Ack():
            return _acked(state, told, at_ms)


def begun(state: Prober, epoch: str) -> Prober:
    """Return the state in a new epoch, which the next hello tells of."""
    return replace(state, epoch=epoch, next=1, flight=None, answered=False, hello_due_ms=0, press_due_ms=0)


def _passed(state: Prober, at_ms: int) -> tuple[Prober, tuple[Effect, ...]]:
    if not state.connected:
        return state, ()
    effects: tuple[Effect, ...] = ()
    if at_ms >= state.hello_due_ms:
        state, effects = _hello(state, at_ms)
    flight = state.flight
    if flight is not None and not flight.stored and state.answered and at_ms >= flight.resend_ms:
        wait_ms = min(2 * flight.wait_ms, LONGEST_RESEND_MS)
        again = replace(flight, resend_ms=at_ms + wait_ms, wait_ms=wait_ms)
        return replace(state, flight=again), (*effects, Press(flight.seq))
    if flight is None and state.answered and at_ms >= state.press_due_ms:
        pressed = Flight(state.next, at_ms, at_ms + FIRST_RESEND_MS)
        state = replace(state, flight=pressed, next=state.next + 1, press_due_ms=at_ms + state.every_ms)
        return state, (*effects, Press(pressed.seq))
    return state, effects


def _hello(state: Prober, at_ms: int) -> tuple[Prober, tuple[Effect, ...]]:
    wait_ms = state.hello_wait_ms
    longer_ms = min(2 * wait_ms, LONGEST_HELLO_MS)
    return replace(state, hello_due_ms=at_ms + wait_ms, hello_wait_ms=longer_ms), (SayHello(),)


def _acked(state: Prober, ack: Ack, at_ms: int) -> tuple[Prober, tuple[Effect, ...]]:
    if ack.epoch != state.epoch:
        return state, ()
    flight = state.flight
    if ack.hello_interval_s is not None:
        state = replace(state, interval_ms=int(ack.hello_interval_s * 1_000))
    if ack.uptime_ms is not None:  # only an answer to a hello is never stale: a push may overtake what it tells of
        done = state.next - 1 if flight is None or flight.stored else state.next - 2
        if not done <= ack.hw < state.next:
            return state, (BeginEpoch(),)
        due_ms = at_ms + state.interval_ms
        state = replace(state, answered=state.connected, hello_due_ms=due_ms, hello_wait_ms=FIRST_HELLO_MS)
    if flight is None:
        return state, ()
    ref = ref_of(state.epoch, flight.seq)
    if any(receipt.ref == ref and receipt.stage in _HANDLED for receipt in ack.sos or ()):
        return replace(state, flight=None), (Through(flight.seq, at_ms - flight.pressed_ms),)
    if ack.hw >= flight.seq:
        ask_ms = min(state.hello_due_ms, at_ms + ASK_AGAIN_MS)
        state = replace(state, flight=replace(flight, stored=True), hello_due_ms=ask_ms)
    return state, ()
