"""Runs the second path of calls for help: a second broker beside the first, and text messages by a modem."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from edge.clock import Moment
from edge.errors import OutboxError
from edge.outbox import Call, LaneMarks
from edge.sms.desk import Texted, TextRequest
from edge.sms.text import Told, masked, text_of
from edge.uplink.second_path import (
    Close,
    Input,
    Looked,
    Open,
    PathDown,
    PathUp,
    Plan,
    SecondPathState,
    SendCopies,
    SendText,
    Step,
    TextRefused,
    TextTaken,
    Unsent,
    advance,
    start,
    wake_ms,
)
from protocols.envelope import ClockState
from protocols.instant import format_instant, from_ms, parse_instant_ms
from protocols.lanes import Lane

_AGAIN_MS: Final = 1_000
"""Between attempts to note what the disk would not take."""
_log = logging.getLogger(__name__)


class TextBook(Protocol):
    """What is needed of the outbox."""

    def texts(self) -> frozenset[tuple[str, str]]: ...
    def mark_text(self, ref: str, number: str, *, at: str) -> None: ...


class Original(Protocol):
    """The courier of the first path, as far as it is copied."""

    def copies(self, lane: Lane, moment: Moment, *, largest_packet: int | None) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class Held:
    """A call that the disk did not take, and whether a hub has it from memory."""

    ref: str
    device: str
    event: str
    is_sent: bool


Publish = Callable[[bytes], bool]
"""Publish in the sos lane on the second connection; False where that cannot be done now."""
Advance = Callable[[SecondPathState, Input, int], Step]
"""The decisions of the second path."""


class SecondCourier:
    """Looks at the calls once a turn and does what the second path owes them; called by the loop alone."""

    def __init__(
        self,
        plan: Plan,
        *,
        publish: Publish,
        hand_over: Callable[[TextRequest], None],
        told: Told,
        book: TextBook,
        boot: str,
        advance: Advance = advance,
    ) -> None:
        """Take up which texts went out before; `told` is what a text says of this node."""
        self._publish = publish
        self._hand_over = hand_over
        self._told = told
        self._book = book
        self._boot = boot
        self._advance = advance
        self._state = start(plan, taken=book.texts() if plan.numbers else frozenset())
        self._largest: int | None = None
        self._held_since_ms: dict[str, int] = {}
        self._unnoted: list[tuple[str, str]] = []
        self._again_ms = 0

    @property
    def is_open(self) -> bool:
        """Whether calls go to the second broker now."""
        return self._state.opened

    def wake_ms(self) -> int | None:
        """When `tick` is due, in uptime."""
        due = [self._again_ms] if self._unnoted else []
        if (wake := wake_ms(self._state)) is not None:
            due.append(wake)
        return min(due, default=None)

    def connected(self, moment: Moment, *, largest_packet: int | None = None) -> None:
        """The second connection is up."""
        self._largest = largest_packet
        self._state, _ = self._advance(self._state, PathUp(), moment.uptime_ms)

    def disconnected(self, moment: Moment) -> None:
        """The second connection is gone."""
        self._state, _ = self._advance(self._state, PathDown(), moment.uptime_ms)

    def publish(self, payload: bytes) -> bool:
        """Publish a message of the sos lane there as well, while the path is open."""
        return self._state.opened and self._state.up and self._publish(payload)

    def texted(self, answer: Texted, moment: Moment) -> None:
        """The modem has answered: what the network took is noted for good, the rest is tried again."""
        about = {"ref": answer.ref, "number": masked(answer.number)}
        if answer.refusal is not None:
            _log.error("sms.refused", extra=about | {"why": answer.refusal})
            given: Input = TextRefused(answer.ref, answer.number)
        else:
            _log.warning("sms.sent", extra=about)
            given = TextTaken(answer.ref, answer.number)
            self._unnoted.append((answer.ref, answer.number))
        self._state, _ = self._advance(self._state, given, moment.uptime_ms)
        self._note(moment)

    def tick(
        self, calls: Sequence[Call], held: Sequence[Held], original: Original, moment: Moment, *, marks: LaneMarks
    ) -> None:
        """Look at the open calls, at those that the disk did not take, and at where the first path stands (`marks`)."""
        self._note(moment)
        looked = Looked(self._unsent(calls, held, moment), next=marks.next, all_done=marks.done >= marks.next - 1)
        self._state, effects = self._advance(self._state, looked, moment.uptime_ms)
        for effect in effects:
            match effect:
                case Open(ref=ref, because=because):
                    _log.warning("sos.second_path", extra={"ref": ref, "reason": because, "up": self._state.up})
                case Close(because=because):
                    _log.info("sos.second_path_closed", extra={"reason": because})
                case SendCopies():
                    self._send(original, moment)
                case SendText(ref=ref, number=number):
                    self._hand_over(TextRequest(ref, number, self._text(ref, calls, held, moment)))

    def _send(self, original: Original, moment: Moment) -> None:
        try:
            for payload in original.copies(Lane.SOS, moment, largest_packet=self._largest):
                self._publish(payload)
        except OutboxError as error:
            # What may not be noted as having left does not leave; the next timer tries again.
            _log.error("outbox.failed", extra={"lane": Lane.SOS, "why": str(error)})

    def _unsent(self, calls: Sequence[Call], held: Sequence[Held], moment: Moment) -> tuple[Unsent, ...]:
        unsent = [
            Unsent(call.ref, call.stored_ms if call.boot == self._boot else None)
            for call in calls
            if call.sent_at is None
        ]
        known = {call.ref for call in calls}
        waiting = [one.ref for one in held if not one.is_sent and one.ref not in known]
        self._held_since_ms = {ref: self._held_since_ms.get(ref, moment.uptime_ms) for ref in dict.fromkeys(waiting)}
        unsent += [Unsent(ref, since_ms) for ref, since_ms in self._held_since_ms.items()]
        return tuple(unsent)

    def _text(self, ref: str, calls: Sequence[Call], held: Sequence[Held], moment: Moment) -> str:
        one = next(one for one in (*calls, *held) if one.ref == ref)
        if isinstance(one, Call):
            stored_ms = parse_instant_ms(one.stored_at)
            at = moment.at if stored_ms is None else from_ms(stored_ms)
        else:
            at = moment.back_at(self._held_since_ms[ref])
        is_sure = moment.state is ClockState.SYNCED
        return text_of(self._told, device=one.device, event=one.event, ref=ref, at=at, is_sure=is_sure)

    def _note(self, moment: Moment) -> None:
        """Commit which texts have gone out; what the disk does not take is kept and tried again."""
        if not self._unnoted or moment.uptime_ms < self._again_ms:
            return
        try:
            while self._unnoted:
                ref, number = self._unnoted[0]
                self._book.mark_text(ref, number, at=format_instant(moment.at))
                del self._unnoted[0]
        except OutboxError as error:
            self._again_ms = moment.uptime_ms + _AGAIN_MS
            _log.error("outbox.failed", extra={"why": str(error)})
