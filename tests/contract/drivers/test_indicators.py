"""One suite over every indicator: the real light and sound on mock pins, and the fake's record."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import enumerate as running_threads

import pytest
from gpiozero.pins.mock import MockFactory

from edge.drivers.driver import Clock, DriverContext, Indicator, Stage, build_parts
from edge.drivers.indicator import IndicatorOptions, LightAndSound
from edge.errors import DeviceUnavailable
from tests.contract.drivers.bench import BUZZER, LED, an_indicator_bench

IN_TIME_S = 10.0
LED_NAME, BUZZER_NAME = f"GPIO{LED}", f"GPIO{BUZZER}"


@dataclass(frozen=True)
class Bench:
    """An indicator, and whether it has shown something since it was asked last."""

    indicator: Indicator
    has_shown: Callable[[], bool]


def light_and_sound(tmp_path: Path, clock: Clock) -> Bench:
    factory, changes = an_indicator_bench()
    indicator = LightAndSound(IndicatorOptions(led_pin=LED, buzzer_pin=BUZZER), device="desk", pin_factory=factory)

    def has_shown() -> bool:
        try:
            changes.get(timeout=IN_TIME_S)
        except Empty:
            return False
        return True

    return Bench(indicator, has_shown)


def a_record(tmp_path: Path, clock: Clock) -> Bench:
    context = DriverContext(device="desk", kind=None, clock=clock, base_dir=tmp_path)
    indicator = build_parts("fake", {"record": "stages.jsonl"}, context).indicator
    assert indicator is not None
    seen = 0

    def has_shown() -> bool:
        nonlocal seen
        before, seen = seen, len((tmp_path / "stages.jsonl").read_text(encoding="utf-8").splitlines())
        return seen > before

    return Bench(indicator, has_shown)


@pytest.fixture(params=[pytest.param(light_and_sound, id="light-and-sound"), pytest.param(a_record, id="fake")])
def bench(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Bench:
    return request.param(tmp_path, clock)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.CLEARED])
def test_every_stage_shows(bench: Bench, stage: Stage) -> None:
    with bench.indicator as indicator:
        indicator.show(stage, ref="band-07:1")
        assert bench.has_shown()


def test_what_is_shown_when_closed_harms_nobody(bench: Bench) -> None:
    bench.indicator.show(Stage.SENT)
    with bench.indicator:
        pass
    bench.indicator.show(Stage.SENT)


def test_opening_and_closing_are_idempotent_and_leave_no_thread(bench: Bench) -> None:
    before = {thread.name for thread in running_threads()}
    bench.indicator.close()
    bench.indicator.open()
    bench.indicator.open()
    bench.indicator.close()
    bench.indicator.close()
    assert {thread.name for thread in running_threads()} == before


def test_a_closed_indicator_opens_again(bench: Bench) -> None:
    with bench.indicator:
        pass
    with bench.indicator as indicator:
        indicator.show(Stage.FAILED)
        assert bench.has_shown()


# What only one of them can get wrong.


def until(changes: "SimpleQueue[tuple[str, bool]]", wanted: tuple[str, bool]) -> list[tuple[str, bool]]:
    """The changes up to and with the wanted one."""
    seen = [changes.get(timeout=IN_TIME_S)]
    while seen[-1] != wanted:
        seen.append(changes.get(timeout=IN_TIME_S))
    return seen


def test_stored_beeps_once_and_blinks_on() -> None:
    factory, changes = an_indicator_bench()
    options = IndicatorOptions(led_pin=LED, buzzer_pin=BUZZER)
    with LightAndSound(options, device="desk", pin_factory=factory) as indicator:
        indicator.show(Stage.STORED)
        begun = until(changes, (BUZZER_NAME, False))
        assert begun == [(LED_NAME, True), (BUZZER_NAME, True), (LED_NAME, False), (BUZZER_NAME, False)]
        assert [changes.get(timeout=IN_TIME_S) for _ in range(4)] == [(LED_NAME, True), (LED_NAME, False)] * 2


def test_a_newer_stage_interrupts_the_pattern_under_way() -> None:
    factory, changes = an_indicator_bench()
    options = IndicatorOptions(led_pin=LED, buzzer_pin=BUZZER)
    with LightAndSound(options, device="desk", pin_factory=factory) as indicator:
        indicator.show(Stage.FAILED)
        until(changes, (BUZZER_NAME, True))
        indicator.show(Stage.CLEARED)
        until(changes, (BUZZER_NAME, False))
        with pytest.raises(Empty):
            changes.get(timeout=0.6)


def test_closing_leaves_the_pins_dark_and_silent() -> None:
    factory, changes = an_indicator_bench()
    options = IndicatorOptions(led_pin=LED, buzzer_pin=BUZZER)
    with LightAndSound(options, device="desk", pin_factory=factory) as indicator:
        indicator.show(Stage.HEARD)
        until(changes, (BUZZER_NAME, True))
    assert not factory.pin(LED, pin_class=type(factory.pin(LED))).state
    levels = dict(changes.get_nowait() for _ in range(changes.qsize()))
    assert not any(levels.values())


def test_a_lamp_alone_is_enough() -> None:
    factory, changes = an_indicator_bench()
    with LightAndSound(IndicatorOptions(led_pin=LED), device="desk", pin_factory=factory) as indicator:
        indicator.show(Stage.SENT)
        assert until(changes, (LED_NAME, False)) == [(LED_NAME, True), (LED_NAME, False)]


def test_a_lamp_that_is_lit_when_low_is_dark_from_the_start() -> None:
    factory, changes = an_indicator_bench()
    options = IndicatorOptions(led_pin=LED, led_active_high=False)
    with LightAndSound(options, device="desk", pin_factory=factory) as indicator:
        assert changes.get(timeout=IN_TIME_S) == (LED_NAME, True)
        indicator.show(Stage.STORED)
        assert changes.get(timeout=IN_TIME_S) == (LED_NAME, False)


def test_a_pin_that_is_taken_cannot_be_opened_and_the_other_is_free_again() -> None:
    factory = MockFactory()
    with LightAndSound(IndicatorOptions(buzzer_pin=BUZZER), device="one", pin_factory=factory):
        two = LightAndSound(IndicatorOptions(led_pin=LED, buzzer_pin=BUZZER), device="two", pin_factory=factory)
        with pytest.raises(DeviceUnavailable, match=BUZZER_NAME):
            two.open()
        with LightAndSound(IndicatorOptions(led_pin=LED), device="three", pin_factory=factory):
            pass


def test_the_record_has_one_json_line_a_stage_and_is_appended_to(tmp_path: Path, clock: Clock) -> None:
    context = DriverContext(device="desk", kind=None, clock=clock, base_dir=tmp_path)
    for stage in (Stage.STORED, Stage.SENT):
        indicator = build_parts("fake", {"record": "stages.jsonl"}, context).indicator
        assert indicator is not None
        with indicator:
            indicator.show(stage, ref="band-07:1")
    lines = [json.loads(line) for line in (tmp_path / "stages.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == [
        {"at_s": 1000.0, "device": "desk", "stage": stage, "ref": "band-07:1"} for stage in ("stored", "sent")
    ]


def test_a_record_that_cannot_be_written_is_named(tmp_path: Path, clock: Clock) -> None:
    context = DriverContext(device="desk", kind=None, clock=clock, base_dir=tmp_path)
    indicator = build_parts("fake", {"record": "nowhere/stages.jsonl"}, context).indicator
    assert indicator is not None
    with pytest.raises(DeviceUnavailable, match=r"nowhere/stages.jsonl"):
        indicator.open()
