"""The interpreter under the hub: when its collector looks, how its threads change places, what memory it gives back."""

import ctypes
import gc
import os
import sys
from contextlib import suppress
from typing import Final

GARBAGE_ALLOCATIONS: Final = 50_000
"""New objects before the collector looks: more than a batch holds at once of what it forgets anyway."""
SWITCH_S: Final = 0.0005
"""How long a thread may keep another waiting for its turn (Python's own default is ten times that)."""
TIDY_EVERY_S: Final = 60.0
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""Of glibc's malloc.h."""
_LARGE_BYTES: Final = 128 * 1024
"""A piece as large as this is memory by itself and goes back whole. That is glibc's default, but only until the first
such piece was given back: from then on it would put larger and larger ones in between the others."""
_TUNABLES: Final = "GLIBC_TUNABLES"
_THREAD_CACHES: Final = "glibc.malloc.tcache_count"
"""glibc takes it from the environment only, before the process has a thread."""


def start_without_thread_caches() -> None:
    """Have the process start again, as itself, with a glibc that keeps no freed memory for each thread.

    It would keep some of every size that each of some twenty threads has ever freed: 1.7 MB an hour in the first twenty
    minutes, between what is in use, so that nothing of it can be given back. Python's small objects are not of glibc.
    Returns where it has started so already, where the environment sets it otherwise, and where libc is another.
    """
    with suppress(ValueError, AttributeError, OSError):
        os.confstr("CS_GNU_LIBC_VERSION")
        told = os.environ.get(_TUNABLES, "")
        if sys.executable and _THREAD_CACHES not in told:
            tunables = ":".join(filter(None, (told, f"{_THREAD_CACHES}=0")))
            os.execve(  # noqa: S606 this very program
                sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, _TUNABLES: tunables}
            )


def prepare() -> None:
    """Suit it to the start, before the imports: at its defaults the collector would take a tenth of them.

    Threads change places sooner, for an SOS asks for its turn some fifty times on its way through one commit, beside
    telemetry that never pauses, or pages that are loaded still. They share one arena of memory: each would keep that of
    its own busiest moment.
    """
    gc.set_threshold(GARBAGE_ALLOCATIONS, 20, 50)
    sys.setswitchinterval(SWITCH_S)
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def settle() -> None:
    """Suit it to long runs of short batches.

    The collector leaves alone what is loaded now (registry, code). Since the start it looks at new objects only when a
    batch has let go of them: at its defaults it takes two fifths of the hot path.
    """
    gc.collect()
    gc.freeze()


def tidy() -> None:
    """Collect what circles keep, which `prepare` would leave for hours, and give free memory back to the system."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
