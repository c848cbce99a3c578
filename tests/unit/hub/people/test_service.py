"""The first administrator, and the last one."""

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from hub.errors import ConflictError, StaleVersionError
from hub.people.person import Person, RoleHeld
from hub.people.service import ADMIN, change_person, ensure_admin, retire_person
from hub.vocabulary import Role


class Hasher:
    """Hashes that can be read."""

    def hash(self, password: str, /) -> str:
        return f"hash:{password}"

    def verify(self, password: str, password_hash: str, /) -> bool:
        return password_hash == f"hash:{password}"


@dataclass(slots=True)
class Rows:
    """People in memory, as far as these use cases need them."""

    kept: dict[str, Person] = field(default_factory=dict[str, Person])

    def named(self, username: str, /) -> Person | None:
        return next((person for person in self.kept.values() if person.username == username), None)

    def add(self, person: Person, /) -> None:
        self.kept[person.id] = person

    def save(self, person: Person, /) -> None:
        assert self.kept[person.id].version == person.version - 1
        self.kept[person.id] = person

    def rulers(self) -> int:
        return sum(person.rules_everything for person in self.kept.values())

    def unknown_sites(self, sites: Collection[str], /) -> set[str]:
        return set()

    def ensure(self, password: str | None) -> str | None:
        return ensure_admin(
            self,  # pyright: ignore[reportArgumentType] the rest of the port is not asked
            password,
            hasher=Hasher(),
            new_id=lambda: "1",
            new_password=lambda: "made",
            at_ms=0,
        )

    @property
    def admin(self) -> Person:
        person = self.named(ADMIN)
        assert person is not None
        return person


def test_without_a_password_one_is_made_and_told_once() -> None:
    people = Rows()
    assert people.ensure(None) == "made"
    assert people.admin.password_hash == "hash:made"
    assert people.admin.rules_everything
    assert people.ensure(None) is None
    assert people.admin.version == 1


def test_a_configured_password_is_taken_and_not_told() -> None:
    people = Rows()
    assert people.ensure("given") is None
    assert people.admin.password_hash == "hash:given"


def test_a_configured_password_lets_an_administrator_back_in() -> None:
    people = Rows()
    people.ensure("old")
    people.ensure("old")
    assert people.admin.version == 1
    people.ensure("new")
    assert (people.admin.password_hash, people.admin.version) == ("hash:new", 2)


def test_the_last_administrator_can_neither_go_nor_give_up() -> None:
    people = Rows()
    people.ensure("given")
    with pytest.raises(ConflictError):
        retire_person(people, people.admin, at_ms=1)  # pyright: ignore[reportArgumentType] as above
    with pytest.raises(ConflictError):
        change_person(people, people, people.admin, roles=())  # pyright: ignore[reportArgumentType] as above
    second = Person(
        id="2",
        username="second",
        display_name="Second",
        password_hash="hash",
        locale="zh",
        roles=(RoleHeld(Role.ADMIN, "*"),),
        created_at_ms=0,
    )
    people.add(second)
    assert retire_person(people, people.admin, at_ms=1).retired_at_ms == 1  # pyright: ignore[reportArgumentType] as above


def test_a_stale_version_changes_nothing() -> None:
    people = Rows()
    people.ensure("given")
    with pytest.raises(StaleVersionError):
        retire_person(people, people.admin, at_ms=1, expected_version=7)  # pyright: ignore[reportArgumentType] as above
