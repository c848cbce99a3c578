"""What the rules say of a batch: worked out beside the state, so that its transaction only has to write it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from hub.events import ConditionCleared, ConditionRaised, Event, RepairProven
from hub.ingest.directory import Directory
from hub.ingest.intake import Run
from hub.ingest.ports import DeviceEvent
from hub.rules.deadband import Deadband, deadband_after
from hub.rules.facility import (
    FacilityRules,
    FacilityState,
    ReadingInput,
    evaluate_reading,
    first_heard,
    is_late,
    note_contact,
)
from hub.rules.rule import Cleared, Effect, Raised
from hub.telemetry.point import Point, Series
from hub.vocabulary import Subject, rest_id

StateOf = Callable[[str, str], FacilityState]
"""(facility's REST id, node's REST id) → the state that is installed now."""
Steady = tuple[Series, Deadband]
_NONE_STEADY: Final[Mapping[str, Steady]] = {}


class Judgement:
    """Facilities after a batch, each judged from the state it had and by the rules of then.

    It holds for as long as nobody else moves them: `bases` and `rules` are what it was made from.
    """

    def __init__(
        self,
        directory: Directory,
        state_of: StateOf,
        *,
        steady: Mapping[str, Steady] = _NONE_STEADY,
        only: Collection[str] | None = None,
    ) -> None:
        """Judge nothing yet; `steady` are deadbands of former batches, `only` leaves the other facilities out."""
        self._directory = directory
        self._state_of = state_of
        self._former = steady
        self._only = only
        self._bands: dict[Series, Deadband] = {}
        self.bases: dict[str, FacilityState] = {}
        self.rules: dict[str, FacilityRules] = {}
        """By which each facility was judged."""
        self.states: dict[str, FacilityState] = {}
        self.events: dict[str, list[Event]] = {}
        """What happened, by facility."""
        self.steady: dict[str, Steady] = {}
        """Facilities at whose newest reading a deadband stands."""

    def take(self, runs: Sequence[Run], events: Sequence[DeviceEvent]) -> None:
        """Judge readings and device events, in their order."""
        bands = self._bands
        for run in runs:
            received_ms = run.received_ms
            for point in run.points:
                series, at_ms, _, quality, numbers = point
                band = bands.get(series)
                if band is None or not band.take(at_ms, received_ms, quality, numbers):
                    self._judge(point, received_ms, run.refs.get(point.seq))
        for event in events:
            self._note(event)
        for facility, (_, band) in self.steady.items():
            band.settle(self.states[facility])

    def _judge(self, point: Point, received_ms: int, ref: str | None) -> None:
        series, at_ms, _, quality, numbers = point
        facility = rest_id(series.site, series.facility)
        rules = self._directory.rules_of(facility)
        state = self.states.get(facility)
        if state is None:
            state = self._state(facility, rest_id(series.site, series.node))
            if state is None:
                return
            if self._resume(facility, rules, series) and self._bands[series].take(at_ms, received_ms, quality, numbers):
                return
        self._settle(facility)
        device, node, kind = series.device, series.node, series.kind
        interval_ms = rules.intervals_ms.get(device)
        history = is_late(state, kind=kind, at_ms=at_ms, received_ms=received_ms, interval_ms=interval_ms)
        if history or (ref is not None and not first_heard(state, device=device, ref=ref)):
            _, effects = note_contact(rules, state, device=device, node=node, received_ms=received_ms)
        else:
            values = dict(zip(series.fields, numbers, strict=True))
            reading = ReadingInput(device, node, kind, at_ms, received_ms, quality, values, ref)
            _, effects = evaluate_reading(rules, state, reading)
            band = None if ref is not None or effects else deadband_after(rules, state, reading, series.fields)
            if band is not None:
                self._bands[series] = band
                self.steady[facility] = (series, band)
        self._tell(series.site, facility, effects)

    def _resume(self, facility: str, rules: FacilityRules, series: Series) -> bool:
        """Go on with the deadband of a former batch where the facility still stands on it."""
        former = self._former.get(facility)
        if former is None or former[0] != series or not former[1].resume(rules, self.bases[facility]):
            return False
        self._bands[series] = former[1]
        self.steady[facility] = former
        return True

    def _note(self, event: DeviceEvent) -> None:
        facility = event.facility
        state = self._state(facility, rest_id(event.site, event.node))
        if state is None:
            return
        self._settle(facility)
        rules = self._directory.rules_of(facility)
        _, effects = note_contact(rules, state, device=event.device, node=event.node, received_ms=event.received_ms)
        self._tell(event.site, facility, effects)

    def _settle(self, facility: str) -> None:
        """Leave a facility's deadband: something else is to be judged."""
        left = self.steady.pop(facility, None)
        if left is not None:
            series, band = left
            del self._bands[series]
            band.leave(self.states[facility])

    def _state(self, facility: str, node: str) -> FacilityState | None:
        state = self.states.get(facility)
        if state is None and (self._only is None or facility in self._only):
            self.rules[facility] = self._directory.rules_of(facility)
            base = self.bases[facility] = self._state_of(facility, node)
            state = self.states[facility] = base.copy()
        return state

    def _tell(self, site: str, facility: str, effects: Sequence[Effect]) -> None:
        if effects:
            self.events.setdefault(facility, []).extend(events_of(Subject(site, facility=facility), effects))


def events_of(subject: Subject, effects: Sequence[Effect]) -> list[Event]:
    """Return the events by which the hub hears of a rule's effects."""
    events: list[Event] = []
    for effect in effects:
        if isinstance(effect, Raised):
            parent = effect.parent_node
            explained_by = None if parent is None else Subject(subject.site, node=rest_id(subject.site, parent))
            events.append(
                ConditionRaised(subject, effect.fault_code, effect.reason, effect.at_ms, effect.value, explained_by)
            )
        elif isinstance(effect, Cleared):
            events.append(ConditionCleared(subject, effect.fault_code, effect.reason, effect.at_ms, effect.value))
        else:
            events.append(RepairProven(subject, effect.fault_code, effect.reason, effect.at_ms, effect.value))
    return events
