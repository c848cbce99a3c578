"""Whether the hub's own loops move: each says when a step begins, and a step that never ends is a loop that hangs."""

from collections.abc import Mapping
from typing import Final

from hub.clock import monotonic_s

STUCK_S: Final = 30.0
"""A step that takes longer hangs: the longest regular one waits 5 s for a lock."""


class Pulse:
    """The step that a loop is in; one thread writes, any may read."""

    def __init__(self) -> None:
        """Start at rest."""
        self._began_s: float | None = None

    def step(self) -> None:
        """Begin a step, and end the one before."""
        self._began_s = monotonic_s()

    def rest(self) -> None:
        """End the step; at rest a loop may wait as long as it likes."""
        self._began_s = None

    @property
    def age_s(self) -> float:
        """How long the step has taken so far; 0 at rest."""
        began_s = self._began_s
        return 0.0 if began_s is None else monotonic_s() - began_s


def stuck(pulses: Mapping[str, Pulse], *, after_s: float = STUCK_S) -> str | None:
    """Return which loops hang and for how long, in one line; None where all move."""
    ages = {name: pulse.age_s for name, pulse in pulses.items()}
    hanging = [f"{name} {age_s:.0f} s" for name, age_s in ages.items() if age_s > after_s]
    return f"no progress: {', '.join(hanging)}" if hanging else None
