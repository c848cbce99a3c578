"""Deadlines while messages of simulated time are gathered.

Who is heard meanwhile has new ones, those of the others are stored.
"""

import heapq
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Sleeper(StrEnum):
    """Whose deadline moves when it is heard."""

    FACILITY = "facility"
    NODE = "node"


class Wake(NamedTuple):
    """A stored deadline of a facility or a node, by its REST id."""

    at_ms: int
    sleeper: Sleeper
    name: str


class Deadlines:
    """The earliest deadline of all, as it would be stored if what was gathered were."""

    def __init__(self, stored: Sequence[Wake], *, others_ms: int | None) -> None:
        """Take the earliest stored ones; from `others_ms` on there may be more, which nobody who is heard moves."""
        self._heap = list(stored)
        heapq.heapify(self._heap)
        self._moved: dict[tuple[Sleeper, str], int | None] = {}
        self._others_ms = others_ms

    def move(self, sleeper: Sleeper, name: str, at_ms: int | None) -> None:
        """Note that a facility or a node that was heard is now to be looked at at `at_ms`; None: not at all."""
        if at_ms is not None and self._moved.get((sleeper, name)) != at_ms:
            heapq.heappush(self._heap, Wake(at_ms, sleeper, name))
        self._moved[sleeper, name] = at_ms

    def due(self, at_ms: int) -> bool:
        """Tell whether a deadline has come at `at_ms`."""
        if self._others_ms is not None and self._others_ms <= at_ms:
            return True
        heap, moved = self._heap, self._moved
        while heap and heap[0].at_ms <= at_ms:
            wake = heap[0]
            if moved.get((wake.sleeper, wake.name), wake.at_ms) == wake.at_ms:
                return True
            heapq.heappop(heap)
        return False
