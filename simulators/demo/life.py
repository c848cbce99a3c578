"""Life after the story: the community lives on, visitors may work, and crews take what nobody else does."""

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from simulators.bin import BinState, collect, replace_battery
from simulators.demo.cast import PEOPLE
from simulators.demo.story import Scenery
from simulators.demo.watcher import Item
from simulators.errors import HubRefused, HubUnreachable
from simulators.observation import Outcome
from simulators.streetlight import StreetlightState, repair
from simulators.world import Change, State
from simulators.wristband import WristbandState

_LOOK_EVERY_S: Final = 1.0
UNTAKEN_LOOKS: Final = 60
"""Looks, a second apart, after which a crew takes an order that no visitor took."""
_NEXT_STEP: Final = {"assigned": "accept", "reopened": "accept", "accepted": "arrive", "on_site": "complete"}


@dataclass(slots=True)
class Duty:
    """What the crews remember: since which look an order waits, which are theirs, and which work is done."""

    waiting: dict[str, int] = field(default_factory=dict[str, int])
    taken: set[str] = field(default_factory=set[str])
    done: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])


async def live_on(scenery: Scenery) -> None:
    """Let things happen by themselves, and let crews see to them, until cancelled."""
    for place in scenery.fleet.world.places:
        scenery.change(place.facility, _livened)
    duty = Duty()
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        await look(scenery, duty)


async def look(scenery: Scenery, duty: Duty) -> None:
    """Look at every order once: do what is reported done, take a step in what nobody takes."""
    for order in list(scenery.watcher.orders.values()):
        _do_what_is_reported_done(scenery, order, duty)
        await _take_what_nobody_takes(scenery, order, duty)


def _livened(state: State) -> tuple[State, Outcome]:
    """Return the facility with the chances of a community in which something happens within minutes."""
    match state:
        case StreetlightState():
            return replace(state, spec=replace(state.spec, days_between_faults=2.0)), Outcome()
        case WristbandState():
            return replace(state, spec=replace(state.spec, presses_per_day=1.0, falls_per_day=0.5)), Outcome()
        case BinState():
            return replace(state, spec=replace(state.spec, fill_percent_per_day=600.0)), Outcome()


def _do_what_is_reported_done(scenery: Scenery, order: Item, duty: Duty) -> None:
    """Whoever reports an order done has done the work: a visitor on the web page as well as a crew."""
    key = (order["id"], order["version"])
    facility = str(order["facility"] or "").removeprefix(f"{scenery.site}.")
    if order["state"] != "done" or key in duty.done or facility not in {p.facility for p in scenery.fleet.world.places}:
        return
    duty.done.add(key)
    for remedy in _remedies(scenery, scenery.fleet.world.state(facility)):
        scenery.change(facility, remedy)


def _remedies(scenery: Scenery, state: State) -> tuple[Change, ...]:
    match state:
        case BinState():
            return (partial(collect, rng=scenery.rng), replace_battery)
        case StreetlightState():
            return (repair,)
        case WristbandState():
            return ()


async def _take_what_nobody_takes(scenery: Scenery, order: Item, duty: Duty) -> None:
    """Take one step for a crew, in an order that no visitor took within a minute."""
    step = _NEXT_STEP.get(order["state"])
    crew = str(order["crew"] or "").removeprefix(f"{scenery.site}.")
    username = next((person.username for person in PEOPLE if person.crew == crew), None)
    if step is None or username is None or username == "carer":
        duty.waiting.pop(order["id"], None)
        return
    looks = duty.waiting[order["id"]] = duty.waiting.get(order["id"], 0) + 1
    if order["id"] not in duty.taken and (looks < UNTAKEN_LOOKS or step != "accept"):
        return
    duty.taken.add(order["id"])
    try:
        await scenery.people[username].post(f"work-orders/{order['id']}/{step}")
    except (HubRefused, HubUnreachable) as refused:
        scenery.say(f"#    {username} could not {step}: {refused}")
        duty.taken.discard(order["id"])
        duty.waiting[order["id"]] = 0
