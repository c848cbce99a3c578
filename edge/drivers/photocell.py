"""Pure: when a lamp is switched by the light around it; two levels, so that dusk is one switch and not many."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

BLIND_AFTER: Final = 3
"""So many looks in a row without a value, and the lamp is what it is when nobody decides."""


class PhotocellReason(StrEnum):
    """Why a lamp is on or off."""

    AT_REST = "at_rest"
    """Nothing was seen yet that decides."""
    DARK = "dark"
    BRIGHT = "bright"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class PhotocellRule:
    """On below one level, off above a higher one, `hold_s` at least between two switches; else `rests_on`."""

    on_below_lux: float
    off_above_lux: float
    hold_s: float
    rests_on: bool


@dataclass(frozen=True, slots=True)
class PhotocellState:
    """Whether the lamp is on, why, since when (None: since the start), and how many looks in a row saw nothing."""

    on: bool
    reason: PhotocellReason = PhotocellReason.AT_REST
    since_s: float | None = None
    missed: int = 0


def at_start(rule: PhotocellRule) -> PhotocellState:
    """Return the state before the first look."""
    return PhotocellState(on=rule.rests_on)


def look(rule: PhotocellRule, state: PhotocellState, lux: float | None, *, at_s: float) -> PhotocellState:
    """Return the next state; `lux` is None where the sensor has no value."""
    if lux is None:
        missed = state.missed + 1
        if missed >= BLIND_AFTER and state.reason is not PhotocellReason.BLIND:
            return PhotocellState(on=rule.rests_on, reason=PhotocellReason.BLIND, since_s=at_s, missed=missed)
        return replace(state, missed=missed)
    state = replace(state, missed=0)
    wanted = _wanted(rule, lux)
    held = state.since_s is not None and at_s - state.since_s < rule.hold_s
    if wanted is None or wanted is state.reason or held:
        return state
    return PhotocellState(on=wanted is PhotocellReason.DARK, reason=wanted, since_s=at_s)


def _wanted(rule: PhotocellRule, lux: float) -> PhotocellReason | None:
    if lux < rule.on_below_lux:
        return PhotocellReason.DARK
    if lux > rule.off_above_lux:
        return PhotocellReason.BRIGHT
    return None
