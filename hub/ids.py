"""The only source of new identifiers, secrets and randomness in the hub."""

import secrets
from typing import Final

from hub.clock import WallClock

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_RANDOM_BITS: Final = 80
_ULID_LENGTH: Final = 26
_clock: Final = WallClock()


def new_ulid() -> str:
    """Return a new ULID: 48 bits of milliseconds and 80 random bits in Crockford base32, sortable by time."""
    number = (_clock.now_ms() << _ULID_RANDOM_BITS) | secrets.randbits(_ULID_RANDOM_BITS)
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
