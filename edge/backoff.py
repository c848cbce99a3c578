"""Pure: how long to wait before the next connection attempt."""

from typing import Final

FIRST_S: Final = 1.0
"""Ceiling of the first wait."""
LONGEST_REST_S: Final = 30.0
LONGEST_SOS_S: Final = 3.0


def reconnect_delay_s(attempt: int, *, longest_s: float, draw: float) -> float:
    """Full jitter: `draw` (0..1) of a ceiling that doubles from 1 s with each attempt (from 0) up to `longest_s`."""
    ceiling_s = min(longest_s, FIRST_S * 2.0 ** min(attempt, 16))
    return draw * ceiling_s
