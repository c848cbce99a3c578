"""Pure: how long a connection may leave unanswered what was published on it, before a new one is better.

A way that swallows everything looks like a quiet one until MQTT's keepalive ends it, up to twice 10 s later; a call for
help should not wait so long. Who answers slowly is given more time by its own answers.
"""

from dataclasses import dataclass, replace
from typing import Final

SHORTEST_S: Final = 4.0
"""Longer than a broker takes whose machine is busy, and than a second path waits."""
ANSWER_TIMES: Final = 4
"""So many of its usual answers are waited for, as a lane waits for the hub's."""
_SMOOTHING: Final = 0.125
_MOST_DOUBLINGS: Final = 3


@dataclass(frozen=True, slots=True)
class Patience:
    """What is known of the other end, in seconds of one clock that never goes back."""

    asked_s: float | None = None
    """Since when something is unanswered."""
    smoothed_s: float | None = None
    """How long answers usually take: rises at once and falls slowly."""
    given_up: int = 0
    """Connections in a row that were given up unanswered."""

    @property
    def lasts_s(self) -> float:
        """How long an answer is waited for; twice as long after each connection that brought none."""
        usual_s = max(SHORTEST_S, ANSWER_TIMES * (self.smoothed_s or 0.0))
        return float(usual_s * 2 ** min(self.given_up, _MOST_DOUBLINGS))

    def is_over(self, at_s: float) -> bool:
        """Tell whether the connection is to be given up."""
        return self.asked_s is not None and at_s - self.asked_s >= self.lasts_s


def connected(patience: Patience) -> Patience:
    """Nothing was asked on a new connection yet."""
    return replace(patience, asked_s=None)


def asked(patience: Patience, at_s: float) -> Patience:
    """Something was published that is to be answered."""
    return patience if patience.asked_s is not None else replace(patience, asked_s=at_s)


def answered(patience: Patience, at_s: float) -> Patience:
    """Something came, whatever it is."""
    if patience.asked_s is None:
        return replace(patience, given_up=0)
    took_s, usual_s = at_s - patience.asked_s, patience.smoothed_s or 0.0
    # A thin line that fills becomes slow at once; whether it stays quick only time tells.
    return Patience(smoothed_s=max(took_s, usual_s + _SMOOTHING * (took_s - usual_s)))


def gave_up(patience: Patience) -> Patience:
    """The connection was given up unanswered."""
    return replace(patience, asked_s=None, given_up=patience.given_up + 1)
