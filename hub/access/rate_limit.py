"""Token buckets: how often something may be tried; pure but for the memory of each bucket."""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

_MOST_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` at once, and one more every `every_s` seconds."""

    burst: int
    every_s: float


class Buckets:
    """One bucket a key. Not safe for threads: whoever shares it brings a lock."""

    def __init__(self, rate: Rate) -> None:
        """Start with every bucket full."""
        self._rate = rate
        self._levels: dict[Hashable, tuple[float, float]] = {}

    def wait_s(self, key: Hashable, *, at_s: float) -> int:
        """Return how many whole seconds the key has to wait; 0: it may try."""
        level = self._level(key, at_s)
        return 0 if level >= 1 else max(1, math.ceil((1 - level) * self._rate.every_s))

    def spend(self, key: Hashable, *, at_s: float) -> None:
        """Take one from the key's bucket."""
        if len(self._levels) >= _MOST_BUCKETS:
            self._forget_full(at_s)
        self._levels[key] = (max(0.0, self._level(key, at_s) - 1), at_s)

    def give_back(self, key: Hashable, *, at_s: float) -> None:
        """Put one back into the key's bucket."""
        self._levels[key] = (min(float(self._rate.burst), self._level(key, at_s) + 1), at_s)

    def refill(self, key: Hashable) -> None:
        """Fill the key's bucket."""
        self._levels.pop(key, None)

    def _level(self, key: Hashable, at_s: float) -> float:
        level, since_s = self._levels.get(key, (float(self._rate.burst), at_s))
        return min(float(self._rate.burst), level + max(0.0, at_s - since_s) / self._rate.every_s)

    def _forget_full(self, at_s: float) -> None:
        """Make room: full buckets say nothing; where none is full the oldest goes."""
        full = [key for key in self._levels if self._level(key, at_s) >= self._rate.burst]
        for key in full or list(self._levels)[:1]:
            del self._levels[key]
