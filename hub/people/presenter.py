"""People and crews as the REST contract shows them (`rest.md` §3); a password or its hash never."""

from typing import Any

from hub.people.person import Crew, Person
from protocols.instant import format_known_ms, format_ms


def present_person(person: Person) -> dict[str, Any]:
    """Return the item of a person, ready for JSON."""
    return {
        "id": person.id,
        "version": person.version,
        "username": person.username,
        "display_name": person.display_name,
        "locale": person.locale,
        "roles": [{"role": held.role.value, "site": held.site} for held in person.roles],
        "created_at": format_ms(person.created_at_ms),
        "retired_at": format_known_ms(person.retired_at_ms),
    }


def present_crew(crew: Crew) -> dict[str, Any]:
    """Return the item of a crew, ready for JSON."""
    return {
        "id": crew.id,
        "version": crew.version,
        "site": crew.site,
        "slug": crew.slug,
        "name": crew.name,
        "skills": [skill.value for skill in crew.skills],
        "members": list(crew.members),
        "created_at": format_ms(crew.created_at_ms),
        "retired_at": format_known_ms(crew.retired_at_ms),
    }
