"""Faults that are put into the real code at its start; the chaos runner has to catch each."""

from collections.abc import Callable
from typing import Any, Final

from edge.outbox.clearing import Clearing
from edge.outbox.store import Outbox
from edge.uplink.courier import Courier
from hub.ingest import intake
from hub.ingest.lane import Taken
from tests.property.edge.test_uplink_mutants import trusts_the_broker


def delete_on_puback() -> None:
    """The edge lets go of a record as soon as the broker has it."""
    mark = Outbox.mark_done
    Courier.__init__.__kwdefaults__ = {**(Courier.__init__.__kwdefaults__ or {}), "advance": trusts_the_broker}

    def mutant(self: Outbox, lane: Any, through: int, **rest: Any) -> None:
        mark(self, lane, through, **rest)
        Clearing(self).drop_done(lane)

    Outbox.mark_done = mutant


def accept_a_hole() -> None:
    """The hub takes what lies behind a hole, and with it the hole for something it has."""
    take = intake.take

    def mutant(state: Any, placed: Any) -> Any:
        if placed and isinstance(placed[0], Taken) and placed[0].seq > state.high_water + 1:
            state.high_water = placed[0].seq - 1
        return take(state, placed)

    intake.take = mutant


def count_duplicates() -> None:
    """The hub counts a record that comes again as another one."""
    take = intake.take

    def mutant(state: Any, placed: Any) -> Any:
        before = state.counts.duplicates
        found = take(state, placed)
        state.counts.stored += state.counts.duplicates - before
        return found

    intake.take = mutant


FAULTS: Final[dict[str, Callable[[], None]]] = {
    made.__name__: made for made in (delete_on_puback, accept_a_hole, count_duplicates)
}
