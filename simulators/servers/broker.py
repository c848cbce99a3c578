"""The broker of the demo: mosquitto where it can be had, else the embedded one."""

from pathlib import Path

from simulators.servers.embedded import EmbeddedBroker
from simulators.servers.errors import ServerMissing
from simulators.servers.mosquitto import MosquittoServer


def start_broker(directory: Path) -> MosquittoServer | EmbeddedBroker:
    """Start mosquitto with dynamic security, else the embedded broker without identities."""
    try:
        return MosquittoServer.start(directory)
    except ServerMissing as no_mosquitto:
        try:
            return EmbeddedBroker.start(directory)
        except ServerMissing as no_embedded:
            raise ServerMissing(f"{no_mosquitto}; {no_embedded}") from no_mosquitto
