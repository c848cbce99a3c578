"""What only the A02YYUW can get wrong; the suite over all sensors is in test_sensors.py."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Lock, Thread

import pytest
from gpiozero.pins.mock import MockFactory

from edge.drivers.a02yyuw import A02yyuw, A02yyuwOptions
from edge.drivers.driver import Fault, FaultReason, Measurement, Sample
from edge.errors import DeviceUnavailable
from edge.tables import Mistakes, read_table
from protocols.fill_level import speed_of_sound_m_s
from tests.contract.drivers.fake_a02yyuw import FakeA02yyuw, frame

POWER = 22


@pytest.fixture
def fake() -> Iterator[FakeA02yyuw]:
    sensor = FakeA02yyuw()
    yield sensor
    sensor.stop()


def a_sensor(fake: FakeA02yyuw, base_dir: Path = Path(), **options: object) -> A02yyuw:
    table = {"port": fake.port, "empty_mm": 1200, "full_mm": 300, "silence_s": 0.2} | options
    return A02yyuw(read_table(A02yyuwOptions, table), base_dir=base_dir, air=Lock())


def read_of(fake: FakeA02yyuw, base_dir: Path = Path(), **options: object) -> Sample:
    with a_sensor(fake, base_dir, **options) as sensor:
        return sensor.read(0)


def test_the_distance_is_the_median_of_the_burst(fake: FakeA02yyuw) -> None:
    fake.say(480, 470, 900, 490, 475)
    sample = read_of(fake)
    assert isinstance(sample, Measurement)
    assert sample.values == {"fill_percent": 80.28, "distance_mm": 477.5}


def test_words_from_before_the_question_do_not_count(fake: FakeA02yyuw) -> None:
    with a_sensor(fake) as sensor:
        fake.say(1000)
        Event().wait(0.1)
        fake.say(480)
        Event().wait(0.02)
        sample = sensor.read(0)
    assert isinstance(sample, Measurement)
    assert sample.values["distance_mm"] == 480.0


def test_a_distance_computed_with_a_fixed_speed_of_sound_is_corrected_by_the_thermometer(
    fake: FakeA02yyuw, tmp_path: Path
) -> None:
    (tmp_path / "temperature").write_text("-10000\n", encoding="ascii")
    fake.say(1000)
    sample = read_of(fake, tmp_path, assumed_m_s=343, temperature_file="temperature")
    assert isinstance(sample, Measurement)
    assert sample.values["distance_mm"] == round(1000 * speed_of_sound_m_s(-10) / 343, 1)
    assert sample.values["temperature_c"] == -10.0
    assert sample.quality == 100


def test_without_a_thermometer_that_works_nothing_is_corrected_and_quality_is_lower(
    fake: FakeA02yyuw, tmp_path: Path
) -> None:
    fake.say(1000)
    sample = read_of(fake, tmp_path, assumed_m_s=343, temperature_file="temperature")
    assert isinstance(sample, Measurement)
    assert sample.values == {"fill_percent": 22.22, "distance_mm": 1000.0}
    assert sample.quality == 90


def test_an_echo_from_within_the_blind_zone_is_a_full_bin(fake: FakeA02yyuw) -> None:
    fake.say(120)
    sample = read_of(fake, blind_zone_mm=200)
    assert sample == Measurement(values={"fill_percent": 100.0}, quality=45)


@pytest.mark.parametrize("word", [0, 0xFFFD, 0xFFFE, 5500])
def test_nothing_seen_is_no_empty_bin(fake: FakeA02yyuw, word: int) -> None:
    fake.say(word)
    sample = read_of(fake)
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.NO_ECHO


@pytest.mark.parametrize("word", [0, 0xFFFD, 5500])
def test_nothing_seen_after_nearly_full_is_full(fake: FakeA02yyuw, word: int) -> None:
    fake.say(400)
    with a_sensor(fake) as sensor:
        assert isinstance(sensor.read(0), Measurement)
        fake.say(word)
        Event().wait(0.02)
        sample = sensor.read(1)
    assert isinstance(sample, Measurement)
    assert sample.values == {"fill_percent": 100.0}


def test_a_broken_frame_among_whole_ones_lowers_quality_only(fake: FakeA02yyuw) -> None:
    whole = read_of(fake)
    fake.said = [frame(480), frame(480), frame(480), b"\xff\x01\xe0\x00", frame(480)]
    sample = read_of(fake)
    assert isinstance(whole, Measurement)
    assert isinstance(sample, Measurement)
    assert sample.values == whole.values
    assert sample.quality < whole.quality


def test_a_line_of_noise_is_a_fault_even_after_nearly_full(fake: FakeA02yyuw) -> None:
    fake.say(400)
    with a_sensor(fake) as sensor:
        assert isinstance(sensor.read(0), Measurement)
        fake.said = [b"\xff\x01\xe0\x00"]
        sample = sensor.read(1)
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.SENSOR_FAULT
    assert "noise" in sample.detail


def test_more_broken_frames_than_whole_ones_are_a_fault(fake: FakeA02yyuw) -> None:
    fake.said = [frame(480), b"\xff\x01\xe0\x00", b"\xff\x02\xe0\x00"]
    sample = read_of(fake)
    assert isinstance(sample, Fault)
    assert "broken frames" in sample.detail


def test_a_silent_line_is_named_with_what_to_check(fake: FakeA02yyuw) -> None:
    fake.say()
    sample = read_of(fake)
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.NO_DATA
    assert "is silent: check power and wiring" in sample.detail


def test_it_is_powered_only_while_it_is_asked() -> None:
    factory = MockFactory()
    pin = factory.pin(POWER)
    fake = FakeA02yyuw(is_powered=lambda: pin.state)
    options = A02yyuwOptions(port=fake.port, empty_mm=1200, full_mm=300, power_pin=POWER, warm_up_s=0.01)
    try:
        with A02yyuw(options, base_dir=Path(), air=Lock(), pin_factory=factory) as sensor:
            assert not pin.state
            sample = sensor.read(0)
            assert not pin.state
    finally:
        fake.stop()
    assert isinstance(sample, Measurement)


def test_it_waits_for_the_air_before_it_is_powered() -> None:
    factory = MockFactory()
    pin = factory.pin(POWER)
    fake = FakeA02yyuw(is_powered=lambda: pin.state)
    options = A02yyuwOptions(port=fake.port, empty_mm=1200, full_mm=300, power_pin=POWER, warm_up_s=0)
    air = Lock()
    samples: list[Sample] = []
    try:
        with A02yyuw(options, base_dir=Path(), air=air, pin_factory=factory) as sensor:
            thread = Thread(target=lambda: samples.append(sensor.read(0)))
            with air:
                thread.start()
                thread.join(timeout=0.1)
                assert not pin.state
            thread.join(timeout=5)
    finally:
        fake.stop()
    assert isinstance(samples[0], Measurement)


def test_closing_ends_a_burst_under_way_with_a_fault(fake: FakeA02yyuw) -> None:
    fake.say()
    samples: list[Sample] = []
    with a_sensor(fake, silence_s=10) as sensor:
        thread = Thread(target=lambda: samples.append(sensor.read(0)))
        thread.start()
        Event().wait(0.05)
    thread.join(timeout=5)
    assert [isinstance(one, Fault) and one.reason for one in samples] == [FaultReason.SENSOR_FAULT]


def test_a_port_that_is_not_there_is_named_with_what_to_do() -> None:
    options = A02yyuwOptions(port="/dev/no-such-port", empty_mm=1200, full_mm=300)
    sensor = A02yyuw(options, base_dir=Path(), air=Lock())
    with pytest.raises(DeviceUnavailable, match=r"/dev/no-such-port: no such port .*raspi-config"):
        sensor.open()


def test_a_port_in_use_is_named(fake: FakeA02yyuw) -> None:
    with a_sensor(fake):
        other = a_sensor(fake)
        with pytest.raises(DeviceUnavailable, match="the port is in use"):
            other.open()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"full_mm": 49}, "full_mm must be at least"),
        ({"empty_mm": 4600}, "beyond max_range_mm"),
        ({"empty_mm": 200}, "does not hold"),
        ({"assumed_m_s": 343}, "assumed_m_s needs temperature_file"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, object], reason: str) -> None:
    with pytest.raises(Mistakes, match=reason):
        read_table(A02yyuwOptions, {"empty_mm": 1200, "full_mm": 300} | options)
