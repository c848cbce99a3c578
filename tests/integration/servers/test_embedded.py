import queue
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from simulators.servers.embedded import EmbeddedBroker
from simulators.servers.process import listening_inodes, open_sockets

pytest.importorskip("iotcore", reason="iotcore has no wheel for this machine")


def test_the_embedded_broker_carries_mqtt_5_on_loopback_and_ends_with_its_block(tmp_path: Path) -> None:
    granted = threading.Event()
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with EmbeddedBroker.start(tmp_path) as broker:
        assert listening_inodes(broker.port) <= open_sockets(broker.pid)
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="one", protocol=mqtt.MQTTv5)
        client.on_subscribe = lambda *_: granted.set()
        client.on_message = lambda _client, _data, message: messages.put(bytes(message.payload))
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        client.subscribe("t", qos=1)
        assert granted.wait(5)
        client.publish("t", b"x" * 200_000, qos=1)
        assert len(messages.get(timeout=5)) == 200_000
        client.disconnect()
        client.loop_stop()
    assert not broker.running
    assert not listening_inodes(broker.port)
