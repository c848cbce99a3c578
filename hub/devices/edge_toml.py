"""A node's configuration file, ready to be copied to it: whoever installs the hardware fills in pins and distances."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from hub.devices.registry import Device, Node

DATA_DIR: Final = "/var/lib/linli-edge"
CA_PATH: Final = "/etc/linli/ca.crt"
"""Where a node keeps the certificate of its broker's own authority (docs/deployment.md)."""
DEFAULT_INTERVAL_S: Final = 60.0
LONGEST_INTERVAL_S: Final = 86_400.0
_ULTRASONIC: Final = (
    "options = {trigger_pin = 23, echo_pin = 24, empty_mm = 1200.0, full_mm = 300.0}"
    "   # this bin's own pins, and its distances as measured when empty and when full"
)
_BUTTON: Final = 'options = {pin = 17, event = "sos_pressed"}   # this button\'s own pin'
_DRIVERS: Final[Mapping[str, tuple[str, str]]] = {
    "fill_level": ("ultrasonic", _ULTRASONIC),
    "vitals": ("button", _BUTTON),
}
"""Kind → the driver that the agent comes with, and its options as an example."""


def edge_toml(
    node: Node, devices: Sequence[Device], *, broker_url: str, password: str, private_authority: bool = False
) -> str:
    """Return the text of `edge.toml`; it holds the password, so its reader keeps it to themselves.

    With a private authority it names where the node has that authority's certificate, where the broker speaks TLS.
    """
    broker = f"url = {_text(broker_url)}, password = {_text(password)}"
    told: list[str] = []
    if private_authority and broker_url.startswith("mqtts:"):
        broker += f", ca = {_text(CA_PATH)}"
        told = [f"# The broker's certificate is of your own authority: copy that one's ca.crt to {CA_PATH}."]
    lines = [
        "# Made by the hub for one node. Keep it readable by the agent alone: it holds the node's password.",
        f"site = {_text(node.site)}",
        f"node = {_text(node.slug)}",
        f"data_dir = {_text(DATA_DIR)}",
        *told,
        f"broker = {{{broker}}}",
    ]
    for device in devices:
        lines += ["", *_device(device)]
    return "\n".join(lines) + "\n"


def _device(device: Device) -> list[str]:
    script = f"options = {{script = {_text(device.slug + '.csv')}}}   # no driver for this kind yet: played from a file"
    driver, options = _DRIVERS.get(device.kind, ("fake", script))
    interval_s = min(device.expected_interval_s or DEFAULT_INTERVAL_S, LONGEST_INTERVAL_S)
    return [
        "[[devices]]",
        f"slug = {_text(device.slug)}",
        f"driver = {_text(driver)}",
        f"kind = {_text(device.kind)}",
        f"interval_s = {interval_s:g}" if interval_s >= 1 else f"interval_s = {interval_s!r}",
        options,
    ]


def _text(value: str) -> str:
    """Return a basic string: what JSON escapes, TOML escapes alike."""
    return json.dumps(value, ensure_ascii=False)
