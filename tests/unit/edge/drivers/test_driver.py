import subprocess
import sys
import tomllib
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from msgspec import NODEFAULT, Meta, structs

from edge.drivers.driver import DriverContext, build_parts, driver_names, load_driver
from edge.errors import InvalidOptions, UnknownDriver


class StoppedClock:
    def monotonic_s(self) -> float:
        return 0.0


def context(base_dir: Path = Path(), *, kind: str | None = None) -> DriverContext:
    return DriverContext(device="bin-42-us", kind=kind, clock=StoppedClock(), base_dir=base_dir)


ULTRASONIC: dict[str, Any] = {"trigger_pin": 23, "echo_pin": 24, "empty_mm": 1200, "full_mm": 300}


def test_our_drivers_are_found_by_their_entry_points() -> None:
    assert {"a02yyuw", "adc", "button", "fake", "indicator", "lamp", "relay", "ultrasonic"} <= set(driver_names())


def test_an_unknown_driver_is_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(UnknownDriver, match=r"unknown driver 'ultrasonics'; known: .*fake.*ultrasonic"):
        load_driver("ultrasonics")


@pytest.mark.parametrize(
    ("driver", "kind", "options", "problem"),
    [
        ("ultrasonic", "fill_level", ULTRASONIC | {"pin": 4}, ("options.pin", "unknown key")),
        ("ultrasonic", "fill_level", ULTRASONIC | {"pings": 4}, ("options.pings", ">= 5")),
        (
            "ultrasonic",
            "fill_level",
            ULTRASONIC | {"ping_gap_s": 0.05},
            ("options.ping_gap_s", ">= 0.06"),
        ),
        ("ultrasonic", "fill_level", ULTRASONIC | {"trigger_pin": 99}, ("options.trigger_pin", "<= 27")),
        (
            "ultrasonic",
            "fill_level",
            ULTRASONIC | {"trigger_pin": "23"},
            ("options.trigger_pin", "Expected `int`, got `str`"),
        ),
        ("ultrasonic", "fill_level", ULTRASONIC | {"echo_pin": 23}, ("options", "must differ")),
        ("ultrasonic", "fill_level", ULTRASONIC | {"full_mm": 1300}, ("options", "does not hold")),
        ("ultrasonic", "fill_level", ULTRASONIC | {"full_mm": 210}, ("options", "at least blind_zone_mm + 20")),
        ("ultrasonic", "fill_level", ULTRASONIC | {"empty_mm": 5000}, ("options", "beyond max_range_mm")),
        ("ultrasonic", "lamp", ULTRASONIC, ("kind", "'lamp' is not what this driver gives (fill_level)")),
        ("button", None, {"pin": 5, "hold_s": 0}, ("options.hold_s", "> 0.0")),
        ("button", None, {"pin": 5, "event": "sneezed"}, ("options.event", "sos_pressed")),
        ("button", None, {"pin": 5, "event": "low_disk"}, ("options.event", "said by nodes")),
        ("indicator", None, {}, ("options", "led_pin or buzzer_pin is needed")),
        ("indicator", None, {"led_pin": 5, "buzzer_pin": 5}, ("options", "must differ")),
        ("indicator", "lamp", {"led_pin": 5}, ("kind", "no readings")),
        ("fake", "lamp", {}, ("options", "script or record is needed")),
        ("fake", "lamp", {"record": "x", "repeat_after_s": 5}, ("options", "repeat_after_s needs a script")),
        ("fake", "lamp", {"script": "nowhere.csv"}, ("options.script", "No such file")),
    ],
)
def test_bad_options_are_refused_with_key_and_reason(
    driver: str, kind: str | None, options: dict[str, Any], problem: tuple[str, str]
) -> None:
    with pytest.raises(InvalidOptions) as caught:
        build_parts(driver, options, context(kind=kind))
    key, reason = caught.value.problems[0]
    assert (key, problem[1] in reason) == (problem[0], True), reason
    assert driver in str(caught.value)


def test_every_wrong_option_is_named_at_once() -> None:
    with pytest.raises(InvalidOptions) as caught:
        build_parts("ultrasonic", {"echo_pin": 24, "empty_mm": -1, "full_mm": 300}, context(kind="fill_level"))
    assert [key for key, _ in caught.value.problems] == ["options.trigger_pin", "options.empty_mm"]


def test_a_bad_script_is_named_with_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "bin.csv").write_text("after_s,fill_percent\n0,full\n", encoding="utf-8")
    with pytest.raises(InvalidOptions, match=r"options.script: bin.csv: line 2: fill_percent 'full' is no number"):
        build_parts("fake", {"script": "bin.csv"}, context(tmp_path, kind="fill_level"))


def test_a_script_of_values_makes_a_sensor_and_one_of_events_an_event_source(tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text("\ufeffafter_s,heart_rate_bpm\n0,70\n", encoding="utf-8")
    (tmp_path / "events.csv").write_text("after_s,event\n0,sos_pressed\n", encoding="utf-8")
    values = build_parts("fake", {"script": "values.csv"}, context(tmp_path, kind="vitals"))
    events = build_parts("fake", {"script": "events.csv", "record": "s.jsonl"}, context(tmp_path, kind="vitals"))
    assert (values.sensor is None, values.event_source is None, values.indicator is None) == (False, True, True)
    assert (events.sensor is None, events.event_source is None, events.indicator is None) == (True, False, False)
    assert list(events) == [events.event_source, events.indicator]


@pytest.mark.parametrize(
    ("driver", "kind", "options"),
    [
        ("ultrasonic", "fill_level", ULTRASONIC),
        ("button", "vitals", {"pin": 5}),
        ("indicator", None, {"led_pin": 6, "buzzer_pin": 13}),
        ("relay", None, {"pin": 17}),
        ("adc", "lamp", {"current_channel": 0}),
        ("lamp", "lamp", {"current_channel": 0, "lux_channel": 1, "relay_pin": 17}),
    ],
)
def test_building_touches_no_hardware(driver: str, kind: str | None, options: dict[str, Any]) -> None:
    """In a process of its own, where gpiozero cannot be imported: building works, opening says what to install."""
    program = f"""
import sys
sys.modules["gpiozero"] = None
from pathlib import Path
from edge.drivers.driver import DriverContext, build_parts
from edge.errors import LibraryMissing

class Clock:
    def monotonic_s(self): return 0.0

parts = build_parts({driver!r}, {options!r}, DriverContext("d", {kind!r}, Clock(), Path()))
(part,) = list(parts)
if parts.event_source: parts.event_source.listen(print)
try:
    part.open()
except LibraryMissing as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "gpiozero is not installed: pip install 'linli[edge]'\n", done.stderr


def test_without_pyserial_opening_says_what_to_install() -> None:
    program = """
import sys
sys.modules["serial"] = None
from pathlib import Path
from edge.drivers.driver import DriverContext, build_parts
from edge.errors import LibraryMissing

parts = build_parts("a02yyuw", {"empty_mm": 1200, "full_mm": 300}, DriverContext("d", "fill_level", None, Path()))
try:
    parts.sensor.open()
except LibraryMissing as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == (
        "pyserial is not installed: pip install 'linli[serial]', or on Raspberry Pi OS: apt install python3-serial\n"
    ), done.stderr


def test_where_no_gpio_library_works_opening_says_what_to_install() -> None:
    program = """
from edge.drivers.gpio import OutputLine
from edge.errors import LibraryMissing
try:
    OutputLine(5).open()
except LibraryMissing as error:
    print(str(error).partition(" (")[0])
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"GPIOZERO_PIN_FACTORY": "no-such-library"},
    )
    assert done.stdout == (
        "no GPIO library works here: pip install 'linli[gpio]', or on Raspberry Pi OS: apt install python3-lgpio\n"
    ), done.stderr


def test_no_driver_imports_the_library_of_its_hardware_before_it_is_opened() -> None:
    program = """
import sys
from edge.drivers.driver import driver_names, load_driver
for name in driver_names(): load_driver(name)
foreign = ("gpiozero", "lgpio", "serial", "spidev", "typer", "structlog")
print(sorted(name for name in sys.modules if name.partition(".")[0] in foreign))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


DOCUMENT = Path(__file__).parents[4] / "docs" / "edge.md"


def section(title: str, *, level: int) -> str:
    """The text under a heading of the document, up to the next one of its level or above."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"\n{'#' * level} {title}\n")[2]
    for heading in range(1, level + 1):
        text = text.partition(f"\n{'#' * heading} ")[0]
    return text


def shown(default: object) -> str:
    match default:
        case None:
            return ""
        case bool():
            return f"`{str(default).lower()}`"
        case Enum():
            return f"`{default.value}`"
        case _:
            return f"`{default}`"


def rows(driver: str) -> list[str]:
    """The table rows of a driver's options, as TOML would spell their defaults."""
    lines: list[str] = []
    for field in structs.fields(load_driver(driver).options):
        said = [one.description for one in getattr(field.type, "__metadata__", ()) if isinstance(one, Meta)]
        default = "required" if field.default is NODEFAULT else shown(field.default)
        lines.append(f"| `{field.name}` | {default} | {[text for text in said if text][-1]} |")
    return lines


@pytest.mark.parametrize("driver", driver_names())
def test_the_document_says_what_the_options_say(driver: str) -> None:
    taken_over = set(rows("adc")) if driver == "lamp" else set[str]()
    told = [line for line in section(f"`{driver}`", level=3).splitlines() if line.startswith("| `")]
    assert told == [row for row in rows(driver) if row not in taken_over]


def test_the_document_lists_every_driver_with_its_kinds() -> None:
    table = [line for line in section("Drivers", level=2).partition("###")[0].splitlines() if line.startswith("| `")]
    told = {line.split("`")[1]: line.split("|")[3].strip(" `") for line in table}
    kinds = {name: load_driver(name).kinds for name in driver_names()}
    assert told == {name: "any" if kind is None else "".join(kind) for name, kind in kinds.items()}


def test_the_documents_devices_can_be_built(tmp_path: Path) -> None:
    example = section("Drivers", level=2).partition("```toml\n")[2].partition("```")[0]
    devices = tomllib.loads(example)["devices"]
    assert {device["driver"] for device in devices} == {"ultrasonic", "a02yyuw", "lamp", "adc", "relay"}
    for device in devices:
        parts = build_parts(device["driver"], device["options"], context(tmp_path, kind=device.get("kind")))
        assert (parts.sensor is not None) == ("kind" in device)
