"""One suite over every sensor: the real drivers on mock pins, a mock chip and a pseudo-terminal, and the fake."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread

import pytest
from gpiozero.pins.mock import MockFactory, MockTriggerPin
from msgspec import structs

from edge.drivers.a02yyuw import A02yyuw, A02yyuwOptions
from edge.drivers.adc import Adc, AdcOptions
from edge.drivers.driver import Clock, DriverContext, Fault, FaultReason, Measurement, Sample, Sensor, build_parts
from edge.drivers.lamp import Lamp, LampOptions
from edge.drivers.ultrasonic import Ultrasonic, UltrasonicOptions
from edge.errors import DeviceUnavailable
from protocols.fill_level import echo_s
from protocols.readings import CheckedValues, check_values
from tests.contract.drivers.bench import (
    ECHO,
    RELAY,
    TRIGGER,
    FakeMcp3008,
    TriggerPin,
    a_sensor_bench,
    alternating,
    steady,
    wire,
)
from tests.contract.drivers.fake_a02yyuw import FakeA02yyuw

BIN = UltrasonicOptions(trigger_pin=TRIGGER, echo_pin=ECHO, empty_mm=1200, full_mm=300, pings=5)


@dataclass(frozen=True)
class Bench:
    """A sensor, the kind it measures, and how to break and mend what it measures."""

    sensor: Sensor
    kind: str
    break_it: Callable[[], None]
    mend_it: Callable[[], None]
    stop: Callable[[], None] = lambda: None


def an_ultrasonic(tmp_path: Path, _clock: Clock) -> Bench:
    factory, trigger = a_sensor_bench()
    working: list[float | None] = [echo_s(480 + mm) for mm in range(20)]

    def play(echoes: list[float | None]) -> Callable[[], None]:
        return lambda: setattr(trigger, "echoes", list(echoes))

    play(working)()
    sensor = Ultrasonic(BIN, base_dir=tmp_path, air=Lock(), pin_factory=factory)
    return Bench(sensor, "fill_level", break_it=play([None]), mend_it=play(working))


def an_a02yyuw(tmp_path: Path, _clock: Clock) -> Bench:
    fake = FakeA02yyuw()
    options = A02yyuwOptions(port=fake.port, empty_mm=1200, full_mm=300, silence_s=0.2)
    sensor = A02yyuw(options, base_dir=tmp_path, air=Lock())
    return Bench(sensor, "fill_level", break_it=fake.say, mend_it=lambda: fake.say(480), stop=fake.stop)


def a_meter(tmp_path: Path, _clock: Clock, *, with_relay: bool = False) -> Bench:
    factory = MockFactory()
    chip = FakeMcp3008(factory)
    chip.inputs = {0: alternating(300), 1: steady(5)}
    sensor: Sensor
    if with_relay:
        options = LampOptions(current_channel=0, lux_channel=1, relay_pin=RELAY, hours_file="hours")
        sensor = Lamp(options, device="lamp-1", base_dir=tmp_path, pin_factory=factory)
    else:
        sensor = Adc(AdcOptions(current_channel=0, lux_channel=1), device="lamp-1", pin_factory=factory)

    def plug(*, in_place: bool) -> Callable[[], None]:
        return lambda: setattr(chip, "is_there", in_place)

    return Bench(sensor, "lamp", break_it=plug(in_place=False), mend_it=plug(in_place=True))


def a_fake(kind: str, values: str) -> Callable[[Path, Clock], Bench]:
    def build(tmp_path: Path, clock: Clock) -> Bench:
        columns, cells = values.split("=")
        empty = "," * columns.count(",")
        script = f"after_s,{columns},fault\n0,{cells},\n10,{empty},no_echo\n20,{cells},\n"
        (tmp_path / "script.csv").write_text(script, encoding="utf-8")
        context = DriverContext(device="d", kind=kind, clock=clock, base_dir=tmp_path)
        sensor = build_parts("fake", {"script": "script.csv"}, context).sensor
        assert sensor is not None
        start_s = clock.monotonic_s()

        def at(elapsed_s: float) -> Callable[[], None]:
            return lambda: setattr(clock, "now_s", start_s + elapsed_s)

        return Bench(sensor, kind, break_it=at(15), mend_it=at(25))

    return build


@pytest.fixture(
    params=[
        pytest.param(an_ultrasonic, id="ultrasonic"),
        pytest.param(an_a02yyuw, id="a02yyuw"),
        pytest.param(a_meter, id="adc"),
        pytest.param(partial(a_meter, with_relay=True), id="lamp"),
        pytest.param(a_fake("fill_level", "fill_percent,distance_mm=81,412"), id="fake-fill_level"),
        pytest.param(a_fake("lamp", "power_w,on=60,true"), id="fake-lamp"),
        pytest.param(a_fake("vitals", "heart_rate_bpm,spo2_percent=72,97"), id="fake-vitals"),
    ]
)
def bench(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, pin_factory: MockFactory) -> Iterator[Bench]:
    bench: Bench = request.param(tmp_path, clock)
    yield bench
    bench.stop()


def test_a_measurement_is_what_the_wire_knows(bench: Bench, clock: Clock) -> None:
    with bench.sensor as sensor:
        sample = sensor.read(clock.monotonic_s())
    assert isinstance(sample, Measurement)
    checked = check_values(bench.kind, sample.values)
    assert isinstance(checked, CheckedValues)
    assert checked.left_out == 0
    assert 0 <= sample.quality <= 100


def test_broken_hardware_is_a_fault_and_mended_hardware_measures_again(bench: Bench, clock: Clock) -> None:
    with bench.sensor as sensor:
        bench.break_it()
        broken = sensor.read(clock.monotonic_s())
        bench.mend_it()
        mended = sensor.read(clock.monotonic_s())
    assert isinstance(broken, Fault)
    assert isinstance(mended, Measurement)


def test_a_sensor_that_is_not_open_has_no_value(bench: Bench, clock: Clock) -> None:
    before = bench.sensor.read(clock.monotonic_s())
    with bench.sensor:
        pass
    after = bench.sensor.read(clock.monotonic_s())
    assert [isinstance(sample, Fault) and sample.reason for sample in (before, after)] == [FaultReason.SENSOR_FAULT] * 2


def test_opening_and_closing_are_idempotent(bench: Bench) -> None:
    bench.sensor.close()
    bench.sensor.open()
    bench.sensor.open()
    bench.sensor.close()
    bench.sensor.close()


def test_a_closed_sensor_opens_again(bench: Bench, clock: Clock) -> None:
    with bench.sensor:
        pass
    with bench.sensor as sensor:
        assert isinstance(sensor.read(clock.monotonic_s()), Measurement)


def test_a_sensor_closes_when_its_user_fails(bench: Bench, clock: Clock) -> None:
    with pytest.raises(ZeroDivisionError), bench.sensor:
        raise ZeroDivisionError
    assert isinstance(bench.sensor.read(clock.monotonic_s()), Fault)


# What only the ultrasonic sensor can get wrong.


def an_echoing_sensor(tmp_path: Path, echoes: list[float | None], **options: object) -> tuple[Ultrasonic, TriggerPin]:
    factory, trigger = a_sensor_bench()
    trigger.echoes = echoes
    settings = structs.replace(BIN, **options)
    return Ultrasonic(settings, base_dir=tmp_path, air=Lock(), pin_factory=factory), trigger


def test_the_distance_is_the_median_of_the_burst(tmp_path: Path) -> None:
    sensor, trigger = an_echoing_sensor(tmp_path, [echo_s(mm) for mm in (480, 470, 900, 490, 475)])
    with sensor:
        sample = sensor.read(0)
    assert isinstance(sample, Measurement)
    assert sample.values["distance_mm"] == pytest.approx(477.5, abs=0.1)
    assert trigger.pulses == 5


def test_when_echoes_stop_there_is_a_fault_and_never_the_last_value_again(tmp_path: Path) -> None:
    """Gpiozero's own DistanceSensor repeats its last mean for ever."""
    sensor, trigger = an_echoing_sensor(tmp_path, [echo_s(800 + mm) for mm in range(6)])
    with sensor:
        assert isinstance(sensor.read(0), Measurement)
        trigger.echoes = [None]
        assert [isinstance(sensor.read(at_s), Fault) for at_s in (1, 2)] == [True, True]


def test_before_the_first_echo_there_is_a_fault_and_never_a_full_bin(tmp_path: Path) -> None:
    sensor, _ = an_echoing_sensor(tmp_path, [None])
    with sensor:
        sample = sensor.read(0)
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.SENSOR_FAULT
    assert "never rose" in sample.detail


def test_a_line_that_stays_high_is_a_sensor_fault(tmp_path: Path) -> None:
    sensor, _ = an_echoing_sensor(tmp_path, [-1])
    with sensor:
        sample = sensor.read(0)
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.SENSOR_FAULT
    assert "stays high" in sample.detail


def test_a_full_bin_whose_echo_is_lost_stays_full(tmp_path: Path) -> None:
    sensor, trigger = an_echoing_sensor(tmp_path, [echo_s(400 + mm) for mm in range(6)])
    with sensor:
        assert isinstance(sensor.read(0), Measurement)
        trigger.echoes = [0.038]
        sample = sensor.read(1)
    assert isinstance(sample, Measurement)
    assert sample.values == {"fill_percent": 100.0}


def test_the_air_temperature_comes_from_the_thermometers_file(tmp_path: Path) -> None:
    (tmp_path / "temperature").write_text("-10000\n", encoding="ascii")
    sensor, _ = an_echoing_sensor(tmp_path, [echo_s(480, -10.0)], temperature_file="temperature")
    with sensor:
        sample = sensor.read(0)
    assert isinstance(sample, Measurement)
    assert sample.values == {"fill_percent": 80.0, "distance_mm": 480.0, "temperature_c": -10.0}


@pytest.mark.parametrize("text", ["85000\n", "warm\n", "", "999999\n"])
def test_a_thermometer_that_says_nonsense_is_not_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / "temperature").write_text(text, encoding="ascii")
    sensor, _ = an_echoing_sensor(tmp_path, [echo_s(480)], temperature_file="temperature")
    with sensor:
        sample = sensor.read(0)
    assert isinstance(sample, Measurement)
    assert sample.values == {"fill_percent": 80.0, "distance_mm": 480.0}


def test_two_sensors_of_one_node_never_ping_together(tmp_path: Path) -> None:
    factory, first = a_sensor_bench()
    second = wire(factory, 18, 17)
    order: list[str] = []
    for trigger, name in ((first, "first"), (second, "second")):
        trigger.echoes = [echo_s(480 + mm) for mm in range(6)]
        trigger.on_pulse = lambda name=name: order.append(name)
    other = structs.replace(BIN, trigger_pin=18, echo_pin=17)
    air = Lock()
    with (
        Ultrasonic(BIN, base_dir=tmp_path, air=air, pin_factory=factory) as one,
        Ultrasonic(other, base_dir=tmp_path, air=air, pin_factory=factory) as two,
    ):
        threads = [Thread(target=sensor.read, args=(0,)) for sensor in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=10)
    assert sorted(order) == ["first"] * 5 + ["second"] * 5
    assert order in (["first"] * 5 + ["second"] * 5, ["second"] * 5 + ["first"] * 5)


def test_closing_ends_a_burst_under_way_with_a_fault(tmp_path: Path) -> None:
    sensor, trigger = an_echoing_sensor(tmp_path, [echo_s(480)], pings=10, ping_gap_s=1)
    pinged, samples = Event(), SimpleQueue[Sample]()
    trigger.on_pulse = pinged.set
    with sensor:
        thread = Thread(target=lambda: samples.put(sensor.read(0)))
        thread.start()
        assert pinged.wait(timeout=5)
    thread.join(timeout=5)
    sample = samples.get_nowait()
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.SENSOR_FAULT
    assert trigger.pulses < 10


def test_a_pin_that_is_taken_cannot_be_opened_and_nothing_stays_open(tmp_path: Path) -> None:
    factory, _ = a_sensor_bench()
    other = structs.replace(BIN, trigger_pin=18)
    with Ultrasonic(BIN, base_dir=tmp_path, air=Lock(), pin_factory=factory):
        second = Ultrasonic(other, base_dir=tmp_path, air=Lock(), pin_factory=factory)
        with pytest.raises(DeviceUnavailable, match="GPIO24"):
            second.open()
    with Ultrasonic(other, base_dir=tmp_path, air=Lock(), pin_factory=factory):
        pass


def test_gpiozeros_own_mock_sensor_is_measured_in_real_time(tmp_path: Path) -> None:
    """Timed by threads of the mock, so only roughly; a busy machine may spoil single bursts."""
    factory = MockFactory()
    factory.pin(TRIGGER, pin_class=MockTriggerPin, echo_pin=factory.pin(ECHO), echo_time=echo_s(600))
    with Ultrasonic(BIN, base_dir=tmp_path, air=Lock(), pin_factory=factory) as sensor:
        samples = (sensor.read(at_s) for at_s in range(10))
        sample = next(sample for sample in samples if isinstance(sample, Measurement))
    assert sample.values["distance_mm"] == pytest.approx(600, rel=0.15)
