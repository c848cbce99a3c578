"""A bad network, as a pure model: which copies of a message arrive, and how much later."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Network:
    """What a network does to messages; nothing arrives within `outages_s`, (from, until) in seconds since the start."""

    loss_rate: float = 0.0
    duplicate_rate: float = 0.0
    delay_s: tuple[float, float] = (0.0, 0.0)
    outages_s: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        """Refuse rates that are no shares and spans that run backwards."""
        if not (0 <= self.loss_rate <= 1 and 0 <= self.duplicate_rate <= 1):
            raise ValueError("a rate of the network must lie between 0 and 1")
        if any(start < 0 or end < start for start, end in (self.delay_s, *self.outages_s)):
            raise ValueError("a span of the network must not be negative")


PERFECT = Network()
"""Everything arrives once, at once."""


def deliver(network: Network, at_s: float, rng: Random) -> tuple[float, ...]:
    """Return the delay in seconds of each copy that arrives of a message sent `at_s` seconds after the start."""
    if network == PERFECT:
        return (0.0,)
    if any(start <= at_s < end for start, end in network.outages_s):
        return ()
    if rng.random() < network.loss_rate:
        return ()
    copies = 2 if rng.random() < network.duplicate_rate else 1
    return tuple(rng.uniform(*network.delay_s) for _ in range(copies))
