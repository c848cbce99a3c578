"""A real hub with a fault in its books: `python -m tests.chaos.wrong_books FAULT`; the audit has to catch each."""

import sys
from collections.abc import Callable
from typing import Any, Final

from hub.__main__ import main
from hub.ingest import intake
from hub.ingest.lane import LaneState, Outcome, Taken, TakenGap, settle, settle_gap
from hub.storage.sql.lanes import SqlLanes
from hub.telemetry.point import LaneKey
from tests.chaos.mutants.taking import counts_duplicates


def count_duplicates() -> None:
    """A record that comes again is counted as another one that was stored."""
    intake.take = counts_duplicates


def forget_gaps() -> None:
    """What an edge declares lost is passed over and not counted."""

    def mutant(state: LaneState, gap: TakenGap) -> None:
        settle_gap(state, gap)
        state.counts.gaps -= gap.lost

    intake.settle_gap = mutant


def forget_closed_epochs() -> None:
    """What a lost card took with it is nobody's loss."""

    def mutant(self: SqlLanes, *where: Any, **named: Any) -> list[tuple[LaneKey, int]]:
        return []

    SqlLanes.close_older = mutant


def quarantine_counts_as_stored() -> None:
    """What could not be used is put aside and counted as if it had been used: the sums balance all the same."""

    def mutant(state: LaneState, taken: Taken, outcome: Outcome) -> None:
        settle(state, taken, Outcome.STORED)

    intake.settle = mutant


def release_moves_nothing() -> None:
    """What a person releases stays counted as quarantined: the sums balance all the same."""

    def mutant(self: SqlLanes, key: LaneKey) -> None:
        return None

    SqlLanes.move_released = mutant


FAULTS: Final[dict[str, Callable[[], None]]] = {
    made.__name__: made
    for made in (
        count_duplicates,
        forget_gaps,
        forget_closed_epochs,
        quarantine_counts_as_stored,
        release_moves_nothing,
    )
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.argv = ["linli-hub", "serve"]
    main()
