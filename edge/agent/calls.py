"""Calls for help on this node: followed in the outbox, shown on the indicators."""

from collections.abc import Sequence
from typing import Final, Protocol

from edge.clock import Moment
from edge.drivers.driver import Stage
from edge.local_rules import UNSENT_FAILS_MS, CallShown, shown
from edge.outbox import Call, CallStage
from protocols.ack import SosReceipt, SosStage
from protocols.instant import format_instant, parse_instant_ms, to_ms

FORGOTTEN_AFTER_MS: Final = 600_000
"""The home hub lists a call until 10 min after it is closed (`wire.md` §4); one it lists no more is closed."""


class CallBook(Protocol):
    """What is needed of the outbox."""

    def calls(self) -> list[Call]: ...
    def mark_call(self, ref: str, stage: CallStage, *, at: str, by: str | None = None) -> bool: ...


class Shower(Protocol):
    """A device that may have an indicator."""

    slug: str

    @property
    def calls_for_help(self) -> bool: ...
    @property
    def shows(self) -> bool: ...
    def show(self, stage: Stage, *, ref: str) -> None: ...


_PROVEN: Final = {
    SosStage.RECEIVED: (CallStage.SENT,),
    SosStage.NOTIFIED: (CallStage.SENT,),
    SosStage.HEARD: (CallStage.SENT, CallStage.HEARD),
    SosStage.ON_THE_WAY: (CallStage.SENT, CallStage.HEARD, CallStage.COMING),
    SosStage.CLOSED: (CallStage.SENT, CallStage.CLOSED),
}
"""What a receipt proves; a call may be closed without a word that it was heard."""


class Calls:
    """Follows each call; a device that makes calls shows its own newest open one, another the node's."""

    def __init__(self, book: CallBook, showers: Sequence[Shower], *, boot: str) -> None:
        """Take up what is still open."""
        self._book = book
        self._showers = [shower for shower in showers if shower.shows]
        self._boot = boot
        self._open = [call for call in book.calls() if call.closed_at is None]
        self._unstored: set[str] = set()
        self._on: dict[str, tuple[str, CallShown]] = {}
        self._ticked_ms = 0

    @property
    def open(self) -> Sequence[Call]:
        """The calls that are not closed, oldest first."""
        return self._open

    @property
    def unwritten(self) -> frozenset[str]:
        """Devices whose call could not be written down."""
        return frozenset(self._unstored)

    def stored(self, moment: Moment) -> None:
        """Calls were written down."""
        self._unstored.clear()
        self._changed(moment)

    def brought(self, moment: Moment) -> None:
        """Calls may have come out of a corrupt outbox."""
        self._changed(moment)

    def unstored(self, calls: Sequence[tuple[str, str, bool]]) -> None:
        """Calls (device, ref, whether a hub has it) that could not be written down: their devices must show that.

        What a hub has is shown as sent: somebody knows.
        """
        self._unstored = {device for device, _, _ in calls}
        for shower in self._showers:
            mine = [call for call in calls if not shower.calls_for_help or call[0] == shower.slug]
            worst = [call for call in mine if not call[2]] or mine
            if worst:
                _, ref, sent = worst[-1]
                self._show(shower, ref, CallShown.SENT if sent else CallShown.FAILED)

    def lit(self, receipt: SosReceipt, at_home: bool, moment: Moment) -> None:  # noqa: FBT001 the courier's callback
        """A hub lists a call; another than the home hub only proves that it was sent."""
        if not any(call.ref == receipt.ref for call in self._open):
            return
        now = format_instant(moment.at)
        told = receipt.at if parse_instant_ms(receipt.at) is not None else None
        news = False
        for stage in _PROVEN[receipt.stage] if at_home else (CallStage.SENT,):
            at = now if stage is CallStage.SENT or told is None else told
            by = receipt.by if stage is CallStage.HEARD else None
            news = self._book.mark_call(receipt.ref, stage, at=at, by=by) or news
        if news:
            self._changed(moment)

    def listed(self, refs: set[str], moment: Moment) -> None:
        """The list of a home hub that has every call, in answer to a hello: those it lists no longer are closed."""
        for call in self._open:
            sent_ms = parse_instant_ms(call.sent_at)
            if call.ref not in refs and sent_ms is not None and to_ms(moment.at) - sent_ms > FORGOTTEN_AFTER_MS:
                self._book.mark_call(call.ref, CallStage.CLOSED, at=format_instant(moment.at))
                self._changed(moment)

    def wake_ms(self) -> int | None:
        """When a call has waited so long for *sent* that its caller must know, in uptime."""
        mine = [call for call in self._open if call.sent_at is None and call.boot == self._boot]
        due = [call.stored_ms + UNSENT_FAILS_MS for call in mine]
        return min((due_ms for due_ms in due if due_ms > self._ticked_ms), default=None)

    def tick(self, moment: Moment) -> None:
        """Show what has changed, also by waiting."""
        self._ticked_ms = moment.uptime_ms
        for shower in self._showers:
            if self._unstored and (not shower.calls_for_help or shower.slug in self._unstored):
                continue
            mine = [call for call in self._open if not shower.calls_for_help or call.device == shower.slug]
            if mine:
                self._show(shower, mine[-1].ref, self._shown(mine[-1], moment))
            elif shower.slug in self._on:
                self._show(shower, self._on[shower.slug][0], CallShown.CLEARED)

    def _changed(self, moment: Moment) -> None:
        self._open = [call for call in self._book.calls() if call.closed_at is None]
        self.tick(moment)

    def _shown(self, call: Call, moment: Moment) -> CallShown:
        return shown(
            sent=call.sent_at is not None,
            heard=call.heard_at is not None,
            coming=call.coming_at is not None,
            closed=call.closed_at is not None,
            waited_ms=moment.uptime_ms - call.stored_ms if call.boot == self._boot else None,
        )

    def _show(self, shower: Shower, ref: str, what: CallShown) -> None:
        if self._on.get(shower.slug) != (ref, what):
            self._on[shower.slug] = (ref, what)
            shower.show(Stage(what.value), ref=ref)
