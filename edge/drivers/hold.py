"""Pure: whether a button has been held long enough, through contact bounce, once per press."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class HoldRule:
    """A press counts after `hold_s`; a release shorter than `bounce_s` is contact bounce and does not end it."""

    hold_s: float
    bounce_s: float


@dataclass(frozen=True, slots=True)
class HoldState:
    """Level seen last, since when it is pressed, since when it seems released, and whether this press has counted.

    It begins as not pressed whatever the line says: a button that is down at the start (stuck, leaned on) sends no edge
    and so counts only after a release, while an edge that comes during opening is not lost.
    """

    active: bool = False
    pressed_s: float | None = None
    released_s: float | None = None
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """The button was held: at `at_s` the press had lasted the hold time."""

    at_s: float


def step(rule: HoldRule, state: HoldState, *, active: bool, at_s: float) -> tuple[HoldState, Held | None]:
    """Return the next state, and Held when the press has lasted long enough; call on every edge and at `wake_s`."""
    state = _settle(rule, state, at_s)
    held = None
    if state.active and state.pressed_s is not None and not state.counted and at_s >= state.pressed_s + rule.hold_s:
        held = Held(state.pressed_s + rule.hold_s)
        state = replace(state, counted=True)
    if active == state.active:
        return state, held
    if not active:
        return replace(state, active=False, released_s=at_s), held
    if state.pressed_s is None:
        return HoldState(active=True, pressed_s=at_s), held
    return replace(state, active=True, released_s=None), held


def wake_s(rule: HoldRule, state: HoldState) -> float | None:
    """Return when `step` must be called again without an edge, or None."""
    if state.active and state.pressed_s is not None and not state.counted:
        return state.pressed_s + rule.hold_s
    return None


def _settle(rule: HoldRule, state: HoldState, at_s: float) -> HoldState:
    """A release that outlasted the bounce time ends the press."""
    if state.released_s is not None and at_s - state.released_s >= rule.bounce_s:
        return HoldState()
    return state
