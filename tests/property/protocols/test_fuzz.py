"""Every decoder on hostile bytes: a value or the declared refusal, nothing else is raised."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from hub.ingest.decoding import decode, sender
from hub.ingest.directory import Directory
from hub.ingest.quarantine import content_hash
from hub.ingest.sources import Incoming
from protocols.codec import (
    DecodedLaneMessage,
    decode_ack,
    decode_header,
    decode_hello,
    decode_lane_message,
    decode_record,
    decode_status,
    encode_header,
    encode_record,
)
from protocols.instant import parse_instant_ms
from protocols.lanes import Lane
from protocols.rejections import RecordRejection
from protocols.slug import is_slug
from protocols.topics import TopicError, parse_topic
from tests.chaos.poisons import brew

texts = st.text(max_size=40)
payloads = st.one_of(st.binary(max_size=300), texts.map(lambda text: text.encode(errors="replace")))


def every_decoder(payload: bytes) -> None:
    for lane in Lane:
        message = decode_lane_message(payload, lane=lane)
        if isinstance(message, DecodedLaneMessage):
            assert decode_header(encode_header(message.header)).epoch == message.header.epoch
            for record in message.records:
                if not isinstance(record, RecordRejection):
                    encode_record(record)
        decode_hello(payload, lane=lane)
        decode_record(payload, lane=lane)
    decode_ack(payload)
    decode_status(payload)
    content_hash(payload)
    with suppress(ValueError):
        decode_header(payload)


@given(payloads)
def test_no_bytes_break_a_decoder(payload: bytes) -> None:
    every_decoder(payload)


@given(st.integers(0, 10_000))
def test_no_poison_breaks_a_decoder(seed: int) -> None:
    for poison in brew(seed, 6):
        every_decoder(poison.payload)


@given(texts)
def test_no_text_breaks_what_reads_names_and_times(text: str) -> None:
    with suppress(TopicError):
        parse_topic(text)
    with suppress(TopicError):
        parse_topic(f"linli/v1/{text}/pi-1/up/sos")
    parse_instant_ms(text)
    is_slug(text)
    assert len(sender(text)) == 2


@given(texts, payloads)
def test_no_message_breaks_the_first_step_of_the_hub(topic: str, payload: bytes) -> None:
    for where in (topic, f"linli/v1/{topic}", "linli/v1/demo/pi-1/up/sos", "linli/v1/demo/pi-1/up/hello/event"):
        decode(Incoming(where, payload, 0), Directory())
