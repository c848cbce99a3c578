"""The neighbour: Node-RED with its InfluxDB nodes, put by npm from a locked list, and the flow that copies readings."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from simulators.servers.cache import exclusive
from tests.benchmarks.bare_paho import KEEPALIVE_S
from tests.benchmarks.child import Child
from tests.benchmarks.community import SITE

_LOCK: Final = Path(__file__).parent / "node_red"
_INSTALL_LIMIT_S: Final = 600
_FUNCTION: Final = """\
const message = JSON.parse(msg.payload);
const [, , site, sender] = msg.topic.split("/");
msg.payload = message.records.map(record => ({
    measurement: record.kind,
    tags: {site: site, node: sender, facility: record.device.slice(0, -3), device: record.device},
    fields: Object.assign({quality: record.quality}, record.values),
    timestamp: new Date(record.at),
}));
return msg;
"""


class NodeRedMissing(RuntimeError):
    """Node-RED cannot be had here; the message says why."""


def find_node_red() -> Path:
    """Return Node-RED's program in the cache, installed at the first call; NodeRedMissing says why it cannot be."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise NodeRedMissing("Node-RED was not measured: npm and node are not installed")
    with exclusive("node-red") as folder:
        program = folder / "node_modules" / "node-red" / "red.js"
        if not program.exists():
            folder.mkdir(exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(_LOCK / name, folder / name)
            command = [npm, "ci", "--prefix", str(folder), "--omit=dev", "--no-audit", "--no-fund"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_LIMIT_S, check=False)
            if done.returncode or not program.exists():
                lines = done.stderr.strip().splitlines() or ["no word of why"]
                raise NodeRedMissing(f"Node-RED was not measured: npm could not install it: {lines[0]}")
        return program


def start_node_red(folder: Path, *, mqtt_port: int, influx_port: int, database: str) -> Child:
    """Start a Node-RED without editor that copies the fleet's readings to InfluxDB; ready when it has subscribed."""
    folder.mkdir(parents=True)
    settings = {
        "flowFile": "flows.json",
        "credentialSecret": False,
        "httpAdminRoot": False,
        "httpNodeRoot": False,
        "uiHost": "127.0.0.1",
        "uiPort": 0,
        "logging": {"console": {"level": "info", "metrics": False, "audit": False}},
        "telemetry": {"enabled": False, "updateNotification": False},
    }
    (folder / "settings.js").write_text(f"module.exports = {json.dumps(settings)};\n")
    (folder / "flows.json").write_text(json.dumps(flows(mqtt_port, influx_port, database)))
    program = find_node_red()
    child = Child(["node", str(program), "--userDir", str(folder), "--settings", str(folder / "settings.js")])
    try:
        child.await_line("Connected to broker", within_s=60)
        time.sleep(1)  # it subscribes right after it says so, and says nothing of that
        if "[error]" in child.last_words():
            raise RuntimeError(f"Node-RED does not run its flow\n{child.last_words()}")
    except BaseException:
        child.end()
        raise
    return child


def flows(mqtt_port: int, influx_port: int, database: str) -> list[dict[str, Any]]:
    """What a person would draw: mqtt in → function (parse, map) → influxdb batch."""
    return [
        {"id": "tab", "type": "tab", "label": "copy"},
        {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": "127.0.0.1",
            "port": str(mqtt_port),
            "clientid": "bench-node-red",
            "autoConnect": True,
            "protocolVersion": "5",
            "keepalive": str(KEEPALIVE_S),
            "cleansession": True,
        },
        {
            "id": "influx",
            "type": "influxdb",
            "hostname": "127.0.0.1",
            "port": str(influx_port),
            "database": database,
            "influxdbVersion": "1.x",
            "usetls": False,
        },
        {
            "id": "in",
            "type": "mqtt in",
            "z": "tab",
            "topic": f"linli/v1/{SITE}/+/up/telemetry",
            "qos": "1",
            "datatype": "utf8",
            "broker": "broker",
            "inputs": 0,
            "wires": [["map"]],
        },
        {"id": "map", "type": "function", "z": "tab", "func": _FUNCTION, "outputs": 1, "libs": [], "wires": [["out"]]},
        {"id": "out", "type": "influxdb batch", "z": "tab", "influxdb": "influx", "precision": "ms", "wires": []},
    ]
