"""Rows → accounts; rows ⇄ browser sessions."""

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from hub.access.account import Account
from hub.access.roles import Rights
from hub.storage.sql.tables import crew_members, crews, people, person_roles, sessions
from hub.vocabulary import Role


class SqlAccess:
    """Accounts and sessions in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def named(self, username: str, /) -> Account | None:
        return self._account(
            self._connection.execute(select(people).where(people.c.username == username)).one_or_none()
        )

    def get(self, person_id: str, /) -> Account | None:
        return self._account(self._connection.execute(select(people).where(people.c.id == person_id)).one_or_none())

    def open_session(self, token_hash: str, person_id: str, *, at_ms: int, expires_at_ms: int) -> None:
        self._connection.execute(delete(sessions).where(sessions.c.expires_at_ms <= at_ms))
        self._connection.execute(
            insert(sessions).values(
                token_hash=token_hash, person=person_id, created_at_ms=at_ms, expires_at_ms=expires_at_ms
            )
        )

    def session(self, token_hash: str, *, at_ms: int) -> Account | None:
        holder = (
            select(people)
            .join(sessions, sessions.c.person == people.c.id)
            .where(sessions.c.token_hash == token_hash, sessions.c.expires_at_ms > at_ms)
        )
        return self._account(self._connection.execute(holder).one_or_none())

    def close_session(self, token_hash: str) -> None:
        self._connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))

    def close_sessions_of(self, person_id: str) -> int:
        return self._connection.execute(delete(sessions).where(sessions.c.person == person_id)).rowcount

    def _account(self, row: Row[Any] | None) -> Account | None:
        if row is None:
            return None
        held = self._connection.execute(
            select(person_roles.c.role, person_roles.c.site).where(person_roles.c.person == row.id)
        )
        member_of = self._connection.execute(
            select(crew_members.c.crew)
            .join(crews, crews.c.id == crew_members.c.crew)
            .where(crew_members.c.person == row.id, crews.c.retired_at_ms.is_(None))
        )
        return Account(
            id=row.id,
            username=row.username,
            display_name=row.display_name,
            locale=row.locale,
            password_hash=row.password_hash,
            active=row.retired_at_ms is None,
            rights=Rights(tuple((Role(role), site) for role, site in held), frozenset(member_of.scalars())),
        )
