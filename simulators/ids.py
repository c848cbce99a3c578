"""The one place where the simulators draw identifiers and secrets: a run must never be mistaken for an earlier one."""

import secrets

from simulators.uplink import Identity


def identity(*, new_epoch_because: str | None = None) -> Identity:
    """Return a fresh epoch and boot, 16 hex digits each."""
    return Identity(secrets.token_hex(8), secrets.token_hex(8), new_epoch_because)


def password() -> str:
    """Return a password for one throw-away run."""
    return secrets.token_urlsafe(12)
