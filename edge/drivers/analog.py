"""Pure: what the samples of one analog input say, in volts at the input, and which of them the converter cut off."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import fsum, sqrt
from typing import Final

BIAS_SHARE: Final = (0.2, 0.8)
"""Where the middle of an alternating signal must lie, as a share of the range; its bias is meant to be one half."""
CLIPPED_SHARE: Final = 0.01
"""More samples than this share at an end of the range mean that the signal went beyond it."""


class Signal(StrEnum):
    """What the input carries: a direct voltage, or an alternating one around a bias."""

    MEAN = "mean"
    RMS = "rms"


class InputFault(StrEnum):
    """Why samples say nothing."""

    TOO_FEW = "too_few"
    NO_BIAS = "no_bias"


@dataclass(frozen=True, slots=True)
class Level:
    """Volts, and whether the signal left the converter's range, so that there may be more of it."""

    volts: float
    clipped: bool


def level_of(
    samples: Sequence[int], signal: Signal, *, full_scale: int, reference_v: float, least: int
) -> Level | InputFault:
    """Return the level of raw samples 0..full_scale; `least` of them are needed.

    An alternating signal without its bias is an input that nothing hangs on, or a broken divider: it is no zero.
    """
    if len(samples) < max(1, least):
        return InputFault.TOO_FEW
    volts_per_step = reference_v / full_scale
    middle = fsum(samples) / len(samples)
    above = sum(sample >= full_scale for sample in samples) > CLIPPED_SHARE * len(samples)
    if signal is Signal.MEAN:
        return Level(middle * volts_per_step, clipped=above)
    low, high = BIAS_SHARE
    if not low * full_scale <= middle <= high * full_scale:
        return InputFault.NO_BIAS
    below = sum(sample <= 0 for sample in samples) > CLIPPED_SHARE * len(samples)
    deviation = sqrt(fsum((sample - middle) ** 2 for sample in samples) / len(samples))
    return Level(deviation * volts_per_step, clipped=above or below)


def scaled(volts: float, *, zero_v: float, per_v: float) -> float:
    """Return the calibrated value; what lies below the calibrated zero is zero."""
    return max(0.0, (volts - zero_v) * per_v)
