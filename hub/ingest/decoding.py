"""The first step of the hot path: topics and payloads become items, or refusals with their reason; pure."""

import re
from dataclasses import dataclass, replace
from typing import Final

from hub.ingest.directory import Directory, NodeEntry
from hub.ingest.quarantine import Refused, content_hash, payload_hash
from hub.ingest.sources import Incoming
from hub.telemetry.point import LaneKey
from protocols.codec import DecodedLaneMessage, decode_hello, decode_lane_message, decode_status
from protocols.events import LIFE_SAFETY, Event, EventName
from protocols.hello import Hello
from protocols.instant import parse_instant_ms
from protocols.lanes import Lane
from protocols.presence import Status
from protocols.rejections import MessageReason, MessageRejection
from protocols.topics import Channel, Topic, TopicError, parse_topic

_UNPARSED_PLACE = 2
_LONGEST_NAME = 64
_URGENT: Final = LIFE_SAFETY | {EventName.FIRE_SUSPECTED}
_SIGNS_OF_A_CALL: Final = re.compile(rb"sos_|fall_|\\u00(?:73|6[fFcC16]|5[fF])")
"""How their names begin, or a letter of that written as an escape."""


@dataclass(frozen=True, slots=True)
class LaneItem:
    """A lane message of a known node."""

    node: NodeEntry
    key: LaneKey
    message: DecodedLaneMessage
    received_ms: int


@dataclass(frozen=True, slots=True)
class HelloItem:
    """A hello of a known node."""

    node: NodeEntry
    key: LaneKey
    hello: Hello
    received_ms: int


@dataclass(frozen=True, slots=True)
class StatusItem:
    """A birth, will or planned silence of a known node."""

    node: NodeEntry
    status: Status
    payload: bytes
    received_ms: int
    retained: bool


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """A message that cannot be used; `answer` is what its node is told, None for a node the hub does not know."""

    refused: Refused
    node: NodeEntry | None
    lane: Lane | None
    answer_hash: str | None
    life_safety: bool
    """It came where SOS come: nobody may be left unheard because a message is broken."""


Item = LaneItem | HelloItem | StatusItem | RefusedItem


def decode(incoming: Incoming, directory: Directory) -> Item | None:
    """Return what a message is; None for a channel that has no consumer."""
    try:
        topic = parse_topic(incoming.topic)
    except TopicError as error:
        return _refuse_unparsed(incoming, str(error))
    channel = topic.channel
    node = _sender(topic, directory)
    if node is None:
        rejection = MessageRejection(MessageReason.UNKNOWN_NODE, f"node {topic.address.username} is not registered")
        return _refuse(incoming, topic, rejection, node=None)
    if channel is Channel.STATUS:
        return _decode_status(incoming, topic, node)
    lane = channel.lane
    if lane is None:
        return None
    if channel.is_hello:
        hello = decode_hello(incoming.payload, lane=lane)
        if isinstance(hello, MessageRejection):
            return _refuse(incoming, topic, hello, node=node)
        return HelloItem(node, LaneKey(node.site, node.slug, hello.epoch, lane), hello, incoming.received_ms)
    message = decode_lane_message(incoming.payload, lane=lane)
    if isinstance(message, MessageRejection):
        return _refuse(incoming, topic, message, node=node)
    key = LaneKey(node.site, node.slug, message.header.epoch, lane)
    return LaneItem(node, key, message, incoming.received_ms)


def unreadable(incoming: Incoming, directory: Directory) -> RefusedItem | None:
    """Return a message on which the hub's own code fails as one that cannot be read; None on no topic of the contract.

    Its node sends one record a message then, so that the others come through; a hello has none and is not answered.
    """
    try:
        topic = parse_topic(incoming.topic)
    except TopicError:
        return None
    rejection = MessageRejection(MessageReason.MALFORMED_JSON, "the hub failed on this message; its log says where")
    refused = _refuse(incoming, topic, rejection, node=_sender(topic, directory))
    return replace(refused, answer_hash=None) if topic.channel.is_hello else refused


def sender(topic: str) -> tuple[str, str]:
    """Return the site and node that a topic names, whatever else it is, as far as they can be names."""
    parts = [*topic.split("/", 4)[_UNPARSED_PLACE:], "", ""]
    return parts[0][:_LONGEST_NAME], parts[1][:_LONGEST_NAME]


def may_call(payload: bytes) -> bool:
    """Tell, without decoding, whether a message of readings may hold a call for help all the same."""
    return _SIGNS_OF_A_CALL.search(payload) is not None


def has_to_wait(item: Item) -> bool:
    """Tell whether a throttled node's message is left for later: neither what calls for help nor what says it lives.

    What came where calls come and cannot be read is left too: what the node was charged for has raised that alarm. Of a
    node that nobody knows every call is unreadable, and none is left.
    """
    if isinstance(item, LaneItem):
        return not any(isinstance(one, Event) and one.event in _URGENT for one in item.message.records)
    if isinstance(item, RefusedItem):
        return not (item.life_safety and item.refused.reason is MessageReason.UNKNOWN_NODE)
    return False


def said_now_ms(item: Item) -> int | None:
    """Return the node's clock when it sent the message, where it says so: what simulated time is made of."""
    if isinstance(item, LaneItem) and item.message.header.now is not None:
        return parse_instant_ms(item.message.header.now.at)
    return None


def _sender(topic: Topic, directory: Directory) -> NodeEntry | None:
    site, node = topic.address.site, topic.address.node
    return directory.nodes.get((site, node)) or directory.probe(site, node)


def _decode_status(incoming: Incoming, topic: Topic, node: NodeEntry) -> Item | None:
    if not incoming.payload:
        return None  # a cleared retained message says nothing
    status = decode_status(incoming.payload)
    if isinstance(status, MessageRejection):
        return _refuse(incoming, topic, status, node=node)
    return StatusItem(node, status, incoming.payload, incoming.received_ms, incoming.retained)


def _refuse(incoming: Incoming, topic: Topic, rejection: MessageRejection, *, node: NodeEntry | None) -> RefusedItem:
    lane = topic.channel.lane
    if topic.channel.is_hello and node is None:
        raw_hash = payload_hash(str(topic).encode())  # every hello differs; one row a lane tells of them all
    else:
        raw_hash = content_hash(incoming.payload)
    refused = Refused(
        received_ms=incoming.received_ms,
        site=topic.address.site,
        node=topic.address.node,
        lane=lane,
        epoch=None,
        seq=None,
        reason=rejection.reason,
        detail=rejection.detail,
        raw=incoming.payload,
        raw_hash=raw_hash,
    )
    answer = payload_hash(incoming.payload) if node is not None and lane is not None else None
    return RefusedItem(refused, node, lane, answer, life_safety=topic.channel is Channel.SOS)


def _refuse_unparsed(incoming: Incoming, detail: str) -> RefusedItem:
    site, node = sender(incoming.topic)
    refused = Refused(
        received_ms=incoming.received_ms,
        site=site,
        node=node,
        lane=None,
        epoch=None,
        seq=None,
        reason=MessageReason.UNKNOWN_NODE,
        detail=detail,
        raw=incoming.payload,
        raw_hash=content_hash(incoming.payload),
    )
    return RefusedItem(refused, None, None, None, life_safety=incoming.topic.endswith(f"/{Channel.SOS}"))
