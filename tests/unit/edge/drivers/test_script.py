from itertools import islice

import pytest

from edge.drivers.driver import Fault, FaultReason, Measurement
from edge.drivers.script import BadScript, ScriptedEvent, parse_script
from protocols.events import EventName

BIN = "after_s,fill_percent\n0,10\n5,81.5\n10,20\n"


def level_at(elapsed_s: float, *, repeat_after_s: float | None = None) -> float | bool:
    sample = parse_script(BIN, kind="fill_level", repeat_after_s=repeat_after_s).sample_at(elapsed_s)
    assert isinstance(sample, Measurement)
    return sample.values["fill_percent"]


def test_each_row_holds_until_the_next() -> None:
    assert [level_at(elapsed_s) for elapsed_s in (0, 4.99, 5, 9.99, 10)] == [10, 10, 81.5, 81.5, 20]


def test_the_last_row_holds_on() -> None:
    assert level_at(1e6) == 20


def test_a_script_that_repeats_starts_again() -> None:
    assert [level_at(elapsed_s, repeat_after_s=15) for elapsed_s in (14.9, 15, 20, 25, 30)] == [20, 10, 81.5, 20, 10]


def test_before_the_first_row_there_is_no_data() -> None:
    sample = parse_script("after_s,fill_percent\n3,10\n", kind="fill_level").sample_at(1)
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.NO_DATA


def test_lamps_have_flags_and_empty_cells_are_absent() -> None:
    script = parse_script("after_s,power_w,on,commanded_percent\n0,60,true,100\n1,0,0,\n", kind="lamp")
    assert script.sample_at(0) == Measurement({"power_w": 60.0, "on": True, "commanded_percent": 100.0}, 100)
    assert script.sample_at(1) == Measurement({"power_w": 0.0, "on": False}, 100)


def test_vitals_and_presses_stand_in_one_script() -> None:
    text = "after_s, heart_rate_bpm, quality, event, ref\n0,72,80,,\n2,,,sos_pressed,band-07:1\n3,95,,sos_cancelled,\n"
    script = parse_script(text, kind="vitals")
    assert script.sample_at(2.5) == Measurement({"heart_rate_bpm": 72.0}, 80)
    assert script.sample_at(3) == Measurement({"heart_rate_bpm": 95.0}, 100)
    assert script.events == (
        ScriptedEvent(2.0, EventName.SOS_PRESSED, "band-07:1"),
        ScriptedEvent(3.0, EventName.SOS_CANCELLED, None),
    )


def test_a_script_of_events_needs_no_kind() -> None:
    script = parse_script("after_s,event\n1,button_pressed\n", kind=None)
    assert not script.samples
    assert [event.event for event in script.timeline()] == [EventName.BUTTON_PRESSED]


def test_events_repeat_with_the_script() -> None:
    script = parse_script("after_s,event\n1,button_pressed\n4,tamper\n", kind=None, repeat_after_s=10)
    assert [event.after_s for event in islice(script.timeline(), 5)] == [1, 4, 11, 14, 21]


def test_a_scripted_fault_is_a_fault_until_the_next_row() -> None:
    script = parse_script("after_s,fill_percent,fault\n0,50,\n1,,no_echo\n2,60,\n", kind="fill_level")
    assert script.sample_at(1.5) == Fault(FaultReason.NO_ECHO, "scripted")
    assert isinstance(script.sample_at(2), Measurement)


def test_blank_lines_are_skipped() -> None:
    assert len(parse_script("after_s,fill_percent\n\n0,50\n\n", kind="fill_level").samples) == 1


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", "fill_level", "line 1: the column after_s is missing"),
        ("fill_percent\n50\n", "fill_level", "line 1: the column after_s is missing"),
        ("after_s,fill\n0,50\n", "fill_level", "line 1: column 'fill' is no field of kind 'fill_level'"),
        ("after_s,power_w\n0,50\n", None, "the device has no kind"),
        ("after_s,power_w\n0,50\n", "martian", "the device has no kind"),
        ("after_s,fill_percent,fill_percent\n0,5,5\n", "fill_level", "line 1: column 'fill_percent' stands twice"),
        ("after_s,fill_percent\n0,fifty\n", "fill_level", "line 2: fill_percent 'fifty' is no number"),
        ("after_s,fill_percent\n0,nan\n", "fill_level", "line 2: fill_percent 'nan' is no number"),
        ("after_s,fill_percent\n0,101\n", "fill_level", "line 2: values.fill_percent = 101"),
        ("after_s,fill_percent,distance_mm\n0,,400\n", "fill_level", "line 2: values.fill_percent is missing"),
        ("after_s,fill_percent\n0,1\n5,2\n4,3\n", "fill_level", "line 4: after_s 4 goes back"),
        ("after_s,fill_percent\n-1,1\n", "fill_level", "line 2: after_s -1 goes back"),
        ("after_s,fill_percent\nsoon,1\n", "fill_level", "line 2: after_s 'soon' is no number"),
        ("after_s,fill_percent\n0,1,2\n", "fill_level", "line 2: more cells than columns"),
        ("after_s,fill_percent,quality\n0,1,101\n", "fill_level", "line 2: quality 101 is outside"),
        ("after_s,fill_percent,fault\n0,1,tired\n", "fill_level", "line 2: fault 'tired' is unknown"),
        ("after_s,event\n0,sneezed\n", None, "line 2: event 'sneezed' is unknown"),
        ("after_s,power_w,on\n0,1,maybe\n", "lamp", "line 2: on 'maybe' is neither true nor false"),
        ("after_s,fill_percent\n", "fill_level", "the script has no rows"),
        ('after_s,fill_percent\n0,"1\n', "fill_level", "unexpected end of data"),
    ],
)
def test_a_bad_script_names_its_line_and_column(text: str, kind: str | None, message: str) -> None:
    with pytest.raises(BadScript) as caught:
        parse_script(text, kind=kind)
    assert message in str(caught.value)


def test_a_script_cannot_start_again_before_its_end() -> None:
    with pytest.raises(BadScript, match="must lie after the last row"):
        parse_script(BIN, kind="fill_level", repeat_after_s=10)
