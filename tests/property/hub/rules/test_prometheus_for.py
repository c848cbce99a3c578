"""A hold means what `for` means in Prometheus: pending, then firing; a gap beyond the look-back ends the series."""

import re
from pathlib import Path

import pytest

from hub.rules.bin_full import EMPTY, BinFullState, evaluate, recheck
from hub.rules.parameters import BinFullParameters
from hub.rules.rule import Raised
from tests.shared_data import SharedData

MINUTE_MS = 60_000
UNITS = {"s": 1_000, "m": MINUTE_MS, "h": 60 * MINUTE_MS, "d": 1_440 * MINUTE_MS}


def duration_ms(text: str) -> int:
    """Return the milliseconds of a Prometheus duration such as `5m1s` (`0` has no unit)."""
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)([smhd])", text))


def hold_of(rules: Path, alert: str) -> BinFullParameters:
    """Return a bin's parameters with the alert's `for` as hold: `up == 0` is a full bin."""
    found = re.search(rf"alert: {alert}\s+expr: up == 0\s+for: (\S+)", rules.read_text())
    assert found is not None
    return BinFullParameters(confirm_readings=1, hold_s=duration_ms(found[1]) / 1_000)


def down_since_0(parameters: BinFullParameters, until_ms: int) -> tuple[BinFullState, bool]:
    """Play a series that is down at every minute up to `until_ms`, sweeping each minute; tell whether it fires."""
    state, fires = EMPTY, False
    for at_ms in range(0, until_ms + 1, MINUTE_MS):
        state, effects = evaluate(parameters, state, 100.0, at_ms=at_ms, interval_ms=MINUTE_MS)
        state, swept = recheck(parameters, state, at_ms=at_ms, interval_ms=MINUTE_MS)
        fires = fires or any(isinstance(effect, Raised) for effect in effects + swept)
    return state, fires


@pytest.mark.shared_data
def test_what_prometheus_says_of_instance_down_holds_for_a_bin(shared_data: SharedData) -> None:
    folder = shared_data.path("prometheus-for-rule")
    parameters = hold_of(folder / "rules.yml", "InstanceDown")
    cases = (folder / "unittest.yml").read_text()
    pending = re.search(r'eval_time: (\S+)\s+exp_samples:(?:(?!eval_time)[\s\S])*alertstate="pending"', cases)
    assert pending is not None
    state, fires = down_since_0(parameters, duration_ms(pending[1]))
    assert (state.due_ms, fires) == (5 * MINUTE_MS, False)

    alerts = re.findall(r"- eval_time: (\S+)\s+alertname: InstanceDown\s+exp_alerts:(?: (\[\]))?", cases)
    assert len(alerts) == 2
    for eval_time, none in alerts:
        _, fires = down_since_0(parameters, duration_ms(eval_time))
        assert fires is not bool(none)


@pytest.mark.shared_data
def test_a_sample_is_known_for_the_look_back_and_no_longer(shared_data: SharedData) -> None:
    cases = (shared_data.path("prometheus-for-rule") / "unittest.yml").read_text()
    missing = re.findall(r"expr: timestamp\(test_missing\)\s+eval_time: (\S+)\s+exp_samples:(?: (\[\]))?", cases)
    assert [(duration_ms(eval_time), bool(none)) for eval_time, none in missing] == [(300_000, False), (301_000, True)]
    for eval_time, none in missing:
        # One full reading, then nothing: it speaks for the bin up to the end of a hold only within the look-back.
        parameters = BinFullParameters(confirm_readings=1, hold_s=duration_ms(eval_time) / 1_000)
        state, _ = evaluate(parameters, EMPTY, 100.0, at_ms=0, interval_ms=MINUTE_MS)
        _, effects = recheck(parameters, state, at_ms=duration_ms(eval_time), interval_ms=MINUTE_MS)
        assert bool(effects) is not bool(none)
