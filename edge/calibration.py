"""Pure: a measured distance to a fill level, with the blind zone and the far echo judged by what the bin was before."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from protocols.fill_level import Geometry, fill_percent

SATURATION_FROM_PERCENT: Final = 85.0
"""From this level on a lost target means "too near to be seen", not "nothing there" (`domain.md` §1.1)."""
EMPTIED_FALL_PERCENT: Final = 30.0
EMPTIED_BELOW_PERCENT: Final = 25.0
"""A fall as of a collection; what cannot be seen gives random far echoes, so it counts when seen twice (§1.1)."""
BEYOND_BOTTOM_SHARE: Final = 1.15
"""Echoes from beyond this times the measured bottom come from elsewhere: the speed of sound explains 6 % at most."""


class Unusable(StrEnum):
    """Why a distance says nothing about the level."""

    NO_TARGET = "no_target"
    BEYOND_BOTTOM = "beyond_bottom"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Level:
    """How full the bin is; `distance_mm` is None when the level was concluded (`saturated`), not measured."""

    fill_percent: float
    distance_mm: float | None
    saturated: bool = False


@dataclass(frozen=True, slots=True)
class LevelState:
    """The last level that was accepted, None at the start, and whether the reading after it says *emptied*."""

    fill_percent: float | None = None
    emptied: bool = False


def level_at(
    state: LevelState, distance_mm: float | None, *, geometry: Geometry
) -> tuple[LevelState, Level | Unusable]:
    """Return the next state and the level for a distance (None: no target was found).

    An echo from within the blind zone is a full bin, and so is what cannot be measured after the bin was at least 85 %
    full; anything else that cannot be measured is unusable, with the reason, and never an empty bin.
    """
    nearly_full = state.fill_percent is not None and state.fill_percent >= SATURATION_FROM_PERCENT
    if distance_mm is not None and distance_mm < geometry.blind_zone_mm:
        return _FULL
    if distance_mm is None or distance_mm > geometry.empty_mm * BEYOND_BOTTOM_SHARE:
        if nearly_full:
            return _FULL
        return state, Unusable.NO_TARGET if distance_mm is None else Unusable.BEYOND_BOTTOM
    level = Level(fill_percent=fill_percent(distance_mm, geometry), distance_mm=distance_mm)
    if nearly_full and not state.emptied and _is_emptied(state.fill_percent, level.fill_percent):
        return LevelState(state.fill_percent, emptied=True), Unusable.UNCONFIRMED
    return LevelState(level.fill_percent), level


_FULL: Final = (LevelState(100.0), Level(fill_percent=100.0, distance_mm=None, saturated=True))


def _is_emptied(before_percent: float | None, now_percent: float) -> bool:
    fall_percent = (before_percent or 0.0) - now_percent
    return fall_percent >= EMPTIED_FALL_PERCENT and now_percent < EMPTIED_BELOW_PERCENT
