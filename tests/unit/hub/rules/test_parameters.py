import math
from typing import Any

import pytest

from hub.rules.parameters import (
    PARAMETERS,
    BatteryLowParameters,
    BinFullParameters,
    LampFailureParameters,
    NodeOfflineParameters,
    ParameterError,
    merge,
    parse_parameters,
)
from hub.vocabulary import FAULTS, FaultCode


def fields_refused(fault_code: FaultCode, mapping: dict[str, Any], *wider: dict[str, Any]) -> list[str]:
    with pytest.raises(ParameterError) as refusal:
        parse_parameters(fault_code, mapping, *wider)
    return [field for field, _ in refusal.value.errors]


def test_every_fault_that_is_not_of_life_safety_or_the_store_has_parameters() -> None:
    hard_wired = {code for code, fault in FAULTS.items() if fault.life_safety} | {FaultCode.STORE_UNAVAILABLE}
    assert PARAMETERS.keys() == FAULTS.keys() - hard_wired


def test_the_defaults_are_those_of_the_contract() -> None:
    assert parse_parameters(FaultCode.BIN_FULL, {}) == BinFullParameters(80, 60, 2, 0, 3_600, 0)
    assert parse_parameters(FaultCode.LAMP_FAILURE, {}) == LampFailureParameters(2, 120, 172_800, 0)
    assert parse_parameters(FaultCode.NODE_OFFLINE, {}) == NodeOfflineParameters(after_s=90)


def test_what_is_given_replaces_the_default() -> None:
    parsed = parse_parameters(FaultCode.BIN_FULL, {"enter_percent": 90, "hold_s": 1.5})
    assert parsed == BinFullParameters(enter_percent=90, hold_s=1.5)


@pytest.mark.parametrize(
    ("fault_code", "name", "value"),
    [
        (FaultCode.BIN_FULL, "enter_percent", 101),
        (FaultCode.BIN_FULL, "enter_percent", -1),
        (FaultCode.BIN_FULL, "enter_percent", "80"),
        (FaultCode.BIN_FULL, "enter_percent", None),
        (FaultCode.BIN_FULL, "enter_percent", True),
        (FaultCode.BIN_FULL, "enter_percent", math.nan),
        (FaultCode.BIN_FULL, "hold_s", math.inf),
        (FaultCode.BIN_FULL, "hold_s", -1),
        (FaultCode.BIN_FULL, "hold_s", 10**9),
        (FaultCode.BIN_FULL, "confirm_readings", 0),
        (FaultCode.BIN_FULL, "confirm_readings", 1.5),
        (FaultCode.BIN_FULL, "settle_s", 1),
        (FaultCode.LAMP_FAILURE, "enter_percent", 1),
        (FaultCode.COMMUNICATION_FAILURE, "missed_intervals", 0),
        (FaultCode.NODE_OFFLINE, "after_s", 0),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(fault_code: FaultCode, name: str, value: object) -> None:
    assert fields_refused(fault_code, {name: value}) == [name]


def test_all_faults_of_a_mapping_are_told_at_once() -> None:
    given = {"enter_percent": 200, "hold": 3, "confirm_readings": "two", "leave_percent": 10}
    assert sorted(fields_refused(FaultCode.BIN_FULL, given)) == ["confirm_readings", "enter_percent", "hold"]


@pytest.mark.parametrize("leave", [80, 81])
def test_a_bin_must_be_left_below_where_it_is_entered(leave: float) -> None:
    given = {"enter_percent": 80, "leave_percent": leave}
    assert fields_refused(FaultCode.BIN_FULL, given) == ["leave_percent"]


@pytest.mark.parametrize("leave", [20, 19])
def test_a_battery_must_be_left_above_where_it_is_entered(leave: float) -> None:
    assert fields_refused(FaultCode.BATTERY_LOW, {"leave_percent": leave}) == ["leave_percent"]


def test_a_leave_threshold_is_checked_against_the_wider_scope() -> None:
    assert fields_refused(FaultCode.BIN_FULL, {"leave_percent": 85}) == ["leave_percent"]
    parsed = parse_parameters(FaultCode.BIN_FULL, {"leave_percent": 85}, {"enter_percent": 95})
    assert parsed == BinFullParameters(enter_percent=95, leave_percent=85)


def test_life_safety_has_no_parameters() -> None:
    with pytest.raises(KeyError):
        parse_parameters(FaultCode.SOS_PRESSED, {})


def test_the_narrower_scope_wins_name_by_name() -> None:
    site, grid, facility = {"enter_percent": 85, "hold_s": 60}, {"hold_s": 30}, {"confirm_readings": 1}
    merged = merge(BinFullParameters, site, grid, facility)
    assert merged == BinFullParameters(enter_percent=85, hold_s=30, confirm_readings=1)


def test_an_inherited_leave_threshold_closes_up_to_a_narrower_enter_threshold() -> None:
    assert merge(BinFullParameters, {"enter_percent": 50}) == BinFullParameters(enter_percent=50, leave_percent=50)
    assert merge(BatteryLowParameters, {"enter_percent": 40}) == BatteryLowParameters(
        enter_percent=40, leave_percent=40
    )
