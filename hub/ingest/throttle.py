"""How much of what one node sends unusable is taken as it comes; beyond that it waits, so that the others need not.

What cannot be used costs the hub many times what a good record costs: it is looked at value by value and kept with its
reason. What a node sends beyond its limit is taken in the hub's spare time; a call for help that can be read is never
held up by this, and what cannot be read has raised its alarm long before the limit.
"""

from typing import Final, NamedTuple

MESSAGE: Final = 10
"""What an unusable message is charged, of which the whole payload is kept; an unusable record is charged 1."""


class Limit(NamedTuple):
    """How much a node may be charged at once, and how much more each second."""

    burst: int
    per_s: int


LIMIT: Final = Limit(burst=2_000, per_s=20)
"""A broken sensor among twenty is taken as it comes, also after hours offline."""
SOS_LIMIT: Final = Limit(burst=200, per_s=10)
"""Where calls come only alarms are charged, each as a message: after twenty the people on duty know."""


class Allowance(NamedTuple):
    """What is left to a node at an instant."""

    left: float
    at_ms: int


def refilled(allowance: Allowance, at_ms: int, limit: Limit) -> Allowance:
    """Return the allowance at another instant; a clock that went back gives nothing, and goes on from there."""
    passed_ms = max(0, at_ms - allowance.at_ms)
    left = min(float(limit.burst), allowance.left + passed_ms * limit.per_s / 1_000)
    return Allowance(left, at_ms)


def charged(allowance: Allowance, cost: int) -> Allowance:
    """Return the allowance after so much was charged; it never falls below zero."""
    return allowance._replace(left=max(0.0, allowance.left - cost))


class Throttle:
    """The allowances of the nodes that have sent something unusable of late."""

    def __init__(self, limit: Limit = LIMIT) -> None:
        """Hold nothing against anybody."""
        self._limit = limit
        self._allowances: dict[tuple[str, str], Allowance] = {}

    @property
    def holds_anybody(self) -> bool:
        """Whether anybody has sent something unusable of late; while nobody has, no message need be looked at."""
        return bool(self._allowances)

    def charge(self, site: str, node: str, cost: int, *, at_ms: int) -> bool:
        """Note what could not be used; tell whether this was the last that is taken as it comes."""
        former = refilled(self._allowances.get((site, node), Allowance(self._limit.burst, 0)), at_ms, self._limit)
        allowance = self._allowances[site, node] = charged(former, cost)
        return allowance.left < MESSAGE <= former.left

    def is_spent(self, site: str, node: str, *, at_ms: int) -> bool:
        """Tell whether a node has to wait; who has its whole allowance again is forgotten."""
        allowance = self._allowances.get((site, node))
        if allowance is None:
            return False
        now = refilled(allowance, at_ms, self._limit)
        if now.left >= self._limit.burst:
            del self._allowances[site, node]
        return now.left < MESSAGE
