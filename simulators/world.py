"""The world: every simulated facility on one agenda, stepped in the order of the story and of nothing else."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from simulators.bin import BinState
from simulators.bin import step as step_bin
from simulators.observation import Outcome
from simulators.streetlight import StreetlightState
from simulators.streetlight import step as step_streetlight
from simulators.timeline import Timeline
from simulators.wristband import WristbandState
from simulators.wristband import step as step_wristband

State = BinState | StreetlightState | WristbandState
Change = Callable[[Any], tuple[State, Outcome]]
"""What is done to a facility; it is given the state of the kind of facility it is meant for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which device watches which facility, and through which node it speaks."""

    node: str
    facility: str
    device: str


@dataclass(slots=True)
class Actor:
    """A facility in the world: its state, and how often its sensor reports."""

    place: Place
    state: State
    interval_s: float
    first_s: float
    rng: Random


@dataclass(frozen=True, slots=True)
class Scene:
    """What came of one step: where, when in the story, and what."""

    place: Place
    after_s: float
    outcome: Outcome


class World:
    """All actors of a story. The same actors and the same calls give the same scenes, whatever the network does."""

    def __init__(self, actors: Iterable[Actor], timeline: Timeline) -> None:
        self._timeline = timeline
        self._actors = {actor.place.facility: actor for actor in actors}
        self._agenda = [(actor.first_s, number, actor) for number, actor in enumerate(self._actors.values())]
        heapq.heapify(self._agenda)

    @property
    def places(self) -> tuple[Place, ...]:
        """Where the actors are."""
        return tuple(actor.place for actor in self._actors.values())

    def next_s(self) -> float:
        """Return when the next sensor reports, in seconds of the story; infinity in an empty world."""
        return self._agenda[0][0] if self._agenda else float("inf")

    def until(self, after_s: float) -> Iterator[Scene]:
        """Step every actor that is due up to that point of the story, in order."""
        while self._agenda and self._agenda[0][0] <= after_s:
            due_s, number, actor = self._agenda[0]
            heapq.heapreplace(self._agenda, (due_s + actor.interval_s, number, actor))
            scene = self._step(actor, due_s)
            if scene is not None:
                yield scene

    def change(self, facility: str, change: Change, *, after_s: float) -> Scene:
        """Do something to a facility at once: empty it, press it, break it."""
        actor = self._actors[facility]
        actor.state, outcome = change(actor.state)
        return Scene(actor.place, after_s, outcome)

    def state(self, facility: str) -> State:
        """Return how a facility really is."""
        return self._actors[facility].state

    def _step(self, actor: Actor, due_s: float) -> Scene | None:
        actor.state, outcome = _step(actor.state, self._timeline.calendar(due_s), actor.rng)
        return Scene(actor.place, due_s, outcome) if outcome != Outcome() else None


def _step(state: State, at: datetime, rng: Random) -> tuple[State, Outcome]:
    match state:
        case BinState():
            return step_bin(state, at, rng)
        case StreetlightState():
            return step_streetlight(state, at, rng)
        case WristbandState():
            return step_wristband(state, at, rng)
