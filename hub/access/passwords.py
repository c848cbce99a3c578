"""Password hashes: argon2id, some 64 MiB and 150 ms each, so at most two at a time."""

from contextlib import AbstractContextManager
from typing import Final

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError

AT_A_TIME: Final = 2
"""Hashes computed at the same time: 128 MiB, and a core left for alarms on a Raspberry Pi."""


class Passwords:
    """Makes and checks hashes, as many at a time as `turns` lets in."""

    def __init__(self, turns: AbstractContextManager[object]) -> None:
        """Take a semaphore of `AT_A_TIME`."""
        self._turns = turns
        self._hasher = PasswordHash.recommended()
        self._decoy: str | None = None

    def hash(self, password: str, /) -> str:
        """Return the hash to keep."""
        with self._turns:
            return self._hasher.hash(password)

    def verify(self, password: str, password_hash: str, /) -> bool:
        """Tell whether the password made the hash."""
        with self._turns:
            try:
                return self._hasher.verify(password, password_hash)
            except PwdlibError:
                return False

    def refuse(self, password: str) -> bool:
        """Take as long as `verify`, for a name that nobody has, and return False."""
        if self._decoy is None:
            self._decoy = self.hash("nobody")
        self.verify(password, self._decoy)
        return False
