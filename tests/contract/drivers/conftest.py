"""A clock that tests move by hand, and a pin factory for what of gpiozero knows only the default one."""

from collections.abc import Iterator

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory


class HandClock:
    """Monotonic seconds that go on only when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic_s(self) -> float:
        """The time the test has set."""
        return self.now_s


@pytest.fixture
def clock() -> HandClock:
    """A clock at 1000 s."""
    return HandClock()


@pytest.fixture
def pin_factory() -> Iterator[MockFactory]:
    """A mock factory as gpiozero's default; its software SPI needs one, whatever factory it is made by."""
    before, factory = Device.pin_factory, MockFactory()
    Device.pin_factory = factory
    yield factory
    Device.pin_factory = before
