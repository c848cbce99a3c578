"""Texts as the network wants them, digit by digit."""

import pytest

from edge.sms.pdu import encode, split
from tests.fakes.modem import decoded


def test_a_short_text_to_an_international_number() -> None:
    (pdu,) = encode("+8613800138000", "求助", reference=1)
    assert pdu.hex == "0011000D91683108108300F00008A7046C4252A9"
    assert pdu.length == len(pdu.hex) // 2 - 1, "the centre's address does not count"


def test_a_short_number_is_a_national_one() -> None:
    (pdu,) = encode("110", "求", reference=1)
    assert pdu.hex == "0011000381" + "11F0" + "0008A7026C42"


def test_parts_are_as_long_as_they_may_be_and_join_again() -> None:
    text = "求" * 66 + "😀" + "助" * 100
    parts = [decoded(pdu.hex) for pdu in encode("110", text, reference=7)]
    assert "".join(part.text for part in parts) == text
    assert [(part.place, part.parts, part.reference) for part in parts] == [(1, 3, 7), (2, 3, 7), (3, 3, 7)]
    assert parts[0].text == "求" * 66, "a sign of two units stays whole"


@pytest.mark.parametrize(("length", "parts"), [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3)])
def test_seventy_signs_go_alone_and_sixty_seven_a_part(length: int, parts: int) -> None:
    assert len(split("求" * length)) == parts
