import pytest

from edge.local_rules import (
    BinFullRule,
    BinState,
    CallShown,
    LampFailureRule,
    LampState,
    LocalReason,
    SosRule,
    SosUntil,
    Verdict,
    judge_bin,
    judge_call,
    judge_lamp,
    recheck_bin,
    shown,
)


@pytest.mark.parametrize(
    ("reached", "waited_ms", "expected"),
    [
        (set(), 0, CallShown.STORED),
        (set(), 9_999, CallShown.STORED),
        (set(), 10_000, CallShown.FAILED),
        (set(), None, CallShown.FAILED),
        ({"sent"}, 60_000, CallShown.SENT),
        ({"sent", "heard"}, 60_000, CallShown.HEARD),
        ({"sent", "heard", "coming"}, 60_000, CallShown.ON_THE_WAY),
        ({"sent", "closed"}, None, CallShown.CLEARED),
    ],
)
def test_a_caller_is_shown_the_furthest_stage_and_failure_after_ten_seconds_unsent(
    reached: set[str], waited_ms: int | None, expected: CallShown
) -> None:
    stages = {stage: stage in reached for stage in ("sent", "heard", "coming", "closed")}
    assert shown(**stages, waited_ms=waited_ms) is expected


def bins(rule: BinFullRule, *readings: tuple[float, float]) -> list[bool]:
    """What a rule says after each (seconds, fill percent)."""
    state, said = BinState(), list[bool]()
    for at_s, fill in readings:
        state = judge_bin(rule, state, fill, at_ms=int(at_s * 1_000), interval_s=60)
        said.append(state.verdict.on)
    return said


def test_full_is_reached_at_the_threshold_twice_and_left_below_the_other() -> None:
    assert bins(BinFullRule(), (0, 79.9), (60, 80), (120, 80), (180, 60), (240, 59.9)) == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_the_first_value_inside_the_band_is_not_full() -> None:
    assert bins(BinFullRule(), (0, 79), (60, 79)) == [False, False]


def test_a_reading_below_begins_the_count_anew() -> None:
    assert bins(BinFullRule(), (0, 80), (60, 79), (120, 80), (180, 80)) == [False, False, False, True]


def test_a_hold_is_over_by_time_alone_while_the_newest_reading_still_speaks() -> None:
    rule = BinFullRule(confirm_readings=1, hold_s=200)
    state = judge_bin(rule, BinState(), 90, at_ms=0, interval_s=60)
    assert not recheck_bin(rule, state, at_ms=199_999, interval_s=60).verdict.on
    held = recheck_bin(rule, state, at_ms=200_000, interval_s=60)
    assert held.verdict == Verdict(on=True, reason=LocalReason.THRESHOLD_REACHED, value=90)


def test_a_gap_within_a_hold_is_unknown_and_the_hold_begins_anew() -> None:
    rule = BinFullRule(confirm_readings=1, hold_s=400)
    state = judge_bin(rule, BinState(), 90, at_ms=0, interval_s=60)
    state = recheck_bin(rule, state, at_ms=400_000, interval_s=60)
    assert not state.verdict.on
    state = judge_bin(rule, state, 90, at_ms=500_000, interval_s=60)
    assert not recheck_bin(rule, state, at_ms=700_000, interval_s=60).verdict.on
    state = judge_bin(rule, state, 90, at_ms=700_000, interval_s=60)
    assert recheck_bin(rule, state, at_ms=900_000, interval_s=60).verdict.on


def lamps(rule: LampFailureRule, *readings: tuple[float, float, float | None]) -> list[bool]:
    """What a rule says after each (seconds, watts, commanded percent)."""
    state, said = LampState(), list[bool]()
    for at_s, power_w, commanded in readings:
        state = judge_lamp(rule, state, power_w, commanded_percent=commanded, at_ms=int(at_s * 1_000))
        said.append(state.verdict.on)
    return said


def test_a_dark_lamp_is_judged_twice_and_not_while_it_settles() -> None:
    rule = LampFailureRule(rated_power_w=60)
    readings = [(0, 0, 0), (60, 0, 100), (120, 0, 100), (180, 5.9, 100), (240, 5.9, 100), (300, 6, 100)]
    assert lamps(rule, *readings) == [False, False, False, False, True, False]


def test_without_a_command_and_while_off_nothing_is_said_of_a_lamp() -> None:
    assert lamps(LampFailureRule(), (0, 0, None), (60, 0, None), (120, 0, 0), (180, 0, 0)) == [False] * 4


def test_a_lamp_that_was_dark_stays_so_while_it_is_off() -> None:
    assert lamps(LampFailureRule(settle_s=0), (0, 0, 50), (60, 0, 50), (120, 0, 0)) == [False, True, True]


@pytest.mark.parametrize(
    ("rule", "sent", "heard", "waited_ms", "expected"),
    [
        (SosRule(), False, False, 0, LocalReason.CALL_UNANSWERED),
        (SosRule(), True, False, 0, LocalReason.CALL_UNANSWERED),
        (SosRule(), True, True, 0, LocalReason.CALL_HEARD),
        (SosRule(until=SosUntil.SENT), True, False, 0, LocalReason.CALL_SENT),
        (SosRule(after_s=10), False, False, 9_999, LocalReason.CALL_WAITS),
        (SosRule(after_s=10), False, False, 10_000, LocalReason.CALL_UNANSWERED),
        (SosRule(after_s=10, longest_s=60), False, False, 69_999, LocalReason.CALL_UNANSWERED),
        (SosRule(after_s=10, longest_s=60), False, False, 70_000, LocalReason.SOUNDED_LONGEST),
    ],
)
def test_a_call_sounds_from_its_age_until_it_is_answered_or_has_sounded_long_enough(
    rule: SosRule, sent: bool, heard: bool, waited_ms: int, expected: LocalReason
) -> None:
    verdict = judge_call(rule, sent=sent, heard=heard, waited_ms=waited_ms)
    assert (verdict.reason, verdict.on) == (expected, expected is LocalReason.CALL_UNANSWERED)
