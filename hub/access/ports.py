"""What access asks of the state database."""

from contextlib import AbstractContextManager
from typing import Protocol

from hub.access.account import Account


class AccountRepository(Protocol):
    """Accounts, and browser sessions by the hash of their token."""

    def named(self, username: str, /) -> Account | None:
        """Return the account of this user name, or None."""
        ...

    def get(self, person_id: str, /) -> Account | None:
        """Return the account of the person, or None."""
        ...

    def open_session(self, token_hash: str, person_id: str, *, at_ms: int, expires_at_ms: int) -> None:
        """Keep a session, and forget those that are over."""
        ...

    def session(self, token_hash: str, *, at_ms: int) -> Account | None:
        """Return the account of a session that is not over, or None."""
        ...

    def close_session(self, token_hash: str) -> None:
        """End a session."""
        ...

    def close_sessions_of(self, person_id: str) -> int:
        """End all sessions of a person; return how many there were."""
        ...


class MarkRepository(Protocol):
    """Values that the database keeps for ever."""

    def get(self, key: str) -> str | None:
        """Return a value, None where it was never set."""
        ...

    def set(self, key: str, value: str) -> None:
        """Set a value."""
        ...


class Unit(Protocol):
    """The transaction, as far as access needs it."""

    @property
    def access(self) -> AccountRepository: ...


class Transactions(Protocol):
    """Opens transactions."""

    def begin(self) -> AbstractContextManager[Unit]:
        """Write, as somebody who waits for an answer."""
        ...

    def read(self) -> AbstractContextManager[Unit]:
        """Read a consistent snapshot."""
        ...
