from hypothesis import given
from hypothesis import strategies as st

from edge.drivers.hold import HoldRule, HoldState, step, wake_s

RULE = HoldRule(hold_s=2.0, bounce_s=0.05)


def held_times(edges: list[tuple[float, bool]], *, wake: bool) -> list[float]:
    """What counts, with wake-ups as the decision asks for them or (a busy machine) with edges alone."""
    state = HoldState()
    told: list[float] = []
    for at_s, active in edges:
        due_s = wake_s(RULE, state)
        if wake and due_s is not None and due_s < at_s:
            state, held = step(RULE, state, active=state.active, at_s=due_s)
            told += [held.at_s] if held else []
        state, held = step(RULE, state, active=active, at_s=at_s)
        told += [held.at_s] if held else []
    return told


@given(st.lists(st.tuples(st.floats(0.05, 5), st.floats(0.05, 5)), max_size=20))
def test_every_hold_counts_once_and_no_touch_does(presses: list[tuple[float, float]]) -> None:
    edges: list[tuple[float, bool]] = []
    expected: list[float] = []
    now_s = 0.0
    for up_s, down_s in presses:
        pressed_s = now_s + up_s + 0.001
        now_s = pressed_s + down_s
        edges += [(pressed_s, True), (now_s, False)]
        expected += [pressed_s + RULE.hold_s] if now_s >= pressed_s + RULE.hold_s else []
    assert held_times(edges, wake=True) == expected


@given(st.lists(st.floats(0.001, 5), max_size=40))
def test_a_late_wake_up_changes_nothing_that_is_told(gaps: list[float]) -> None:
    now_s, edges = 0.0, list[tuple[float, bool]]()
    for number, gap_s in enumerate(gaps):
        now_s += gap_s
        edges.append((now_s, number % 2 == 0))
    edges.append((now_s + 100, False))
    assert held_times(edges, wake=False) == held_times(edges, wake=True)


@given(st.lists(st.floats(0.001, 0.02), min_size=1, max_size=10), st.floats(2.5, 5))
def test_contact_bounce_at_either_end_changes_nothing(bounces: list[float], hold_s: float) -> None:
    edges: list[tuple[float, bool]] = [(1.0, True)]
    for begin_s in (1.0, 1.0 + hold_s):
        at_s = begin_s
        for gap_s in bounces:
            edges += [(at_s + gap_s / 2, False), (at_s + gap_s, True)]
            at_s += gap_s
    edges += [(edges[-1][0] + 0.01, False), (100.0, False)]
    assert held_times(edges, wake=True) == [3.0]
