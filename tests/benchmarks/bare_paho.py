"""The floor: paho and nothing else. `python -m tests.benchmarks.bare_paho receive|echo|idle PORT [COUNT]`.

`receive` says `done` after so many messages, each acknowledged to the broker; `echo` sends back what it hears; `idle`
is connected.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from tests.benchmarks.community import SITE

KEEPALIVE_S = 600
"""So long that the broker bears a frozen consumer."""
ASKED = "bench/echo/asked"
ANSWERED = "bench/echo/answered"


def main() -> None:
    manner, port, *rest = sys.argv[1:]
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"bench-bare-{manner}", protocol=MQTTv311)
    left = int(rest[0]) if rest else 0

    def connected(client: Client, *_: Any) -> None:
        if manner == "idle":
            print("ready", flush=True)
        else:
            client.subscribe(ASKED if manner == "echo" else f"linli/v1/{SITE}/+/up/telemetry", qos=0)

    def subscribed(*_: Any) -> None:
        print("ready", flush=True)

    def received(_client: Client, _data: object, _message: MQTTMessage) -> None:
        nonlocal left
        left -= 1
        if not left:
            print("done", flush=True)

    def echoed(client: Client, _data: object, message: MQTTMessage) -> None:
        client.publish(ANSWERED, message.payload, qos=0)

    def opened(_client: Client, _data: object, connection: Any) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    client.on_socket_open = opened
    client.on_connect = connected
    client.on_subscribe = subscribed
    client.on_message = echoed if manner == "echo" else received
    client.connect("127.0.0.1", int(port), keepalive=KEEPALIVE_S)
    client.loop_forever()


if __name__ == "__main__":
    main()
