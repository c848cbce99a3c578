"""All rules of one facility over one state: a reading, a contact or a deadline goes in, effects come out.

`evaluate_reading`, `note_contact` and `wake` change the state they are given and return it: the caller hands in a
`copy()` where it may have to forget the outcome. The parts of a state are immutable, so a copy shares them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hub.rules import battery_low, bin_full, communication_failure, lamp
from hub.rules.communication_failure import NodeContact, Supervision
from hub.rules.facility_state import FacilityState
from hub.rules.parameters import (
    BatteryLowParameters,
    BinFullParameters,
    CommunicationFailureParameters,
    LampFailureParameters,
    LampUnexpectedOnParameters,
)
from hub.rules.rule import Cleared, Effect, Proven, RuleReason
from hub.vocabulary import FaultCode

__all__ = [
    "FacilityRules",
    "FacilityState",
    "NodeContact",
    "ReadingInput",
    "Supervision",
    "evaluate_reading",
    "first_heard",
    "is_late",
    "lateness_horizon_ms",
    "note_contact",
    "wake",
]

LATE_AFTER_MS: Final = 300_000
"""A reading older than this is late: five minutes (wire.md §5) ..."""
LATE_INTERVALS: Final = 2
"""... or than this many expected intervals of its device, where that is longer."""
KEPT_REFS: Final = 32
"""Frames remembered of a facility: the nodes that hear one report it within seconds of each other."""


@dataclass(frozen=True, slots=True)
class FacilityRules:
    """Everything that applies to one facility now."""

    kind: str
    rated_power_w: float | None = None
    location: tuple[float, float] | None = None
    """Latitude and longitude of the site, in degrees."""
    bin_full: BinFullParameters = field(default_factory=BinFullParameters)
    lamp_failure: LampFailureParameters = field(default_factory=LampFailureParameters)
    lamp_unexpected_on: LampUnexpectedOnParameters = field(default_factory=LampUnexpectedOnParameters)
    battery_low: BatteryLowParameters = field(default_factory=BatteryLowParameters)
    communication_failure: CommunicationFailureParameters = field(default_factory=CommunicationFailureParameters)
    intervals_ms: Mapping[str, int | None] = field(default_factory=dict[str, int | None])
    """Expected interval of each device; None or absent: its silence is not judged."""
    nodes: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    """Each of its devices and the node it belongs to; None: a radio device, heard by any."""


class ReadingInput(NamedTuple):
    """An admitted reading as the rules see it; a tuple, because one is built for every reading."""

    device: str
    node: str
    """The node that reported it."""
    kind: str
    at_ms: int
    """Effective time."""
    received_ms: int
    quality: int
    values: Mapping[str, float]
    ref: str | None = None
    """One for every frame of a radio device."""


def is_late(state: FacilityState, *, kind: str, at_ms: int, received_ms: int, interval_ms: int | None) -> bool:
    """Tell whether a reading is history: older than the newest evaluated of its kind, or than the lateness horizon."""
    if at_ms < state.newest.get(kind, at_ms):
        return True
    return received_ms - at_ms > lateness_horizon_ms(interval_ms)


def lateness_horizon_ms(interval_ms: int | None) -> int:
    """Return the age from which a reading is history, by the expected interval of its device."""
    return LATE_AFTER_MS if interval_ms is None else max(LATE_AFTER_MS, interval_ms * LATE_INTERVALS)


def first_heard(state: FacilityState, *, device: str, ref: str) -> bool:
    """Tell whether a frame is new, and remember it: it is evaluated once, whichever nodes heard it (wire.md §7)."""
    if (device, ref) in state.refs:
        return False
    state.refs = (*state.refs, (device, ref))[-KEPT_REFS:]
    return True


def evaluate_reading(
    rules: FacilityRules, state: FacilityState, reading: ReadingInput
) -> tuple[FacilityState, tuple[Effect, ...]]:
    """Judge a reading that is not late; one of quality 0 counts as a contact and says nothing else."""
    device, node, kind, at_ms, received_ms, quality, values, _ = reading
    if at_ms > state.newest.get(kind, -1):
        state.newest[kind] = at_ms
    interval_ms = rules.intervals_ms.get(device)
    effects = _hear(rules, state, interval_ms, device=device, node=node, received_ms=received_ms, reading=True)
    if quality > 0:
        if kind == "fill_level":
            if values.get("tilt_deg", 0.0) < bin_full.TILTED_DEGREES:
                state.bin_full, said = bin_full.evaluate(
                    rules.bin_full, state.bin_full, values["fill_percent"], at_ms=at_ms, interval_ms=interval_ms
                )
                if said:
                    effects += said
        elif kind == "lamp":
            state.lamp, said = lamp.evaluate(
                rules.lamp_failure,
                rules.lamp_unexpected_on,
                state.lamp,
                values["power_w"],
                commanded_percent=values.get("commanded_percent"),
                at_ms=at_ms,
                rated_power_w=rules.rated_power_w,
                location=rules.location,
            )
            if said:
                effects += said
        percent = values.get("battery_percent")
        if percent is not None:
            battery = state.batteries.get(device)
            if battery is None or battery.percent != percent or state.unproven:
                effects += _judge_battery(rules, state, device, percent, at_ms)
    state.wake_at_ms = _earliest(state)
    return state, effects


def note_contact(
    rules: FacilityRules, state: FacilityState, *, device: str, node: str, received_ms: int
) -> tuple[FacilityState, tuple[Effect, ...]]:
    """Note that a device was heard, by a late reading or an event, which no rule judges."""
    interval_ms = rules.intervals_ms.get(device)
    effects = _hear(rules, state, interval_ms, device=device, node=node, received_ms=received_ms, reading=False)
    state.wake_at_ms = _earliest(state)
    return state, effects


def wake(
    rules: FacilityRules, state: FacilityState, *, at_ms: int, supervision: Supervision
) -> tuple[FacilityState, tuple[Effect, ...]]:
    """Judge again what is known, at the hub's time `at_ms`: a deadline came due, a node returned, or the rules changed.

    Waking early, late or twice says nothing wrong and nothing twice. Lamps are judged by their readings only.
    """
    effects = _forget_removed(rules, state, at_ms)
    intervals = [interval for interval in rules.intervals_ms.values() if interval is not None]
    state.bin_full, said = bin_full.recheck(
        rules.bin_full, state.bin_full, at_ms=at_ms, interval_ms=max(intervals, default=None)
    )
    effects += said + _recheck_batteries(rules, state, at_ms)
    missed = rules.communication_failure.missed_intervals
    for device, contact in state.contacts.items():
        interval_ms = rules.intervals_ms.get(device)
        state.contacts[device] = communication_failure.judge(
            contact,
            registered_node=rules.nodes.get(device),
            grace_ms=None if interval_ms is None else interval_ms * missed,
            at_ms=at_ms,
            supervision=supervision,
        )
    effects += _judge_contacts(rules, state, at_ms=at_ms, why_cleared=RuleReason.PARAMETERS_CHANGED)
    state.wake_at_ms = _earliest(state)
    return state, effects


def _hear(
    rules: FacilityRules,
    state: FacilityState,
    interval_ms: int | None,
    *,
    device: str,
    node: str,
    received_ms: int,
    reading: bool,
) -> tuple[Effect, ...]:
    contact = state.contacts.get(device)
    grace_ms = None if interval_ms is None else interval_ms * rules.communication_failure.missed_intervals
    if contact is None:
        proving = int(reading) if FaultCode.COMMUNICATION_FAILURE in state.unproven else None
        state.contacts[device] = communication_failure.first_contact(
            node=node, received_ms=received_ms, grace_ms=grace_ms, proving=proving
        )
        return ()
    heard = communication_failure.hear(contact, node=node, received_ms=received_ms, grace_ms=grace_ms, reading=reading)
    state.contacts[device] = heard
    if heard.proving is None:
        return ()
    effects = _judge_contacts(rules, state, at_ms=received_ms, why_cleared=RuleReason.DEVICE_HEARD)
    others = (other for slug, other in state.contacts.items() if slug != device)
    state.contacts[device], proof = communication_failure.prove(state.communication, heard, others, at_ms=received_ms)
    if proof:
        state.unproven -= {FaultCode.COMMUNICATION_FAILURE}
    return effects + proof


def _judge_contacts(
    rules: FacilityRules, state: FacilityState, *, at_ms: int, why_cleared: RuleReason
) -> tuple[Effect, ...]:
    state.communication, effects = communication_failure.change(
        state.communication, state.contacts, registered=rules.nodes, at_ms=at_ms, why_cleared=why_cleared
    )
    return effects


def _judge_battery(
    rules: FacilityRules, state: FacilityState, device: str, percent: float, at_ms: int
) -> tuple[Effect, ...]:
    was_low = any(battery.low for battery in state.batteries.values())
    state.batteries[device] = battery_low.judge(rules.battery_low, state.batteries.get(device), percent=percent)
    effects = battery_low.change(state.batteries.values(), was_low=was_low, percent=percent, at_ms=at_ms)
    if FaultCode.BATTERY_LOW in state.unproven and not effects and percent >= rules.battery_low.leave_percent:
        effects = (Proven(FaultCode.BATTERY_LOW, RuleReason.ABOVE_LEAVE_THRESHOLD, at_ms, percent),)
    if effects:
        state.unproven -= {FaultCode.BATTERY_LOW}
    return effects


def _recheck_batteries(rules: FacilityRules, state: FacilityState, at_ms: int) -> tuple[Effect, ...]:
    """Judge the newest levels by the parameters of now."""
    batteries = state.batteries
    was_low = any(battery.low for battery in batteries.values())
    for device, battery in batteries.items():
        batteries[device] = battery_low.judge(rules.battery_low, battery, percent=battery.percent)
    lowest = min((battery.percent for battery in batteries.values()), default=None)
    return battery_low.change(batteries.values(), was_low=was_low, percent=lowest, at_ms=at_ms)


def _forget_removed(rules: FacilityRules, state: FacilityState, at_ms: int) -> tuple[Effect, ...]:
    """Forget the devices that are no longer attached, and clear what only they held true."""
    removed = state.contacts.keys() - rules.nodes.keys()
    if not removed:
        return ()
    was_low = any(battery.low for battery in state.batteries.values())
    proving = any(state.contacts[device].proving is not None for device in removed)
    for device in removed:
        del state.contacts[device]
        state.batteries.pop(device, None)
    effects = _judge_contacts(rules, state, at_ms=at_ms, why_cleared=RuleReason.DEVICE_REMOVED)
    if proving or effects:
        state.unproven |= {FaultCode.COMMUNICATION_FAILURE}
        state.contacts.update({slug: contact._replace(proving=0) for slug, contact in state.contacts.items()})
    if was_low and not any(battery.low for battery in state.batteries.values()):
        state.unproven |= {FaultCode.BATTERY_LOW}
        effects += (Cleared(FaultCode.BATTERY_LOW, RuleReason.DEVICE_REMOVED, at_ms),)
    return effects


def _earliest(state: FacilityState) -> int | None:
    earliest = state.bin_full.due_ms
    for contact in state.contacts.values():
        due_ms = contact.due_ms
        if due_ms is not None and (earliest is None or due_ms < earliest):
            earliest = due_ms
    return earliest
