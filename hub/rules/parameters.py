"""Parameters of the rules: one frozen class per fault code, their table, how overrides are checked and merged.

What an operator sets is a mapping of some names; wider scopes and the defaults supply the rest.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, TypeVar

from hub.errors import InvalidError
from hub.vocabulary import FaultCode

LONGEST_S: Final = 366 * 86_400
"""Longest time a parameter may name, in seconds: one year."""


class ParameterError(InvalidError):
    """Parameters are not acceptable; `errors` are (field, message) pairs."""


@dataclass(frozen=True, slots=True)
class BinFullParameters:
    """Full at `enter_percent` and above, empty again below `leave_percent`; in between nothing changes."""

    enter_percent: float = 80
    leave_percent: float = 60
    confirm_readings: int = 2
    hold_s: float = 0
    verify_window_s: float = 3_600
    review_s: float = 0


@dataclass(frozen=True, slots=True)
class LampFailureParameters:
    """Dark while expected on, in `confirm_readings` readings that are not within `settle_s` of a switch."""

    confirm_readings: int = 2
    settle_s: float = 120
    verify_window_s: float = 172_800
    review_s: float = 0


@dataclass(frozen=True, slots=True)
class LampUnexpectedOnParameters:
    """Burning while expected off, in `confirm_readings` readings that are not within `settle_s` of a switch."""

    confirm_readings: int = 2
    settle_s: float = 120
    verify_window_s: float = 172_800
    review_s: float = 0


@dataclass(frozen=True, slots=True)
class BatteryLowParameters:
    """Low at `enter_percent` and below, charged again at `leave_percent` and above."""

    enter_percent: float = 20
    leave_percent: float = 25
    verify_window_s: float = 86_400
    review_s: float = 0


@dataclass(frozen=True, slots=True)
class CommunicationFailureParameters:
    """Silent when nothing was heard for `missed_intervals` expected intervals of the device."""

    missed_intervals: int = 3
    verify_window_s: float = 86_400
    review_s: float = 0


@dataclass(frozen=True, slots=True)
class NodeOfflineParameters:
    """Offline when nothing was heard for `after_s`, or nothing in an SOS lane that has spoken for `sos_after_s`.

    80 s are three heartbeats of 20 s and as much margin: somebody is told of a way for SOS that died within 90 s.
    """

    after_s: float = 90
    sos_after_s: float = 80
    verify_window_s: float = 3_600
    review_s: float = 0


Parameters = (
    BinFullParameters
    | LampFailureParameters
    | LampUnexpectedOnParameters
    | BatteryLowParameters
    | CommunicationFailureParameters
    | NodeOfflineParameters
)
ParametersT = TypeVar("ParametersT", bound=Parameters)

PARAMETERS: Final[Mapping[FaultCode, type[Parameters]]] = {
    FaultCode.BIN_FULL: BinFullParameters,
    FaultCode.LAMP_FAILURE: LampFailureParameters,
    FaultCode.LAMP_UNEXPECTED_ON: LampUnexpectedOnParameters,
    FaultCode.BATTERY_LOW: BatteryLowParameters,
    FaultCode.COMMUNICATION_FAILURE: CommunicationFailureParameters,
    FaultCode.NODE_OFFLINE: NodeOfflineParameters,
}
"""The fault codes that have parameters; those of life safety have none."""


def parse_parameters(fault_code: FaultCode, mapping: Mapping[str, Any], *wider: Mapping[str, Any]) -> Parameters:
    """Return the parameters that `mapping` gives over the overrides of wider scopes (widest first) and the defaults.

    Raises `ParameterError` with every fault of the mapping: unknown names, wrong types, values out of range, thresholds
    that cross; `KeyError` when the fault code has no parameters.
    """
    known = {field.name for field in fields(PARAMETERS[fault_code])}
    errors = [(name, message) for name, value in mapping.items() if (message := _fault(name, value, known)) is not None]
    if not errors:
        crossing = _crossing(fault_code, mapping, {**asdict(merge(PARAMETERS[fault_code], *wider)), **mapping})
        if crossing is not None:
            errors.append(crossing)
    if errors:
        raise ParameterError(*errors)
    return merge(PARAMETERS[fault_code], *wider, mapping)


def merge(kind: type[ParametersT], *overrides: Mapping[str, Any]) -> ParametersT:
    """Return the defaults of `kind` under checked overrides, widest scope first; a narrower one wins name by name.

    An inherited leave threshold on the wrong side of a narrower enter threshold closes up to it, so that no combination
    of scopes leaves a facility unwatched.
    """
    values: dict[str, Any] = {}
    for override in overrides:
        values.update(override)
    merged = kind(**values)
    if isinstance(merged, BinFullParameters) and merged.leave_percent > merged.enter_percent:
        values["leave_percent"] = merged.enter_percent
        return kind(**values)
    if isinstance(merged, BatteryLowParameters) and merged.leave_percent < merged.enter_percent:
        values["leave_percent"] = merged.enter_percent
        return kind(**values)
    return merged


def _fault(name: str, value: object, known: set[str]) -> str | None:
    """Return what is wrong with one value by the unit in its name, or None."""
    if name not in known:
        return f"is not a parameter here; known are {', '.join(sorted(known))}"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return "must be a number"
    if name.endswith("_percent"):
        return None if 0 <= value <= 100 else "must be from 0 to 100"
    if name in {"after_s", "sos_after_s"}:
        return None if 0 < value <= LONGEST_S else f"must be above 0 and at most {LONGEST_S}"
    if name.endswith("_s"):
        return None if 0 <= value <= LONGEST_S else f"must be from 0 to {LONGEST_S}"
    return None if isinstance(value, int) and 1 <= value <= 1_000 else "must be a whole number from 1 to 1000"


def _crossing(fault_code: FaultCode, given: Mapping[str, Any], effective: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the fault of a leave threshold that was given on the wrong side of the enter threshold, or None."""
    if "leave_percent" not in given:
        return None
    enter, leave = effective["enter_percent"], effective["leave_percent"]
    if fault_code is FaultCode.BIN_FULL and leave >= enter:
        return "leave_percent", f"must be below enter_percent ({enter:g})"
    if fault_code is FaultCode.BATTERY_LOW and leave <= enter:
        return "leave_percent", f"must be above enter_percent ({enter:g})"
    return None
