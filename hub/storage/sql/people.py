"""Rows ⇄ people and crews."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from hub.errors import ConflictError, HistoryError, StaleVersionError
from hub.people.person import EVERY_SITE, Crew, Person, RoleHeld
from hub.storage.sql.registry import next_number
from hub.storage.sql.tables import (
    alert_log,
    alerts,
    audit,
    crew_members,
    crew_skills,
    crews,
    people,
    person_roles,
    quarantine,
    sites,
    work_order_log,
    work_orders,
)
from hub.vocabulary import Role, Skill


class SqlPeople:
    """The people in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def get(self, person_id: str, /) -> Person | None:
        return self._one(self._connection.execute(select(people).where(people.c.id == person_id)).one_or_none())

    def named(self, username: str, /) -> Person | None:
        return self._one(self._connection.execute(select(people).where(people.c.username == username)).one_or_none())

    def add(self, person: Person, /) -> None:
        try:
            self._connection.execute(
                insert(people).values(id=person.id, number=next_number(people), **_person_values(person))
            )
        except IntegrityError as error:
            message = f"user name {person.username} is taken"
            raise ConflictError(message) from error
        self._add_roles(person)

    def save(self, person: Person, /) -> None:
        changed = self._connection.execute(
            update(people)
            .where(people.c.id == person.id, people.c.version == person.version - 1)
            .values(**_person_values(person))
        )
        if changed.rowcount != 1:
            message = "somebody else changed the person first"
            raise StaleVersionError(message)
        self._connection.execute(delete(person_roles).where(person_roles.c.person == person.id))
        self._add_roles(person)

    def remove(self, person_id: str, /) -> None:
        try:
            self._connection.execute(delete(people).where(people.c.id == person_id))
        except IntegrityError as error:
            message = "something refers to the person"
            raise HistoryError(message) from error

    def page(
        self,
        *,
        sites: frozenset[str] | None,
        site: str | None,
        role: str | None,
        retired: bool,
        before: int | None,
        limit: int,
    ) -> Sequence[tuple[int, Person]]:
        query = select(people).order_by(people.c.number.desc()).limit(limit)
        query = query.where(people.c.retired_at_ms.is_not(None) if retired else people.c.retired_at_ms.is_(None))
        if sites is not None:
            query = query.where(_holds(person_roles.c.site.in_(sites)))
        if site is not None:
            query = query.where(_holds(person_roles.c.site.in_([site, EVERY_SITE])))
        if role is not None:
            query = query.where(_holds(person_roles.c.role == role))
        if before is not None:
            query = query.where(people.c.number < before)
        rows = self._connection.execute(query).all()
        held = self._roles([row.id for row in rows])
        return [(row.number, _person(row, held.get(row.id, ()))) for row in rows]

    def rulers(self) -> int:
        query = (
            select(func.count())
            .select_from(people.join(person_roles, person_roles.c.person == people.c.id))
            .where(
                people.c.retired_at_ms.is_(None),
                person_roles.c.role == Role.ADMIN.value,
                person_roles.c.site == EVERY_SITE,
            )
        )
        return self._connection.execute(query).scalar() or 0

    def history_of(self, person_id: str, /) -> str | None:
        hanging = {
            "crews": crew_members.c.person == person_id,
            "alerts": or_(alerts.c.acknowledged_by == person_id, alerts.c.assignee == person_id),
            "work orders": work_orders.c.accepted_by == person_id,
            "decisions": quarantine.c.decided_by == person_id,
            "done something": or_(
                exists().where(alert_log.c.person == person_id),
                exists().where(work_order_log.c.person == person_id),
                exists().where(audit.c.person == person_id),
            ),
        }
        for what, condition in hanging.items():
            query = select(condition) if what == "done something" else select(exists().where(condition))
            if self._connection.execute(query).scalar():
                return what
        return None

    def unknown(self, person_ids: Collection[str], /) -> set[str]:
        known = self._connection.execute(
            select(people.c.id).where(people.c.id.in_(person_ids), people.c.retired_at_ms.is_(None))
        ).scalars()
        return set(person_ids) - set(known)

    def _one(self, row: Row[Any] | None) -> Person | None:
        return None if row is None else _person(row, self._roles([row.id]).get(row.id, ()))

    def _roles(self, person_ids: Sequence[str]) -> dict[str, tuple[RoleHeld, ...]]:
        held: dict[str, list[RoleHeld]] = {}
        for row in self._connection.execute(select(person_roles).where(person_roles.c.person.in_(person_ids))):
            held.setdefault(row.person, []).append(RoleHeld(Role(row.role), row.site))
        return {person: tuple(sorted(roles)) for person, roles in held.items()}

    def _add_roles(self, person: Person) -> None:
        rows = [{"person": person.id, "role": held.role.value, "site": held.site} for held in set(person.roles)]
        if rows:
            self._connection.execute(insert(person_roles), rows)


class SqlCrews:
    """The crews in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def get(self, crew_id: str, /) -> Crew | None:
        row = self._connection.execute(select(crews).where(crews.c.id == crew_id)).one_or_none()
        return None if row is None else self._crews([row])[0]

    def add(self, crew: Crew, /) -> None:
        try:
            self._connection.execute(insert(crews).values(id=crew.id, number=next_number(crews), **_crew_values(crew)))
        except IntegrityError as error:
            message = f"{crew.id} is taken"
            raise ConflictError(message) from error
        self._add_parts(crew)

    def save(self, crew: Crew, /) -> None:
        changed = self._connection.execute(
            update(crews).where(crews.c.id == crew.id, crews.c.version == crew.version - 1).values(**_crew_values(crew))
        )
        if changed.rowcount != 1:
            message = "somebody else changed the crew first"
            raise StaleVersionError(message)
        for table in (crew_skills, crew_members):
            self._connection.execute(delete(table).where(table.c.crew == crew.id))
        self._add_parts(crew)

    def remove(self, crew_id: str, /) -> None:
        self._connection.execute(delete(crews).where(crews.c.id == crew_id))

    def page(
        self,
        *,
        sites: frozenset[str] | None,
        site: str | None,
        skill: str | None,
        retired: bool,
        before: int | None,
        limit: int,
    ) -> Sequence[tuple[int, Crew]]:
        query = select(crews).order_by(crews.c.number.desc()).limit(limit)
        query = query.where(crews.c.retired_at_ms.is_not(None) if retired else crews.c.retired_at_ms.is_(None))
        if sites is not None:
            query = query.where(crews.c.site.in_(sites))
        if site is not None:
            query = query.where(crews.c.site == site)
        if skill is not None:
            query = query.where(exists().where(crew_skills.c.crew == crews.c.id, crew_skills.c.skill == skill))
        if before is not None:
            query = query.where(crews.c.number < before)
        rows = self._connection.execute(query).all()
        return list(zip([row.number for row in rows], self._crews(rows), strict=True))

    def history_of(self, crew_id: str, /) -> str | None:
        had_orders = select(exists().where(work_orders.c.crew == crew_id))
        return "work orders" if self._connection.execute(had_orders).scalar() else None

    def unknown_sites(self, slugs: Collection[str], /) -> set[str]:
        known = self._connection.execute(
            select(sites.c.id).where(sites.c.id.in_(slugs), sites.c.retired_at_ms.is_(None))
        ).scalars()
        return set(slugs) - set(known)

    def _crews(self, rows: Sequence[Row[Any]]) -> list[Crew]:
        ids = [row.id for row in rows]
        skills: dict[str, list[Skill]] = {}
        members: dict[str, list[str]] = {}
        for row in self._connection.execute(select(crew_skills).where(crew_skills.c.crew.in_(ids))):
            skills.setdefault(row.crew, []).append(Skill(row.skill))
        for row in self._connection.execute(select(crew_members).where(crew_members.c.crew.in_(ids))):
            members.setdefault(row.crew, []).append(row.person)
        return [_crew(row, skills.get(row.id, []), members.get(row.id, [])) for row in rows]

    def _add_parts(self, crew: Crew) -> None:
        skills = [{"crew": crew.id, "skill": skill.value} for skill in dict.fromkeys(crew.skills)]
        members = [{"crew": crew.id, "person": person} for person in dict.fromkeys(crew.members)]
        if skills:
            self._connection.execute(insert(crew_skills), skills)
        if members:
            self._connection.execute(insert(crew_members), members)


def _holds(condition: Any) -> Any:
    return exists().where(person_roles.c.person == people.c.id, condition)


def _person_values(person: Person) -> dict[str, Any]:
    return {
        "username": person.username,
        "display_name": person.display_name,
        "password_hash": person.password_hash,
        "locale": person.locale,
        "version": person.version,
        "created_at_ms": person.created_at_ms,
        "retired_at_ms": person.retired_at_ms,
    }


def _person(row: Row[Any], roles: tuple[RoleHeld, ...]) -> Person:
    return Person(
        id=row.id,
        username=row.username,
        display_name=row.display_name,
        password_hash=row.password_hash,
        locale=row.locale,
        roles=roles,
        version=row.version,
        created_at_ms=row.created_at_ms,
        retired_at_ms=row.retired_at_ms,
    )


def _crew_values(crew: Crew) -> dict[str, Any]:
    return {
        "site": crew.site,
        "slug": crew.slug,
        "name": crew.name,
        "version": crew.version,
        "created_at_ms": crew.created_at_ms,
        "retired_at_ms": crew.retired_at_ms,
    }


def _crew(row: Row[Any], skills: Sequence[Skill], members: Sequence[str]) -> Crew:
    return Crew(
        id=row.id,
        site=row.site,
        slug=row.slug,
        name=row.name,
        skills=tuple(sorted(skills)),
        members=tuple(sorted(members)),
        version=row.version,
        created_at_ms=row.created_at_ms,
        retired_at_ms=row.retired_at_ms,
    )
