"""Reading all of what is read by pages."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

ItemT = TypeVar("ItemT")

PAGE: Final = 500
"""Items asked for at once."""


def all_pages(page: Callable[[int | None], Sequence[tuple[int, ItemT]]]) -> Iterator[ItemT]:
    """Yield the items of every page, newest first; `page(before)` returns up to `PAGE` with their numbers."""
    before: int | None = None
    while True:
        found = page(before)
        yield from (item for _, item in found)
        if len(found) < PAGE:
            return
        before = found[-1][0]
