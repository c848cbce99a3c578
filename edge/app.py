"""Composition root of the edge agent: settings in, a running agent out."""

import ctypes
import gc
import logging
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path
from queue import SimpleQueue
from random import Random
from shutil import disk_usage
from threading import Lock
from types import FrameType
from typing import Any, Final

from edge.agent.calls import Calls
from edge.agent.devices import Device, Occurred
from edge.agent.loop import LANES, Inbox, Loop, Stop, presence
from edge.agent.outputs import Bound, Outputs
from edge.agent.recording import event_draft
from edge.agent.upkeep import Upkeep
from edge.backoff import LONGEST_REST_S, LONGEST_SOS_S
from edge.clock import Clock
from edge.drivers.driver import Air, DriverContext, Occurrence, Parts, build_parts
from edge.drivers.uart import SerialPort
from edge.errors import DriverError, InvalidOptions, InvalidSettings, OutboxError
from edge.ids import boot_of, machine_of, new_epoch, new_ref
from edge.link import Endpoint, Link, LinkName, Will
from edge.local_rules import BinFullRule, LampFailureRule, LocalRule, SosRule, SosUntil
from edge.outbox import Draft, Opened, Reset, open_outbox
from edge.sampling import WATCHED, SamplingPlan
from edge.settings import (
    BrokerSettings,
    DeviceSettings,
    EdgeSettings,
    LocalCondition,
    LocalRuleSettings,
    check_ca,
    read_password,
)
from edge.sms.desk import TextDesk, TextRequest
from edge.sms.modem import AtModem
from edge.sms.text import Told
from edge.uplink.courier import Courier
from edge.uplink.memory_courier import MemoryCourier
from edge.uplink.second_courier import SecondCourier
from edge.uplink.second_path import OPEN_AFTER_MS, TEXT_BESIDE_BROKER_MS, Plan
from edge.watchdog import Watchdog
from protocols.envelope import ClockState
from protocols.events import EventName
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
    """Where the connections go; raises InvalidSettings where a file cannot be read."""
    settings, address = configured.settings, configured.address
    users = [(LinkName.SOS, settings.broker, "broker"), (LinkName.REST, settings.broker, "broker")]
    if settings.second_path.broker is not None:
        users.append((LinkName.SECOND, settings.second_path.broker, "second_path.broker"))
    return {
        name: _endpoint(
            broker,
            address.username if name is LinkName.REST else address.sos_username,
            source=str(configured.path),
            key=key,
        )
        for name, broker, key in users
    }


def build_devices(configured: Configured, *, clock: Clock, inbox: Inbox) -> list[Device]:
    """Build every device without touching hardware; raises InvalidSettings with every mistake in the configuration."""
    problems: list[tuple[str, str]] = []
    devices: list[Device] = []
    air = Lock()
    for number, settings in enumerate(configured.settings.devices):
        try:
            devices.append(_build_device(settings, base_dir=configured.path.parent, clock=clock, inbox=inbox, air=air))
        except InvalidOptions as error:
            problems += [(f"devices[{number}].{key}", reason) for key, reason in error.problems]
        except DriverError as error:
            problems.append((f"devices[{number}].driver", str(error)))
    problems += _output_faults(configured.settings, devices)
    if problems:
        raise InvalidSettings(str(configured.path), problems)
    return devices


def parts_of(settings: DeviceSettings, *, base_dir: Path, clock: Clock, air: Air) -> Parts:
    """Build what a device consists of without touching hardware; raises DriverError."""
    context = DriverContext(device=settings.slug, kind=settings.kind, clock=clock, base_dir=base_dir, air=air)
    parts = build_parts(settings.driver, settings.options, context)
    if parts.sensor is not None and settings.kind is None:
        raise InvalidOptions(settings.driver, [("kind", "is missing: a sensor's readings need a kind")])
    return parts


def run(configured: Configured) -> None:
    """Run the agent until SIGTERM or SIGINT; raises EdgeError where it cannot begin."""
    inbox: Inbox = SimpleQueue()
    settings = configured.settings
    clock = Clock(settings.clock)
    where = endpoints(configured)
    devices = build_devices(configured, clock=clock, inbox=inbox)
    machine = machine_of()
    boot, now_s = boot_of(settings.data_dir), clock.monotonic_s
    opened = open_outbox(settings.data_dir, boot=boot, machine=machine, new_epoch=new_epoch, now_s=now_s)
    parts = _Parts(configured, opened, clock=clock, inbox=inbox, devices=devices, machine=machine)

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 the signature of a handler
        inbox.put(Stop())

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        _recall(parts)
        links, desk = _links(parts, where), _desk(parts)
        _work(parts, links, _loop(parts, links, _second(parts, links, desk)), desk)
    except BaseException:
        opened.close(in_order=False)
        raise
    opened.close(in_order=True)
    if opened.outbox.spoilt is not None:
        raise OutboxError(f"outbox: {opened.outbox.spoilt}; what is left of it is saved at the next start")


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is made before the agent is put together."""

    configured: Configured
    opened: Opened
    clock: Clock = field(kw_only=True)
    inbox: Inbox = field(kw_only=True)
    devices: list[Device] = field(kw_only=True)
    machine: str | None = field(kw_only=True)
    random: Random = field(default_factory=Random, kw_only=True)
    watchdog: Watchdog = field(default_factory=Watchdog, kw_only=True)


def _links(parts: _Parts, where: dict[LinkName, Endpoint]) -> dict[LinkName, Link]:
    address = parts.configured.address
    will = Will(*presence(address, PresenceState.OFFLINE, boot=parts.opened.outbox.boot, version=VERSION))
    longest_s = {LinkName.REST: LONGEST_REST_S}
    return {
        name: Link(
            name,
            endpoint,
            topics=[address.topic(Channel.ack(lane)) for lane in LANES.get(name, (Lane.SOS,))],
            tell=parts.inbox.put,
            longest_wait_s=longest_s.get(name, LONGEST_SOS_S),
            random=parts.random,
            now_s=None if name is LinkName.REST else parts.clock.monotonic_s,
            will=will if name is LinkName.REST else None,
        )
        for name, endpoint in where.items()
    }


def modem_of(settings: EdgeSettings, clock: Clock) -> AtModem | None:
    """Build the modem that the second path names, without opening its port."""
    sms = settings.second_path.sms
    return None if sms is None else AtModem(SerialPort(sms.port, baud=sms.baud), now_s=clock.monotonic_s)


def _desk(parts: _Parts) -> TextDesk | None:
    modem = modem_of(parts.configured.settings, parts.clock)
    return None if modem is None else TextDesk(modem, tell=parts.inbox.put)


def _second(parts: _Parts, links: dict[LinkName, Link], desk: TextDesk | None) -> SecondCourier:
    settings, address, outbox = parts.configured.settings, parts.configured.address, parts.opened.outbox
    link, sms = links.get(LinkName.SECOND), settings.second_path.sms
    after_ms = OPEN_AFTER_MS if link is None else TEXT_BESIDE_BROKER_MS
    if sms is not None and sms.after_s is not None:
        after_ms = int(sms.after_s * 1_000)
    plan = Plan(has_broker=link is not None, numbers=() if sms is None else sms.numbers, text_after_ms=after_ms)

    def publish(payload: bytes) -> bool:
        return link is not None and link.publish(address.topic(Channel.SOS), payload) is not None

    def hand_over(request: TextRequest) -> None:
        if desk is not None:
            desk.hand_over(request)

    told = Told(
        site=settings.site, node=settings.node, labels={} if sms is None else sms.labels, local=datetime.astimezone
    )
    return SecondCourier(plan, publish=publish, hand_over=hand_over, told=told, book=outbox.calls, boot=outbox.boot)


def _loop(parts: _Parts, links: dict[LinkName, Link], second: SecondCourier) -> Loop:
    settings, address, outbox = parts.configured.settings, parts.configured.address, parts.opened.outbox

    def publish(channel: Channel, payload: bytes) -> bool:
        link = links[LinkName.SOS if channel.lane is Lane.SOS else LinkName.REST]
        return link.publish(address.topic(channel), payload) is not None

    def publish_held(payload: bytes) -> bool:
        """By both paths: what only memory holds has no time to lose."""
        beside = second.publish(payload)
        return publish(Channel.records(Lane.SOS), payload) or beside

    bound = _bound(settings)
    taken = {one.output for one in bound}
    # A light that tells of a full bin cannot tell how far a call has come as well.
    calls = Calls(outbox.calls, [device for device in parts.devices if device.slug not in taken], boot=outbox.boot)
    return Loop(
        inbox=parts.inbox,
        clock=parts.clock,
        outbox=outbox,
        courier=Courier(
            outbox,
            publish=publish,
            lit=calls.lit,
            draw=parts.random.random,
            machine=parts.machine,
            home=settings.hub_id,
        ),
        memory=MemoryCourier(publish=publish_held, boot=outbox.boot, new_epoch=new_epoch),
        second=second,
        calls=calls,
        outputs=Outputs(bound, parts.devices, facts=outbox, boot=outbox.boot),
        upkeep=Upkeep(
            outbox,
            limit_bytes=settings.outbox.limit_mb << 20,
            min_disk_free=settings.outbox.min_free_mb << 20,
            disk_free=lambda: disk_usage(settings.data_dir).free,
            report=partial(_report, parts),
            now_s=parts.clock.monotonic_s,
        ),
        devices=parts.devices,
        rest=links[LinkName.REST],
        address=address,
        version=VERSION,
        new_ref=new_ref,
        watchdog=parts.watchdog,
    )


def _work(parts: _Parts, links: dict[LinkName, Link], loop: Loop, desk: TextDesk | None) -> None:
    """Start everything, run until told to stop, and end it in order."""
    outbox, devices, node = parts.opened.outbox, parts.devices, parts.configured.address.username
    _log.info("agent.started", extra={"node": node, "epoch": outbox.epoch, "devices": len(devices)})
    _give_back_memory()
    for part in (*links.values(), *devices, *(() if desk is None else (desk,))):
        part.start()
    parts.watchdog.ready()
    try:
        loop.run()
    finally:
        parts.watchdog.stopping()
        for device in devices:
            device.cancel()
        for device in devices:
            device.stop()
        if desk is not None:
            desk.stop()
        try:
            loop.finish()
        finally:
            _hang_up(links, loop)
        _log.info("agent.stopped", extra={"node": node})


def _hang_up(links: dict[LinkName, Link], loop: Loop) -> None:
    for name in (LinkName.SECOND, LinkName.SOS):
        if name in links:
            links[name].stop()
    links[LinkName.REST].stop(farewell=loop.status(PresenceState.OFFLINE))


def _endpoint(broker: BrokerSettings, username: str, *, source: str, key: str) -> Endpoint:
    password = read_password(broker, source=source, key=key)
    check_ca(broker, source=source, key=key)
    return Endpoint(
        host=broker.host, port=broker.port, username=username, password=password, tls=broker.tls, ca=broker.ca
    )


def _report(parts: _Parts, event: EventName, details: dict[str, Any]) -> None:
    """Log trouble of the node itself, and record it under its own device where one is configured."""
    _log.warning(event.value, extra=details)
    device = parts.configured.settings.self_device
    if device is not None:
        occurrence = Occurrence(event=event.value, at_s=parts.clock.monotonic_s(), details=details)
        parts.inbox.put(Occurred(device, occurrence))


def _recall(parts: _Parts) -> None:
    """Take up the time that this boot knew, and report a new epoch before anything else is stored in it."""
    opened, device = parts.opened, parts.configured.settings.self_device
    if opened.outbox.anchor is not None:
        parts.clock.recall(opened.outbox.anchor)
    if opened.reset is None:
        return
    event, details = EventName.OUTBOX_RESET, _told(opened.reset)
    _log.warning(event.value, extra=details)
    # Reported again after a crash, it is the same fact.
    ref = f"{device}:{opened.outbox.epoch}"
    occurrence = Occurrence(event=event.value, at_s=parts.clock.monotonic_s(), ref=ref, details=details)
    moment = parts.clock.moment()
    draft = None if device is None else event_draft(device, occurrence, ref=ref, moment=moment)
    try:
        if isinstance(draft, Draft):
            synced = moment.state is ClockState.SYNCED
            opened.outbox.append([draft], at=moment.at, uptime_ms=moment.uptime_ms, synced=synced)
        opened.told()
    except OutboxError as error:
        _log.error("outbox.failed", extra={"why": str(error)})
        if device is not None:
            parts.inbox.put(Occurred(device, occurrence))


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


def _bound(settings: EdgeSettings) -> list[Bound]:
    return [
        Bound(
            _local_rule(rule),
            rule.output,
            {device.slug: max(device.interval_s, device.max_silence_s or 0.0) for device in settings.watched(rule)},
        )
        for rule in settings.local_rules
    ]


def _local_rule(rule: LocalRuleSettings) -> LocalRule:
    given = rule.parameters
    match rule.when:
        case LocalCondition.SOS:
            until = SosUntil(given.pop("until", SosUntil.HEARD))
            return SosRule(until=until, **given)
        case LocalCondition.BIN_FULL:
            return BinFullRule(**given)
        case LocalCondition.LAMP_FAILURE:
            return LampFailureRule(**given)


def _output_faults(settings: EdgeSettings, devices: list[Device]) -> list[tuple[str, str]]:
    """What keeps a device from being the output of a rule."""
    built = {device.slug: device for device in devices}
    faults: list[tuple[str, str]] = []
    for number, rule in enumerate(settings.local_rules):
        output = built.get(rule.output)
        if output is not None and not output.signals:
            faults.append((f"local_rules[{number}].output", f"{rule.output!r} has neither an indicator nor a switch"))
        elif output is not None and output.calls_for_help:
            faults.append((f"local_rules[{number}].output", f"{rule.output!r} makes calls: it shows its own"))
    return faults


def _build_device(settings: DeviceSettings, *, base_dir: Path, clock: Clock, inbox: Inbox, air: Air) -> Device:
    parts = parts_of(settings, base_dir=base_dir, clock=clock, air=air)
    plan = SamplingPlan(
        interval_s=settings.interval_s,
        watch=WATCHED.get(settings.kind or "", {}),
        dead_band=settings.dead_band,
        max_silence_s=settings.max_silence_s,
    )
    return Device(settings.slug, parts, kind=settings.kind, plan=plan, clock=clock, tell=inbox.put)
