"""The ignored folder that keeps servers once fetched or built: LINLI_CACHE_DIR, else `.cache/` of the checkout."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def cache_directory() -> Path:
    """Return the cache folder, made if absent; outside a checkout it is the user's own cache."""
    configured = os.environ.get("LINLI_CACHE_DIR")
    if configured:
        directory = Path(configured)
    elif (CHECKOUT / "pyproject.toml").is_file():
        directory = CHECKOUT / ".cache"
    else:
        directory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "linli"
    directory.mkdir(parents=True, exist_ok=True)
    return directory.resolve()


@contextmanager
def exclusive(name: str) -> Generator[Path]:
    """Hold the cache entry of that name alone, so that two runs never build the same server twice; yield its path."""
    directory = cache_directory()
    with (directory / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield directory / name
