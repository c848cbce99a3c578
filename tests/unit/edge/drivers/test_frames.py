from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.drivers.frames import INTERFERENCE, NO_OBJECT, FrameReader


def framed(word: int) -> bytes:
    body = bytes((0xFF, word >> 8, word & 0xFF))
    return body + bytes((sum(body) & 0xFF,))


STREAMS = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.integers(0, 0xFEFF).map(framed),
        st.integers(0, 0xFEFF).map(lambda word: framed(word)[:-1] + b"\x55"),
        st.just(b"\xff"),
    ),
    max_size=12,
).map(b"".join)
"""Whole frames, broken ones, stray headers and noise."""


def test_the_makers_example_is_1953_mm() -> None:
    assert FrameReader().feed(b"\xff\x07\xa1\xa7") == [1953]


def test_a_frame_counts_when_it_is_whole() -> None:
    reader = FrameReader()
    assert [reader.feed(bytes((byte,))) for byte in b"\xff\x07\xa1\xa7"] == [[], [], [], [1953]]


@pytest.mark.parametrize("noise", [b"\x00\x07\xa1", b"\xa1\xa7", b"\xff", b"\xff\xff", b"\xff\x07\xa1\x00"])
def test_a_frame_after_noise_is_found(noise: bytes) -> None:
    assert FrameReader().feed(noise + framed(480) + framed(481))[-2:] == [480, 481]


def test_a_wrong_sum_is_counted_and_says_nothing() -> None:
    reader = FrameReader()
    assert reader.feed(b"\xff\x07\xa1\xa8") == []
    assert reader.errors == 1
    assert reader.feed(framed(480)) == [480]
    assert reader.errors == 1


@pytest.mark.parametrize("code", [NO_OBJECT, INTERFERENCE])
def test_codes_are_words(code: int) -> None:
    assert FrameReader().feed(framed(code)) == [code]


def test_a_stray_header_is_not_taken_for_the_begin_of_a_distance() -> None:
    """FF FF 07 05: the sum is right, but no distance begins with FF."""
    assert FrameReader().feed(b"\xff\xff\x07\x05" + framed(480)) == [480]


@given(STREAMS, st.lists(st.integers(0, 60), max_size=6))
def test_any_split_of_the_stream_gives_the_same_words_and_errors(stream: bytes, cuts: list[int]) -> None:
    at_once = FrameReader()
    words = at_once.feed(stream)
    in_parts = FrameReader()
    parts = [stream[one:other] for one, other in pairwise([0, *sorted(cuts), len(stream) + 60])]
    assert [word for part in parts for word in in_parts.feed(part)] == words
    assert in_parts.errors == at_once.errors


@given(st.binary(max_size=80))
def test_every_word_stands_in_the_stream_with_its_header_and_its_sum(stream: bytes) -> None:
    found = 0
    for word in FrameReader().feed(stream):
        found = stream.index(framed(word), found) + 4


@given(st.lists(st.integers(0, 0xFEFF), max_size=20))
def test_whole_frames_are_all_heard_in_order_without_an_error(words: list[int]) -> None:
    reader = FrameReader()
    assert reader.feed(b"".join(framed(word) for word in words)) == words
    assert reader.errors == 0


@given(STREAMS, st.integers(0, 0xFEFF))
def test_after_any_noise_the_second_of_two_frames_is_heard(noise: bytes, word: int) -> None:
    """Noise can end in what looks like the begin of a frame and swallow the next one, never more."""
    assert FrameReader().feed(noise + framed(word) * 2)[-1:] == [word]
