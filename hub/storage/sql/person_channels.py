"""Rows ⇄ channels of people, and the pace of their addresses."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, or_, select, text, update

from hub.errors import StaleVersionError
from hub.notification.digest import QuietHours
from hub.notification.person_channel import PersonChannel, Recipient
from hub.people.person import EVERY_SITE
from hub.storage.sql.prepared import Prepared, insertion, one_of
from hub.storage.sql.tables import channel_paces, crew_members, people, person_channels, person_roles, sites
from hub.vocabulary import Role

_ADD: Final = insertion(person_channels)
_GET: Final = Prepared(select(person_channels).where(person_channels.c.id == bindparam("row_id")))
_OF_PERSON: Final = Prepared(
    select(person_channels)
    .where(person_channels.c.person == bindparam("of_person"))
    .order_by(person_channels.c.id.desc())
)
_SAVE: Final = Prepared(
    update(person_channels).where(
        person_channels.c.id == bindparam("row_id"), person_channels.c.version == bindparam("was")
    ),
    columns=(
        "version",
        "name",
        "url",
        "per_minute",
        "digest_s",
        "quiet_from_min",
        "quiet_until_min",
        "verified_at_ms",
        "disabled_at_ms",
    ),
)
_REMOVE: Final = Prepared(delete(person_channels).where(person_channels.c.id == bindparam("row_id")))
_ANY: Final = Prepared(select(person_channels.c.id).limit(1))
_SPENT: Final = Prepared(select(channel_paces.c.spent_until_ms).where(channel_paces.c.key == bindparam("of_key")))
_SPEND: Final = Prepared(
    update(channel_paces).where(
        channel_paces.c.key == bindparam("of_key"), channel_paces.c.spent_until_ms == bindparam("was_ms")
    ),
    columns=("spent_until_ms",),
)
_OPEN: Final = Prepared(
    text("INSERT INTO channel_paces (key, spent_until_ms) VALUES (:of_key, 0) ON CONFLICT (key) DO NOTHING")
)


@cache
def _concerned(roles: tuple[Role, ...]) -> Prepared:
    """Return the statement of those who hold one of these roles for a site, or are in a crew."""
    concerned = select(crew_members.c.person).where(crew_members.c.crew == bindparam("of_crew"))
    if roles:
        of_site = or_(person_roles.c.site == bindparam("of_site"), person_roles.c.site == EVERY_SITE)
        holds = one_of(person_roles.c.role, [role.value for role in roles])
        concerned = concerned.union(select(person_roles.c.person).where(of_site, holds))
    return Prepared(
        select(*person_channels.c, people.c.locale, sites.c.time_zone)
        .select_from(
            person_channels.join(people, people.c.id == person_channels.c.person).join(
                sites, sites.c.id == bindparam("of_site")
            )
        )
        .where(
            person_channels.c.disabled_at_ms.is_(None),
            people.c.retired_at_ms.is_(None),
            person_channels.c.person.in_(concerned),
        )
        .order_by(person_channels.c.id)
    )


class SqlPersonChannels:
    """The channels of people in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def get(self, channel_id: str) -> PersonChannel | None:
        row = _GET.first(self._connection, {"row_id": channel_id})
        return None if row is None else _channel(row)

    def of_person(self, person: str) -> Sequence[PersonChannel]:
        return [_channel(row) for row in _OF_PERSON.all(self._connection, {"of_person": person})]

    def concerned(self, site: str, *, roles: tuple[Role, ...], crew: str | None) -> Sequence[Recipient]:
        rows = _concerned(roles).all(self._connection, {"of_site": site, "of_crew": crew or ""})
        return [Recipient(_channel(row), row.locale, row.time_zone) for row in rows]

    def any(self) -> bool:
        return _ANY.first(self._connection) is not None

    def add(self, channel: PersonChannel) -> None:
        _ADD.write(self._connection, {"id": channel.id, **_values(channel)})

    def save(self, channel: PersonChannel) -> None:
        names = {"row_id": channel.id, "was": channel.version - 1}
        if _SAVE.write(self._connection, names | _values(channel)) != 1:
            message = "somebody else changed the channel first"
            raise StaleVersionError(message)

    def remove(self, channel_id: str) -> None:
        _REMOVE.write(self._connection, {"row_id": channel_id})

    def spent_until_ms(self, key: str) -> int:
        return _SPENT.scalar(self._connection, {"of_key": key}) or 0

    def spend(self, key: str, *, was_ms: int, until_ms: int) -> bool:
        if was_ms == 0:
            _OPEN.write(self._connection, {"of_key": key})
        return _SPEND.write(self._connection, {"of_key": key, "was_ms": was_ms, "spent_until_ms": until_ms}) == 1


def _values(channel: PersonChannel) -> dict[str, Any]:
    quiet = channel.quiet
    return {
        "person": channel.person,
        "name": channel.name,
        "url": channel.url,
        "per_minute": channel.per_minute,
        "digest_s": channel.digest_s,
        "quiet_from_min": None if quiet is None else quiet.from_min,
        "quiet_until_min": None if quiet is None else quiet.until_min,
        "version": channel.version,
        "created_at_ms": channel.created_at_ms,
        "verified_at_ms": channel.verified_at_ms,
        "disabled_at_ms": channel.disabled_at_ms,
    }


def _channel(row: Any) -> PersonChannel:
    return PersonChannel(
        id=row.id,
        version=row.version,
        person=row.person,
        name=row.name,
        url=row.url,
        per_minute=row.per_minute,
        digest_s=row.digest_s,
        quiet=None if row.quiet_from_min is None else QuietHours(row.quiet_from_min, row.quiet_until_min),
        created_at_ms=row.created_at_ms,
        verified_at_ms=row.verified_at_ms,
        disabled_at_ms=row.disabled_at_ms,
    )
