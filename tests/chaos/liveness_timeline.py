"""Liveness by the defaults, on timelines: silences that begin at random instants, and builds that miss them."""

from random import Random
from typing import Final

from hub.rules.facility import FacilityRules, FacilityState, ReadingInput, evaluate_reading
from hub.rules.node import NodeState, hello_interval_s, note_contact, wake
from hub.rules.parameters import BatteryLowParameters, NodeOfflineParameters
from hub.rules.rule import Raised
from hub.vocabulary import FaultCode
from hub.watchdog.inquiry import EVERY_S
from hub.watchdog.vigil import ChainAnswered, HubAnswered, HubMissed, Looked, Patience, begin, observe
from protocols.lanes import Lane
from tests.guarantees.guarantee import Control

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


def battery_told_percent(rng: Random, *, enter_percent: float = 20.0) -> float | None:
    """Return what a battery that runs down still held when it was told; None: not by its first reading at 20 %.

    It falls by as much as it likes between readings, some say nothing, and it wavers as cells do.
    """
    rules = FacilityRules("wristband", battery_low=BatteryLowParameters(enter_percent=enter_percent))
    state, percent, at_ms = FacilityState(), rng.uniform(40, 100), 1_795_608_000_000
    while percent > 0:
        percent, at_ms = percent - rng.uniform(0, 3), at_ms + rng.randrange(60_000, 3_600_000)
        told = round(min(100.0, max(0.0, percent + rng.uniform(-1, 1))), rng.randrange(2))
        heard = rng.choice((0, 80, 100, 100))
        values = {"heart_rate_bpm": 70.0, "battery_percent": told}
        reading = ReadingInput("band", "pi", "vitals", at_ms, at_ms, heard, values)
        state, effects = evaluate_reading(rules, state, reading)
        if any(isinstance(effect, Raised) and effect.fault_code is FaultCode.BATTERY_LOW for effect in effects):
            return told
        if heard and told <= 20:
            return None
    return None


def worst(seed: int, *, times: int) -> dict[str, float]:
    """Return the longest time until somebody is told by the defaults, in seconds; infinite where nobody ever was.

    Of batteries it is the least that one held, in per cent; below 0 where one was not told at once.
    """
    rng = Random(seed)
    found = {
        "edge silent": [edge_told_ms(rng, goes_on=False) for _ in range(times)],
        "SOS lane silent": [edge_told_ms(rng, goes_on=True) for _ in range(times)],
        "hub silent": [watchdog_told_ms(rng, hub=True) for _ in range(times)],
        "chain silent": [watchdog_told_ms(rng, hub=False) for _ in range(times)],
    }
    batteries = [battery_told_percent(rng) for _ in range(times)]
    longest = {
        name: max(float("inf") if took_ms is None else took_ms / 1_000 for took_ms in told)
        for name, told in found.items()
    }
    return {**longest, "battery low": min(-1.0 if percent is None else percent for percent in batteries)}


def control(seed: int) -> Control:
    """Return which builds without one of the parts are caught: they notice too late, never, or what is not there."""
    rng = Random(seed)
    said_early = (edge_told_ms(rng, goes_on=True, hello_ms=90_000) or 0) < 0
    caught = {
        "telemetry counts for the SOS lane": edge_told_ms(rng, goes_on=True, watches_sos=False) is None,
        "the hub does not set the interval of hellos": said_early,
        "no test presses": watchdog_told_ms(rng, hub=False, presses=False) is None,
        "batteries are told of at 10 %": any(battery_told_percent(rng, enter_percent=10) is None for _ in range(20)),
    }
    return Control(caught, {})
