"""What people and crews ask of the state database; every method works inside the caller's transaction."""

from collections.abc import Collection, Sequence
from typing import Protocol

from hub.people.person import Crew, Person


class PersonRepository(Protocol):
    """People and their roles."""

    def get(self, person_id: str, /) -> Person | None:
        """Return the person, or None."""
        ...

    def named(self, username: str, /) -> Person | None:
        """Return the person of this user name, or None."""
        ...

    def add(self, person: Person, /) -> None:
        """Store a new person; raises ConflictError where the user name is taken."""
        ...

    def save(self, person: Person, /) -> None:
        """Store the next version; raises StaleVersionError where the stored one is not the one before."""
        ...

    def remove(self, person_id: str, /) -> None:
        """Forget the person; raises HistoryError where a row refers to them."""
        ...

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
        """Return people with their numbers, newest first: those with a role at a site that the caller may see."""
        ...

    def rulers(self) -> int:
        """Return how many administrators of every site may sign in."""
        ...

    def history_of(self, person_id: str, /) -> str | None:
        """Return what hangs on the person, as people call it; None where nothing does."""
        ...

    def unknown(self, person_ids: Collection[str], /) -> set[str]:
        """Return those of the ids that are nobody, or somebody retired."""
        ...


class CrewRepository(Protocol):
    """Crews, their skills and members."""

    def get(self, crew_id: str, /) -> Crew | None:
        """Return the crew, or None."""
        ...

    def add(self, crew: Crew, /) -> None:
        """Store a new crew; raises ConflictError where its id is taken."""
        ...

    def save(self, crew: Crew, /) -> None:
        """Store the next version; raises StaleVersionError where the stored one is not the one before."""
        ...

    def remove(self, crew_id: str, /) -> None:
        """Forget the crew."""
        ...

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
        """Return crews with their numbers, newest first."""
        ...

    def history_of(self, crew_id: str, /) -> str | None:
        """Return what hangs on the crew, as people call it; None where nothing does."""
        ...

    def unknown_sites(self, sites: Collection[str], /) -> set[str]:
        """Return those of the slugs that are no site, or a retired one."""
        ...
