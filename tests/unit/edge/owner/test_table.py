from edge.drivers.driver import Fault, FaultReason, Measurement
from edge.owner.table import Line, table, wiring


def a_line(**more: object) -> Line:
    known = {
        "device": "bin-1",
        "driver": "ultrasonic",
        "kind": "fill_level",
        "wired": {"pin": 4},
        "senses": True,
        "acts": "",
    }
    return Line(**{**known, **more})  # pyright: ignore[reportArgumentType] a test's own keywords


def test_what_is_wired_is_what_names_a_place() -> None:
    options = {"trigger_pin": 23, "empty_mm": 1200, "port": "/dev/serial0", "relay": {"pin": 5, "hold_s": 1}}
    assert wiring(options) == {"trigger_pin": 23, "port": "/dev/serial0", "relay.pin": 5}
    assert wiring({"current_channel": 0, "led_active_high": True}) == {"current_channel": 0}


def test_values_are_told_with_their_units() -> None:
    line = a_line(sample=Measurement({"fill_percent": 81.0, "distance_mm": 412.5, "temperature_c": 24.5}, 95))
    assert line.now(0) == "fill 81 %, distance 412.5 mm, temperature 24.5 °C (quality 95)"
    assert line.is_well


def test_a_fault_and_a_device_that_does_not_open_are_marked() -> None:
    assert a_line(sample=Fault(FaultReason.NO_ECHO, "nothing came back")).now(0) == "! no_echo: nothing came back"
    assert a_line(sample=Fault(FaultReason.FROZEN)).now(0) == "! frozen"
    broken = a_line(problem="GPIO4: in use")
    assert (broken.now(0), broken.is_well) == ("! GPIO4: in use", False)
    assert not a_line().is_well


def test_events_are_counted_and_dated() -> None:
    line = a_line(senses=False, events=[("sos_pressed", 10.0), ("sos_pressed", 12.0)])
    assert line.now(15.0) == "sos_pressed x2, 3 s ago"
    assert a_line(senses=False, acts="can show").now(0) == "open; can show"


def test_columns_line_up_and_are_cut_to_the_terminal() -> None:
    lines = [a_line(), a_line(device="a-much-longer-name", wired={"trigger_pin": 2, "echo_pin": 3})]
    told = table(lines, at_s=0)
    assert {line.index(word) for line, word in zip(told, ("driver", "ultrasonic", "ultrasonic"), strict=True)} == {20}
    assert "trigger=GPIO2 echo=GPIO3" in told[2]
    assert all(len(line) <= 30 for line in table(lines, at_s=0, width=30))


def test_programs_get_what_people_see() -> None:
    told = a_line(sample=Measurement({"fill_percent": 81.0}, 95), events=[("lid_opened", 1.0)]).as_json()
    assert (told["values"], told["quality"], told["fault"], told["events"]) == (
        {"fill_percent": 81.0},
        95,
        None,
        ["lid_opened"],
    )
    fault = a_line(sample=Fault(FaultReason.NO_ECHO, "x")).as_json()
    assert (fault["values"], fault["fault"], fault["well"]) == (None, {"reason": "no_echo", "detail": "x"}, False)
