"""MCP3008: eight analog inputs of 10 bits on SPI.

Its words are spoken here and not by gpiozero's class of that name, which drops the null bit: that bit tells a chip that
answers from a line that nobody drives.
"""

from typing import Annotated, Any, Final

from msgspec import Meta

from edge.drivers.driver import OpensAndCloses
from edge.drivers.gpio import SpiBus
from edge.errors import DeviceUnavailable

Channel = Annotated[int, Meta(ge=0, le=7)]
FULL_SCALE: Final = 1023
MOST_SAMPLES: Final = 4_000
MOST_WINDOWS: Final = 5
_START: Final = 0x01
_SINGLE_ENDED: Final = 0x80
_NULL_BIT: Final = 0x04


class Converter(OpensAndCloses):
    """One MCP3008; several devices may read the same one."""

    def __init__(self, select: int, *, pin_factory: Any = None) -> None:
        self._bus = SpiBus(select, pin_factory=pin_factory)

    def open(self) -> None:
        """Take the bus; raises DriverError."""
        self._bus.open()

    def samples(self, channel: int, *, for_s: float, least: int) -> list[int]:
        """Return what the channel says for so long, as fast as it goes; raises DeviceUnavailable.

        A slow bus gets the same time again, `MOST_WINDOWS` at most, until there are `least`.
        """
        taken = [self._sample(channel)]
        elapsed_s = self._bus.stopwatch()
        for window in range(1, MOST_WINDOWS + 1):
            while elapsed_s() < for_s * window and len(taken) < MOST_SAMPLES:
                taken.append(self._sample(channel))
            if len(taken) >= least:
                break
        return taken

    def close(self) -> None:
        """Let go of the bus; idempotent."""
        self._bus.close()

    def _sample(self, channel: int) -> int:
        _, high, low = self._bus.transfer([_START, _SINGLE_ENDED | channel << 4, 0])
        if high & _NULL_BIT:
            raise DeviceUnavailable(f"no MCP3008 answers on {self._bus}: check its wiring and its 3.3 V")
        return (high & 0x03) << 8 | low
