"""The `edge.toml` that a hub makes for a node is one that the agent takes, whatever hangs on the node."""

from pathlib import Path
from queue import SimpleQueue

from edge.app import Configured, build_devices, endpoints
from edge.clock import Clock
from edge.link import LinkName
from edge.settings import load_settings
from hub.devices.edge_toml import edge_toml
from hub.devices.registry import Device, Node
from protocols.readings import KINDS


def test_the_agent_takes_what_the_hub_has_made(tmp_path: Path) -> None:
    node = Node(id="demo.pi-1", site="demo", slug="pi-1", name="Gate 3", created_at_ms=0)
    devices = [
        Device(
            id=f"demo.{kind}", site="demo", slug=kind.replace("_", "-"), kind=kind, facility="demo.x", created_at_ms=0
        )
        for kind in KINDS
    ]
    text = edge_toml(node, devices, broker_url="mqtt://127.0.0.1:1883", password='a"b\\c')
    (tmp_path / "edge.toml").write_text(text)
    for kind, fields in KINDS.items():
        (tmp_path / f"{kind.replace('_', '-')}.csv").write_text(f"after_s,{next(iter(fields))}\n0,1\n")
    configured = Configured(load_settings(tmp_path / "edge.toml"), tmp_path / "edge.toml")
    assert endpoints(configured)[LinkName.SOS].password == 'a"b\\c'
    built = build_devices(configured, clock=Clock(), inbox=SimpleQueue())
    assert [device.slug for device in built] == [device.slug for device in devices]
