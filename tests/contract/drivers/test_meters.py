"""What only the drivers on an MCP3008 can get wrong; the suite over all sensors is in test_sensors.py."""

import logging
from math import sqrt
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from edge.drivers.adc import Adc, AdcOptions
from edge.drivers.driver import Fault, FaultReason, Measurement, RawSensor, Sample
from edge.drivers.lamp import Lamp, LampOptions
from edge.errors import DeviceUnavailable
from edge.tables import Mistakes, read_table
from tests.contract.drivers.bench import READBACK, RELAY, FakeMcp3008, alternating, steady

pytestmark = pytest.mark.usefixtures("pin_factory")

CURRENT, LUX = 0, 1
DARK, DUSK, BRIGHT = 5.0, 70.0, 900.0
"""Raw levels of the light sensor: under 15 lux, between the levels, over 30 lux."""
METER = {"current_channel": CURRENT, "lux_channel": LUX, "lux_per_v": 100, "current_a_per_v": 1.0, "power_factor": 1}


class Bench:
    """A chip, a relay whose contact is read back, and the lamp that hangs on it."""

    def __init__(self, **options: object) -> None:
        self.factory = MockFactory()
        self.chip = FakeMcp3008(self.factory)
        self.chip.inputs = {CURRENT: alternating(400), LUX: steady(DARK)}
        self.coil = self.factory.pin(RELAY)
        self.options = METER | {"relay_pin": RELAY, "fail_safe": "off", "hold_s": 0} | options

    def lamp(self, base_dir: Path = Path()) -> Lamp:
        options = read_table(LampOptions, self.options)
        return Lamp(options, device="lamp-1", base_dir=base_dir, pin_factory=self.factory)

    def adc(self, **options: object) -> Adc:
        return Adc(read_table(AdcOptions, METER | options), device="lamp-1", pin_factory=self.factory)


def reading_of(sensor: Adc | Lamp, at_s: float = 0) -> Sample:
    """Read the chip; a machine that had no time for enough samples is asked again, as an agent asks again."""
    samples = (sensor.read(at_s) for _ in range(20))
    return next(sample for sample in samples if not (isinstance(sample, Fault) and "too slow" in sample.detail))


def measured(sample: Sample) -> dict[str, float | bool]:
    assert isinstance(sample, Measurement), sample
    return dict(sample.values)


def test_an_alternating_current_is_its_effective_value_and_power_is_current_times_supply() -> None:
    bench = Bench()
    with bench.adc() as adc:
        values = measured(reading_of(adc))
    effective_v = 400 / 1023 * 3.3 / sqrt(2)
    assert values["current_a"] == pytest.approx(effective_v, rel=0.02)
    assert values["power_w"] == pytest.approx(230 * effective_v, rel=0.02)
    assert values["on"] is True


def test_zero_and_scale_calibrate_the_current() -> None:
    bench = Bench()
    bench.chip.inputs[CURRENT] = steady(310)
    with bench.adc(current_signal="mean", current_zero_v=0.5, current_a_per_v=2.0, supply_v=24) as adc:
        values = measured(reading_of(adc))
    assert values["current_a"] == pytest.approx((310 / 1023 * 3.3 - 0.5) * 2, abs=1e-3)
    assert values["power_w"] == pytest.approx(24 * (310 / 1023 * 3.3 - 0.5) * 2, abs=0.01)


def test_the_raw_value_is_the_one_that_a_calibration_starts_from() -> None:
    bench = Bench()
    bench.chip.inputs[CURRENT] = steady(310)
    with bench.adc(current_signal="mean", current_zero_v=0.5, current_a_per_v=2.0) as adc:
        assert isinstance(adc, RawSensor)
        assert adc.raw(0) == pytest.approx(310 / 1023 * 3.3)


def test_noise_below_the_calibrated_zero_is_no_current() -> None:
    bench = Bench()
    bench.chip.inputs[CURRENT] = alternating(3)
    with bench.adc(current_zero_v=0.01) as adc:
        values = measured(reading_of(adc))
    assert values == {"power_w": 0.0, "current_a": 0.0, "on": False, "illuminance_lux": 1.6}


def test_light_is_scaled_in_lux() -> None:
    bench = Bench()
    bench.chip.inputs[LUX] = steady(BRIGHT)
    with bench.adc(lux_zero_v=0.1) as adc:
        assert measured(reading_of(adc))["illuminance_lux"] == pytest.approx((900 / 1023 * 3.3 - 0.1) * 100, abs=0.1)


def test_without_a_light_sensor_no_light_is_told() -> None:
    bench = Bench()
    with Adc(AdcOptions(current_channel=CURRENT), device="d", pin_factory=bench.factory) as adc:
        assert measured(reading_of(adc)).keys() == {"power_w", "current_a", "on"}


def test_a_chip_that_is_not_there_is_named_and_measures_nothing() -> None:
    bench = Bench()
    bench.chip.is_there = False
    with bench.adc() as adc:
        sample = reading_of(adc)
    assert isinstance(sample, Fault)
    assert sample.detail == "no MCP3008 answers on SPI0 CE0: check its wiring and its 3.3 V"


@pytest.mark.parametrize("raw", [0, 1023])
def test_a_clamp_that_came_off_is_a_fault_and_never_a_dark_lamp(raw: int) -> None:
    bench = Bench()
    bench.chip.inputs[CURRENT] = steady(raw)
    with bench.adc() as adc:
        sample = reading_of(adc)
    assert isinstance(sample, Fault)
    assert sample.reason is FaultReason.SENSOR_FAULT
    assert "input 0 has no bias" in sample.detail


def test_a_current_beyond_the_converters_range_is_told_with_less_quality() -> None:
    bench = Bench()
    bench.chip.inputs[CURRENT] = alternating(900)
    with bench.adc() as adc:
        sample = reading_of(adc)
    assert isinstance(sample, Measurement)
    assert sample.quality == 50


def test_two_devices_read_one_chip() -> None:
    bench = Bench()
    bench.chip.inputs |= {2: steady(310), 3: steady(DARK)}
    with bench.adc() as one, bench.adc(current_channel=2, lux_channel=3, current_signal="mean") as two:
        assert measured(reading_of(one))["on"] is True
        assert measured(reading_of(two))["current_a"] == pytest.approx(310 / 1023 * 3.3, abs=1e-3)


def test_dusk_and_dawn_switch_the_lamp_once_each() -> None:
    bench = Bench()
    story: list[bool] = []
    with bench.lamp() as lamp:
        for at_s, raw in enumerate((BRIGHT, DUSK, DARK, DUSK, DARK, DUSK, BRIGHT, DUSK)):
            bench.chip.inputs[LUX] = steady(raw)
            lamp.read(at_s)
            story.append(bool(bench.coil.state))
    assert story == [False, False, True, True, True, True, False, False]


def test_a_reading_tells_the_level_that_was_commanded_while_it_was_measured() -> None:
    bench = Bench()
    with bench.lamp() as lamp:
        told = [measured(reading_of(lamp, at_s))["commanded_percent"] for at_s in range(3)]
        bench.chip.inputs[LUX] = steady(BRIGHT)
        told += [measured(reading_of(lamp, at_s))["commanded_percent"] for at_s in range(3, 5)]
    assert told == [0.0, 100.0, 100.0, 100.0, 0.0]


def test_a_lamp_at_a_normally_closed_contact_burns_while_the_coil_has_no_current() -> None:
    bench = Bench(fail_safe="on")
    with bench.lamp() as lamp:
        assert not bench.coil.state
        assert measured(reading_of(lamp, 0))["commanded_percent"] == 100.0
        assert not bench.coil.state
        bench.chip.inputs[LUX] = steady(BRIGHT)
        lamp.read(1)
        assert bench.coil.state
    assert not bench.coil.state


def test_a_lamp_whose_light_sensor_is_lost_goes_to_its_fail_safe_state() -> None:
    bench = Bench(fail_safe="on")
    bench.chip.inputs[LUX] = steady(BRIGHT)
    with bench.lamp() as lamp:
        lamp.read(0)
        assert bench.coil.state
        bench.chip.is_there = False
        assert all(isinstance(lamp.read(at_s), Fault) for at_s in (1, 2, 3))
        assert not bench.coil.state


def test_a_lost_clamp_does_not_keep_the_lamp_from_being_switched() -> None:
    bench = Bench()
    bench.chip.inputs[CURRENT] = steady(0)
    with bench.lamp() as lamp:
        assert isinstance(lamp.read(0), Fault)
        assert bench.coil.state


def test_burn_hours_go_on_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "hours").write_text("1000.5\n", encoding="ascii")
    bench = Bench(hours_file="hours")
    with bench.lamp(tmp_path) as lamp:
        told = [measured(reading_of(lamp, at_s))["burn_hours"] for at_s in (0, 1800, 3600)]
    assert told == [1000.5, 1001.0, 1001.5]
    with bench.lamp(tmp_path) as lamp:
        assert measured(reading_of(lamp, 90_000))["burn_hours"] == 1001.5


def test_burn_hours_are_kept_while_the_lamp_burns(tmp_path: Path) -> None:
    bench = Bench(hours_file="hours")
    with bench.lamp(tmp_path) as lamp:
        for at_s in (0, 600):
            lamp.read(at_s)
        assert not (tmp_path / "hours").exists()
        lamp.read(1200)
        assert (tmp_path / "hours").read_text(encoding="ascii") == "0.3333\n"


def test_an_hours_file_that_holds_no_hours_is_named(tmp_path: Path) -> None:
    (tmp_path / "hours").write_text("many", encoding="ascii")
    with pytest.raises(DeviceUnavailable, match="holds no hours; correct or delete it"):
        Bench(hours_file="hours").lamp(tmp_path).open()


def test_a_contact_that_does_not_follow_is_logged_once_and_again_when_it_does(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(readback_pin=READBACK)
    readback = bench.factory.pin(READBACK)
    with bench.lamp() as lamp, caplog.at_level(logging.INFO):
        for at_s in range(4):
            lamp.read(at_s)
        readback.drive_low()
        lamp.read(4)
    said = [record.message for record in caplog.records if record.message.startswith("relay.")]
    assert said == ["relay.contradicted", "relay.obeys"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"lux_channel": CURRENT}, "must differ"),
        ({"readback_pin": RELAY}, "relay_pin and readback_pin must differ"),
        ({"off_above_lux": 15}, "off_above_lux must be higher"),
        ({"current_channel": 8}, "current_channel"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, object], reason: str) -> None:
    with pytest.raises(Mistakes, match=reason):
        read_table(LampOptions, METER | {"relay_pin": RELAY} | options)


def test_a_lamp_without_a_light_sensor_is_told_of_the_other_driver() -> None:
    with pytest.raises(Mistakes, match="without a relay: driver adc"):
        read_table(LampOptions, {"current_channel": 0, "relay_pin": RELAY})
