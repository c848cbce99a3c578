"""`linli-edge probe`: every configured device through its real driver, without sending anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock

from edge.app import Configured, build_devices, parts_of
from edge.clock import Clock
from edge.drivers.driver import Air, Occurrence, Parts
from edge.errors import DriverError
from edge.owner.hands import read, take_devices
from edge.owner.table import Line, wiring
from edge.settings import DeviceSettings


@dataclass(slots=True)
class Opened:
    """A device in the hands of `probe`, and the line that tells of it."""

    parts: Parts
    line: Line


def opened(configured: Configured) -> list[Opened]:
    """Open every device through its real driver; raises AgentRuns, and InvalidSettings as `run` would."""
    settings = configured.settings
    build_devices(configured, clock=Clock(settings.clock), inbox=SimpleQueue())
    take_devices(configured, "probe")
    clock, air = Clock(settings.clock), Lock()
    return [_opened(device, configured.path.parent, clock, air) for device in settings.devices]


def read_all(devices: list[Opened], clock: Clock, stopping: Event) -> Iterator[None]:
    """Read each sensor once; yields after each, so that a slow one holds up no screen."""
    for device in devices:
        if stopping.is_set():
            return
        if device.parts.sensor is not None and device.line.problem is None:
            device.line.sample = read(device.parts.sensor, clock.monotonic_s())
        yield


def close_all(devices: list[Opened]) -> None:
    """Give the hardware back."""
    for device in devices:
        for part in device.parts:
            part.close()


def _opened(device: DeviceSettings, base_dir: Path, clock: Clock, air: Air) -> Opened:
    parts = parts_of(device, base_dir=base_dir, clock=clock, air=air)
    acts = [word for word, part in (("can show", parts.indicator), ("can switch", parts.switch)) if part is not None]
    line = Line(
        device=device.slug,
        driver=device.driver,
        kind=device.kind,
        wired=wiring(device.options),
        senses=parts.sensor is not None,
        acts=" and ".join(acts),
    )

    def note(occurrence: Occurrence) -> None:
        line.events.append((occurrence.event, occurrence.at_s))

    if parts.event_source is not None:
        parts.event_source.listen(note)
    try:
        for part in parts:
            part.open()
    except DriverError as error:
        line.problem = str(error)
        for part in parts:
            part.close()
    return Opened(parts, line)
