from collections.abc import Mapping

import pytest

from hub.dashboard.facilities import FacilityFacts, kind_word, present_facility, present_kind, wants_point
from hub.dashboard.language import words
from hub.dashboard.views import Level
from hub.devices.registry import Facility
from hub.devices.tally import KindTally
from hub.rules.battery_low import BatteryState
from hub.rules.bin_full import BinFullState
from hub.rules.communication_failure import Condition, first_contact
from hub.rules.facility import FacilityState
from hub.rules.lamp import Confirmation, LampState
from hub.telemetry.point import Point
from hub.vocabulary import FaultCode, Role
from tests.unit.hub.dashboard.scene import MINUTE_MS, NOW_MS, scene

VITALS = {"heart_rate_bpm": 71.0, "spo2_percent": 97.0, "worn": 1.0}


def a_facility(kind: str = "bin", *, grid: str | None = "demo.g1") -> Facility:
    return Facility(
        id=f"demo.{kind}-1", site="demo", slug=f"{kind}-1", kind=kind, name="东门的桶", grid=grid, created_at_ms=1
    )


def a_state(kind: str = "fill_level", *, ago_min: int = 3) -> FacilityState:
    state = FacilityState()
    state.newest = {kind: NOW_MS - ago_min * MINUTE_MS}
    state.contacts = {"d": first_contact(node="pi-1", received_ms=NOW_MS, grace_ms=None, proving=None)}
    return state


def a_point(kind: str, values: Mapping[str, float]) -> Point:
    return Point.of("demo", f"{kind}-1", "pi-1", "d", kind, at_ms=NOW_MS, seq=1, quality=95, values=values)


def test_a_bin_tells_its_level_and_when_it_was_taken() -> None:
    state = a_state()
    state.bin_full = BinFullState(42.4, NOW_MS)
    view = present_facility(FacilityFacts(facility=a_facility(), state=state), scene(Role.DISPATCHER))
    assert (view.level, view.state_word, view.value, view.percent) == (Level.GOOD, "正常", "42%", 42)
    assert view.heard is not None
    assert view.heard.relative == "3 分钟前"
    assert view.place == "一号网格"


def test_a_full_bin_is_loud_and_its_bar_ends_at_a_hundred() -> None:
    state = a_state()
    state.bin_full = BinFullState(104.0, NOW_MS, full=True)
    view = present_facility(FacilityFacts(facility=a_facility(grid=None), state=state), scene(Role.DISPATCHER))
    assert (view.level, view.state_word, view.value, view.percent) == (Level.YELLOW, "已满", "104%", 100)
    assert view.place == "bin-1"


def test_a_silent_facility_is_stale_whatever_it_said_last() -> None:
    state = a_state(ago_min=90)
    state.bin_full = BinFullState(95.0, NOW_MS, full=True)
    state.communication = Condition.EXPLAINED
    view = present_facility(FacilityFacts(facility=a_facility(), state=state), scene(Role.DISPATCHER))
    assert (view.level, view.state_word, view.notes) == (Level.STALE, "没有信号", ("数值已过时",))


def test_a_facility_that_was_never_heard_says_so() -> None:
    view = present_facility(FacilityFacts(facility=a_facility()), scene(Role.DISPATCHER))
    assert (view.level, view.state_word, view.value, view.heard) == (Level.STALE, "从未有消息", None, None)


def test_a_value_is_shown_only_to_whom_telemetry_is() -> None:
    state = a_state()
    state.bin_full = BinFullState(42.0, NOW_MS)
    view = present_facility(FacilityFacts(facility=a_facility(), state=state), scene())
    assert (view.value, view.percent) == (None, None)


@pytest.mark.parametrize(
    ("lamp", "power_w", "said"),
    [
        (LampState(failure=Confirmation(raised=True)), 0.0, (Level.YELLOW, "不亮", "0 瓦")),
        (LampState(unexpected_on=Confirmation(raised=True)), 60.0, (Level.BLUE, "白天亮", "60 瓦")),
        (LampState(), 57.3, (Level.GOOD, "亮", "57 瓦")),
        (LampState(), 0.4, (Level.GOOD, "灭", "0 瓦")),
    ],
)
def test_a_lamp_tells_whether_it_burns_and_whether_it_should(
    lamp: LampState, power_w: float, said: tuple[Level, str, str]
) -> None:
    state = a_state("lamp")
    state.lamp = lamp
    facts = FacilityFacts(facility=a_facility("streetlight"), state=state, point=a_point("lamp", {"power_w": power_w}))
    view = present_facility(facts, scene(Role.DISPATCHER))
    assert (view.level, view.state_word, view.value) == said


def test_a_lamp_whose_power_the_store_does_not_tell_is_judged_by_the_rules() -> None:
    facts = FacilityFacts(facility=a_facility("streetlight"), state=a_state("lamp"))
    view = present_facility(facts, scene(Role.DISPATCHER))
    assert (view.level, view.state_word, view.value) == (Level.GOOD, "正常", None)


@pytest.mark.parametrize(("worn", "said"), [(1.0, (Level.GOOD, "佩戴中")), (0.0, (Level.QUIET, "未佩戴"))])
def test_a_wristband_tells_whether_it_is_worn_and_nothing_it_measures(worn: float, said: tuple[Level, str]) -> None:
    facts = FacilityFacts(
        facility=a_facility("wristband"), state=a_state("vitals"), point=a_point("vitals", {**VITALS, "worn": worn})
    )
    view = present_facility(facts, scene(Role.ADMIN))
    assert (view.level, view.state_word) == said
    assert (view.value, view.percent) == (None, None)
    assert "71" not in str(view)
    assert "97" not in str(view)


def test_a_call_for_help_goes_before_silence() -> None:
    state = a_state("vitals")
    state.communication = Condition.OPEN
    facts = FacilityFacts(facility=a_facility("wristband"), state=state, alarms={FaultCode.FALL_DETECTED})
    view = present_facility(facts, scene(Role.CARER))
    assert (view.level, view.state_word, view.notes) == (Level.SOS, "跌倒报警", ("没有信号",))


def test_a_low_battery_is_noted_beside_the_state() -> None:
    state = a_state()
    state.batteries = {"d": BatteryState(low=True, percent=12.0)}
    view = present_facility(FacilityFacts(facility=a_facility(), state=state), scene(Role.DISPATCHER))
    assert view.notes == ("电池低",)


def test_only_what_the_rules_do_not_keep_is_asked_of_the_store_and_only_for_whom_it_is() -> None:
    assert not wants_point(a_facility("bin"), scene(Role.ADMIN))
    assert wants_point(a_facility("streetlight"), scene(Role.CREW))
    assert not wants_point(a_facility("wristband"), scene(Role.DISPATCHER))
    assert wants_point(a_facility("wristband"), scene(Role.CARER))


def test_a_kind_is_counted_by_what_is_wrong_the_loudest_first() -> None:
    tally = KindTally(
        kind="wristband",
        total=9,
        unheard=2,
        troubled=3,
        faults={FaultCode.BATTERY_LOW: 2, FaultCode.SOS_PRESSED: 1},
    )
    counts = [(count.word, count.number) for count in present_kind(tally, (), words("zh")).counts]
    assert counts == [("SOS 呼救", 1), ("电池电量低", 2), ("从未有消息", 2), ("正常", 4)]


def test_a_kind_the_hub_has_no_word_for_calls_itself() -> None:
    assert kind_word("bin", words("en")) == "Bins"
    assert kind_word("parking-bay", words("en")) == "parking-bay"
