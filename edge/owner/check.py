"""`linli-edge check`: everything the agent needs, looked at once."""

import json
import stat
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from edge.agent.devices import Device
from edge.app import Configured, build_devices, endpoints, modem_of
from edge.checks.broker import judge_trial
from edge.checks.disk import check_disk, check_medium
from edge.checks.finding import Finding, Verdict
from edge.checks.modem import judge_modem
from edge.checks.pins import BUSES, check_pins, pin_uses
from edge.checks.power import check_power
from edge.checks.time_service import check_clock, check_skew
from edge.checks.trial import Outcome, Question, Trial, try_out
from edge.clock import Clock, ClockSource, system_is_synchronized
from edge.ids import boot_of, machine_of
from edge.link import Endpoint, LinkName
from edge.outbox import holder_of
from edge.outbox.look import Standing, standing
from edge.owner.hands import wanted_groups
from edge.sms.modem import TextRefusedError
from protocols.ack import Ack
from protocols.codec import decode_ack, encode
from protocols.envelope import SCHEMA
from protocols.hello import Hello
from protocols.instant import format_instant, from_ms, parse_instant_ms
from protocols.lanes import Lane
from protocols.topics import Channel

_RTC: Final = Path("/dev/rtc0")


def check(configured: Configured) -> list[Finding]:
    """Look at everything the agent needs, beside a running one too; raises InvalidSettings as `run` would."""
    settings = configured.settings
    clock = Clock(settings.clock)
    where = endpoints(configured)
    devices = build_devices(configured, clock=clock, inbox=SimpleQueue())
    groups = wanted_groups(configured)
    uses = [use for device in settings.devices for use in pin_uses(device.slug, device.options)]
    nodes = [node for bus in BUSES for node in bus.nodes if Path(node).exists()]
    findings = [
        *_check_secret(configured),
        *check_disk(settings.data_dir, min_free_mb=settings.outbox.min_free_mb, now_s=clock.monotonic_s),
        *check_medium(settings.data_dir),
        check_clock(clock.moment().at, settings.clock, is_synchronized=system_is_synchronized(), has_rtc=_RTC.exists()),
        check_power(),
        *check_pins(uses, groups=groups, nodes=nodes),
    ]
    if (pid := holder_of(settings.data_dir)) is not None:
        # To try pins and credentials now would take them from the agent that works with them.
        return [*findings, Finding("agent", Verdict.SKIP, f"runs (pid {pid}): devices and broker are not tried")]
    return [*findings, *(_check_device(device) for device in devices), *_check_broker(configured, where, clock)]


def as_json(findings: list[Finding]) -> str:
    """Findings for programs."""
    told = [
        {"what": one.what, "verdict": one.verdict.value, "detail": one.detail, "remedy": one.remedy or None}
        for one in findings
    ]
    return json.dumps({"findings": told}, ensure_ascii=False)


def _check_secret(configured: Configured) -> list[Finding]:
    settings = configured.settings
    brokers = [settings.broker, *([] if settings.second_path.broker is None else [settings.second_path.broker])]
    paths = {
        broker.password_file or configured.path
        for broker in brokers
        if broker.password_file is not None or broker.password is not None
    }
    return [
        Finding(
            "password",
            Verdict.WARN,
            f"{path} can be read by everybody on this machine, and holds the node's password",
            f"chmod o-r {path}",
        )
        for path in sorted(paths)
        if path.stat().st_mode & stat.S_IROTH
    ]


def _check_device(device: Device) -> Finding:
    problem = device.try_out()
    if problem is None:
        return Finding(f"device {device.slug}", Verdict.OK, "opens")
    return Finding(f"device {device.slug}", Verdict.FAIL, problem, "linli-edge probe shows it alone; see its wiring")


def _check_broker(configured: Configured, where: Mapping[LinkName, Endpoint], clock: Clock) -> list[Finding]:
    """Try both users; with an outbox ask the hub, as the agent would, for its time."""
    stands = standing(configured.settings.data_dir)
    asked = None if stands is None else _question(configured, stands, clock)
    began_ms = clock.moment().uptime_ms
    trials = {name: try_out(where[name], ask=asked if name is LinkName.REST else None) for name in where}
    findings = [judge_trial(where[name], trial, is_second=name is LinkName.SECOND) for name, trial in trials.items()]
    findings += _check_modem(configured, clock)
    rest = trials[LinkName.REST]
    if rest.outcome is not Outcome.FINE:
        return findings
    if asked is None:
        why = "is asked by the agent itself at its first start" if stands is None else "is not asked on another machine"
        return [*findings, Finding("clock skew", Verdict.SKIP, f"the hub {why}")]
    return [*findings, _judge_answer(configured, rest, asked_ms=began_ms)]


def _check_modem(configured: Configured, clock: Clock) -> list[Finding]:
    """Look at the modem of the second path, where there is one; nothing is sent."""
    modem, sms = modem_of(configured.settings, clock), configured.settings.second_path.sms
    if modem is None or sms is None:
        return []
    try:
        return [judge_modem(sms.port, modem.look())]
    except TextRefusedError as error:
        return [judge_modem(sms.port, error)]
    finally:
        modem.close()


def _question(configured: Configured, stands: Standing, clock: Clock) -> Question | None:
    """The hello that the agent would say; none where the agent would begin a new epoch."""
    machine = machine_of()
    if stands.machine not in (None, machine):
        return None
    moment = clock.moment()
    hello = Hello(
        schema_version=SCHEMA,
        lane=Lane.TELEMETRY,
        epoch=stands.epoch,
        boot=boot_of(configured.settings.data_dir),
        min_retained=stands.min_retained,
        next=stands.next,
        at=format_instant(moment.at),
        uptime_ms=moment.uptime_ms,
        clock=moment.state,
        machine=machine,
        new_epoch_because=stands.because,
        desired_version=0,
        command_counter=0,
    )
    address = configured.address
    return Question(
        topic=address.topic(Channel.hello(Lane.TELEMETRY)),
        payload=encode(hello),
        answer_topic=address.topic(Channel.ack(Lane.TELEMETRY)),
        uptime_ms=lambda: int(clock.monotonic_s() * 1_000),
    )


def _judge_answer(configured: Configured, trial: Trial, *, asked_ms: int) -> Finding:
    payload, came_ms = trial.answer or (b"", 0)
    answer = decode_ack(payload)
    hub_ms = parse_instant_ms(answer.hub_time) if isinstance(answer, Ack) else None
    if not isinstance(answer, Ack) or hub_ms is None:
        remedy = "is linli-hub running, and is this node in its registry? It answers no node that it does not know"
        return Finding("hub", Verdict.WARN, "the broker took the question, but no hub answered within 3 s", remedy)
    ours = Clock(ClockSource.SYSTEM).moment().back_at(came_ms)
    round_trip = timedelta(milliseconds=max(0, came_ms - (answer.uptime_ms or asked_ms)))
    return check_skew(ours, from_ms(hub_ms), round_trip=round_trip, source=configured.settings.clock)
