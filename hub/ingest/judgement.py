"""What the rules say of a batch: worked out beside the state, so that its transaction only has to write it."""

from collections.abc import Callable, Collection, Sequence

from hub.events import ConditionCleared, ConditionRaised, Event, RepairProven
from hub.ingest.directory import Directory
from hub.ingest.intake import Run
from hub.ingest.ports import DeviceEvent
from hub.rules.deadband import Deadband, deadband_after
from hub.rules.facility import (
    FacilityState,
    ReadingInput,
    evaluate_reading,
    first_heard,
    is_late,
    note_contact,
)
from hub.rules.rule import Cleared, Effect, Raised
from hub.telemetry.point import Series
from hub.vocabulary import Subject, rest_id

StateOf = Callable[[str, str], FacilityState]
"""(facility's REST id, node's REST id) → the state that is installed now."""


class Judgement:
    """Facilities after a batch, each judged from the state it had: `bases`, for as long as nobody else moves them."""

    def __init__(self, directory: Directory, state_of: StateOf, *, only: Collection[str] | None = None) -> None:
        """Judge nothing yet; `only` leaves the other facilities out."""
        self._directory = directory
        self._state_of = state_of
        self._only = only
        self._bands: dict[Series, Deadband] = {}
        self._banded: dict[str, Series] = {}
        self.bases: dict[str, FacilityState] = {}
        self.states: dict[str, FacilityState] = {}
        self.events: dict[str, list[Event]] = {}
        """What happened, by facility."""

    def take(self, runs: Sequence[Run], events: Sequence[DeviceEvent]) -> None:
        """Judge readings and device events, in their order."""
        bands = self._bands
        for run in runs:
            received_ms = run.received_ms
            for series, at_ms, seq, quality, numbers in run.points:
                band = bands.get(series)
                if band is None or not band.take(at_ms, received_ms, quality, numbers):
                    values = dict(zip(series.fields, numbers, strict=True))
                    ref = run.refs.get(seq)
                    self._judge(
                        series,
                        ReadingInput(series.device, series.node, series.kind, at_ms, received_ms, quality, values, ref),
                    )
        for event in events:
            self._note(event)
        for facility in list(self._banded):
            self._settle(facility)

    def _judge(self, series: Series, reading: ReadingInput) -> None:
        facility = rest_id(series.site, series.facility)
        state = self._state(facility, rest_id(series.site, series.node))
        if state is None:
            return
        self._settle(facility)
        rules = self._directory.rules_of(facility)
        device, node, kind, at_ms, received_ms, _, _, ref = reading
        interval_ms = rules.intervals_ms.get(device)
        history = is_late(state, kind=kind, at_ms=at_ms, received_ms=received_ms, interval_ms=interval_ms)
        if history or (ref is not None and not first_heard(state, device=device, ref=ref)):
            _, effects = note_contact(rules, state, device=device, node=node, received_ms=received_ms)
        else:
            _, effects = evaluate_reading(rules, state, reading)
            band = None if ref is not None or effects else deadband_after(rules, state, reading, series.fields)
            if band is not None:
                self._bands[series] = band
                self._banded[facility] = series
        self._tell(series.site, facility, effects)

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
        """Evaluate the newest of the readings that a deadband took."""
        series = self._banded.pop(facility, None)
        if series is not None:
            newest = self._bands.pop(series).newest()
            _, effects = evaluate_reading(self._directory.rules_of(facility), self.states[facility], newest)
            self._tell(series.site, facility, effects)

    def _state(self, facility: str, node: str) -> FacilityState | None:
        state = self.states.get(facility)
        if state is None and (self._only is None or facility in self._only):
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
