"""What the watchdog keeps over a restart: the silence it told of, the letters that nobody took, its lane."""

import contextlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import structlog

from hub.storage.whole_file import replace_text
from hub.watchdog.letters import Letter, Letters
from hub.watchdog.vigil import Episode

FILE: Final = "watchdog.json"

log = structlog.get_logger("hub.watchdog")


@dataclass(frozen=True, slots=True)
class Memory:
    """All of it."""

    epoch: str
    next: int = 1
    episode: Episode | None = None
    letters: Letters = ()


def load(folder: Path, *, epoch: str) -> Memory:
    """Return what was kept, else an empty memory in a new epoch; a file that cannot be read is put aside."""
    path = folder / FILE
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        episode = None if said["episode"] is None else Episode(**said["episode"])
        letters = tuple(replace(Letter(**one), addresses=tuple(one["addresses"])) for one in said["letters"])
        return Memory(said["epoch"], said["next"], episode, letters)
    except FileNotFoundError:
        return Memory(epoch)
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("watchdog.memory_unreadable", file=str(path), reason=str(error))
        with contextlib.suppress(OSError):
            path.replace(path.with_suffix(".broken"))
        return Memory(epoch)


def save(folder: Path, memory: Memory) -> bool:
    """Keep it durably; tell whether that was possible: telling people matters more than remembering it."""
    path = folder / FILE
    try:
        replace_text(path, json.dumps(asdict(memory), ensure_ascii=False))
    except OSError as error:
        log.error("watchdog.memory_not_kept", file=str(path), reason=str(error))  # noqa: TRY400 one line says it
        return False
    return True
