"""SOS press → *sent*: from the node's publish to the acknowledgement that lists its seq; a bare round trip below."""

from __future__ import annotations

import json
import random
import time
from contextlib import nullcontext
from typing import Any, Final

from tests.benchmarks.bare_paho import ANSWERED, ASKED
from tests.benchmarks.child import Child
from tests.benchmarks.community import BANDS_A_NODE, SITE, Place, TelemetryLane, instant
from tests.benchmarks.fleet import Load
from tests.benchmarks.measured import Report, add_latencies
from tests.benchmarks.mqtt5 import Packet, Wire, publish_packet
from tests.benchmarks.stage import Stage

QUIET: Final = "SOS press → sent, quiet hub"
BUSY: Final = "SOS press → sent, telemetry at full speed"
AIM_P99_MS: Final = 100.0
RECORDS_A_MESSAGE: Final = 20
_ANSWER_S: Final = 10.0
_PAUSE_S: Final = (0.01, 0.05)
"""Presses come one by one, at moments that no batch of the hub is in step with."""


def measure(stage: Stage, report: Report) -> None:
    """Presses on a quiet hub, then beside telemetry at full speed."""
    for busy in (False, True):
        measure_beside(stage, report, busy=busy)


def measure_beside(stage: Stage, report: Report, *, busy: bool) -> None:
    """Presses on a hub of their own: each is the first of its wearer, so each raises an alert and opens an order."""
    benchmark = BUSY if busy else QUIET
    with stage.hub(stage.database("sos")):
        load = Load(stage.broker.port, stage.sizes.nodes, RECORDS_A_MESSAGE, None, run=stage.number())
        with stage.fleet(load) if busy else nullcontext() as fleet:
            if fleet is not None:
                fleet.say("go")
                time.sleep(stage.sizes.warm_up_s)
            floor = echo(stage, stage.sizes.presses)
            pressed = press(stage, stage.sizes.presses)
            if fleet is not None:
                fleet.say("stop")
                done: dict[str, Any] = json.loads(fleet.await_line("done", within_s=60).removeprefix("done"))
                rate = done["readings"] / done["seconds"]
                report.add(benchmark, "linli", "telemetry beside it", rate, unit="readings/s")
    add_latencies(report, benchmark, "floor: MQTT there and back", floor)
    add_latencies(report, benchmark, "linli", pressed, aim_p99_ms=AIM_P99_MS)
    stage.say(f"{benchmark}: p50 {sorted(pressed)[len(pressed) // 2]:.1f} ms")


def press(stage: Stage, presses: int) -> list[float]:
    """Press bands of all nodes in turn; the time to each acknowledgement in ms."""
    wire = Wire.connect(stage.broker.port, f"bench-sos-{stage.number()}")
    wire.subscribe(f"linli/v1/{SITE}/+/down/ack/sos")
    now_ms = int(time.time() * 1000)
    nodes = min(stage.sizes.nodes, -(-presses // BANDS_A_NODE))
    number = stage.number()
    lanes = [
        TelemetryLane(Place(index), records_a_message=1, epoch=f"{number:08x}{index:08x}", start_ms=now_ms)
        for index in range(nodes)
    ]
    for lane in lanes:
        topic = f"linli/v1/{SITE}/{lane.place.node}"
        wire.send(publish_packet(f"{topic}/up/hello/sos", lane.hello(now_ms, lane="sos"), packet_id=1))
        _await(wire, f"{topic}/down/ack/sos", lane.epoch, seq=None)
    dice = random.Random(number)
    latencies_ms: list[float] = []
    for index in range(presses):
        lane = lanes[index % nodes]
        topic = f"linli/v1/{SITE}/{lane.place.node}"
        band = lane.place.band(index // nodes % BANDS_A_NODE)
        seq = lane.next_seq
        lane.next_seq += 1
        packet = publish_packet(f"{topic}/up/sos", _message(lane, seq, band), packet_id=1 + index % 60_000)
        time.sleep(dice.uniform(*_PAUSE_S))
        begun_s = time.monotonic()
        wire.send(packet)
        _await(wire, f"{topic}/down/ack/sos", lane.epoch, seq=seq)
        latencies_ms.append((time.monotonic() - begun_s) * 1000)
    wire.close()
    return latencies_ms


def echo(stage: Stage, count: int) -> list[float]:
    """The floor: a message through the same broker to another process and back, in ms."""
    with Child.python("tests.benchmarks.bare_paho", "echo", str(stage.broker.port)) as other:
        other.await_line("ready", within_s=30)
        wire = Wire.connect(stage.broker.port, f"bench-echo-{stage.number()}")
        wire.subscribe(ANSWERED)
        dice = random.Random(count)
        latencies_ms: list[float] = []
        for index in range(count):
            time.sleep(dice.uniform(*_PAUSE_S))
            mark = str(index).encode()
            begun_s = time.monotonic()
            wire.send(publish_packet(ASKED, mark, packet_id=1 + index % 60_000))
            _await_payload(wire, ANSWERED, mark)
            latencies_ms.append((time.monotonic() - begun_s) * 1000)
        wire.close()
    return latencies_ms


def _message(lane: TelemetryLane, seq: int, band: str) -> bytes:
    at = instant(int(time.time() * 1000))
    record = {"device": band, "event": "sos_pressed", "ref": f"{band}:{lane.epoch}:{seq}", "at": at, "details": {}}
    header = {"schema": 1, "epoch": lane.epoch, "first": seq, "boot": lane.epoch[::-1], "clock": "synced"}
    return json.dumps({**header, "records": [record]}).encode()


def _await(wire: Wire, topic: str, epoch: str, *, seq: int | None) -> None:
    """Wait for an acknowledgement of the epoch; with `seq`, for one whose list holds it."""
    deadline_s = time.monotonic() + _ANSWER_S
    while time.monotonic() < deadline_s:
        for packet in wire.receive(deadline_s - time.monotonic()):
            if packet.topic == topic and _acknowledges(packet, epoch, seq):
                return
    raise TimeoutError(f"no acknowledgement on {topic} of seq {seq} in {_ANSWER_S:g} s")


def _acknowledges(packet: Packet, epoch: str, seq: int | None) -> bool:
    ack: dict[str, Any] = json.loads(packet.payload)
    if ack.get("epoch") != epoch:
        return False
    return seq is None or any(press.get("seq") == seq for press in ack.get("sos") or [])


def _await_payload(wire: Wire, topic: str, payload: bytes) -> None:
    deadline_s = time.monotonic() + _ANSWER_S
    while time.monotonic() < deadline_s:
        if any(packet.topic == topic and packet.payload == payload for packet in wire.receive(1)):
            return
    raise TimeoutError(f"nothing came back on {topic} in {_ANSWER_S:g} s")
