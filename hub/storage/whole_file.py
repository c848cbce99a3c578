"""Files that are replaced whole: whoever reads one finds the old text or the new one, also after a power cut."""

import os
from pathlib import Path

from hub.storage.data_dir import sync_folder


def replace_text(path: Path, text: str) -> None:
    """Put `text` in the place of a file, durably and for its owner only; raises OSError, and leaves the old file."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
