"""Whether the hub and the way of an SOS through it are alive, and when people are told; pure.

`(state, observation, at) -> (state, notices)`: one notice when it begins, one when it becomes worse, one every
`repeat_ms` while it lasts, one when it is over. Time runs by the watchdog's own steady clock; while the watchdog itself
stood still nobody was silent.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

LONGEST_LOOK_MS: Final = 15_000
"""The watchdog looks every half second; a longer pause was its own."""
BEGINNING: Final = 3
"""This part of the patience is some three answers that did not come."""
WORSE_AFTER_MS: Final = 60_000
"""What joins within this time is told with the next repeat."""


class Trouble(StrEnum):
    """What is wrong."""

    HUB_SILENT = "hub_silent"
    """It does not answer at all."""
    HUB_UNWELL = "hub_unwell"
    """It answers that a part of it fails."""
    CHAIN_SILENT = "chain_silent"
    """Test presses do not come through to the end of the outbox."""


_WEIGHT: Final = {Trouble.CHAIN_SILENT: 1, Trouble.HUB_UNWELL: 1, Trouble.HUB_SILENT: 2}


class Occasion(StrEnum):
    """Why people are told."""

    BEGUN = "begun"
    WORSE = "worse"
    LASTS = "lasts"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence is borne, and how often it is told again."""

    silent_ms: int
    repeat_ms: int
    chain: bool = True
    """Whether test presses are sent."""


@dataclass(frozen=True, slots=True)
class HubAnswered:
    """The hub said how it is."""

    well: bool
    detail: str = ""
    """The parts that fail."""


@dataclass(frozen=True, slots=True)
class HubMissed:
    """The hub was asked and said nothing that can be understood."""

    detail: str


@dataclass(frozen=True, slots=True)
class ChainAnswered:
    """A test press was acknowledged and its message handled."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Time has passed."""


Observation = HubAnswered | HubMissed | ChainAnswered | Looked


@dataclass(frozen=True, slots=True)
class Episode:
    """One silence that people were told of; it is kept over restarts."""

    begun_ms: int
    """Since when."""
    told_ms: int
    """When it was told last."""
    weight: int
    """The worst that was told."""


@dataclass(frozen=True, slots=True)
class Vigil:
    """What is known; the times are those of the last good answer, None: none since the watchdog started."""

    started_ms: int
    looked_ms: int
    hub_heard_ms: int | None = None
    hub_well_ms: int | None = None
    chain_ms: int | None = None
    detail: str = ""
    episode: Episode | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What people are to be told."""

    occasion: Occasion
    troubles: tuple[Trouble, ...]
    since_ms: int
    at_ms: int
    detail: str


def begin(*, at_ms: int, episode: Episode | None = None) -> Vigil:
    """Return the state of a watchdog that starts, with the silence it knew of; all have their whole time to speak."""
    if episode is not None and episode.told_ms > at_ms:  # the clock was set back meanwhile
        episode = replace(episode, told_ms=at_ms, begun_ms=min(episode.begun_ms, at_ms))
    return Vigil(started_ms=at_ms, looked_ms=at_ms, episode=episode)


def observe(
    patience: Patience, state: Vigil, observation: Observation, *, at_ms: int
) -> tuple[Vigil, tuple[Notice, ...]]:
    """Take an observation at `at_ms` and say what people are to be told."""
    state = _without_pause(state, at_ms=at_ms)
    match observation:
        case HubAnswered(well=True):
            state = replace(state, hub_heard_ms=at_ms, hub_well_ms=at_ms, detail="")
        case HubAnswered(detail=detail):
            state = replace(state, hub_heard_ms=at_ms, detail=detail)
        case HubMissed(detail):
            state = replace(state, detail=detail)
        case ChainAnswered():
            state = replace(state, chain_ms=at_ms)
        case Looked():
            pass
    return _judge(patience, state, at_ms=at_ms)


def troubles_of(patience: Patience, state: Vigil, *, at_ms: int) -> tuple[Trouble, ...]:
    """Return what has been silent for too long, the worst first.

    Once the chain has been, a hub that has begun to miss its answers is named with it: it is one failure.
    """
    before_ms = at_ms - patience.silent_ms
    chain = patience.chain and _since(state, state.chain_ms) <= before_ms
    if chain:
        before_ms = at_ms - patience.silent_ms // BEGINNING
    found: list[Trouble] = []
    if _since(state, state.hub_heard_ms) <= before_ms:
        found.append(Trouble.HUB_SILENT)
    elif _since(state, state.hub_well_ms) <= before_ms:
        found.append(Trouble.HUB_UNWELL)
    if chain:
        found.append(Trouble.CHAIN_SILENT)
    return tuple(found)


def _judge(patience: Patience, state: Vigil, *, at_ms: int) -> tuple[Vigil, tuple[Notice, ...]]:
    troubles = troubles_of(patience, state, at_ms=at_ms)
    episode = state.episode
    if episode is None:
        if not troubles:
            return state, ()
        begun_ms = min(_last_good(state, trouble) for trouble in troubles)
        return _tell(state, Episode(begun_ms, at_ms, 0), Occasion.BEGUN, troubles, at_ms=at_ms)
    if troubles:
        weight = max(_WEIGHT[trouble] for trouble in troubles)
        if weight > episode.weight and at_ms - episode.told_ms >= WORSE_AFTER_MS:
            return _tell(state, episode, Occasion.WORSE, troubles, at_ms=at_ms)
        if at_ms - episode.told_ms >= patience.repeat_ms:
            return _tell(state, episode, Occasion.LASTS, troubles, at_ms=at_ms)
        return state, ()
    if state.hub_well_ms is None or (patience.chain and state.chain_ms is None):
        return state, ()  # a watchdog that has just started knows of no end yet
    over = Notice(Occasion.OVER, (), episode.begun_ms, at_ms, "")
    return replace(state, episode=None), (over,)


def _tell(
    state: Vigil, episode: Episode, occasion: Occasion, troubles: tuple[Trouble, ...], *, at_ms: int
) -> tuple[Vigil, tuple[Notice, ...]]:
    weight = max(episode.weight, *(_WEIGHT[trouble] for trouble in troubles))
    told = replace(episode, told_ms=at_ms, weight=weight)
    return replace(state, episode=told), (Notice(occasion, troubles, episode.begun_ms, at_ms, state.detail),)


def _last_good(state: Vigil, trouble: Trouble) -> int:
    match trouble:
        case Trouble.HUB_SILENT:
            return _since(state, state.hub_heard_ms)
        case Trouble.HUB_UNWELL:
            return _since(state, state.hub_well_ms)
        case Trouble.CHAIN_SILENT:
            return _since(state, state.chain_ms)


def _since(state: Vigil, heard_ms: int | None) -> int:
    return state.started_ms if heard_ms is None else heard_ms


def _without_pause(state: Vigil, *, at_ms: int) -> Vigil:
    """Return the state as if a pause of the watchdog itself, frozen or starved, had not been."""
    pause_ms = at_ms - state.looked_ms
    if 0 <= pause_ms <= LONGEST_LOOK_MS:
        return replace(state, looked_ms=at_ms)

    def later(heard_ms: int | None) -> int | None:
        return None if heard_ms is None else heard_ms + pause_ms

    return replace(
        state,
        started_ms=state.started_ms + pause_ms,
        looked_ms=at_ms,
        hub_heard_ms=later(state.hub_heard_ms),
        hub_well_ms=later(state.hub_well_ms),
        chain_ms=later(state.chain_ms),
    )
