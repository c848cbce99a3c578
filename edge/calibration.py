"""Pure: a measured distance to a fill level, with the blind zone and the far echo judged by what the bin was before."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from protocols.fill_level import Geometry, fill_percent

SATURATION_FROM_PERCENT: Final = 85.0
"""From this level on a lost target means "too near to be seen", not "nothing there" (`domain.md` §1.1)."""
BEYOND_BOTTOM_SHARE: Final = 1.15
"""Echoes from beyond this times the measured bottom come from elsewhere: the speed of sound explains 6 % at most."""


class Unusable(StrEnum):
    """Why a distance says nothing about the level."""

    NO_TARGET = "no_target"
    IN_BLIND_ZONE = "in_blind_zone"
    BEYOND_BOTTOM = "beyond_bottom"


@dataclass(frozen=True, slots=True)
class Level:
    """How full the bin is; `distance_mm` is None when the level was concluded (`saturated`), not measured."""

    fill_percent: float
    distance_mm: float | None
    saturated: bool = False


@dataclass(frozen=True, slots=True)
class LevelState:
    """The last level that was accepted, None at the start."""

    fill_percent: float | None = None


def level_at(
    state: LevelState, distance_mm: float | None, *, geometry: Geometry
) -> tuple[LevelState, Level | Unusable]:
    """Return the next state and the level for a distance (None: no target was found).

    What cannot be measured after the bin was at least 85 % full is a full bin; else it is unusable, with the reason.
    """
    unusable = _unusable(distance_mm, geometry)
    if distance_mm is not None and unusable is None:
        level = Level(fill_percent=fill_percent(distance_mm, geometry), distance_mm=distance_mm)
        return LevelState(level.fill_percent), level
    if state.fill_percent is not None and state.fill_percent >= SATURATION_FROM_PERCENT:
        return LevelState(100.0), Level(fill_percent=100.0, distance_mm=None, saturated=True)
    return state, unusable or Unusable.NO_TARGET


def _unusable(distance_mm: float | None, geometry: Geometry) -> Unusable | None:
    if distance_mm is None:
        return Unusable.NO_TARGET
    if distance_mm < geometry.blind_zone_mm:
        return Unusable.IN_BLIND_ZONE
    if distance_mm > geometry.empty_mm * BEYOND_BOTTOM_SHARE:
        return Unusable.BEYOND_BOTTOM
    return None
