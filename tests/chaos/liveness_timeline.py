"""Liveness by the defaults, on timelines: silences that begin at random instants, and builds that miss them."""

from random import Random
from typing import Any, Final

from hub.rules.node import NodeState, hello_interval_s, note_contact, wake
from hub.rules.parameters import NodeOfflineParameters
from hub.rules.rule import Raised
from hub.watchdog.inquiry import EVERY_S
from hub.watchdog.vigil import ChainAnswered, HubAnswered, HubMissed, Looked, Patience, begin, observe
from protocols.lanes import Lane

SWEEP_MS: Final = 1_000
LOOK_MS: Final = 250
LONGEST_MS: Final = 600_000
PATIENCE: Final = Patience(silent_ms=45_000, repeat_ms=900_000)
PRESS_MS: Final = 30_000


def edge_told_ms(rng: Random, *, goes_on: bool, watches_sos: bool = True, hello_ms: int | None = None) -> int | None:
    """Return how long after its failure a node is reported, None: never; `goes_on`: its telemetry still comes."""
    parameters, state = NodeOfflineParameters(), NodeState()
    interval_ms = hello_ms or int(hello_interval_s(parameters, Lane.SOS) * 1_000)
    beat_ms, swept_ms = rng.randrange(interval_ms), rng.randrange(SWEEP_MS)
    failed_ms = 200_000 + rng.randrange(interval_ms)
    for at_ms in range(0, failed_ms + LONGEST_MS, 50):
        if at_ms < failed_ms and at_ms % interval_ms == beat_ms // 50 * 50:
            state, _ = note_contact(parameters, state, at_ms=at_ms, sos=watches_sos)
        if goes_on and at_ms % 5_000 == 0:
            state, _ = note_contact(parameters, state, at_ms=at_ms)
        if at_ms % SWEEP_MS == swept_ms // 50 * 50:
            state, effects = wake(parameters, state, at_ms=at_ms, listening_since_ms=0)
            if any(isinstance(effect, Raised) for effect in effects):
                return at_ms - failed_ms
    return None


def watchdog_told_ms(rng: Random, *, hub: bool, presses: bool = True) -> int | None:
    """Return how long after its failure people are told of the chain alone, or of the whole hub; None: never."""
    patience = Patience(PATIENCE.silent_ms, PATIENCE.repeat_ms, chain=presses)
    state, ask_ms = begin(at_ms=0), int(EVERY_S * 1_000)
    failed_ms = 200_000 + rng.randrange(PRESS_MS) // LOOK_MS * LOOK_MS
    asked_ms, pressed_ms = rng.randrange(ask_ms), rng.randrange(PRESS_MS)
    for at_ms in range(0, failed_ms + LONGEST_MS, LOOK_MS):
        failed = at_ms >= failed_ms
        seen: list[HubAnswered | HubMissed | ChainAnswered | Looked] = [Looked()]
        if at_ms % ask_ms == asked_ms // LOOK_MS * LOOK_MS:
            seen.append(HubMissed("no answer") if failed and hub else HubAnswered(well=True))
        if not failed and at_ms % PRESS_MS == pressed_ms // LOOK_MS * LOOK_MS:
            seen.append(ChainAnswered())
        for observation in seen:
            state, notices = observe(patience, state, observation, at_ms=at_ms)
            if notices:
                return at_ms - failed_ms
    return None


def worst(seed: int, *, times: int) -> dict[str, float | None]:
    """Return the longest time until somebody is told by the defaults, in seconds; None where somebody never was."""
    rng = Random(seed)
    found = {
        "edge silent": [edge_told_ms(rng, goes_on=False) for _ in range(times)],
        "SOS lane silent": [edge_told_ms(rng, goes_on=True) for _ in range(times)],
        "hub silent": [watchdog_told_ms(rng, hub=True) for _ in range(times)],
        "chain silent": [watchdog_told_ms(rng, hub=False) for _ in range(times)],
    }
    return {
        name: None if None in told else max(took_ms for took_ms in told if took_ms is not None) / 1_000
        for name, told in found.items()
    }


def control(seed: int) -> dict[str, Any]:
    """Return which builds without one of the parts are caught: they notice too late, never, or what is not there."""
    rng = Random(seed)
    caught = {
        "telemetry counts for the SOS lane": edge_told_ms(rng, goes_on=True, watches_sos=False) is None,
        "the hub does not set the interval": (edge_told_ms(rng, goes_on=True, hello_ms=90_000) or 0) < 0,
        "no test presses": watchdog_told_ms(rng, hub=False, presses=False) is None,
    }
    return {"seed": seed, "caught": all(caught.values()), "mutants": caught}
