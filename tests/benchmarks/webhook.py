"""Condition → webhook: from the publish of the reading that fills a bin to the call; a bare POST to the sink below."""

from __future__ import annotations

import time
from typing import Final

import httpx2

from tests.acceptance.outside.client_rest import Rest
from tests.acceptance.outside.hub_process import ADMIN
from tests.acceptance.outside.webhook_receiver import Call, WebhookReceiver
from tests.benchmarks.community import BINS_A_NODE, SITE, Place, TelemetryLane, instant
from tests.benchmarks.measured import Report, add_latencies
from tests.benchmarks.mqtt5 import Wire, publish_packet
from tests.benchmarks.stage import Stage

BENCHMARK: Final = "condition → webhook called"
_CALL_S: Final = 30.0
_PAUSE_S: Final = 0.03


def measure(stage: Stage, report: Report) -> None:
    """One bin after the other fills up; one reading is enough by a parameter of the site."""
    with stage.hub(stage.database("webhook")) as hub, WebhookReceiver() as sink:
        rest = Rest(hub.url).login(*ADMIN)
        rest.put("rules/binFull", {"scope": SITE, "parameters": {"confirm_readings": 1}})
        rest.create("webhooks", {"site": SITE, "url": sink.url, "events": ["alert.fired"]})
        rest.close()
        called = fill(stage, sink, min(stage.sizes.conditions, stage.sizes.nodes * BINS_A_NODE))
    with WebhookReceiver() as sink:
        floor = post(sink, stage.sizes.conditions)
    add_latencies(report, BENCHMARK, "floor: a bare POST", floor)
    add_latencies(report, BENCHMARK, "linli", called)
    stage.say(f"{BENCHMARK}: p50 {sorted(called)[len(called) // 2]:.1f} ms")


def fill(stage: Stage, sink: WebhookReceiver, conditions: int) -> list[float]:
    """Fill so many bins; the time to each call in ms."""
    wire = Wire.connect(stage.broker.port, f"bench-webhook-{stage.number()}")
    number = stage.number()
    latencies_ms: list[float] = []
    lane = TelemetryLane(Place(0), records_a_message=1, epoch=f"{number:08x}{0:08x}", start_ms=0)
    for index in range(conditions):
        place, bin_index = Place(index // BINS_A_NODE), index % BINS_A_NODE
        now_ms = int(time.time() * 1000)
        topic = f"linli/v1/{SITE}/{place.node}/up"
        if bin_index == 0:
            lane = TelemetryLane(place, records_a_message=1, epoch=f"{number:08x}{index:08x}", start_ms=now_ms)
            wire.send(publish_packet(f"{topic}/hello/telemetry", lane.hello(now_ms), packet_id=1))
        packet = publish_packet(f"{topic}/telemetry", _full(lane, place.sensor(bin_index)), packet_id=2)
        time.sleep(_PAUSE_S)
        begun_s = time.monotonic()
        wire.send(packet)
        arrived_s = _await_call(sink, f"{SITE}.{place.bin(bin_index)}")
        latencies_ms.append((arrived_s - begun_s) * 1000)
    wire.close()
    return latencies_ms


def post(sink: WebhookReceiver, count: int) -> list[float]:
    """The floor: a call of the same size without anything before it, in ms."""
    body = b"{" + b" " * 400 + b"}"
    latencies_ms: list[float] = []
    with httpx2.Client(trust_env=False) as client:
        for _ in range(count):
            begun_s = time.monotonic()
            client.post(sink.url, content=body)
            latencies_ms.append((sink.calls[-1].arrived_s - begun_s) * 1000)
    return latencies_ms


def _full(lane: TelemetryLane, sensor: str) -> bytes:
    at, seq = instant(int(time.time() * 1000)), lane.next_seq
    lane.next_seq += 1
    record = f'{{"device":"{sensor}","kind":"fill_level","at":"{at}","quality":95,"values":{{"fill_percent":90.0}}}}'
    return (
        f'{{"schema":1,"epoch":"{lane.epoch}","first":{seq},"boot":"{lane.epoch}","clock":"synced","records":[{record}]}}'
    ).encode()


def _await_call(sink: WebhookReceiver, facility: str) -> float:
    def of_facility(calls: list[Call]) -> Call | None:
        return next((call for call in reversed(calls) if call.json["data"]["facility"] == facility), None)

    call: Call = sink.wait(of_facility, what=facility, timeout_s=_CALL_S)
    return call.arrived_s
