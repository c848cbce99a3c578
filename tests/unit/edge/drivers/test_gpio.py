import logging
import warnings
from typing import Any

import pytest

from edge.drivers.gpio import SpiBus
from edge.errors import DeviceUnavailable
from edge.logs import fields_of


class Spi:
    def __init__(self, *, fails: bool = False) -> None:
        self._fails = fails

    def transfer(self, words: list[int]) -> list[int]:
        if self._fails:
            raise OSError(5, "Input/output error")
        return [0, 1, 2]

    def close(self) -> None:
        pass


class SlowFactory:
    """A pin library without hardware SPI, as gpiozero tells it: a warning, and a bus in software."""

    def spi(self, **asked: Any) -> Spi:
        assert asked == {"port": 0, "device": 1, "shared": True}
        warnings.warn("failed to initialize hardware SPI, falling back to software", stacklevel=1)
        return Spi()


class BrokenFactory(SlowFactory):
    def spi(self, **asked: Any) -> Spi:
        return Spi(fails=True)


class FullFactory(SlowFactory):
    def spi(self, **asked: Any) -> Spi:
        raise RuntimeError("pin GPIO11 is already in use")


def test_spi_in_software_works_and_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    bus = SpiBus(1, pin_factory=SlowFactory())
    with caplog.at_level(logging.WARNING):
        bus.open()
    assert bus.transfer([1, 2, 3]) == [0, 1, 2]
    (record,) = caplog.records
    assert fields_of(record) == {
        "bus": "SPI0 CE1",
        "why": "failed to initialize hardware SPI, falling back to software; enable SPI in raspi-config",
    }


def test_a_bus_that_cannot_be_taken_is_named() -> None:
    with pytest.raises(DeviceUnavailable, match="SPI0 CE1: pin GPIO11 is already in use"):
        SpiBus(1, pin_factory=FullFactory()).open()


def test_a_transfer_that_fails_is_named() -> None:
    bus = SpiBus(0, pin_factory=BrokenFactory())
    bus.open()
    with pytest.raises(DeviceUnavailable, match=r"SPI0 CE0: .*Input/output error"):
        bus.transfer([1, 2, 3])


def test_a_closed_bus_transfers_nothing() -> None:
    bus = SpiBus(0, pin_factory=BrokenFactory())
    bus.open()
    bus.close()
    bus.close()
    with pytest.raises(DeviceUnavailable, match="SPI0 CE0 is not open"):
        bus.transfer([1, 2, 3])
