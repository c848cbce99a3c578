"""What stands on the sheet, read in one transaction and put in words of both languages, Chinese first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from hub.alerts.alert import Alert
from hub.dashboard.language import words
from hub.dashboard.reading import NamesRead
from hub.dashboard.times import duration
from hub.devices.registry import Site
from hub.paging import PAGE, all_pages
from hub.people.person import EVERY_SITE, Person
from hub.storage.sql.unit_of_work import SqlUnit
from hub.upkeep.emergency.contacts import Contact
from hub.vocabulary import FaultCode, Role, Sight
from hub.workorders.order import OrderState, WorkOrder
from protocols.instant import from_ms

MOST: Final = 500
"""Rows of a kind on one sheet: more is no list that anybody works through on paper."""
_ROLES: Final = {
    Role.OPERATOR: "值班 operator",
    Role.DISPATCHER: "调度 dispatcher",
    Role.CARER: "照护 carer",
    Role.CREW: "班组 crew",
    Role.GRID_WORKER: "网格员 grid worker",
    Role.ADMIN: "管理员 admin",
}
"""Who is called in an emergency, in this order; what an operator may see of people. Relatives are not on the sheet."""
_TO_RESPOND: Final = frozenset({OrderState.OPEN, OrderState.ASSIGNED, OrderState.REOPENED})


@dataclass(frozen=True, slots=True)
class Call:
    """A call for help that nobody has closed."""

    what: str
    where: str
    since: str
    ago: str
    state: str
    presses: int
    heard_by: str


@dataclass(frozen=True, slots=True)
class Job:
    """A work order that is not over."""

    colour: str
    what: str
    where: str
    state: str
    crew: str
    due: str
    late: bool


@dataclass(frozen=True, slots=True)
class Silent:
    """A node that does not speak: what hangs on it is not watched."""

    where: str
    since: str
    ago: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePart:
    """The part of one site."""

    name: str
    slug: str
    contacts: Sequence[Contact]
    calls: Sequence[Call]
    jobs: Sequence[Job]
    silent: Sequence[Silent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The whole sheet."""

    hub_id: str
    printed: str
    as_of: str | None
    """When the stores were last written, as far as they tell."""
    parts: Sequence[SitePart]
    cut: bool
    """Whether a list was longer than `MOST`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose sheet, and as of when."""

    hub_id: str
    site: str | None
    now_ms: int
    as_of_ms: int | None
    numbers: Sequence[Contact] = ()


def read_sheet(unit: SqlUnit, asked: Asked) -> Sheet:
    """Read what stands on the sheet."""
    names = NamesRead(unit)
    reading = _Reading(unit, names, asked)
    sites = _sites(unit, asked.site)
    zone = names.zone(sites[0].id) if sites else names.zone("")
    return Sheet(
        hub_id=asked.hub_id,
        printed=_instant(asked.now_ms, zone),
        as_of=None if asked.as_of_ms is None else _instant(asked.as_of_ms, zone),
        parts=[reading.part(site) for site in sites],
        cut=reading.cut,
    )


class _Reading:
    def __init__(self, unit: SqlUnit, names: NamesRead, asked: Asked) -> None:
        self.cut = False
        self._unit = unit
        self._names = names
        self._asked = asked

    def part(self, site: Site) -> SitePart:
        sight = Sight(frozenset({site.id}), frozenset({site.id}))
        zone = self._names.zone(site.id)
        ids = self._unit.overview.alerts(sight, closed=False, limit=MOST + 1)
        orders = self._unit.overview.work_orders(sight, closed=False, limit=MOST + 1)
        self.cut = self.cut or len(ids) > MOST or len(orders) > MOST
        alerts = [alert for identifier in ids[:MOST] if (alert := self._unit.alerts.get(identifier)) is not None]
        jobs = [order for identifier in orders[:MOST] if (order := self._unit.work_orders.get(identifier)) is not None]
        return SitePart(
            name=site.name,
            slug=site.id,
            contacts=self._contacts(site),
            calls=[self._call(alert, zone) for alert in alerts if alert.life_safety],
            jobs=[self._job(order, zone) for order in jobs],
            silent=[
                self._silent(alert, zone)
                for alert in alerts
                if alert.fault_code is FaultCode.NODE_OFFLINE and alert.active
            ],
        )

    def _contacts(self, site: Site) -> list[Contact]:
        given = [contact for contact in self._asked.numbers if contact.site in ("", EVERY_SITE, site.id)]
        numbered = {contact.name: contact for contact in given}
        page = self._unit.crews.page
        crews = list(
            all_pages(
                lambda before: page(sites=None, site=site.id, skill=None, retired=False, before=before, limit=PAGE)
            )
        )
        found: list[tuple[int, Contact]] = []
        for person in self._people(site.id):
            held = {role.role for role in person.roles if role.site in (site.id, EVERY_SITE)}
            wanted = [role for role in _ROLES if role in held]
            if not wanted:
                continue
            teams = [crew.name for crew in crews if person.id in crew.members]
            known = numbered.pop(person.display_name, None)
            role = " · ".join([*(_ROLES[role] for role in wanted), *teams])
            contact = Contact(site.id, person.display_name, role, "" if known is None else known.phone)
            found.append((list(_ROLES).index(wanted[0]), contact))
        return [*numbered.values(), *(contact for _, contact in sorted(found, key=lambda pair: pair[0]))]

    def _people(self, site: str) -> Iterable[Person]:
        people = self._unit.people
        return all_pages(
            lambda before: people.page(sites=None, site=site, role=None, retired=False, before=before, limit=PAGE)
        )

    def _call(self, alert: Alert, zone: tzinfo) -> Call:
        by = alert.acknowledged_by
        heard = "" if by is None else self._names.person(by) or by
        if heard and alert.acknowledged_at_ms is not None:
            heard = f"{heard} {_instant(alert.acknowledged_at_ms, zone)}"
        presses = self._unit.presses.of_alert(alert.id)
        since_ms = min((press.at_ms for press in presses), default=alert.fired_at_ms)
        return Call(
            what=_both(f"fault_code.{alert.fault_code}"),
            where=self._names.subject(alert.subject),
            since=_instant(since_ms, zone),
            ago=self._ago(since_ms),
            state=_both(f"alert_state.{alert.state}"),
            presses=len(alert.refs),
            heard_by=heard,
        )

    def _job(self, order: WorkOrder, zone: tzinfo) -> Job:
        due_ms = order.response_due_at_ms if order.state in _TO_RESPOND else order.resolution_due_at_ms
        return Job(
            colour=_both(f"colour.{order.colour}"),
            what=_both(f"fault_code.{order.fault_code}"),
            where=self._names.subject(order.subject),
            state=_both(f"order_state.{order.state}"),
            crew="" if order.crew is None else self._names.crew(order.crew),
            due=_instant(due_ms, zone),
            late=due_ms < self._asked.now_ms,
        )

    def _silent(self, alert: Alert, zone: tzinfo) -> Silent:
        return Silent(
            where=self._names.subject(alert.subject),
            since=_instant(alert.fired_at_ms, zone),
            ago=self._ago(alert.fired_at_ms),
        )

    def _ago(self, at_ms: int) -> str:
        span_ms = self._asked.now_ms - at_ms
        return " ".join(duration(span_ms, words(locale)) for locale in ("zh", "en"))


def _sites(unit: SqlUnit, only: str | None) -> list[Site]:
    sites, rows = None if only is None else frozenset({only}), unit.registry.sites
    found = all_pages(lambda before: rows.page(sites=sites, where={}, retired=False, before=before, limit=PAGE))
    return sorted(found, key=lambda site: site.id)


def _both(key: str) -> str:
    return f"{words('zh')(key)} {words('en')(key)}"


def _instant(at_ms: int, zone: tzinfo) -> str:
    return f"{from_ms(at_ms).astimezone(zone):%Y-%m-%d %H:%M}"
