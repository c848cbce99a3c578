"""When the last backup was taken, as the data directory remembers it; the doctor asks."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from hub.storage.whole_file import replace_text

MARK: Final = "last-backup.json"


@dataclass(frozen=True, slots=True)
class LastBackup:
    """The last backup that was finished."""

    at_ms: int
    file: str
    size: int


def write_last(data_dir: Path, last: LastBackup) -> None:
    """Remember a backup."""
    replace_text(data_dir / MARK, json.dumps(asdict(last)))


def read_last(data_dir: Path) -> LastBackup | None:
    """Return the last backup, None where none is known."""
    try:
        read = json.loads((data_dir / MARK).read_text(encoding="utf-8"))
        return LastBackup(int(read["at_ms"]), str(read["file"]), int(read["size"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
