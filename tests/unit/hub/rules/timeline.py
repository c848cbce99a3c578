"""Stories in seconds: `at(125).fill(81).expect_raised(…)`; every step passes through the stored form, as a restart."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hub.rules.facility import (
    FacilityRules,
    FacilityState,
    NodeContact,
    ReadingInput,
    Supervision,
    evaluate_reading,
    note_contact,
    wake,
)
from hub.rules.rule import Cleared, Effect, Proven, Raised, RuleReason
from hub.vocabulary import FaultCode

START_MS = 1_795_608_000_000
"""2026-11-25T12:00:00Z: second 0 of every story."""


def ms(second: float) -> int:
    """Return the instant of a second of the story."""
    return START_MS + int(second * 1000)


@dataclass(slots=True)
class Timeline:
    """One facility under its rules; a second is the hub's time and, unless an age is given, the reading's."""

    rules: FacilityRules
    state: FacilityState = field(default_factory=FacilityState)
    nodes: dict[str, NodeContact] = field(default_factory=dict[str, NodeContact])
    listening_since: float | None = 0.0
    said: list[Effect] = field(default_factory=list[Effect])

    def at(self, second: float) -> "Moment":
        """Come to a second; what was said before it must have been expected."""
        self.expect_nothing_more()
        return Moment(self, second)

    def set(self, **changes: Any) -> "Timeline":
        """Change the rules, as an operator does by REST; nothing is evaluated by that alone."""
        self.rules = replace(self.rules, **changes)
        return self

    def expect_nothing_more(self) -> None:
        assert not self.said, f"said and not expected: {self.said}"

    @property
    def due(self) -> float | None:
        """The second of the next deadline."""
        wake_at_ms = self.state.wake_at_ms
        return None if wake_at_ms is None else (wake_at_ms - START_MS) / 1000


@dataclass(frozen=True, slots=True)
class Moment:
    """What happens, and what is said of it, at one second."""

    line: Timeline
    second: float

    def reading(
        self,
        kind: str,
        values: Mapping[str, float],
        *,
        device: str = "dev",
        node: str = "pi",
        quality: int = 100,
        age: float = 0,
    ) -> "Moment":
        self.node_speaks(node)
        reading = ReadingInput(device, node, kind, ms(self.second - age), ms(self.second), quality, values)
        return self._take(evaluate_reading(self.line.rules, self._stored(), reading))

    def fill(self, percent: float, *, quality: int = 100, tilt_deg: float = 0, device: str = "dev") -> "Moment":
        values = {"fill_percent": percent, "tilt_deg": tilt_deg}
        return self.reading("fill_level", values, quality=quality, device=device)

    def lamp(self, power_w: float, commanded: float | None = None, *, quality: int = 100) -> "Moment":
        values = {"power_w": power_w} | ({} if commanded is None else {"commanded_percent": commanded})
        return self.reading("lamp", values, quality=quality)

    def battery(self, percent: float, *, device: str = "dev", quality: int = 100) -> "Moment":
        values = {"heart_rate_bpm": 70.0, "battery_percent": percent}
        return self.reading("vitals", values, device=device, quality=quality)

    def contact(self, *, device: str = "dev", node: str = "pi") -> "Moment":
        """An event or a late reading of the device arrives."""
        self.node_speaks(node)
        heard = note_contact(self.line.rules, self._stored(), device=device, node=node, received_ms=ms(self.second))
        return self._take(heard)

    def node_speaks(self, node: str = "pi") -> "Moment":
        self.line.nodes[node] = NodeContact(ms(self.second), offline=False)
        return self

    def node_dies(self, node: str = "pi") -> "Moment":
        """The node is judged offline; when it was last heard stays."""
        self.line.nodes[node] = replace(self.line.nodes[node], offline=True)
        return self

    def wake(self) -> "Moment":
        """Sweep, twice: the second must say nothing and change nothing."""
        since = None if self.line.listening_since is None else ms(self.line.listening_since)
        supervision = Supervision(since, self.line.nodes)
        self._take(wake(self.line.rules, self._stored(), at_ms=ms(self.second), supervision=supervision))
        before = self.line.state.copy()
        again, said = wake(self.line.rules, self._stored(), at_ms=ms(self.second), supervision=supervision)
        assert said == ()
        assert again == before
        return self

    def expect_raised(
        self,
        fault_code: FaultCode,
        reason: RuleReason | None = None,
        *,
        value: float | None = None,
        parent: str | None = None,
    ) -> "Moment":
        effect = self._next()
        assert isinstance(effect, Raised), effect
        assert (effect.fault_code, effect.parent_node, effect.at_ms) == (fault_code, parent, ms(self.second))
        assert reason in (None, effect.reason)
        assert value in (None, effect.value)
        return self

    def expect_cleared(self, fault_code: FaultCode, reason: RuleReason | None = None) -> "Moment":
        effect = self._next()
        assert isinstance(effect, Cleared), effect
        assert (effect.fault_code, effect.at_ms) == (fault_code, ms(self.second))
        assert reason in (None, effect.reason)
        return self

    def expect_proven(self, fault_code: FaultCode) -> "Moment":
        effect = self._next()
        assert isinstance(effect, Proven), effect
        assert (effect.fault_code, effect.at_ms) == (fault_code, ms(self.second))
        return self

    def expect_nothing(self) -> "Moment":
        self.line.expect_nothing_more()
        return self

    def _stored(self) -> FacilityState:
        return FacilityState.decode(self.line.state.encode())

    def _take(self, outcome: tuple[FacilityState, tuple[Effect, ...]]) -> "Moment":
        self.line.state, said = outcome
        self.line.said.extend(said)
        return self

    def _next(self) -> Effect:
        assert self.line.said, "nothing was said"
        return self.line.said.pop(0)
