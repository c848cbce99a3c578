"""Use cases of people and crews: check, decide, keep; nothing is committed here."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from hub.errors import ConflictError, HistoryError, InvalidError, NotFoundError, StaleVersionError
from hub.people.person import EVERY_SITE, Crew, Person, RoleHeld
from hub.people.ports import CrewRepository, PersonRepository
from hub.vocabulary import Role

ADMIN: Final = "admin"
"""User name of the first administrator."""

MemberT = TypeVar("MemberT", Person, Crew)


class PasswordHasher(Protocol):
    """Makes and checks password hashes; slow on purpose."""

    def hash(self, password: str, /) -> str:
        """Return the hash to keep."""
        ...

    def verify(self, password: str, password_hash: str, /) -> bool:
        """Tell whether the password made the hash."""
        ...


def ensure_admin(
    people: PersonRepository,
    password: str | None,
    *,
    hasher: PasswordHasher,
    new_id: Callable[[], str],
    new_password: Callable[[], str],
    at_ms: int,
) -> str | None:
    """Make the first administrator where there is none; return the password made for it, to be printed once.

    A configured password holds: an administrator who has another one is given it, so that nobody is locked out.
    """
    known = people.named(ADMIN)
    if known is not None:
        if password is not None and not hasher.verify(password, known.password_hash):
            people.save(replace(known, password_hash=hasher.hash(password), version=known.version + 1))
        return None
    made = None if password is not None else new_password()
    person = Person(
        id=new_id(),
        username=ADMIN,
        display_name="Admin",
        password_hash=hasher.hash(password or made or ""),
        locale="zh",
        roles=(RoleHeld(Role.ADMIN, EVERY_SITE),),
        created_at_ms=at_ms,
    )
    people.add(person)
    return made


def enrol(people: PersonRepository, crews: CrewRepository, person: Person) -> Person:
    """Add a person; raises ConflictError where the user name is taken."""
    if people.named(person.username) is not None:
        message = f"user name {person.username} is taken"
        raise ConflictError(message)
    _check_roles(crews, person.roles)
    people.add(person)
    return person


def change_person(
    people: PersonRepository,
    crews: CrewRepository,
    person: Person,
    *,
    expected_version: int | None = None,
    **changes: Any,
) -> Person:
    """Change a person; the same values again change nothing."""
    expect_version(person, expected_version)
    _refuse_retired(person)
    wanted = replace(person, **changes)
    if wanted == person:
        return person
    if wanted.roles != person.roles:
        _check_roles(crews, wanted.roles)
    _keep_a_ruler(people, person, wanted)
    newer = replace(wanted, version=person.version + 1)
    people.save(newer)
    return newer


def retire_person(
    people: PersonRepository, person: Person, *, at_ms: int, expected_version: int | None = None
) -> Person:
    """Let a person sign in no more; what they did stays theirs."""
    expect_version(person, expected_version)
    if person.retired_at_ms is not None:
        return person
    newer = replace(person, retired_at_ms=at_ms, version=person.version + 1)
    _keep_a_ruler(people, person, newer)
    people.save(newer)
    return newer


def remove_person(people: PersonRepository, person: Person, *, expected_version: int | None = None) -> None:
    """Delete a person who has done nothing yet; raises HistoryError naming what hangs on them."""
    expect_version(person, expected_version)
    history = people.history_of(person.id)
    if history is not None:
        message = f"{person.username} has {history}; retire them instead"
        raise HistoryError(message)
    _keep_a_ruler(people, person, None)
    people.remove(person.id)


def form_crew(people: PersonRepository, crews: CrewRepository, crew: Crew) -> Crew:
    """Add a crew; raises ConflictError where its slug is taken."""
    if crews.get(crew.id) is not None:
        message = f"{crew.id} is taken"
        raise ConflictError(message)
    errors = [("site", "is no site that is in service")] if crews.unknown_sites([crew.site]) else []
    errors += _unknown_members(people, crew.members)
    if errors:
        raise InvalidError(*errors)
    crews.add(crew)
    return crew


def change_crew(
    people: PersonRepository,
    crews: CrewRepository,
    crew: Crew,
    *,
    expected_version: int | None = None,
    **changes: Any,
) -> Crew:
    """Change a crew; the same values again change nothing."""
    expect_version(crew, expected_version)
    _refuse_retired(crew)
    wanted = replace(crew, **changes)
    if wanted == crew:
        return crew
    joining = [person for person in wanted.members if person not in crew.members]
    errors = _unknown_members(people, tuple(joining))
    if errors:
        raise InvalidError(*errors)
    newer = replace(wanted, version=crew.version + 1)
    crews.save(newer)
    return newer


def retire_crew(crews: CrewRepository, crew: Crew, *, at_ms: int, expected_version: int | None = None) -> Crew:
    """Give a crew no more orders; those it has stay its own until they are assigned anew."""
    expect_version(crew, expected_version)
    if crew.retired_at_ms is not None:
        return crew
    newer = replace(crew, retired_at_ms=at_ms, version=crew.version + 1)
    crews.save(newer)
    return newer


def remove_crew(crews: CrewRepository, crew: Crew, *, expected_version: int | None = None) -> None:
    """Delete a crew that never had an order; raises HistoryError otherwise."""
    expect_version(crew, expected_version)
    history = crews.history_of(crew.id)
    if history is not None:
        message = f"{crew.id} has {history}; retire it instead"
        raise HistoryError(message)
    crews.remove(crew.id)


def expect_version(member: Person | Crew, expected_version: int | None) -> None:
    """Raise StaleVersionError where somebody else changed it first."""
    if expected_version is not None and member.version != expected_version:
        message = f"it is at version {member.version}, not {expected_version}"
        raise StaleVersionError(message)


def found(member: MemberT | None) -> MemberT:
    """Return the person or crew; raises NotFoundError for None."""
    if member is None:
        message = "there is no such thing, or you may not see it"
        raise NotFoundError(message)
    return member


def _refuse_retired(member: Person | Crew) -> None:
    if member.retired_at_ms is not None:
        message = "it is retired"
        raise ConflictError(message)


def _keep_a_ruler(people: PersonRepository, before: Person, after: Person | None) -> None:
    loses = before.rules_everything and (after is None or not after.rules_everything)
    if loses and people.rulers() <= 1:
        message = f"{before.username} is the last administrator of every site"
        raise ConflictError(message)


def _check_roles(crews: CrewRepository, roles: tuple[RoleHeld, ...]) -> None:
    unknown = crews.unknown_sites({held.site for held in roles} - {EVERY_SITE})
    errors = [
        (f"roles.{n}.site", "is no site that is in service") for n, held in enumerate(roles) if held.site in unknown
    ]
    if errors:
        raise InvalidError(*errors)


def _unknown_members(people: PersonRepository, members: tuple[str, ...]) -> list[tuple[str, str]]:
    unknown = people.unknown(members)
    return [(f"members.{n}", "is nobody who can sign in") for n, person in enumerate(members) if person in unknown]
