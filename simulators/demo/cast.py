"""The demo's community: who lives and works there, what stands there, and how impatient its rules are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from simulators.bin import BinState
from simulators.community import SITE, Community, draw_band, draw_bin, draw_lamp, settle
from simulators.registry import DeviceEntry
from simulators.streetlight import StreetlightState
from simulators.timeline import Timeline
from simulators.world import Actor, State

SPEED: Final = 60.0
"""A minute of the community passes in a second."""
REPORT_EVERY_S: Final = 2.0
"""Real seconds between two readings of a sensor."""
EXPECTED_EVERY_S: Final = 15
"""What the registry is told: sensors report faster here, and silence counts from this."""
HELLO_EVERY_S: Final = 5.0
RECONNECT_WITHIN_S: Final = 4.0
BINS: Final = "pi-bins"
LAMPS: Final = "pi-lamps"
BANDS: Final = "pi-bands"
YARD: Final = "pi-yard"
"""The node whose cable is pulled."""
EMPTIED: Final = "bin-gate"
FORGOTTEN: Final = "bin-market"
DARK: Final = "lamp-square"
WEARER: Final = "band-wang"
_DUSK_LOCAL_H: Final = 20

RULES: Final[Mapping[str, Mapping[str, float]]] = {
    "binFull": {"verify_window_s": 10, "review_s": 3},
    "lampFailure": {"settle_s": 2, "verify_window_s": 20, "review_s": 3},
    "nodeOffline": {"after_s": 12, "verify_window_s": 30, "review_s": 5},
    "communicationFailure": {"missed_intervals": 2, "verify_window_s": 60},
}
"""What the demo sets by PUT rules/<code>, so that two minutes are enough; all else is as shipped."""

_PLACES: Final = (
    (BINS, EMPTIED, "东门垃圾桶 · bin at the east gate"),
    (BINS, FORGOTTEN, "菜场垃圾桶 · bin at the market"),
    (BINS, "bin-school", "学校垃圾桶 · bin at the school"),
    (LAMPS, DARK, "广场路灯 · lamp on the square"),
    (LAMPS, "lamp-bridge", "小桥路灯 · lamp at the bridge"),
    (LAMPS, "lamp-clinic", "诊所路灯 · lamp at the clinic"),
    (BANDS, WEARER, "王奶奶手环 · wristband of Mrs Wang"),
    (BANDS, "band-chen", "陈爷爷手环 · wristband of Mr Chen"),
    (YARD, "bin-yard", "后院垃圾桶 · bin in the yard"),
    (YARD, "lamp-yard-1", "后院路灯一 · first lamp in the yard"),
    (YARD, "lamp-yard-2", "后院路灯二 · second lamp in the yard"),
)
NODE_NAMES: Final = {
    BINS: "树莓派 · bins",
    LAMPS: "树莓派 · streetlights",
    BANDS: "树莓派 · wristbands",
    YARD: "树莓派 · yard",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works in the community."""

    role: str
    username: str
    display_name: str
    crew: str | None = None
    skill: str | None = None


PEOPLE: Final = (
    Person("operator", "duty", "值班台 · duty desk"),
    Person("crew", "waste", "清运班 · waste crew", crew="waste-1", skill="waste"),
    Person("crew", "electrical", "电工班 · electricians", crew="electrical-1", skill="electrical"),
    Person("carer", "carer", "护理员 · carer", crew="care-1", skill="care"),
)


def evening(start: datetime) -> datetime:
    """Return eight in the evening, local time of the site: lamps burn, whatever the hour of the demo."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(hours=_DUSK_LOCAL_H - round(SITE.longitude_deg / 15))


def cast_community(timeline: Timeline, *, seed: int) -> Community:
    """Return the community: every facility calm, until the story moves it."""
    actors: list[Actor] = []
    devices: list[DeviceEntry] = []
    for node, facility, name in _PLACES:
        rng = Random(f"{seed}/{facility}")
        actor, device = settle(
            node,
            facility,
            _calm(facility, timeline, rng),
            interval_s=timeline.after_s(REPORT_EVERY_S),
            rng=rng,
            timeline=timeline,
            name=name,
            expected_interval_s=EXPECTED_EVERY_S,
        )
        actors.append(actor)
        devices.append(device)
    return Community(SITE, tuple(NODE_NAMES), tuple(actors), tuple(devices))


def _calm(facility: str, timeline: Timeline, rng: Random) -> State:
    """Draw a facility that neither fails nor is collected by itself; the two bins of the story are nearly full."""
    if facility.startswith("band"):
        band = draw_band(SITE, timeline, rng)
        return replace(band, spec=replace(band.spec, presses_per_day=0.0, falls_per_day=0.0), battery_percent=90.0)
    if facility.startswith("lamp"):
        lamp = draw_lamp(SITE, timeline, rng)
        return StreetlightState(replace(lamp.spec, days_between_faults=float("inf")), lamp.at)
    bin_state = draw_bin(SITE, timeline, rng)
    level = 72.0 if facility in {EMPTIED, FORGOTTEN} else rng.uniform(20.0, 40.0)
    return BinState(replace(bin_state.spec, schedule=None), bin_state.at, fill_percent=level, battery_percent=85.0)
