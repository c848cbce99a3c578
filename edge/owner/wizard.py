"""Pure: the conversation of `linli-edge calibrate`, as a generator that asks, measures and ends with the new options.

What it yields is done by the terminal, and the answer sent back: an `Ask` is answered with a line, a `Measure` with
what was read, a `Turn` and a `Tell` with nothing.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from edge.drivers.driver import Fault, LineFit, Measurement, Sample
from protocols.fill_level import BLIND_ZONE_MARGIN_MM
from protocols.readings import KINDS, Number

READINGS: Final = 5
_MEASURING: Final = "     measuring ..."
_MOST_SPREAD_MM: Final = 30.0
"""Readings of a bin that nobody touches lie this near to each other."""
_LEAST_TRAVEL_MM: Final = 100.0
"""Less between empty and full is no bin."""
_LEAST_STEP: Final = 1e-3
"""A raw value that moves less than this between off and on measures nothing."""


@dataclass(frozen=True, slots=True)
class Tell:
    """A line for the person."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question, answered with a line."""

    text: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Read the sensor so often, answered with the samples, or with raw values where `raw`."""

    readings: int = READINGS
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """Switch what hangs on the device on or off."""

    on: bool


Step = Tell | Ask | Measure | Turn
Changes = dict[str, float]
Conversation = Generator[Step, Any, Changes]


class Aborted(Exception):
    """The person has had enough; nothing was changed."""


def wide_options(options: Mapping[str, Any], *, blind_zone_mm: float, max_range_mm: float) -> dict[str, Any]:
    """The options with which a fill sensor tells every distance it can measure, whatever it was told of its bin."""
    return {**options, "empty_mm": max_range_mm, "full_mm": blind_zone_mm + BLIND_ZONE_MARGIN_MM}


def fill_conversation(*, blind_zone_mm: float, max_range_mm: float) -> Conversation:
    """Find `empty_mm` and `full_mm` (and a larger `blind_zone_mm`) of a bin."""
    yield Tell("1/3  Empty: empty the bin, close its lid and stand back.")
    empty_mm = yield from _distance("Enter measures, or type the distance in mm (q ends)")
    if empty_mm > max_range_mm:
        yield Tell(f"     That is beyond the sensor's range of {max_range_mm:g} mm: the bin is too deep for it.")
        raise Aborted
    nearest_mm = blind_zone_mm + BLIND_ZONE_MARGIN_MM
    yield Tell()
    yield Tell("2/3  Full: hold a flat board where a full bin ends, at the rim.")
    full_mm = yield from _distance("Enter measures, or type the distance in mm (q ends)", near_mm=blind_zone_mm)
    if full_mm < nearest_mm:
        yield Tell(f"     The rim is nearer than the sensor can tell ({nearest_mm:g} mm, its blind zone and a margin):")
        yield Tell(f"     the bin will count as full at {nearest_mm:g} mm. A higher mount would see the rim.")
        full_mm = nearest_mm
    if empty_mm - full_mm < _LEAST_TRAVEL_MM:
        yield Tell(f"     Only {empty_mm - full_mm:g} mm between empty and full: was the board in the bin at step 1?")
        raise Aborted
    yield Tell()
    found_mm = yield from _blind_zone(blind_zone_mm)
    changes = {"empty_mm": round(empty_mm), "full_mm": round(full_mm)}
    if found_mm is not None and found_mm > blind_zone_mm:
        changes["blind_zone_mm"] = round(found_mm)
        changes["full_mm"] = max(changes["full_mm"], round(found_mm + BLIND_ZONE_MARGIN_MM))
    return {name: float(value) for name, value in changes.items()}


def lamp_conversation(fit: LineFit, *, switches: bool) -> Conversation:
    """Find zero and scale of a lamp's sensor from off, on, and what the lamp draws."""
    off = yield from _raw_at(on=False, number="1/2", switches=switches)
    yield Tell()
    on = yield from _raw_at(on=True, number="2/2", switches=switches)
    if switches:
        yield Turn(on=False)
    if on - off < _LEAST_STEP:
        yield Tell("     On is no more than off: is the sensor around one wire of this lamp, and does the lamp burn?")
        raise Aborted
    known, unit = None, _unit(fit.value)
    yield Tell(f"     What a meter says the lamp draws, or its label (A = W / V / power factor), in {unit}.")
    while known is None:
        known = _positive((yield Ask(f"     {fit.value} now (q ends):")))
        if known is None:
            yield Tell("     A number greater than 0, please (q ends).")
    return {fit.zero: round(off, 6), fit.scale: round(known / (on - off), 6)}


def _distance(question: str, *, near_mm: float | None = None) -> Generator[Step, Any, float]:
    """Measure, or take what is typed, until a distance is there; a target too near to be measured is at `near_mm`."""
    while True:
        answer = yield Ask(f"     {question}:")
        if answer.strip():
            typed = _positive(answer)
            if typed is not None:
                return typed
            yield Tell("     A number of millimetres, or nothing, please.")
            continue
        yield Tell(_MEASURING)
        samples: Sequence[Sample] = yield Measure()
        distances = distances_of(samples)
        too_near = sum(isinstance(sample, Measurement) for sample in samples) - len(distances)
        if near_mm is not None and 2 * too_near > len(samples):
            return near_mm
        if 2 * len(distances) <= len(samples):
            yield Tell(f"     {len(distances)} of {len(samples)} readings have a distance: {_why(samples)}")
            continue
        spread = max(distances) - min(distances)
        yield Tell(f"     {median(distances):.0f} mm ({len(distances)} readings, {spread:.0f} mm apart)")
        if spread <= _MOST_SPREAD_MM:
            return median(distances)
        yield Tell("     They lie too far apart: is something moving, or the sensor loose? Once more.")


def _blind_zone(blind_zone_mm: float) -> Generator[Step, Any, float | None]:
    """Look where the sensor loses a near target; None where the person skips it."""
    yield Tell(f"3/3  Blind zone: hold the board {blind_zone_mm + BLIND_ZONE_MARGIN_MM:.0f} mm before the sensor.")
    while True:
        answer = yield Ask("     Enter measures, s skips (q ends):")
        if answer.strip().lower() == "s":
            return None
        yield Tell(_MEASURING)
        samples: Sequence[Sample] = yield Measure()
        distances = distances_of(samples)
        lost = len(samples) - len(distances)
        far = [distance for distance in distances if distance > 2 * (blind_zone_mm + BLIND_ZONE_MARGIN_MM)]
        if 2 * (lost + len(far)) < len(samples):
            yield Tell(f"     {median(distances):.0f} mm: it sees the board there, the blind zone is no larger.")
            return blind_zone_mm
        told = f"{len(far)} far echoes, {lost} lost" if far else f"{lost} of {len(samples)} lost"
        yield Tell(f"     It does not see the board there ({told}).")
        answer = yield Ask("     Move it away until it is seen, and type that distance in mm (Enter: try again):")
        if (typed := _positive(answer)) is not None:
            return typed


def _raw_at(*, on: bool, number: str, switches: bool) -> Generator[Step, Any, float]:
    state = "on" if on else "off"
    if switches:
        yield Tell(f"{number}  {state.capitalize()}: the lamp is switched {state} now.")
        yield Turn(on=on)
        yield Ask("     Enter when it has settled (q ends):")
    else:
        yield Tell(
            f"{number}  {state.capitalize()}: switch the lamp {state} (at its breaker, if need be), let it settle."
        )
        yield Ask("     Enter measures (q ends):")
    while True:
        yield Tell(_MEASURING)
        values: Sequence[float | Fault] = yield Measure(raw=True)
        usable = [value for value in values if not isinstance(value, Fault)]
        if 2 * len(usable) > len(values):
            yield Tell(f"     raw value {median(usable):.4g} ({len(usable)} readings)")
            return median(usable)
        yield Ask(f"     No value: {_why(values)}. Enter tries again (q ends):")


def distances_of(samples: Sequence[Sample]) -> list[float]:
    """The measured distances; a level that was concluded without one has none."""
    measured = [sample.values for sample in samples if isinstance(sample, Measurement)]
    return [float(values["distance_mm"]) for values in measured if "distance_mm" in values]


def _why(samples: Sequence[object]) -> str:
    faults = [sample for sample in samples if isinstance(sample, Fault)]
    return (faults[-1].detail or faults[-1].reason.value) if faults else "something is too near to be measured"


def _unit(value: str) -> str:
    spec = KINDS["lamp"].get(value)
    return spec.unit if isinstance(spec, Number) else value


def _positive(answer: str) -> float | None:
    try:
        value = float(answer.strip().replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
