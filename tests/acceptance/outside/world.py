"""What a test of the outside client stands in: a broker, a hub, an InfluxDB, all real and on the loopback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.acceptance.outside.client_dynsec import Dynsec
from tests.acceptance.outside.client_rest import Rest
from tests.acceptance.outside.hub_process import Hub
from tests.acceptance.outside.influx_reader import InfluxReader

BROKER_FRIEND: Final = ("outside-friend", "outside-friend-0123")
"""A second administrator of the broker, who is not the hub."""


@dataclass(frozen=True, slots=True)
class World:
    """Addresses, the hub's administrator, and where the points end."""

    hub: Hub
    admin: Rest
    broker_host: str
    broker_port: int
    influx: InfluxReader

    def dynsec(self) -> Dynsec:
        """The broker's second administrator on a connection of its own; the caller closes it."""
        return Dynsec(host=self.broker_host, port=self.broker_port, user=BROKER_FRIEND[0], password=BROKER_FRIEND[1])
