"""Cursors of lists: opaque to clients, the place of the former page's last item to us."""

import base64
import binascii
from typing import Annotated, Final

from fastapi import Depends, Query

from hub.errors import InvalidError

MOST: Final = 200
"""Longest page."""
_NUMBER: Final = "n"
_TEXT: Final = "t"
_LARGEST: Final = 2**63 - 1


class Listing:
    """Which page of a list is wanted."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=MOST, description="Longest page.")] = 100,
        cursor: Annotated[
            str | None,
            Query(max_length=400, description="`next_cursor` of the former page; its filters must be the same."),
        ] = None,
    ) -> None:
        """Take the query's parameters."""
        self.limit = limit
        self._cursor = cursor

    @property
    def after_number(self) -> int | None:
        """The number that the page begins behind; raises InvalidError for a cursor that is not ours."""
        text = self._read(_NUMBER)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or int(text[:20]) > _LARGEST:
            raise _unknown()
        return int(text)

    @property
    def after_text(self) -> str | None:
        """The id that the page begins behind; raises InvalidError for a cursor that is not ours."""
        return self._read(_TEXT)

    def _read(self, kind: str) -> str | None:
        if self._cursor is None:
            return None
        try:
            text = base64.urlsafe_b64decode(self._cursor.encode("ascii")).decode("ascii")
        except (binascii.Error, ValueError):
            raise _unknown() from None
        if not text.startswith(kind) or "\0" in text:
            raise _unknown()
        return text[1:]


Paged = Annotated[Listing, Depends()]


def cursor_of(place: int | str) -> str:
    """Return the cursor behind a number or an id."""
    kind = _NUMBER if isinstance(place, int) else _TEXT
    return base64.urlsafe_b64encode(f"{kind}{place}".encode("ascii")).decode("ascii")


def _unknown() -> InvalidError:
    return InvalidError(("cursor", "is no cursor of this list"))
