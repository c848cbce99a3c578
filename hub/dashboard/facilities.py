"""Facilities → what a page shows: their state by the rules, never a person's vitals; pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from hub.access.roles import Action
from hub.dashboard.language import Words
from hub.dashboard.presenters import LEVELS, Scene
from hub.dashboard.times import Moment
from hub.dashboard.views import Count, FacilityView, KindView, Level
from hub.devices.registry import Facility
from hub.devices.tally import KindTally
from hub.rules.communication_failure import Condition
from hub.rules.facility import FacilityState
from hub.rules.lamp import DARK_WATT
from hub.telemetry.point import Point
from hub.vocabulary import FAULTS, FacilityKind, FaultCode, Severity

KINDS: Final = tuple(FacilityKind)
"""Shown in this order, before kinds that the hub has no rules for."""
ALARMS: Final = (FaultCode.SOS_PRESSED, FaultCode.FALL_DETECTED)
"""What a wristband raises; the first that is active is shown."""
_SEVERITIES: Final = tuple(Severity)
_DEVICE_KIND: Final = {
    FacilityKind.BIN: "fill_level",
    FacilityKind.STREETLIGHT: "lamp",
    FacilityKind.WRISTBAND: "vitals",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FacilityFacts:
    """What is known of one facility."""

    facility: Facility
    state: FacilityState | None = None
    """What the rules remember; None: it was never heard."""
    point: Point | None = None
    """Its newest reading, where the page asked for it."""
    alarms: Collection[FaultCode] = ()
    """Its active alerts of life safety, as far as the reader sees them."""


def present_facility(facts: FacilityFacts, scene: Scene) -> FacilityView:
    """Return a facility as somebody sees it."""
    facility, state, words = facts.facility, facts.state, scene.words
    alarm = next((code for code in ALARMS if code in facts.alarms), None)
    stale = state is not None and state.communication is not Condition.CLEAR
    value, percent = _value(facts, scene)
    if alarm is not None:
        level, word = Level.SOS, words(f"fault_code.{alarm}")
    elif state is None:
        level, word = Level.STALE, words("facility.unheard")
    elif stale:
        level, word = Level.STALE, words("facility.stale")
    else:
        level, word = _judged(facts, state, scene)
    return FacilityView(
        id=facility.id,
        name=facility.name,
        place=facility.slug if facility.grid is None else scene.names.grid(facility.grid),
        level=level,
        state_word=word,
        value=value,
        percent=percent,
        heard=_heard(facts, scene),
        notes=_notes(state, words, alarm=alarm is not None, stale=stale, value=value),
    )


def present_kind(tally: KindTally, facilities: tuple[FacilityView, ...], words: Words) -> KindView:
    """Return the facilities of one kind with their counts: what is wrong first."""
    counts = [
        Count(tally.faults[code], words(f"fault_code.{code}"), _fault_level(code))
        for code in sorted(FaultCode, key=lambda code: _SEVERITIES.index(FAULTS[code].severity))
        if tally.faults.get(code)
    ]
    if tally.unheard:
        counts.append(Count(tally.unheard, words("facility.unheard"), Level.STALE))
    fine = max(0, tally.total - tally.troubled - tally.unheard)
    if fine or not counts:
        counts.append(Count(fine, words("facility.fine"), Level.GOOD))
    return KindView(
        kind=tally.kind,
        title=kind_word(tally.kind, words),
        total=tally.total,
        counts=tuple(counts),
        facilities=facilities,
    )


def kind_word(kind: str, words: Words) -> str:
    """Return what facilities of a kind are called; a kind the hub has no word for calls itself."""
    key = f"kind.{kind}"
    return words(key) if words.knows(key) else kind


def wants_point(facility: Facility, scene: Scene) -> bool:
    """Tell whether the page needs the newest reading: the rules keep neither power nor whether it is worn."""
    if facility.kind == FacilityKind.STREETLIGHT:
        return scene.rights.may(Action.READ_TELEMETRY, facility.site)
    return facility.kind == FacilityKind.WRISTBAND and scene.rights.may(Action.READ_VITALS, facility.site)


def _judged(facts: FacilityFacts, state: FacilityState, scene: Scene) -> tuple[Level, str]:
    words, kind = scene.words, facts.facility.kind
    if kind == FacilityKind.BIN and state.bin_full.full:
        return _fault_level(FaultCode.BIN_FULL), words("facility.full")
    if kind == FacilityKind.STREETLIGHT:
        if state.lamp.failure.raised:
            return _fault_level(FaultCode.LAMP_FAILURE), words("facility.dark")
        if state.lamp.unexpected_on.raised:
            return _fault_level(FaultCode.LAMP_UNEXPECTED_ON), words("facility.burns_by_day")
        if facts.point is not None and "power_w" in facts.point.values:
            burns = facts.point.values["power_w"] >= DARK_WATT
            return Level.GOOD, words("facility.on" if burns else "facility.off")
    if kind == FacilityKind.WRISTBAND and facts.point is not None:
        worn = facts.point.values.get("worn")
        if worn is not None:
            return (Level.GOOD, words("facility.worn")) if worn else (Level.QUIET, words("facility.not_worn"))
    return Level.GOOD, words("facility.fine")


def _value(facts: FacilityFacts, scene: Scene) -> tuple[str | None, int | None]:
    """Return the last value in words and as a share; a wristband has none that a page would show."""
    facility, state = facts.facility, facts.state
    if not scene.rights.may(Action.READ_TELEMETRY, facility.site):
        return None, None
    if facility.kind == FacilityKind.BIN and state is not None and state.bin_full.fill_percent is not None:
        percent = round(state.bin_full.fill_percent)
        return scene.words("facility.percent", value=percent), min(max(percent, 0), 100)
    if facility.kind == FacilityKind.STREETLIGHT and facts.point is not None and "power_w" in facts.point.values:
        return scene.words("facility.watt", value=round(facts.point.values["power_w"])), None
    return None, None


def _heard(facts: FacilityFacts, scene: Scene) -> Moment | None:
    """Return when the facility's newest reading was taken, else when anything of it was last heard."""
    state = facts.state
    if state is None:
        return None
    kind = _DEVICE_KIND.get(FacilityKind(facts.facility.kind)) if facts.facility.kind in KINDS else None
    at_ms = state.newest.get(kind) if kind is not None else None
    if at_ms is None:
        at_ms = max((contact.heard_ms for contact in state.contacts.values()), default=None)
    return None if at_ms is None else scene.at(at_ms, facts.facility.site)


def _notes(
    state: FacilityState | None, words: Words, *, alarm: bool, stale: bool, value: str | None
) -> tuple[str, ...]:
    notes: list[str] = []
    if stale and alarm:
        notes.append(words("facility.stale"))
    if stale and value is not None:
        notes.append(words("facility.old_value"))
    if state is not None and any(battery.low for battery in state.batteries.values()):
        notes.append(words("facility.battery_low"))
    return tuple(notes)


def _fault_level(code: FaultCode) -> Level:
    return Level.SOS if FAULTS[code].life_safety else LEVELS[FAULTS[code].colour]
