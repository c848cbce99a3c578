"""The story: what the demo's people and sensors do. What the hub makes of it is seen by watching, never assumed."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from protocols.ack import SosReceipt, SosStage
from simulators import streetlight, wristband
from simulators.bin import BinState, collect, pour
from simulators.cable import Cable
from simulators.demo.cast import DARK, EMPTIED, FORGOTTEN, WEARER, YARD
from simulators.demo.watcher import Item, Watcher, print_line
from simulators.errors import StoryStuck
from simulators.fleet import Fleet
from simulators.rest import HubClient
from simulators.streetlight import LampFault
from simulators.world import Change

STEP_WITHIN_S: Final = 40.0
"""How long any one step may take before the story counts as stuck."""
_BREATH_S: Final = 1.5
"""A moment for the reader, and for the crew to walk."""
_OVERFLOWING_PERCENT: Final = 90.0


@dataclass(frozen=True, slots=True)
class Scenery:
    """What the story is played with."""

    site: str
    fleet: Fleet
    watcher: Watcher
    people: Mapping[str, HubClient]
    """User name → that person's own login."""
    yard: Cable
    rng: Random
    heard: asyncio.Event
    say: Callable[[str], None] = print_line

    def change(self, facility: str, change: Change) -> None:
        """Do something to a facility, here and now."""
        self.fleet.perform(self.fleet.world.change(facility, change, after_s=self.fleet.clock.after_s()))

    def rest_id(self, slug: str) -> str:
        """Return how REST names a facility or node of the site."""
        return f"{self.site}.{slug}"


async def tell(scenery: Scenery) -> None:
    """Tell the whole story; raise `StoryStuck` where a step does not come."""
    async with asyncio.TaskGroup() as group:
        group.create_task(emptied_bin(scenery))
        group.create_task(_after(4.0, forgotten_bin, scenery))
        group.create_task(_after(8.0, dark_lamp, scenery))
        group.create_task(_after(12.0, pressed_button, scenery))
        group.create_task(_after(16.0, dead_node, scenery))


async def emptied_bin(scenery: Scenery) -> None:
    """A bin fills, a crew empties it and says so, and the level proves it."""
    order_id = await _fill(scenery, EMPTIED)
    await _work(scenery, "waste", order_id)
    empty(scenery, EMPTIED)
    scenery.say("# The crew reported the bin at the east gate done. Does its level agree?")
    await scenery.watcher.order(order_id, state="closed", within_s=STEP_WITHIN_S)
    scenery.say("# It does: proved by the sensor, and closed by nobody's word.")


async def forgotten_bin(scenery: Scenery) -> None:
    """A bin is reported done and still full: the order comes back, until the bin is empty indeed."""
    order_id = await _fill(scenery, FORGOTTEN)
    await _work(scenery, "waste", order_id)
    scenery.say("# The crew reported the bin at the market done as well, but has not emptied it.")
    await scenery.watcher.order(order_id, state="reopened", within_s=STEP_WITHIN_S)
    scenery.say("# No proof came, so the order came back. Now the crew really empties it.")
    await asyncio.sleep(_BREATH_S)
    await _work(scenery, "waste", order_id)
    empty(scenery, FORGOTTEN)
    await scenery.watcher.order(order_id, state="closed", within_s=STEP_WITHIN_S)


async def dark_lamp(scenery: Scenery) -> None:
    """A lamp fails at night; an electrician repairs it, and its power proves it."""
    scenery.say("# The lamp on the square goes out.")
    scenery.change(DARK, lambda state: streetlight.fail(state, LampFault.LAMP_FAILURE))
    alert = await _alert_at(scenery, "lampFailure", DARK)
    order = await scenery.watcher.order_of(alert["id"], within_s=STEP_WITHIN_S)
    await _work(scenery, "electrical", order["id"])
    scenery.change(DARK, streetlight.repair)
    await scenery.watcher.order(order["id"], state="closed", within_s=STEP_WITHIN_S)


async def pressed_button(scenery: Scenery) -> None:
    """An elder presses the button; the carer hears it, the wearer sees so, and a person ends it."""
    scenery.say("# Mrs Wang presses the button on her wristband.")
    scenery.change(WEARER, wristband.press)
    alert = await _alert_at(scenery, "sosPressed", WEARER)
    await asyncio.sleep(_BREATH_S)
    carer = scenery.people["carer"]
    await carer.post(f"alerts/{alert['id']}/acknowledge", {"comment": "马上到 · on my way"})
    await scenery.watcher.alert(
        "sosPressed", state="acknowledged", facility=scenery.rest_id(WEARER), within_s=STEP_WITHIN_S
    )
    await _heard(scenery)
    await asyncio.sleep(2 * _BREATH_S)
    await carer.post(f"alerts/{alert['id']}/resolve", {"outcome": "helped"})
    await scenery.watcher.alert("sosPressed", state="closed", facility=scenery.rest_id(WEARER), within_s=STEP_WITHIN_S)


async def dead_node(scenery: Scenery) -> None:
    """The node in the yard vanishes; its sensors' silence is one message. When it is back, nothing it held is lost."""
    scenery.say("# The cable of the node in the yard is pulled: a bin and two lamps fall silent with it.")
    await scenery.yard.pull()
    node = scenery.rest_id(YARD)
    alert = await scenery.watcher.alert("nodeOffline", state="firing", node=node, within_s=STEP_WITHIN_S)
    served = sum(place.node == YARD for place in scenery.fleet.world.places)
    await scenery.watcher.suppressed(alert["id"], count=served, within_s=2 * STEP_WITHIN_S)
    scenery.say("# One message for a dead node, not one for each of its sensors. The cable is put back.")
    await scenery.yard.plug()


def receipt_teller(heard: asyncio.Event, say: Callable[[str], None] = print_line) -> Callable[[SosReceipt], None]:
    """Return what a wristband does with the stages of its press: it shows each once, and lights *heard*."""
    shown: set[tuple[str, SosStage]] = set()

    def show(receipt: SosReceipt) -> None:
        if (receipt.ref, receipt.stage) not in shown:
            shown.add((receipt.ref, receipt.stage))
            by = f" by {receipt.by}" if receipt.by else ""
            say(f"#    the wristband shows: {receipt.stage.value}{by}")
        if receipt.stage is SosStage.HEARD:
            heard.set()

    return show


def empty(scenery: Scenery, facility: str) -> None:
    """Empty a bin, here and now."""
    scenery.change(facility, lambda state: collect(state, scenery.rng))


async def _heard(scenery: Scenery) -> None:
    try:
        async with asyncio.timeout(STEP_WITHIN_S):
            await scenery.heard.wait()
    except TimeoutError:
        raise StoryStuck(f"the wristband did not show 'heard' within {STEP_WITHIN_S:g} s") from None


async def _after(seconds: float, strand: Callable[[Scenery], Any], scenery: Scenery) -> None:
    await asyncio.sleep(seconds)
    await strand(scenery)


async def _fill(scenery: Scenery, facility: str) -> str:
    """Let neighbours fill a bin until its alert has an order; return the order's id."""
    scenery.say(f"# Neighbours bring their rubbish to {facility}.")
    while True:
        state = scenery.fleet.world.state(facility)
        if not isinstance(state, BinState) or state.fill_percent >= _OVERFLOWING_PERCENT:
            break
        scenery.change(facility, lambda bin_state: pour(bin_state, 4.0))
        await asyncio.sleep(1.0)
    alert = await _alert_at(scenery, "binFull", facility)
    order = await scenery.watcher.order_of(alert["id"], within_s=STEP_WITHIN_S)
    return str(order["id"])


async def _alert_at(scenery: Scenery, fault_code: str, facility: str) -> Item:
    return await scenery.watcher.alert(
        fault_code, state="firing", facility=scenery.rest_id(facility), within_s=STEP_WITHIN_S
    )


async def _work(scenery: Scenery, username: str, order_id: str) -> None:
    """The crew accepts, arrives and reports the order done, by its own login."""
    crew = scenery.people[username]
    for step, state, body in (
        ("accept", "accepted", None),
        ("arrive", "on_site", None),
        ("complete", "done", {"note": "完成 · done"}),
    ):
        await asyncio.sleep(_BREATH_S)
        await crew.post(f"work-orders/{order_id}/{step}", body)
        await scenery.watcher.order(order_id, state=state, within_s=STEP_WITHIN_S)
