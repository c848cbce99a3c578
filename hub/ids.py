"""The only source of new identifiers, secrets and randomness in the hub."""

import secrets
import threading
from typing import Final

from hub.clock import WallClock

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_RANDOM_BITS: Final = 80
_ULID_LENGTH: Final = 26
_clock: Final = WallClock()


class _Rising:
    """Numbers that rise strictly within the process, also inside one millisecond and when the clock steps back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        fresh = (_clock.now_ms() << _ULID_RANDOM_BITS) | secrets.randbits(_ULID_RANDOM_BITS)
        with self._lock:
            self._last = max(fresh, self._last + 1)
            return self._last


_rising: Final = _Rising()


def new_ulid() -> str:
    """Return a new ULID: 48 bits of milliseconds, 80 random bits, in Crockford base32, in the order of their making."""
    number = _rising.next()
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(5 * (_ULID_LENGTH - 1), -1, -5))


def new_secret(*, n_bytes: int = 32) -> str:
    """Return a new URL-safe secret of `n_bytes` random bytes."""
    return secrets.token_urlsafe(n_bytes)


def new_hex(*, n_bytes: int = 8) -> str:
    """Return `n_bytes` random bytes in hex."""
    return secrets.token_hex(n_bytes)


def draw() -> float:
    """Return a random number in [0, 1), for jitter."""
    return secrets.randbelow(1_000_000) / 1_000_000


def random_bytes(count: int) -> bytes:
    """Return so many random bytes."""
    return secrets.token_bytes(count)
