"""Pure filters for one sensor: a burst of samples to one value with a quality, and the detection of a frozen sensor."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from statistics import median


class BurstFault(StrEnum):
    """Why a burst gives no value."""

    TOO_FEW = "too_few"
    UNSTABLE = "unstable"


@dataclass(frozen=True, slots=True)
class Burst:
    """One value out of a burst: the median of what was kept, its spread (greatest - least), and quality 0-100."""

    median: float
    spread: float
    kept: int
    total: int
    quality: int


def reduce_burst(values: Sequence[float | None], *, max_spread: float) -> Burst | BurstFault:
    """Reduce a burst (None = no usable sample) to its median, or say why there is none.

    More than half of all samples must agree within `max_spread`. A minority further than that from the median is
    dropped and lowers the quality: single jumps of 10-20 cm are normal for an ultrasonic sensor (`domain.md` §1.1).
    """
    valid = [value for value in values if value is not None and isfinite(value)]
    if not _is_majority(len(valid), values):
        return BurstFault.TOO_FEW
    middle = median(valid)
    kept = [value for value in valid if abs(value - middle) <= max_spread]
    if not _is_majority(len(kept), values):
        return BurstFault.UNSTABLE
    spread = max(kept) - min(kept)
    if spread > max_spread:
        return BurstFault.UNSTABLE
    agreement = 1.0 - spread / (2.0 * max_spread)
    return Burst(
        median=median(kept),
        spread=spread,
        kept=len(kept),
        total=len(values),
        quality=round(100.0 * len(kept) / len(values) * agreement),
    )


@dataclass(frozen=True, slots=True)
class FreezeState:
    """The value that keeps repeating, and how many bursts in a row consisted of nothing else."""

    value: float | None = None
    bursts: int = 0


def watch_freeze(state: FreezeState, samples: Sequence[float], *, after_bursts: int) -> tuple[FreezeState, bool]:
    """Return the next state and whether the sensor is frozen: `after_bursts` bursts of one and the same raw value.

    Give it raw samples, before rounding and temperature correction: an echo timed anew differs in its last digits, so
    repetition to the bit is a stuck sensor. A burst of fewer than two samples proves nothing and starts the count anew.
    """
    if len(samples) < 2 or any(sample != samples[0] for sample in samples):
        return FreezeState(), False
    bursts = state.bursts + 1 if state.value == samples[0] else 1
    return FreezeState(samples[0], bursts), bursts >= after_bursts


def _is_majority(count: int, of: Sequence[object]) -> bool:
    return 2 * count > len(of)
