"""Composition root of the edge agent: settings in, a running agent out."""

import ctypes
import gc
import logging
import os
import signal
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from queue import SimpleQueue
from random import Random
from shutil import disk_usage
from types import FrameType
from typing import Any, Final

from edge.agent.calls import Calls
from edge.agent.devices import Device, Occurred
from edge.agent.loop import LANES, Inbox, Loop, Stop, presence
from edge.agent.upkeep import Upkeep
from edge.backoff import LONGEST_REST_S, LONGEST_SOS_S
from edge.clock import EARLIEST, Clock, ClockSource
from edge.drivers.driver import DriverContext, Occurrence, build_parts
from edge.errors import DriverError, InvalidOptions, InvalidSettings, OutboxError
from edge.ids import boot_of, machine_of, new_epoch, new_ref
from edge.link import Endpoint, Link, LinkName, Will, try_out
from edge.outbox import Opened, Reset, holder_of, open_outbox
from edge.sampling import WATCHED, SamplingPlan
from edge.settings import DeviceSettings, EdgeSettings, check_ca, read_password
from edge.uplink.courier import Courier
from edge.watchdog import Watchdog
from protocols.events import EventName
from protocols.instant import format_instant
from protocols.lanes import Lane
from protocols.presence import PresenceState
from protocols.topics import Channel, NodeAddress

_M_ARENA_MAX: Final = -8
"""glibc's mallopt(3): one heap for all threads; none of them is in a hurry for memory."""
VERSION: Final = installed_version("linli")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Configured:
    """Settings and the file they came from."""

    settings: EdgeSettings
    path: Path

    @property
    def address(self) -> NodeAddress:
        """The node's place in topics."""
        return NodeAddress(self.settings.site, self.settings.node)


def endpoints(configured: Configured) -> dict[LinkName, Endpoint]:
    """Where the two connections go; raises InvalidSettings where a file cannot be read."""
    broker = configured.settings.broker
    password = read_password(configured.settings, source=str(configured.path))
    check_ca(configured.settings, source=str(configured.path))
    users = {LinkName.SOS: configured.address.sos_username, LinkName.REST: configured.address.username}
    return {
        name: Endpoint(
            host=broker.host, port=broker.port, username=user, password=password, tls=broker.tls, ca=broker.ca
        )
        for name, user in users.items()
    }


def build_devices(configured: Configured, *, clock: Clock, inbox: Inbox) -> list[Device]:
    """Build every device without touching hardware; raises InvalidSettings with every mistake in the configuration."""
    problems: list[tuple[str, str]] = []
    devices: list[Device] = []
    for number, settings in enumerate(configured.settings.devices):
        try:
            devices.append(_build_device(settings, base_dir=configured.path.parent, clock=clock, inbox=inbox))
        except InvalidOptions as error:
            problems += [(f"devices[{number}].{key}", reason) for key, reason in error.problems]
        except DriverError as error:
            problems.append((f"devices[{number}].driver", str(error)))
    if problems:
        raise InvalidSettings(str(configured.path), problems)
    return devices


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked."""

    what: str
    fine: bool
    detail: str


def check(configured: Configured) -> list[Finding]:
    """Try everything the agent needs, beside a running one too; raises InvalidSettings as `run` would."""
    settings = configured.settings
    where = endpoints(configured)
    devices = build_devices(configured, clock=Clock(settings.clock), inbox=SimpleQueue())
    findings = [_check_disk(settings), _check_clock(settings)]
    if (pid := holder_of(settings.data_dir)) is not None:
        # To try pins and credentials now would take them from the agent that works with them.
        return [*findings, Finding("agent", fine=True, detail=f"runs (pid {pid}): devices and broker are not tried")]
    findings += [_check_device(device) for device in devices]
    findings += [Finding(f"broker as {where[name].username}", *try_out(where[name])) for name in LinkName]
    return findings


def run(configured: Configured) -> None:
    """Run the agent until SIGTERM or SIGINT; raises EdgeError where it cannot begin."""
    inbox: Inbox = SimpleQueue()
    settings = configured.settings
    clock = Clock(settings.clock)
    where = endpoints(configured)
    devices = build_devices(configured, clock=clock, inbox=inbox)
    machine = machine_of()
    opened = open_outbox(settings.data_dir, boot=boot_of(settings.data_dir), machine=machine, new_epoch=new_epoch)

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 the signature of a handler
        inbox.put(Stop())

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        _run_opened(configured, opened, clock=clock, inbox=inbox, devices=devices, where=where, machine=machine)
    except BaseException as error:
        opened.close(in_order=False)
        if isinstance(error, sqlite3.Error):
            raise OutboxError(f"outbox: {error}; it is checked at the next start") from error
        raise
    opened.close(in_order=True)


def _run_opened(
    configured: Configured,
    opened: Opened,
    *,
    clock: Clock,
    inbox: Inbox,
    devices: list[Device],
    where: dict[LinkName, Endpoint],
    machine: str | None,
) -> None:
    outbox, address, settings = opened.outbox, configured.address, configured.settings
    random = Random()  # noqa: S311 jitter, no secret
    will = presence(address, PresenceState.OFFLINE, boot=outbox.boot, version=VERSION)
    longest = {LinkName.SOS: LONGEST_SOS_S, LinkName.REST: LONGEST_REST_S}
    links = {
        name: Link(
            name,
            endpoint,
            topics=[address.topic(Channel.ack(lane)) for lane in LANES[name]],
            tell=inbox.put,
            longest_wait_s=longest[name],
            random=random,
            will=Will(*will) if name is LinkName.REST else None,
        )
        for name, endpoint in where.items()
    }

    def publish(channel: Channel, payload: bytes) -> bool:
        link = links[LinkName.SOS if channel.lane is Lane.SOS else LinkName.REST]
        return link.publish(address.topic(channel), payload) is not None

    def report(event: EventName, details: dict[str, Any]) -> None:
        _log.warning(event.value, extra=details)
        if settings.self_device is not None:
            occurrence = Occurrence(event=event.value, at_s=clock.monotonic_s(), details=details)
            inbox.put(Occurred(settings.self_device, occurrence))

    if opened.reset is not None:
        report(EventName.OUTBOX_RESET, _told(opened.reset))
    if outbox.anchor is not None:
        clock.recall(outbox.anchor)
    calls = Calls(outbox.calls, devices, boot=outbox.boot)
    watchdog = Watchdog()
    loop = Loop(
        inbox=inbox,
        clock=clock,
        outbox=outbox,
        courier=Courier(
            outbox, publish=publish, lit=calls.lit, draw=random.random, machine=machine, home=settings.hub_id
        ),
        calls=calls,
        upkeep=Upkeep(
            outbox,
            limit_bytes=settings.outbox.limit_mb << 20,
            min_disk_free=settings.outbox.min_free_mb << 20,
            disk_free=lambda: disk_usage(settings.data_dir).free,
            report=report,
        ),
        devices=devices,
        rest=links[LinkName.REST],
        address=address,
        version=VERSION,
        new_ref=new_ref,
        watchdog=watchdog,
    )
    _log.info("agent.started", extra={"node": address.username, "epoch": outbox.epoch, "devices": len(devices)})
    _give_back_memory()
    for part in (*links.values(), *devices):
        part.start()
    watchdog.ready()
    try:
        loop.run()
    finally:
        watchdog.stopping()
        for device in devices:
            device.cancel()
        for device in devices:
            device.stop()
        loop.finish()
        links[LinkName.SOS].stop()
        links[LinkName.REST].stop(farewell=loop.status(PresenceState.OFFLINE))
        _log.info("agent.stopped", extra={"node": address.username})


def _check_disk(settings: EdgeSettings) -> Finding:
    what = f"data_dir {settings.data_dir}"
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        free_mb = disk_usage(settings.data_dir).free >> 20
    except OSError as error:
        return Finding(what, fine=False, detail=error.strerror or str(error))
    if not os.access(settings.data_dir, os.W_OK):
        return Finding(what, fine=False, detail="cannot be written")
    return Finding(what, fine=free_mb >= settings.outbox.min_free_mb, detail=f"{free_mb} MB free")


def _check_clock(settings: EdgeSettings) -> Finding:
    moment = Clock(settings.clock).moment()
    detail = f"{moment.state} at {format_instant(moment.at)}"
    if settings.clock is ClockSource.SYSTEM and moment.at < EARLIEST:
        return Finding("clock", fine=False, detail=detail)
    return Finding("clock", fine=True, detail=f"{detail}, source {settings.clock}")


def _check_device(device: Device) -> Finding:
    problem = device.try_out()
    return Finding(f"device {device.slug}", fine=problem is None, detail=problem or "opens")


def _told(reset: Reset) -> dict[str, Any]:
    kept = None if reset.set_aside is None else reset.set_aside.name
    return {"because": reset.because.value, "detail": reset.detail, "set_aside": kept, "salvaged": reset.salvaged}


def _give_back_memory() -> None:
    """Return to the system what building models and parsers has left free: a tenth of the agent, on a small machine."""
    gc.collect()
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.malloc_trim(0)


def _build_device(settings: DeviceSettings, *, base_dir: Path, clock: Clock, inbox: Inbox) -> Device:
    context = DriverContext(device=settings.slug, kind=settings.kind, clock=clock, base_dir=base_dir)
    parts = build_parts(settings.driver, settings.options, context)
    if parts.sensor is not None and settings.kind is None:
        raise InvalidOptions(settings.driver, [("kind", "is missing: a sensor's readings need a kind")])
    plan = SamplingPlan(
        interval_s=settings.interval_s,
        watch=WATCHED.get(settings.kind or "", {}),
        dead_band=settings.dead_band,
        max_silence_s=settings.max_silence_s,
    )
    return Device(settings.slug, parts, kind=settings.kind, plan=plan, clock=clock, tell=inbox.put)
