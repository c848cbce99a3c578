"""How much of what one node sends unusable is written down: beyond that the node waits, so that the others need not.

What cannot be used costs the hub many times what a good record costs: it is looked at value by value and kept with its
reason. Calls for help are never held up by this.
"""

from typing import Final, NamedTuple

BURST: Final = 100
"""Unusable messages and records that a node may send at once."""
PER_S: Final = 25
"""How many more each second: each costs about a millisecond, so that one node takes a fortieth of a core at most."""


class Allowance(NamedTuple):
    """What is left to a node at an instant."""

    left: float
    at_ms: int


FULL: Final = Allowance(BURST, 0)


def refilled(allowance: Allowance, at_ms: int) -> Allowance:
    """Return the allowance at a later instant; an earlier one changes nothing."""
    passed_ms = max(0, at_ms - allowance.at_ms)
    return Allowance(min(float(BURST), allowance.left + passed_ms * PER_S / 1_000), max(at_ms, allowance.at_ms))


def charged(allowance: Allowance, unusable: int, at_ms: int) -> Allowance:
    """Return the allowance after so many unusable messages or records; it never falls below zero."""
    now = refilled(allowance, at_ms)
    return now._replace(left=max(0.0, now.left - unusable))


class Throttle:
    """The allowances of the nodes that have sent something unusable of late."""

    def __init__(self) -> None:
        """Hold nothing against anybody."""
        self._allowances: dict[tuple[str, str], Allowance] = {}

    def charge(self, site: str, node: str, unusable: int, *, at_ms: int) -> bool:
        """Note what could not be used; tell whether this was the last that is written down for now."""
        former = self._allowances.get((site, node), FULL)
        allowance = self._allowances[site, node] = charged(former, unusable, at_ms)
        return allowance.left < 1 <= refilled(former, at_ms).left

    def is_spent(self, site: str, node: str, *, at_ms: int) -> bool:
        """Tell whether a node has to wait; who has its whole allowance again is forgotten."""
        allowance = self._allowances.get((site, node))
        if allowance is None:
            return False
        now = refilled(allowance, at_ms)
        if now.left >= BURST:
            del self._allowances[site, node]
        return now.left < 1
