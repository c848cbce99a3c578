import pytest

from edge.sampling import WATCHED, ReportReason, SamplingPlan, SamplingState, Values, is_due, start, take
from protocols.readings import KINDS

BIN = SamplingPlan(interval_s=3600, watch={"fill_percent": 80.0})
THRIFTY = SamplingPlan(
    interval_s=60, watch={"fill_percent": 80.0}, dead_band={"fill_percent": 2.0}, max_silence_s=600, recheck_s=1
)


def play(plan: SamplingPlan, story: list[tuple[float, Values | None]]) -> list[tuple[bool, ReportReason, float]]:
    state = start(plan, at_s=0)
    played: list[tuple[bool, ReportReason, float]] = []
    for at_s, values in story:
        state, decision = take(plan, state, values, at_s=at_s)
        played.append((decision.report, decision.reason, state.due_s))
    return played


def test_the_first_sample_is_due_at_once() -> None:
    assert is_due(start(BIN, at_s=100), at_s=100)


def test_a_phase_spreads_devices_over_the_interval() -> None:
    state = start(BIN, at_s=100, phase_s=3600 * 2 + 30)
    assert state.due_s == 130
    assert not is_due(state, at_s=129.9)


def test_samples_keep_to_the_grid_however_late_one_is() -> None:
    assert [due for _, _, due in play(BIN, [(0, {}), (3700, {}), (7200, {})])] == [3600, 7200, 10800]


def test_missed_samples_are_skipped_not_made_up_for() -> None:
    assert [due for _, _, due in play(BIN, [(0, {}), (3600 * 5 + 1, {})])] == [3600, 3600 * 6]


def test_crossing_the_watched_level_upward_asks_for_one_more_sample_at_once() -> None:
    story: list[tuple[float, Values | None]] = [
        (0, {"fill_percent": 79.0}),
        (3600, {"fill_percent": 80.0}),
        (3601, {"fill_percent": 81.0}),
        (7200, {"fill_percent": 90.0}),
    ]
    assert [due for _, _, due in play(BIN, story)] == [3600, 3601, 7200, 10800]


def test_crossing_downward_asks_for_nothing() -> None:
    assert [due for _, _, due in play(BIN, [(0, {"fill_percent": 95.0}), (1, {"fill_percent": 5.0})])][-1] == 3600


def test_a_first_sample_above_the_level_is_confirmed_too() -> None:
    assert play(BIN, [(0, {"fill_percent": 95.0})])[0][2] == 1


def test_the_extra_sample_never_delays_the_next_regular_one() -> None:
    plan = SamplingPlan(interval_s=0.5, watch={"fill_percent": 80.0}, recheck_s=1)
    assert play(plan, [(0, {"fill_percent": 95.0})])[0][2] == 0.5


def test_without_a_dead_band_every_sample_is_reported() -> None:
    story: list[tuple[float, Values | None]] = [(0, {"fill_percent": 5.0}), (3600, {"fill_percent": 5.0})]
    assert [(report, reason) for report, reason, _ in play(BIN, story)] == [(True, ReportReason.EVERY_SAMPLE)] * 2


def test_a_fault_is_not_reported_and_the_next_sample_is_due_on_the_grid() -> None:
    assert play(BIN, [(0, None)]) == [(False, ReportReason.NO_VALUE, 3600)]


def test_with_a_dead_band_only_what_says_something_is_reported() -> None:
    story: list[tuple[float, Values | None, tuple[bool, ReportReason]]] = [
        (0, {"fill_percent": 50.0}, (True, ReportReason.FIRST)),
        (60, {"fill_percent": 51.9}, (False, ReportReason.UNCHANGED)),
        (120, {"fill_percent": 52.0}, (True, ReportReason.CHANGED)),
        (180, {"fill_percent": 50.1}, (False, ReportReason.UNCHANGED)),
        (240, None, (False, ReportReason.NO_VALUE)),
        (720, {"fill_percent": 52.0}, (True, ReportReason.SILENT_TOO_LONG)),
        (780, {"fill_percent": 80.0}, (True, ReportReason.CROSSED)),
        (781, {"fill_percent": 80.0}, (True, ReportReason.CONFIRMATION)),
        (840, {"fill_percent": 80.0}, (False, ReportReason.UNCHANGED)),
        (900, {"fill_percent": 79.9}, (True, ReportReason.CROSSED)),
    ]
    played = play(THRIFTY, [(at_s, values) for at_s, values, _ in story])
    assert [(report, reason) for report, reason, _ in played] == [expected for _, _, expected in story]


def test_many_small_steps_add_up_against_the_last_report() -> None:
    story: list[tuple[float, Values | None]] = [(60.0 * n, {"fill_percent": 50 + 0.5 * n}) for n in range(6)]
    assert [report for report, _, _ in play(THRIFTY, story)] == [True, False, False, False, True, False]


def test_a_flag_that_turns_is_a_change() -> None:
    plan = SamplingPlan(interval_s=60, dead_band={"power_w": 5})
    story: list[tuple[float, Values | None]] = [
        (0, {"power_w": 60.0, "on": True, "voltage_v": 230.0}),
        (60, {"power_w": 60.0, "on": True, "voltage_v": 231.0}),
        (120, {"power_w": 60.0, "on": False, "voltage_v": 231.0}),
    ]
    assert [report for report, _, _ in play(plan, story)] == [True, False, True]


def test_a_value_that_appears_or_goes_is_a_change() -> None:
    plan = SamplingPlan(interval_s=60, dead_band={"fill_percent": 5})
    story: list[tuple[float, Values | None]] = [
        (0, {"fill_percent": 10.0, "distance_mm": 900.0}),
        (60, {"fill_percent": 10.0}),
    ]
    assert play(plan, story)[1][:2] == (True, ReportReason.CHANGED)


def test_a_plan_that_would_never_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        SamplingPlan(interval_s=0)
    with pytest.raises(ValueError, match="negative"):
        SamplingPlan(interval_s=1, dead_band={"fill_percent": -1})


def test_what_is_watched_are_fields_of_the_wire() -> None:
    for kind, levels in WATCHED.items():
        assert set(levels) <= set(KINDS[kind])


def test_a_fault_keeps_what_was_reported_before() -> None:
    before = SamplingState(
        due_s=60, grid_s=60, seen={"fill_percent": 1.0}, reported={"fill_percent": 1.0}, reported_s=0
    )
    after, _ = take(THRIFTY, before, None, at_s=60)
    assert (after.seen, after.reported, after.reported_s) == (before.seen, before.reported, before.reported_s)
