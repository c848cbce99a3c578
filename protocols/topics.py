"""Every MQTT topic of Linli: build and parse are inverses, and no other module spells one out."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from protocols.lanes import Lane
from protocols.slug import SHORT_SLUG_LENGTH, is_slug

_ROOT: Final = "linli/v1"
_HELLO: Final = "up/hello/"
_ACK: Final = "down/ack/"
_REMEMBERED: Final = 20_000
"""Topics whose parts are remembered: a node sends on a handful, again and again."""


class TopicError(ValueError):
    """The text is no topic of this contract."""


class Channel(StrEnum):
    """The part of a topic behind site and node."""

    SOS = "up/sos"
    EVENT = "up/event"
    TELEMETRY = "up/telemetry"
    HELLO_SOS = "up/hello/sos"
    HELLO_EVENT = "up/hello/event"
    HELLO_TELEMETRY = "up/hello/telemetry"
    STATUS = "up/status"
    REPORTED = "up/reported"
    RESULT = "up/result"
    ACK_SOS = "down/ack/sos"
    ACK_EVENT = "down/ack/event"
    ACK_TELEMETRY = "down/ack/telemetry"
    DESIRED = "down/desired"
    COMMAND = "down/command"

    # An enum's own hash is a Python function, and every message asks for its channel's lane.
    __hash__ = str.__hash__

    @property
    def lane(self) -> Lane | None:
        """The lane this channel carries, greets or acknowledges; None for the others."""
        return _LANE_OF.get(self)

    @property
    def is_hello(self) -> bool:
        """Whether a node tells here where a lane stands."""
        return self.startswith(_HELLO)

    @classmethod
    def records(cls, lane: Lane) -> "Channel":
        """The channel that carries the lane's messages."""
        return cls(f"up/{lane}")

    @classmethod
    def hello(cls, lane: Lane) -> "Channel":
        """The channel on which a node tells where the lane stands."""
        return cls(f"{_HELLO}{lane}")

    @classmethod
    def ack(cls, lane: Lane) -> "Channel":
        """The channel on which the hub acknowledges the lane."""
        return cls(f"{_ACK}{lane}")


_LANE_OF: Final = {channel: Lane(tail) for channel in Channel if (tail := channel.rpartition("/")[2]) in set(Lane)}


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """A node's place in topics and the names of its two MQTT users."""

    site: str
    node: str

    def __post_init__(self) -> None:
        """Refuse what is no pair of slugs."""
        if not (is_slug(self.site, longest=SHORT_SLUG_LENGTH) and is_slug(self.node, longest=SHORT_SLUG_LENGTH)):
            message = f"{self.site!r} and {self.node!r} are not a site's and a node's slugs"
            raise TopicError(message)

    @property
    def username(self) -> str:
        """User name and client id of the connection for everything but SOS."""
        return f"{self.site}.{self.node}"

    @property
    def sos_username(self) -> str:
        """User name and client id of the SOS connection."""
        return f"{self.site}.{self.node}.sos"

    @property
    def publish_filter(self) -> str:
        """The one filter a node may publish under."""
        return f"{_ROOT}/{self.site}/{self.node}/up/#"

    @property
    def subscribe_filter(self) -> str:
        """The one filter a node may subscribe under."""
        return f"{_ROOT}/{self.site}/{self.node}/down/#"

    def topic(self, channel: Channel) -> str:
        """The topic of `channel` at this node."""
        return f"{_ROOT}/{self.site}/{self.node}/{channel.value}"


@dataclass(frozen=True, slots=True)
class Topic:
    """A parsed topic."""

    address: NodeAddress
    channel: Channel

    def __str__(self) -> str:
        """The topic as it stands on the wire."""
        return self.address.topic(self.channel)


def address_template(channel: Channel) -> str:
    """Return the topic of `channel` with `{site}` and `{node}` in place of a node's own."""
    return f"{_ROOT}/{{site}}/{{node}}/{channel.value}"


@lru_cache(maxsize=_REMEMBERED)
def parse_topic(text: str) -> Topic:
    """Return the parts of a topic; raise `TopicError` where it is none of this contract's."""
    parts = text.split("/", 4)
    if len(parts) != 5 or f"{parts[0]}/{parts[1]}" != _ROOT:
        message = f"{text!r} is no topic under {_ROOT}"
        raise TopicError(message)
    try:
        channel = Channel(parts[4])
    except ValueError:
        message = f"{text!r} ends in no known channel"
        raise TopicError(message) from None
    return Topic(NodeAddress(parts[2], parts[3]), channel)


SOS_SUBSCRIPTIONS: Final[Mapping[str, int]] = {
    f"{_ROOT}/+/+/{channel}": 1 for channel in (Channel.SOS, Channel.HELLO_SOS)
}
"""What the hub's life-safety connection subscribes to, at which QoS."""
REST_SUBSCRIPTIONS: Final[Mapping[str, int]] = {
    f"{_ROOT}/+/+/{channel}": qos
    for qos, channels in (
        (1, (Channel.EVENT, Channel.HELLO_EVENT, Channel.STATUS)),
        (0, (Channel.TELEMETRY, Channel.HELLO_TELEMETRY)),
    )
    for channel in channels
}
"""What the hub's other connection subscribes to.

Telemetry at QoS 0: its lane is acknowledged end to end, and confirming each message to the broker as well is more than
half of what it costs to receive one.
"""
HUB_PUBLISH_FILTER: Final = f"{_ROOT}/+/+/down/#"
"""What the hub may publish under."""
HUB_SUBSCRIBE_FILTER: Final = f"{_ROOT}/+/+/up/#"
"""What the hub may subscribe under."""
