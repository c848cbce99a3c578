"""nodeOffline: nothing was heard of a node for `after_s`, by the hub's own clock, while the hub listened.

Any message is a contact; a planned sleep postpones the deadline to its end. The last will is a hint that this rule does
not take.
"""

from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json

from hub.rules.parameters import NodeOfflineParameters
from hub.rules.rule import Cleared, Effect, Proven, Raised, RuleReason
from hub.vocabulary import FaultCode

PROVING_CONTACTS: Final = 3
"""Contacts after its return that prove a node repaired, the first included."""
LONGEST_SLEEP_MS: Final = 7 * 86_400_000
"""A node that announces a longer sleep is missed after a week all the same."""


class NodeState(NamedTuple):
    """What the rule remembers of one node; a node never heard is not supervised."""

    last_heard_ms: int | None = None
    wake_at_ms: int | None = None
    """When its silence is to be judged."""
    sleeping_until_ms: int | None = None
    heard_since_return: int | None = None
    """Contacts since it came back, until it has proven itself; None: nothing to prove."""
    offline: bool = False

    def encode(self) -> str:
        """Return the state as compact JSON."""
        return to_json(tuple(self)).decode()

    @classmethod
    def decode(cls, text: str) -> "NodeState":
        """Return the state that `encode` wrote."""
        parts: list[Any] = from_json(text)
        return cls(*parts)


def note_contact(
    parameters: NodeOfflineParameters, state: NodeState, *, at_ms: int
) -> tuple[NodeState, tuple[Effect, ...]]:
    """Note that the node was heard at the hub's time `at_ms`."""
    last_heard_ms = at_ms if state.last_heard_ms is None else max(at_ms, state.last_heard_ms)
    sleeping_until_ms = state.sleeping_until_ms
    wake_at_ms = max(last_heard_ms, sleeping_until_ms or 0) + _after_ms(parameters)
    if not state.offline and state.heard_since_return is None:
        return NodeState(last_heard_ms, wake_at_ms, sleeping_until_ms), ()
    effects: tuple[Effect, ...] = ()
    heard = (state.heard_since_return or 0) + 1
    if state.offline:
        heard = 1
        effects = (Cleared(FaultCode.NODE_OFFLINE, RuleReason.NODE_HEARD, at_ms),)
    if heard < PROVING_CONTACTS:
        return NodeState(last_heard_ms, wake_at_ms, sleeping_until_ms, heard), effects
    proven = Proven(FaultCode.NODE_OFFLINE, RuleReason.NODE_HEARD, at_ms)
    return NodeState(last_heard_ms, wake_at_ms, sleeping_until_ms), (*effects, proven)


def note_sleeping(
    parameters: NodeOfflineParameters, state: NodeState, *, until_ms: int | None, at_ms: int
) -> NodeState:
    """Note the planned silence that the node announced at `at_ms`; None: it is awake. The message is a contact too."""
    if until_ms is not None:
        until_ms = min(until_ms, at_ms + LONGEST_SLEEP_MS)
    wake_at_ms = state.wake_at_ms
    if state.last_heard_ms is not None and not state.offline:
        wake_at_ms = max(state.last_heard_ms, until_ms or 0) + _after_ms(parameters)
    return state._replace(sleeping_until_ms=until_ms, wake_at_ms=wake_at_ms)


def wake(
    parameters: NodeOfflineParameters, state: NodeState, *, at_ms: int, listening_since_ms: int | None
) -> tuple[NodeState, tuple[Effect, ...]]:
    """Judge the node's silence at the hub's time `at_ms`; nothing is judged while the hub hears nobody (`None`).

    Waking early, late or twice says nothing wrong and nothing twice.
    """
    if state.last_heard_ms is None:
        return state, ()
    after_ms = _after_ms(parameters)
    awake_ms = max(state.last_heard_ms, state.sleeping_until_ms or 0)
    if state.offline:
        if at_ms >= awake_ms + after_ms:
            return state, ()
        cleared = Cleared(FaultCode.NODE_OFFLINE, RuleReason.PARAMETERS_CHANGED, at_ms)
        return state._replace(offline=False, heard_since_return=0, wake_at_ms=awake_ms + after_ms), (cleared,)
    if listening_since_ms is None:
        if state.wake_at_ms is not None and at_ms < state.wake_at_ms:
            return state, ()
        # Listening can only begin after now, and the node then has its whole time.
        return state._replace(wake_at_ms=at_ms + after_ms), ()
    deadline_ms = max(awake_ms, listening_since_ms) + after_ms
    if at_ms < deadline_ms:
        return state._replace(wake_at_ms=deadline_ms), ()
    raised = Raised(FaultCode.NODE_OFFLINE, RuleReason.NODE_SILENT, at_ms)
    return state._replace(offline=True, heard_since_return=None, wake_at_ms=None), (raised,)


def _after_ms(parameters: NodeOfflineParameters) -> int:
    return int(parameters.after_s * 1000)
