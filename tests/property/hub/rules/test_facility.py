"""Whole facilities under arbitrary stories: they say nothing twice, and storing and sweeping change nothing."""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from hub.rules.facility import (
    FacilityRules,
    FacilityState,
    NodeContact,
    ReadingInput,
    Supervision,
    evaluate_reading,
    is_late,
    note_contact,
    wake,
)
from hub.rules.parameters import BinFullParameters, LampFailureParameters, LampUnexpectedOnParameters
from hub.rules.rule import Cleared, Effect, Proven, Raised
from hub.vocabulary import FaultCode

START_MS = 1_795_608_000_000
DEVICES = ("band", "radio", "sensor")
NODES = ("pi-1", "pi-2")
RULES = FacilityRules(
    "bin",
    rated_power_w=60.0,
    location=(31.2, 121.5),
    bin_full=BinFullParameters(hold_s=90),
    lamp_failure=LampFailureParameters(settle_s=30),
    lamp_unexpected_on=LampUnexpectedOnParameters(settle_s=30),
    intervals_ms={"sensor": 60_000, "radio": 20_000, "band": None},
    nodes={"sensor": "pi-1", "radio": None, "band": "pi-2"},
)
IMPATIENT = replace(RULES, bin_full=BinFullParameters(enter_percent=50, leave_percent=40, confirm_readings=1))
SMALLER = replace(RULES, nodes={"radio": None}, intervals_ms={"radio": 20_000})

percents = st.floats(0, 100) | st.sampled_from([20.0, 25.0, 59.9, 60.0, 80.0])
fills = st.fixed_dictionaries({"fill_percent": percents}, optional={"battery_percent": percents})
lamps = st.fixed_dictionaries(
    {"power_w": st.sampled_from([0.0, 6.0, 58.0])}, optional={"commanded_percent": st.sampled_from([0.0, 50.0, 100.0])}
)
values = st.tuples(st.just("fill_level"), fills) | st.tuples(st.just("lamp"), lamps)
readings = st.tuples(
    st.just("reading"), st.sampled_from(DEVICES), st.sampled_from(NODES), st.sampled_from([0, 50, 100]), values
)
contacts = st.tuples(st.just("contact"), st.sampled_from(DEVICES), st.sampled_from(NODES))
sweeps = st.tuples(st.just("sweep"), st.sampled_from([RULES, RULES, IMPATIENT, SMALLER]), st.booleans())
deaths = st.tuples(st.just("death"), st.sampled_from(NODES))
stories = st.lists(st.tuples(st.sampled_from([0, 1, 10, 60, 400]), readings | contacts | sweeps | deaths), max_size=40)


@dataclass(slots=True)
class Hub:
    """Plays a story on one facility and keeps all that was said."""

    state: FacilityState
    said: list[Effect]
    nodes: dict[str, NodeContact]

    def play(self, at_ms: int, step: tuple) -> None:
        match step:
            case ("reading", device, node, quality, (kind, measured)):
                self.nodes[node] = NodeContact(at_ms, offline=False)
                reading = ReadingInput(device, node, kind, at_ms, at_ms, quality, measured)
                self.take(evaluate_reading(RULES, self.state, reading))
            case ("contact", device, node):
                self.nodes[node] = NodeContact(at_ms, offline=False)
                self.take(note_contact(RULES, self.state, device=device, node=node, received_ms=at_ms))
            case ("sweep", rules, listening):
                supervision = Supervision(START_MS if listening else None, self.nodes)
                self.take(wake(rules, self.state, at_ms=at_ms, supervision=supervision))
                once = self.state.copy()
                again, said = wake(rules, self.state, at_ms=at_ms, supervision=supervision)
                assert (again, said) == (once, ())
            case ("death", node):
                if node in self.nodes:
                    self.nodes[node] = replace(self.nodes[node], offline=True)
            case _:
                raise AssertionError(step)

    def take(self, outcome: tuple[FacilityState, tuple[Effect, ...]]) -> None:
        self.state, effects = outcome
        self.said.extend(effects)


def play(story: list[tuple[int, tuple]], *, stored: bool = False) -> Hub:
    hub = Hub(FacilityState(), [], {})
    at_ms = START_MS
    for gap_s, step in story:
        at_ms += gap_s * 1_000
        hub.play(at_ms, step)
        if stored:
            hub.state = FacilityState.decode(hub.state.encode())
    return hub


@given(story=stories)
def test_a_condition_is_raised_once_and_cleared_once(story: list[tuple[int, tuple]]) -> None:
    """Only a suppressed condition may be raised again, once, without its parent: its release."""
    for fault_code in FaultCode:
        raised, suppressed = False, False
        for effect in play(story).said:
            if effect.fault_code is not fault_code:
                continue
            match effect:
                case Raised():
                    assert not raised or (suppressed and effect.parent_node is None)
                    raised, suppressed = True, effect.parent_node is not None
                case Cleared():
                    assert raised
                    raised = False
                case Proven():
                    assert not raised


@given(story=stories)
def test_a_proof_comes_with_or_after_a_clearing_and_once(story: list[tuple[int, tuple]]) -> None:
    cleared: dict[FaultCode, int] = dict.fromkeys(FaultCode, 0)
    for effect in play(story).said:
        if isinstance(effect, Cleared):
            cleared[effect.fault_code] += 1
        elif isinstance(effect, Proven):
            assert cleared[effect.fault_code] > 0
            cleared[effect.fault_code] = 0


@given(story=stories)
def test_a_hub_that_restarts_after_every_step_says_the_same(story: list[tuple[int, tuple]]) -> None:
    kept, restarted = play(story), play(story, stored=True)
    assert restarted.said == kept.said
    assert restarted.state == kept.state
    assert restarted.state.encode() == kept.state.encode()


@given(story=stories)
def test_the_wake_up_is_the_earliest_deadline_that_is_stored(story: list[tuple[int, tuple]]) -> None:
    state = play(story).state
    deadlines = [state.bin_full.due_ms, *(contact.due_ms for contact in state.contacts.values())]
    assert state.wake_at_ms == min((due_ms for due_ms in deadlines if due_ms is not None), default=None)


@given(story=stories, later_s=st.integers(0, 10_000))
def test_a_sweep_leaves_no_deadline_behind_it(story: list[tuple[int, tuple]], later_s: int) -> None:
    at_ms = START_MS + sum(gap_s for gap_s, _ in story) * 1_000 + later_s * 1_000
    hub = play(story)
    state, _ = wake(RULES, hub.state, at_ms=at_ms, supervision=Supervision(START_MS, hub.nodes))
    assert state.wake_at_ms is None or state.wake_at_ms > at_ms


@given(times=st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_the_newest_reading_of_a_kind_is_the_newest_in_whatever_order_they_come(times: list[int]) -> None:
    state = FacilityState()
    for at_ms in times:
        evaluate_reading(RULES, state, ReadingInput("sensor", "pi-1", "node_health", at_ms, 10**6, 100, {}))
    assert state.newest == {"node_health": max(times)}
    assert not is_late(state, kind="node_health", at_ms=max(times), received_ms=max(times), interval_ms=None)
    assert is_late(state, kind="node_health", at_ms=max(times) - 1, received_ms=max(times), interval_ms=None)


@given(levels=st.lists(st.sampled_from([0.0, 58.0]), min_size=1, max_size=30))
def test_a_lamp_fails_exactly_with_two_dark_readings_in_a_row(levels: list[float]) -> None:
    state, said = FacilityState(), []
    for second, power_w in enumerate(levels):
        at_ms = START_MS + second * 1_000
        measured = {"power_w": power_w, "commanded_percent": 100.0}
        state, effects = evaluate_reading(
            RULES, state, ReadingInput("sensor", "pi-1", "lamp", at_ms, at_ms, 100, measured)
        )
        said.append(any(isinstance(effect, Raised) for effect in effects))
    dark = "".join("d" if power_w == 0 else "l" for power_w in levels)
    expected = [
        i > 0 and dark[i - 1 : i + 1] == "dd" and "dd" not in dark[:i].rpartition("l")[2] for i in range(len(dark))
    ]
    assert said == expected
