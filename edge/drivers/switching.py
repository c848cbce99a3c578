"""Pure: what a switch does with its orders: a longest on-time, and whether its read-back agrees."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class SwitchRule:
    """On for `max_on_s` at most (None: for ever); `settle_s` after a change the read-back must agree."""

    max_on_s: float | None
    settle_s: float


@dataclass(frozen=True, slots=True)
class SwitchState:
    """What was ordered, what is done, since when, and what the read-back said of it.

    `on` without `wanted` does not happen; `wanted` without `on` means that the longest on-time is spent: it stays off
    until it is ordered off and on again.
    """

    wanted: bool = False
    on: bool = False
    since_s: float | None = None
    compared: bool = True
    contradicted: bool = False


def step(rule: SwitchRule, state: SwitchState, *, wanted: bool, at_s: float) -> SwitchState:
    """Return the next state; call on every order, and at `wake_s` with the order in force."""
    if wanted != state.wanted:
        return replace(state, wanted=wanted, on=wanted, since_s=at_s, compared=state.compared and state.on == wanted)
    if state.on and state.since_s is not None and rule.max_on_s is not None and at_s >= state.since_s + rule.max_on_s:
        return replace(state, on=False, since_s=at_s, compared=False)
    return state


def is_settled(rule: SwitchRule, state: SwitchState, *, at_s: float) -> bool:
    """Whether the read-back should be looked at now."""
    return not state.compared and state.since_s is not None and at_s >= state.since_s + rule.settle_s


def compare(state: SwitchState, *, seen_on: bool) -> SwitchState:
    """Return the state after a look at the read-back."""
    return replace(state, compared=True, contradicted=seen_on != state.on)


def wake_s(rule: SwitchRule, state: SwitchState) -> float | None:
    """Return when something is due without an order, or None."""
    if state.since_s is None:
        return None
    due = [] if state.compared else [state.since_s + rule.settle_s]
    if state.on and rule.max_on_s is not None:
        due.append(state.since_s + rule.max_on_s)
    return min(due, default=None)
