"""Two sensors of one node take turns: put together by the composition root, each on a thread of its own."""

from itertools import groupby
from pathlib import Path
from queue import SimpleQueue

from gpiozero.pins.mock import MockFactory

from edge.app import Configured, build_devices
from edge.clock import Clock, ClockSource
from edge.settings import parse_settings
from protocols.fill_level import echo_s
from tests.contract.drivers.bench import wire

IN_TIME_S = 10.0
PINS = {"north": (23, 24), "south": (18, 17)}
PINGS = 5


def test_the_devices_of_one_node_share_the_air(tmp_path: Path, pin_factory: MockFactory) -> None:
    order: SimpleQueue[str] = SimpleQueue()
    for name, pins in PINS.items():
        trigger = wire(pin_factory, *pins)
        trigger.echoes = [echo_s(480 + mm) for mm in range(6)]
        trigger.on_pulse = lambda name=name: order.put(name)
    settings = parse_settings(
        {
            "site": "demo",
            "node": "pi-1",
            "data_dir": "data",
            "broker": {"url": "mqtt://127.0.0.1"},
            "devices": [
                {
                    "slug": name,
                    "driver": "ultrasonic",
                    "kind": "fill_level",
                    "interval_s": 0.1,
                    "options": {"trigger_pin": a, "echo_pin": b, "empty_mm": 1200, "full_mm": 300, "pings": PINGS},
                }
                for name, (a, b) in PINS.items()
            ],
        },
        source="edge.toml",
        base_dir=tmp_path,
    )
    devices = build_devices(
        Configured(settings, tmp_path / "edge.toml"), clock=Clock(ClockSource.SYSTEM), inbox=SimpleQueue()
    )
    for device in devices:
        device.start()
    try:
        pulses = [order.get(timeout=IN_TIME_S) for _ in range(6 * PINGS)]
    finally:
        for device in devices:
            device.stop()
    runs = [(name, len(list(run))) for name, run in groupby(pulses)]
    assert {name for name, _ in runs} == set(PINS)
    assert [length % PINGS for _, length in runs] == [0] * len(runs)
