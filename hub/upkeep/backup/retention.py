"""Names of backups, and which of them are kept; pure."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

SUFFIX: Final = ".age"
UNFINISHED: Final = ".unfinished"


def file_name(hub_id: str, at: datetime) -> str:
    """Return the name of a backup; names of one hub sort by time."""
    return f"linli-{hub_id}-{at:%Y%m%dT%H%M%SZ}{SUFFIX}"


def too_many(names: Iterable[str], *, hub_id: str, keep: int) -> list[str]:
    """Return the backups of this hub beyond the newest `keep`; whatever else lies there is not ours to judge."""
    return sorted((name for name in names if _is_of(hub_id, name)), reverse=True)[keep:]


def broken_off(names: Iterable[str], *, hub_id: str) -> list[str]:
    """Return what killed backups of this hub have left: no two are taken at once."""
    return [name for name in names if name.endswith(UNFINISHED) and _is_of(hub_id, name.removesuffix(UNFINISHED))]


def _is_of(hub_id: str, name: str) -> bool:
    return re.fullmatch(rf"linli-{re.escape(hub_id)}-\d{{8}}T\d{{6}}Z{re.escape(SUFFIX)}", name) is not None
