"""Everything that is read by pages is read once, in its order."""

import pytest

from hub.paging import PAGE, all_pages


@pytest.mark.parametrize("stored", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
def test_every_item_comes_once_newest_first(stored: int) -> None:
    asked: list[int | None] = []

    def page(before: int | None) -> list[tuple[int, str]]:
        asked.append(before)
        newest = stored if before is None else before - 1
        return [(number, str(number)) for number in range(newest, max(newest - PAGE, 0), -1)]

    assert list(all_pages(page)) == [str(number) for number in range(stored, 0, -1)]
    assert asked[:1] == [None]
    assert len(asked) == stored // PAGE + 1
