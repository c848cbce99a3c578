"""Pure: how many hours a lamp has burned, from readings that say whether it burns."""

from dataclasses import dataclass, replace
from typing import Final

LONGEST_GAP_S: Final = 3_600.0
"""Between readings further apart nobody knows; then nothing is counted."""
KEEP_EVERY_H: Final = 0.25
"""So much may a power cut take: four small writes an hour of light."""


@dataclass(frozen=True, slots=True)
class BurnState:
    """Hours counted, hours that are kept on disk, and the last reading."""

    hours: float
    kept_hours: float
    burning: bool = False
    at_s: float | None = None


def step(state: BurnState, *, burning: bool, at_s: float) -> BurnState:
    """Return the next state: the time between two readings counts whole, half, or not, as both, one or none burn."""
    passed_s = 0.0 if state.at_s is None else at_s - state.at_s
    if not 0 < passed_s <= LONGEST_GAP_S:
        passed_s = 0.0
    share = (state.burning + burning) / 2
    return replace(state, hours=state.hours + share * passed_s / 3_600, burning=burning, at_s=at_s)


def is_due(state: BurnState) -> bool:
    """Whether the hours should be kept now."""
    return state.hours - state.kept_hours >= KEEP_EVERY_H
