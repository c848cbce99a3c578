"""Topics: build and parse are inverses, and nothing else is a topic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.lanes import Lane
from protocols.slug import is_slug
from protocols.topics import Channel, NodeAddress, Topic, TopicError, parse_topic

short_slugs = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
topics = st.builds(Topic, st.builds(NodeAddress, short_slugs, short_slugs), st.sampled_from(Channel))


@given(topics)
def test_parse_undoes_build(topic: Topic) -> None:
    assert parse_topic(str(topic)) == topic


@given(st.text(max_size=80))
def test_what_parses_builds_back_to_itself(text: str) -> None:
    try:
        topic = parse_topic(text)
    except TopicError:
        return
    assert str(topic) == text


@given(topics, st.characters(codec="utf-8"))
def test_a_topic_with_a_stray_character_in_a_name_is_refused(topic: Topic, character: str) -> None:
    name = topic.address.site + character
    if is_slug(name, longest=32):
        return
    with pytest.raises(TopicError):
        parse_topic(str(topic).replace(f"/{topic.address.site}/", f"/{name}/", 1))


@given(st.sampled_from(Lane))
def test_a_lane_has_its_own_channels(lane: Lane) -> None:
    channels = (Channel.records(lane), Channel.hello(lane), Channel.ack(lane))
    assert [channel.lane for channel in channels] == [lane, lane, lane]
    assert [channel.is_hello for channel in channels] == [False, True, False]


def test_site_and_node_are_at_most_32_characters() -> None:
    NodeAddress("a" * 32, "b" * 32)
    with pytest.raises(TopicError):
        NodeAddress("a" * 33, "b")
    with pytest.raises(TopicError):
        NodeAddress("a", "b" * 33)


def test_the_filters_of_a_node_cover_its_own_topics_only() -> None:
    address = NodeAddress("demo", "pi-1")
    assert address.publish_filter == "linli/v1/demo/pi-1/up/#"
    assert address.subscribe_filter == "linli/v1/demo/pi-1/down/#"
    assert (address.username, address.sos_username) == ("demo.pi-1", "demo.pi-1.sos")
