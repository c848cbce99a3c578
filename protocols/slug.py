"""Slugs: the names that people choose and that stand in topics, tags and REST ids."""

import re
from typing import Annotated, Final

from msgspec import Meta

SLUG_PATTERN: Final = r"^[a-z0-9][a-z0-9-]*$"
SHORT_SLUG_LENGTH: Final = 32
"""Longest slug of a site or a node, in characters."""
SLUG_LENGTH: Final = 64
"""Longest slug of anything else, in characters."""

_WHOLE: Final = r"^[a-z0-9][a-z0-9-]*\Z"
"""In Python `$` lets a line end pass."""

ShortSlug = Annotated[str, Meta(pattern=_WHOLE, max_length=SHORT_SLUG_LENGTH)]
"""A site's or a node's slug."""
Slug = Annotated[str, Meta(pattern=_WHOLE, max_length=SLUG_LENGTH)]
"""A device's, facility's, grid's or crew's slug."""

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]*")


def is_slug(text: str, *, longest: int = SLUG_LENGTH) -> bool:
    """Tell whether `text` is a slug of at most `longest` characters."""
    return len(text) <= longest and _SLUG.fullmatch(text) is not None
