"""Cursors: what goes in comes out, and nothing else does."""

import base64

import pytest

from hub.api.cursors import Listing, cursor_of
from hub.errors import InvalidError


@pytest.mark.parametrize("number", [0, 1, 2**63 - 1])
def test_a_number_comes_back(number: int) -> None:
    assert Listing(10, cursor_of(number)).after_number == number


def test_an_id_comes_back() -> None:
    assert Listing(10, cursor_of("01J0000000000000000000000A")).after_text == "01J0000000000000000000000A"


def test_without_a_cursor_a_list_begins_at_its_beginning() -> None:
    assert Listing(10, None).after_number is None
    assert Listing(10, None).after_text is None


@pytest.mark.parametrize("text", ["", "n", "n-1", "n²", "n9223372036854775808", "t1", "x1", "n1\0", "n" + "1" * 100])
def test_another_lists_cursor_is_refused(text: str) -> None:
    cursor = base64.urlsafe_b64encode(text.encode()).decode()
    with pytest.raises(InvalidError) as refused:
        _ = Listing(10, cursor).after_number
    assert refused.value.errors[0][0] == "cursor"


@pytest.mark.parametrize("cursor", ["not base64!", "é", "a"])
def test_what_is_no_cursor_at_all_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidError):
        _ = Listing(10, cursor).after_text
