"""nodeOffline: nothing was heard of a node for `after_s`, by the hub's own clock, while the hub listened.

Any message is a contact; a planned sleep postpones the deadline to its end. The last will is a hint that this rule does
not take. A node that has spoken in its SOS lane is missed as well when that lane alone is silent for `sos_after_s`: it
says hello there every `hello_interval_s`, and a way for SOS that has died beside telemetry that flows is the silence
that nobody would notice.
"""

from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json

from hub.rules.parameters import NodeOfflineParameters
from hub.rules.rule import Cleared, Effect, Proven, Raised, RuleReason
from hub.vocabulary import FaultCode
from protocols.hello import DEFAULT_INTERVAL_S, LONGEST_INTERVAL_S, SHORTEST_INTERVAL_S
from protocols.lanes import Lane

PROVING_CONTACTS: Final = 3
"""Contacts after its return that prove a node repaired, the first included."""
HELLOS_WITHIN: Final = 4
"""Three heartbeats may be missed, and there is as much margin as one is long."""
SHORT_AFTER_S: Final = 90
"""A patience below the default makes the other lanes say hello more often."""
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
    sos_heard_ms: int | None = None
    """When its SOS lane was last heard; a node never heard there is not supervised there."""
    sos_silent: bool = False
    """It counts as offline because its SOS lane is silent, whatever else it says."""

    @property
    def raised(self) -> bool:
        """Whether the condition holds."""
        return self.offline or self.sos_silent

    def encode(self) -> str:
        """Return the state as compact JSON."""
        return to_json(tuple(self)).decode()

    @classmethod
    def decode(cls, text: str) -> "NodeState":
        """Return the state that `encode` wrote."""
        parts: list[Any] = from_json(text)
        return cls(*parts)


def hello_interval_s(parameters: NodeOfflineParameters, lane: Lane) -> float:
    """Return how often a lane is to say hello, so that three can be missed before its silence is judged.

    The SOS lane's is a quarter of the shortest patience; the others, which are judged together with it, keep their 60 s
    unless the patience is shorter.
    """
    if lane is Lane.SOS:
        wanted_s = min(parameters.after_s, parameters.sos_after_s) / HELLOS_WITHIN
    else:
        wanted_s = min(DEFAULT_INTERVAL_S[lane], parameters.after_s / 2 if parameters.after_s < SHORT_AFTER_S else 60)
    return min(max(wanted_s, SHORTEST_INTERVAL_S), LONGEST_INTERVAL_S)


def note_contact(
    parameters: NodeOfflineParameters, state: NodeState, *, at_ms: int, sos: bool = False
) -> tuple[NodeState, tuple[Effect, ...]]:
    """Note that the node was heard at the hub's time `at_ms`; `sos`: in its SOS lane."""
    last_ms, _, sleeping_until_ms, heard, _, sos_heard_ms, sos_silent = state
    last_ms = at_ms if last_ms is None else max(at_ms, last_ms)
    if sos:
        sos_heard_ms, sos_silent = max(at_ms, sos_heard_ms or 0), False
    elif state.offline and sos_heard_ms is not None:
        sos_heard_ms = last_ms  # its other connection comes back beside this one, and has its whole time for it
    wake_at_ms = _deadline_ms(parameters, last_ms, sleeping_until_ms, None if sos_silent else sos_heard_ms)
    again = NodeState(last_ms, wake_at_ms, sleeping_until_ms, heard, sos_heard_ms=sos_heard_ms, sos_silent=sos_silent)
    if sos_silent or (not state.raised and heard is None):
        return again, ()
    effects: tuple[Effect, ...] = ()
    heard = (heard or 0) + 1
    if state.raised:
        heard = 1
        effects = (Cleared(FaultCode.NODE_OFFLINE, RuleReason.NODE_HEARD, at_ms),)
    if heard < PROVING_CONTACTS:
        return again._replace(heard_since_return=heard), effects
    proven = Proven(FaultCode.NODE_OFFLINE, RuleReason.NODE_HEARD, at_ms)
    return again._replace(heard_since_return=None), (*effects, proven)


def note_sleeping(
    parameters: NodeOfflineParameters, state: NodeState, *, until_ms: int | None, at_ms: int
) -> NodeState:
    """Note the planned silence that the node announced at `at_ms`; None: it is awake. The message is a contact too."""
    if until_ms is not None:
        until_ms = min(until_ms, at_ms + LONGEST_SLEEP_MS)
    wake_at_ms = state.wake_at_ms
    if state.last_heard_ms is not None and not state.offline:
        sos_heard_ms = None if state.sos_silent else state.sos_heard_ms
        wake_at_ms = _deadline_ms(parameters, state.last_heard_ms, until_ms, sos_heard_ms)
    return state._replace(sleeping_until_ms=until_ms, wake_at_ms=wake_at_ms)


def wake(
    parameters: NodeOfflineParameters, state: NodeState, *, at_ms: int, listening_since_ms: int | None
) -> tuple[NodeState, tuple[Effect, ...]]:
    """Judge the node's silence at the hub's time `at_ms`; nothing is judged while the hub hears nobody (`None`).

    Waking early, late or twice says nothing wrong and nothing twice.
    """
    if state.last_heard_ms is None:
        return state, ()
    forgiven = _forgiven(parameters, state, at_ms=at_ms)
    if forgiven != state:
        cleared = Cleared(FaultCode.NODE_OFFLINE, RuleReason.PARAMETERS_CHANGED, at_ms)
        return forgiven, () if forgiven.raised else (cleared,)
    if state.offline:
        return state, ()
    if listening_since_ms is None:
        if state.wake_at_ms is not None and at_ms < state.wake_at_ms:
            return state, ()
        # Listening can only begin after now, and the node then has its whole time.
        return state._replace(wake_at_ms=at_ms + _after_ms(parameters)), ()
    since_ms = max(state.sleeping_until_ms or 0, listening_since_ms)
    if at_ms >= max(state.last_heard_ms, since_ms) + _after_ms(parameters):
        raised = Raised(FaultCode.NODE_OFFLINE, RuleReason.NODE_SILENT, at_ms)
        return state._replace(offline=True, heard_since_return=None, wake_at_ms=None), (raised,)
    watched_ms = None if state.sos_silent else state.sos_heard_ms
    if watched_ms is not None and at_ms >= max(watched_ms, since_ms) + _sos_after_ms(parameters):
        wake_at_ms = _deadline_ms(parameters, state.last_heard_ms, since_ms, None)
        raised = Raised(FaultCode.NODE_OFFLINE, RuleReason.SOS_LANE_SILENT, at_ms)
        return state._replace(sos_silent=True, heard_since_return=None, wake_at_ms=wake_at_ms), (raised,)
    return state._replace(wake_at_ms=_deadline_ms(parameters, state.last_heard_ms, since_ms, watched_ms)), ()


def set_back(parameters: NodeOfflineParameters, state: NodeState, *, at_ms: int) -> NodeState:
    """Return the state after the hub's clock was set back to `at_ms`: nothing was heard later than now.

    What counts as silent has been so for as long as that takes, and stays silent.
    """
    last_ms, _, sleeping_until_ms, _, offline, sos_heard_ms, sos_silent = state
    if last_ms is None or max(last_ms, sos_heard_ms or 0) <= at_ms:
        return state
    last_ms = min(last_ms, at_ms - (_after_ms(parameters) if offline else 0))
    if sos_heard_ms is not None:
        sos_heard_ms = min(sos_heard_ms, at_ms - (_sos_after_ms(parameters) if sos_silent else 0))
    if offline:
        return state._replace(last_heard_ms=last_ms, sleeping_until_ms=None, sos_heard_ms=sos_heard_ms)
    wake_at_ms = _deadline_ms(parameters, last_ms, sleeping_until_ms, None if sos_silent else sos_heard_ms)
    return state._replace(last_heard_ms=last_ms, wake_at_ms=wake_at_ms, sos_heard_ms=sos_heard_ms)


def _forgiven(parameters: NodeOfflineParameters, state: NodeState, *, at_ms: int) -> NodeState:
    """Return the state without what the parameters of now no longer call silence."""
    last_ms, asleep_ms = state.last_heard_ms or 0, state.sleeping_until_ms or 0
    offline = state.offline and at_ms >= max(last_ms, asleep_ms) + _after_ms(parameters)
    sos_heard_ms = max(state.sos_heard_ms or 0, asleep_ms)
    sos_silent = state.sos_silent and at_ms >= sos_heard_ms + _sos_after_ms(parameters)
    if (offline, sos_silent) == (state.offline, state.sos_silent):
        return state
    wake_at_ms = None
    if not offline:
        wake_at_ms = _deadline_ms(parameters, last_ms, asleep_ms, None if sos_silent else state.sos_heard_ms)
    proving = None if offline or sos_silent else 0
    return state._replace(offline=offline, sos_silent=sos_silent, heard_since_return=proving, wake_at_ms=wake_at_ms)


def _deadline_ms(
    parameters: NodeOfflineParameters, last_heard_ms: int, since_ms: int | None, sos_heard_ms: int | None
) -> int:
    """Return when the next silence is to be judged; neither counts before `since_ms`."""
    since_ms = since_ms or 0
    deadline_ms = max(last_heard_ms, since_ms) + _after_ms(parameters)
    if sos_heard_ms is None:
        return deadline_ms
    return min(deadline_ms, max(sos_heard_ms, since_ms) + _sos_after_ms(parameters))


def _after_ms(parameters: NodeOfflineParameters) -> int:
    return int(parameters.after_s * 1000)


def _sos_after_ms(parameters: NodeOfflineParameters) -> int:
    return int(parameters.sos_after_s * 1000)
