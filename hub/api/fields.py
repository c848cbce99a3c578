"""Types of the fields of requests: what is strict, what it looks like in the OpenAPI document."""

import re
from functools import cache
from typing import Annotated, Any, Final
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints
from pydantic import WithJsonSchema as Schema

from protocols.instant import parse_instant_ms
from protocols.slug import SHORT_SLUG_LENGTH, SLUG_LENGTH, SLUG_PATTERN

_RFC3339: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})")
_LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999."""


class Body(BaseModel):
    """A request's body; a name it does not know is told, for it may be a typing error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def changes(self) -> dict[str, Any]:
        """Return the fields that were given."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Nothing(Body):
    """A body without content, which may be left out."""


NOTHING: Final = Nothing()


def _instant_ms(value: object) -> int:
    at_ms = parse_instant_ms(value.upper()) if isinstance(value, str) and _RFC3339.fullmatch(value) else None
    if at_ms is None:
        message = "must be an instant as RFC 3339 writes it, with its offset"
        raise ValueError(message)
    if not 0 <= at_ms <= _LAST_MS:
        message = "must lie between 1970 and 9999"
        raise ValueError(message)
    return at_ms


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        message = "is no time zone of the IANA database"
        raise ValueError(message)
    return name


def _printable(text: str) -> str:
    if any(ord(char) < 32 and char not in "\n\t" for char in text):
        message = "must not hold control characters"
        raise ValueError(message)
    return text


ShortSlug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN, max_length=SHORT_SLUG_LENGTH)]
"""A site's or a node's slug."""
Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN, max_length=SLUG_LENGTH)]
"""A device's, facility's, grid's or crew's slug."""
Instant = Annotated[int, BeforeValidator(_instant_ms), Schema({"type": "string", "format": "date-time"})]
"""An RFC 3339 instant, as milliseconds since 1970."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)]
"""What people call something."""
Remark = Annotated[str, StringConstraints(max_length=4_000), AfterValidator(_printable)]
"""Free text."""
Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
"""A kind."""
RestId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*\.[a-z0-9][a-z0-9-]*$", max_length=97)]
"""`{site}.{slug}`."""
RowId = Annotated[str, StringConstraints(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]
"""A ULID."""
TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone), Field(examples=["Asia/Shanghai"])]
Latitude = Annotated[float, Strict(), Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Strict(), Field(ge=-180, le=180, allow_inf_nan=False)]
IntervalS = Annotated[float, Strict(), Field(gt=0, le=366 * 86_400, allow_inf_nan=False)]
Attributes = Annotated[dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], Any], Field(max_length=100)]
"""What else is known of a facility: names to JSON values."""
