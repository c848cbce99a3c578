"""The demo's broker where there is no mosquitto: iotcore's MQTT 5 listener. No identities, nothing durable."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from simulators.servers.errors import ServerMissing
from simulators.servers.process import LOOPBACK
from simulators.servers.server import Launch, Server

_PROGRAM = "import sys; from iotcore import IotCoreBroker; IotCoreBroker(config_path=sys.argv[1]).run_forever()"
# Its own defaults would listen on every address and speak MQTT 3.1.1 only.
_CONFIGURATION = """\
id = 0
[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5"
listen = "{address}:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 100
dynamic_filters = true
"""


class EmbeddedBroker(Server):
    """An embedded broker on loopback; leaving the `with` block stops it."""

    scheme = "mqtt"

    @classmethod
    def start(cls, directory: Path, *, port: int | None = None) -> Self:
        """Start the broker on 127.0.0.1 (a free port unless one is given); ServerMissing where iotcore has no wheel."""
        if find_spec("iotcore") is None:
            raise ServerMissing("no embedded broker: iotcore has no wheel for this machine")
        return cls(directory).launch(port)

    def configure(self, port: int) -> Launch:
        configuration = self.directory / "iotcore.toml"
        configuration.write_text(_CONFIGURATION.format(address=LOOPBACK, port=port))
        return Launch([sys.executable, "-I", "-c", _PROGRAM, str(configuration)])
