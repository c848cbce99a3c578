"""The second path of a call for help (`wire.md` §4), pure: when it opens, what goes there again, which number is told.

`(state, input, at_ms) -> (state, effects)`; times are milliseconds of uptime. The first path knows nothing of it and
goes on: nothing that is decided here marks a record done or ends a connection.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from edge.uplink.lane import LONGEST_SOS_RESEND_MS, SOS_RESEND_MS

OPEN_AFTER_MS: Final = 3_000
"""Without *sent* for this long a call goes out on the second path as well (`wire.md` §4)."""
TEXT_BESIDE_BROKER_MS: Final = 6_000
"""The same for text messages where a second broker is tried before them."""
TEXT_AGAIN_MS: Final = 5_000
"""First pause before a number is tried again that was refused; it doubles up to ..."""
LONGEST_TEXT_AGAIN_MS: Final = 60_000


class Because(StrEnum):
    """Why something of the second path happened; logged with it."""

    NOT_SENT = "not_sent"
    """No hub has said *sent* of the call in time."""
    BEFORE_THIS_BOOT = "before_this_boot"
    """The call was waiting before the machine started: it has waited long enough."""
    ALL_DONE = "all_done"
    """The home hub has everything by the first path."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is of a second path: a broker, and numbers with the age of a call from which on they are told."""

    has_broker: bool
    numbers: tuple[str, ...] = ()
    text_after_ms: int = OPEN_AFTER_MS


@dataclass(frozen=True, slots=True)
class Unsent:
    """A call of which no hub has said *sent*: since when it waits, None where that was before this boot."""

    ref: str
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """How far a number is with a call: `taken` for good, or to be tried from `due_ms` on."""

    ref: str
    number: str
    taken: bool = False
    due_ms: int = 0
    wait_ms: int = TEXT_AGAIN_MS
    tries: int = 0


@dataclass(frozen=True, slots=True)
class SecondPathState:
    """The second path of a node; `offered` is the seq to come when the second broker was last sent something."""

    plan: Plan
    unsent: tuple[Unsent, ...] = ()
    up: bool = False
    opened: bool = False
    offered: int = 0
    resend_ms: int = 0
    wait_ms: int = SOS_RESEND_MS
    told: tuple[Told, ...] = field(default=())
    under_way: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """How things stand now: calls without *sent*, oldest first, and whether the first path has everything `done`.

    `next` is the seq to come of the sos lane.
    """

    unsent: tuple[Unsent, ...]
    next: int
    all_done: bool


@dataclass(frozen=True, slots=True)
class PathUp:
    """The connection to the second broker is up and subscribed."""


@dataclass(frozen=True, slots=True)
class PathDown:
    """The connection to the second broker is gone."""


@dataclass(frozen=True, slots=True)
class TextTaken:
    """The network has the text for this number."""

    ref: str
    number: str


@dataclass(frozen=True, slots=True)
class TextRefused:
    """The modem or the network did not take it, or did not answer."""

    ref: str
    number: str


Input = Looked | PathUp | PathDown | TextTaken | TextRefused


@dataclass(frozen=True, slots=True)
class Open:
    """From now on calls go to the second broker as well."""

    ref: str
    because: Because


@dataclass(frozen=True, slots=True)
class Close:
    """Nothing goes there any more."""

    because: Because


@dataclass(frozen=True, slots=True)
class SendCopies:
    """Publish what is not done of the sos lane on the second connection."""


@dataclass(frozen=True, slots=True)
class SendText:
    """Give the modem a text about this call; answered by TextTaken or TextRefused."""

    ref: str
    number: str
    because: Because


Effect = Open | Close | SendCopies | SendText
Step = tuple[SecondPathState, tuple[Effect, ...]]


def start(plan: Plan, *, taken: frozenset[tuple[str, str]] = frozenset()) -> SecondPathState:
    """The state before anything is looked at; `taken` are the texts (ref, number) that had gone out before."""
    return SecondPathState(plan, told=tuple(Told(ref, number, taken=True) for ref, number in sorted(taken)))


def advance(state: SecondPathState, given: Input, at_ms: int) -> Step:
    """Return the next state and what is to be done."""
    match given:
        case Looked():
            return _looked(state, given, at_ms)
        case PathUp():
            return replace(state, up=True, resend_ms=at_ms, wait_ms=SOS_RESEND_MS), ()
        case PathDown():
            return replace(state, up=False), ()
        case TextTaken(ref=ref, number=number):
            return _answered(state, replace(_told(state, ref, number), taken=True)), ()
        case TextRefused(ref=ref, number=number):
            before = _told(state, ref, number)
            again = replace(
                before,
                due_ms=at_ms + before.wait_ms,
                wait_ms=min(LONGEST_TEXT_AGAIN_MS, 2 * before.wait_ms),
                tries=before.tries + 1,
            )
            return _answered(state, again), ()


def wake_ms(state: SecondPathState) -> int | None:
    """When the state wants to be told how things stand; a call that came meanwhile is told of anyway."""
    due: list[int] = []
    if state.plan.has_broker and not state.opened:
        due += [_due_ms(call, OPEN_AFTER_MS) for call in state.unsent]
    elif state.opened and state.up and state.unsent:
        due.append(state.resend_ms)
    if state.under_way is None:
        due += [ready for _, _, ready in _owed(state)]
    return min(due, default=None)


def _looked(state: SecondPathState, seen: Looked, at_ms: int) -> Step:
    refs = {call.ref for call in seen.unsent}
    state = replace(
        state,
        unsent=seen.unsent,
        # What a hub has needs no text; should its ref come back, that is another call.
        told=tuple(told for told in state.told if told.ref in refs),
    )
    effects: list[Effect] = []
    if state.plan.has_broker:
        state = _broker(state, seen, at_ms, effects)
    return _texts(state, at_ms, effects), tuple(effects)


def _broker(state: SecondPathState, seen: Looked, at_ms: int, effects: list[Effect]) -> SecondPathState:
    if not state.opened:
        late = next((call for call in seen.unsent if _due_ms(call, OPEN_AFTER_MS) <= at_ms), None)
        if late is None:
            return state
        effects.append(Open(late.ref, _because(late)))
        state = replace(state, opened=True, offered=0, resend_ms=at_ms, wait_ms=SOS_RESEND_MS)
    elif not seen.unsent and seen.all_done:
        effects.append(Close(Because.ALL_DONE))
        return replace(state, opened=False)
    if not state.up:
        return state
    # A cancellation and new presses go at once, all of it again while a call lacks *sent*.
    is_new, is_due = seen.next > state.offered, bool(seen.unsent) and at_ms >= state.resend_ms
    if not is_new and not is_due:
        return state
    effects.append(SendCopies())
    wait_ms = SOS_RESEND_MS if is_new else state.wait_ms
    return replace(state, offered=seen.next, resend_ms=at_ms + wait_ms, wait_ms=min(LONGEST_SOS_RESEND_MS, 2 * wait_ms))


def _texts(state: SecondPathState, at_ms: int, effects: list[Effect]) -> SecondPathState:
    """Give the modem one text at a time: the least tried first, then the oldest call, then the first number."""
    if state.under_way is not None:
        return state
    ready = [(told, call) for told, call, due_ms in _owed(state) if due_ms <= at_ms]
    if not ready:
        return state
    told, call = min(ready, key=lambda owed: owed[0].tries)
    effects.append(SendText(told.ref, told.number, _because(call)))
    return replace(state, under_way=(told.ref, told.number))


def _owed(state: SecondPathState) -> list[tuple[Told, Unsent, int]]:
    """What numbers have not been told, each with the time from which on it may be tried."""
    owed: list[tuple[Told, Unsent, int]] = []
    for call in state.unsent:
        for number in state.plan.numbers:
            told = _told(state, call.ref, number)
            if not told.taken:
                owed.append((told, call, max(told.due_ms, _due_ms(call, state.plan.text_after_ms))))
    return owed


def _answered(state: SecondPathState, told: Told) -> SecondPathState:
    others = tuple(one for one in state.told if (one.ref, one.number) != (told.ref, told.number))
    return replace(state, told=(*others, told), under_way=None)


def _told(state: SecondPathState, ref: str, number: str) -> Told:
    return next((one for one in state.told if (one.ref, one.number) == (ref, number)), Told(ref, number))


def _due_ms(call: Unsent, after_ms: int) -> int:
    return 0 if call.since_ms is None else call.since_ms + after_ms


def _because(call: Unsent) -> Because:
    return Because.BEFORE_THIS_BOOT if call.since_ms is None else Because.NOT_SENT
