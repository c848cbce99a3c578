"""Calls for help by two brokers at once: what either brings goes to one consumer, whose answers go out by both."""

from hub.ingest.sources import Deliver
from hub.mqtt.connection import Connection


class TwoWays:
    """Source and publisher of the life-safety consumer where there is a second broker.

    The same message by both is one: its records have their names (`wire.md` §4).
    """

    def __init__(self, first: Connection, second: Connection) -> None:
        """Take both; the consumer is known by the first one's name."""
        self._first = first
        self._second = second
        self.name = first.name

    @property
    def listening(self) -> bool:
        """Whether messages are being received by the first way; the second is looked at by itself."""
        return self._first.listening

    def start(self, deliver: Deliver) -> None:
        """Connect both and go on trying; raises ConfigurationError where the first broker refuses this user at once."""
        self._second.start(deliver)
        self._first.start(deliver)

    def stop(self) -> None:
        """Disconnect both; idempotent."""
        self._first.stop()
        self._second.stop()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send by both: whoever listens hears it once on each way that it listens on."""
        self._first.publish(topic, payload)
        self._second.publish(topic, payload)
