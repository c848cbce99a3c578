"""A made-up community: which nodes, bins, lamps and wristbands a fleet has, drawn from one seed."""

import math
from dataclasses import dataclass
from datetime import timedelta, timezone, tzinfo
from random import Random
from typing import Final

from protocols.fill_level import Geometry
from simulators.bin import BinSpec, BinState, Schedule
from simulators.registry import DeviceEntry, SiteEntry
from simulators.streetlight import StreetlightSpec, StreetlightState
from simulators.timeline import Timeline
from simulators.world import Actor, Place, State
from simulators.wristband import WristbandSpec, WristbandState

SITE: Final = SiteEntry("demo", "示范小区", "Asia/Shanghai", latitude_deg=31.23, longitude_deg=121.47)
"""Where a fleet lives when its site is new."""
BINS, LAMPS, BANDS = 4, 4, 2
"""Facilities of each kind at one node."""
_BIN_EVERY_S, _LAMP_EVERY_S, _BAND_EVERY_S = 1800.0, 600.0, 60.0
_GEOMETRY: Final = Geometry(empty_mm=1_200.0, full_mm=300.0, blind_zone_mm=200.0)
_DEVICE_KIND: Final = {BinState: "fill_level", StreetlightState: "lamp", WristbandState: "vitals"}
_FACILITY_KIND: Final = {BinState: "bin", StreetlightState: "streetlight", WristbandState: "wristband"}
_SENSOR: Final = {BinState: "us", StreetlightState: "lc", WristbandState: "wb"}


@dataclass(frozen=True, slots=True)
class Community:
    """The actors of a story, and how they are registered."""

    site: SiteEntry
    nodes: tuple[str, ...]
    actors: tuple[Actor, ...]
    devices: tuple[DeviceEntry, ...]


def local_time(longitude_deg: float) -> tzinfo:
    """Return the whole-hour zone in which noon is when the sun stands highest: what habits go by."""
    return timezone(timedelta(hours=round(longitude_deg / 15)))


def draw_community(site: SiteEntry, *, nodes: int, seed: int, timeline: Timeline, prefix: str = "sim") -> Community:
    """Draw a community of so many nodes; the same seed draws the same one."""
    names = tuple(f"{prefix}-{number}" for number in range(1, nodes + 1))
    actors: list[Actor] = []
    devices: list[DeviceEntry] = []
    for node in names:
        for kind, count in (("bin", BINS), ("lamp", LAMPS), ("band", BANDS)):
            for number in range(1, count + 1):
                facility = f"{node}-{kind}-{number}"
                rng = Random(f"{seed}/{facility}")
                state, interval_s = _draw(kind, site, timeline, rng)
                actor, device = settle(node, facility, state, interval_s=interval_s, rng=rng, timeline=timeline)
                actors.append(actor)
                devices.append(device)
    return Community(site, names, tuple(actors), tuple(devices))


def settle(
    node: str,
    facility: str,
    state: State,
    *,
    interval_s: float,
    rng: Random,
    timeline: Timeline,
    name: str | None = None,
    expected_interval_s: int | None = None,
) -> tuple[Actor, DeviceEntry]:
    """Give a facility its place in the world and its entry in the registry; intervals are seconds of the story."""
    device = f"{facility}-{_SENSOR[type(state)]}"
    actor = Actor(Place(node, facility, device), state, interval_s, rng.uniform(0.0, interval_s), rng)
    rated = {"rated_power_w": state.spec.rated_power_w} if isinstance(state, StreetlightState) else {}
    entry = DeviceEntry(
        facility=facility,
        facility_kind=_FACILITY_KIND[type(state)],
        name=name or facility,
        device=device,
        device_kind=_DEVICE_KIND[type(state)],
        node=node,
        expected_interval_s=expected_interval_s or max(1, math.ceil(timeline.clock_s(interval_s))),
        attributes=rated,
    )
    return actor, entry


def draw_bin(site: SiteEntry, timeline: Timeline, rng: Random) -> BinState:
    """Draw a bin: how fast it fills, when the truck comes, how full it is now, how old its battery."""
    schedule = Schedule(hours=(rng.choice((6.0, 6.5, 7.0, 7.5)),), missed_rate=0.1)
    spec = BinSpec(
        geometry=_GEOMETRY,
        local=local_time(site.longitude_deg),
        fill_percent_per_day=rng.uniform(25.0, 95.0),
        schedule=schedule,
        battery_percent_per_day=rng.uniform(0.02, 0.1),
    )
    battery = 20.02 if rng.random() < 0.03 else rng.uniform(40.0, 100.0)
    return BinState(spec, timeline.calendar(0), fill_percent=rng.uniform(5.0, 75.0), battery_percent=battery)


def draw_lamp(site: SiteEntry, timeline: Timeline, rng: Random) -> StreetlightState:
    """Draw a streetlight: what it draws, how often it fails, how long it waits for repair."""
    spec = StreetlightSpec(
        latitude_deg=site.latitude_deg,
        longitude_deg=site.longitude_deg,
        local=local_time(site.longitude_deg),
        rated_power_w=rng.choice((40.0, 60.0, 100.0)),
        days_between_faults=40.0,
        repaired_after=timedelta(hours=rng.uniform(8.0, 36.0)),
    )
    return StreetlightState(spec, timeline.calendar(0), burn_hours=round(rng.uniform(0.0, 20_000.0)))


def draw_band(site: SiteEntry, timeline: Timeline, rng: Random) -> WristbandState:
    """Draw a wristband and its wearer: a resting pulse, and how often the button is pressed and the person falls."""
    spec = WristbandSpec(
        local=local_time(site.longitude_deg),
        resting_bpm=rng.uniform(58.0, 78.0),
        presses_per_day=0.5,
        falls_per_day=0.2,
    )
    return WristbandState(spec, timeline.calendar(0), battery_percent=rng.uniform(30.0, 100.0))


def _draw(kind: str, site: SiteEntry, timeline: Timeline, rng: Random) -> tuple[State, float]:
    match kind:
        case "bin":
            return draw_bin(site, timeline, rng), _BIN_EVERY_S
        case "lamp":
            return draw_lamp(site, timeline, rng), _LAMP_EVERY_S
        case _:
            return draw_band(site, timeline, rng), _BAND_EVERY_S
