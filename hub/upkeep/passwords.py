"""A new password for somebody who lost theirs, given on the machine itself."""

from dataclasses import dataclass, replace
from typing import Final

from hub.errors import ConflictError, InvalidError, NotFoundError
from hub.people.service import PasswordHasher
from hub.storage.sql.unit_of_work import SqlTransactions

SHORTEST: Final = 8
LONGEST: Final = 256
"""Bounds of a password, as REST has them."""
AUDITED: Final = "reset_password"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """What was done: whose password, and how many browsers were signed out."""

    username: str
    person: str
    sessions_ended: int


def check_password(password: str) -> str:
    """Return the password; raises InvalidError where it is too short, too long or not one line."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidError(("password", f"must have {SHORTEST} to {LONGEST} characters"))
    if not password.isprintable():
        raise InvalidError(("password", "must be one line of printable characters"))
    return password


def reset_password(
    transactions: SqlTransactions, username: str, password: str, *, hasher: PasswordHasher, at_ms: int
) -> Reset:
    """Give a person this password, end every session of theirs and note it in the audit log, all or nothing.

    Tokens end with it: each is tied to the password it was issued under. Raises NotFoundError, ConflictError (retired).
    """
    hashed = hasher.hash(password)
    with transactions.begin() as unit:
        person = unit.people.named(username)
        if person is None:
            message = f"there is no user {username!r}; see linli-hub users list"
            raise NotFoundError(message)
        if person.retired_at_ms is not None:
            message = f"{username} is retired and may not sign in"
            raise ConflictError(message)
        unit.people.save(replace(person, password_hash=hashed, version=person.version + 1))
        ended = unit.access.close_sessions_of(person.id)
        details = {"sessions_ended": ended, "by": "linli-hub users reset-password"}
        unit.audit.add(AUDITED, person.id, person=None, site=None, at_ms=at_ms, details=details)
    return Reset(username=username, person=person.id, sessions_ended=ended)
