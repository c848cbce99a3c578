"""Reads what a page shows inside one transaction, and has it presented."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import cached_property
from typing import Final

from hub.access.roles import Action, Rights
from hub.alerts.alert import Alert, AlertState
from hub.dashboard.facilities import ALARMS, KINDS, FacilityFacts, present_facility, present_kind, wants_point
from hub.dashboard.ports import Latest, Unit
from hub.dashboard.presenters import Scene, present_alert, present_alert_log, present_order, present_order_log
from hub.dashboard.times import zone_of
from hub.dashboard.views import AlertView, FacilityView, KindView, LogLine, OrderView
from hub.devices.registry import Facility, Site
from hub.errors import NotFoundError, StorageError
from hub.people.person import Crew
from hub.telemetry.point import Point
from hub.vocabulary import FacilityKind, FaultCode, Sight, Subject
from hub.workorders.order import WorkOrder

FIRST: Final = 5
"""So many alerts and orders stand on the overview, ..."""
FIRST_FACILITIES: Final = 4
"""... so many facilities of each kind, the worst, ..."""
FIRST_OWN: Final = 20
"""... and so many orders of one's own crews."""
PAGE: Final = 50
_MOST_CREWS: Final = 200


class NamesRead:
    """Names out of the registry, each read once."""

    def __init__(self, unit: Unit) -> None:
        """Read in one transaction."""
        self._unit = unit
        self._known: dict[str, str] = {}
        self._sites: dict[str, Site | None] = {}
        self._people: dict[str, str | None] = {}

    def subject(self, subject: Subject, /) -> str:
        if subject.key not in self._known:
            self._known[subject.key] = self._subject(subject)
        return self._known[subject.key]

    def site(self, site: str, /) -> str:
        found = self._site(site)
        return site if found is None else found.name

    def zone(self, site: str, /) -> tzinfo:
        found = self._site(site)
        return zone_of("UTC" if found is None else found.time_zone)

    def person(self, person: str, /) -> str | None:
        if person not in self._people:
            found = self._unit.people.get(person)
            self._people[person] = None if found is None else found.display_name
        return self._people[person]

    def crew(self, crew: str, /) -> str:
        key = f"crew:{crew}"
        if key not in self._known:
            found = self._unit.crews.get(crew)
            self._known[key] = crew if found is None else found.name
        return self._known[key]

    def grid(self, grid: str, /) -> str:
        key = f"grid:{grid}"
        if key not in self._known:
            found = self._unit.registry.grids.get(grid)
            self._known[key] = grid if found is None else found.name
        return self._known[key]

    def _site(self, site: str) -> Site | None:
        if site not in self._sites:
            self._sites[site] = self._unit.registry.sites.get(site)
        return self._sites[site]

    def _subject(self, subject: Subject) -> str:
        if subject.facility is not None:
            facility = self._unit.registry.facilities.get(subject.facility)
            return subject.facility if facility is None else facility.name
        if subject.node is not None:
            node = self._unit.registry.nodes.get(subject.node)
            return subject.node if node is None else node.name
        return self.site(subject.site)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list, and whether another follows."""

    found: Sequence[AlertView] | Sequence[OrderView] | Sequence[FacilityView]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewRead:
    """The first page."""

    sos: Sequence[AlertView]
    alerts: Sequence[AlertView]
    alert_count: int
    own_orders: Sequence[OrderView] | None
    """None: the reader is in no crew."""
    more_own: bool
    orders: Sequence[OrderView] | None
    """None: the reader sees their own crews' orders only."""
    order_count: int
    kinds: Sequence[KindView]
    sees_alerts: bool
    sees_care: bool
    """Calls for help at some site: only who would see one may read that there is none."""
    has_sites: bool
    has_facilities: bool


class Reading:
    """One reader's look at the hub."""

    def __init__(self, unit: Unit, scene: Scene, *, latest: Latest) -> None:
        """Read in one transaction for one reader."""
        self._unit = unit
        self._scene = scene
        self._rights = scene.rights
        self._latest = latest

    def overview(self) -> OverviewRead:
        """Return the first page."""
        unit, rights = self._unit, self._rights
        sight = rights.sight_of_alerts
        counted = unit.overview.count_alerts(sight)
        views = self._alerts(unit.overview.alerts(sight, closed=False, limit=FIRST_OWN + FIRST))
        sos = [view for view in views if view.life_safety and view.active]
        others = [view for view in views if view not in sos and view.level != "quiet"]
        kinds = self.kinds(first=FIRST_FACILITIES)
        everyone = _sees_beyond_crews(rights)
        own = self._own_orders() if rights.own_crews else ()
        orders = None
        if everyone:
            orders = self._orders(unit.overview.work_orders(rights.sight_of_orders, closed=False, limit=FIRST))
        return OverviewRead(
            sos=sos,
            alerts=others[:FIRST],
            alert_count=sum(count for state, count in counted.items() if state is not AlertState.RESOLVED),
            own_orders=own[:FIRST_OWN] if rights.own_crews else None,
            more_own=len(own) > FIRST_OWN,
            orders=orders,
            order_count=sum(unit.overview.count_orders(rights.sight_of_orders).values()),
            kinds=kinds,
            sees_alerts=_sees_any(sight),
            sees_care=self._care_sites is None or bool(self._care_sites),
            has_sites=self._has_sites,
            has_facilities=any(kind.total for kind in kinds),
        )

    def alerts(self, *, closed: bool, page: int) -> Listed:
        """Return a page of alerts."""
        ids = self._unit.overview.alerts(
            self._rights.sight_of_alerts, closed=closed, limit=PAGE + 1, offset=PAGE * (page - 1)
        )
        return Listed(self._alerts(ids[:PAGE]), len(ids) > PAGE)

    def work_orders(self, *, closed: bool, page: int) -> Listed:
        """Return a page of work orders."""
        ids = self._unit.overview.work_orders(
            self._rights.sight_of_orders, closed=closed, limit=PAGE + 1, offset=PAGE * (page - 1)
        )
        return Listed(self._orders(ids[:PAGE]), len(ids) > PAGE)

    def facilities(self, kind: str, *, page: int) -> Listed:
        """Return a page of the facilities of a kind, the worst first."""
        ids = self._unit.overview.facilities(
            kind, sites=self._sites, care_sites=self._care_sites, limit=PAGE + 1, offset=PAGE * (page - 1)
        )
        return Listed(self._facilities(ids[:PAGE]), len(ids) > PAGE)

    def kinds(self, *, first: int) -> Sequence[KindView]:
        """Return every kind of facility with its counts and its worst."""
        tallies = self._unit.overview.tallies(sites=self._sites, care_sites=self._care_sites)
        known = [kind.value for kind in KINDS]
        tallies = sorted(
            tallies, key=lambda tally: (known.index(tally.kind) if tally.kind in known else 99, tally.kind)
        )
        return [
            present_kind(tally, tuple(self._facilities(self._worst(tally.kind, first))), self._scene.words)
            for tally in tallies
        ]

    def alert(self, alert_id: str) -> tuple[Alert, AlertView, Sequence[LogLine]]:
        """Return an alert with its log; raises NotFoundError where the reader may not see it."""
        alert = seen_alert(self._unit, self._rights, alert_id)
        log = self._unit.alerts.log_of(alert.id)
        return alert, self._alert(alert), present_alert_log(log, alert, self._scene)

    def work_order(self, order_id: str) -> tuple[WorkOrder, OrderView, Sequence[LogLine]]:
        """Return an order with its log; raises NotFoundError where the reader may not see it."""
        order = seen_order(self._unit, self._rights, order_id)
        log = self._unit.work_orders.log_of(order.id)
        return order, present_order(order, self._scene), present_order_log(log, order, self._scene)

    def alerts_of(self, order: WorkOrder) -> Sequence[AlertView]:
        """Return the alerts of an order that the reader sees: who sees an order sees what it is about."""
        return [self._alert(alert) for alert in self._unit.alerts.of_order(order.id)]

    def crews_for(self, order: WorkOrder) -> Sequence[Crew]:
        """Return the crews the order may be given to: those with its skill first."""
        site = order.subject.site
        found = self._unit.crews.page(
            sites=frozenset({site}), site=site, skill=None, retired=False, before=None, limit=_MOST_CREWS
        )
        crews = [crew for _, crew in found if crew.id != order.crew]
        return sorted(crews, key=lambda crew: (order.skill not in crew.skills, crew.name))

    @cached_property
    def _sites(self) -> frozenset[str] | None:
        return self._rights.sites(Action.READ_REGISTRY)

    @cached_property
    def _care_sites(self) -> frozenset[str] | None:
        return self._rights.sites(Action.READ_CARE)

    @property
    def _has_sites(self) -> bool:
        found = self._unit.registry.sites.page(sites=self._sites, where={}, retired=False, before=None, limit=1)
        return bool(found)

    def _own_orders(self) -> Sequence[OrderView]:
        return self._orders(
            self._unit.overview.work_orders(
                self._rights.sight_of_orders, closed=False, crews=self._rights.own_crews, limit=FIRST_OWN + 1
            )
        )

    def _worst(self, kind: str, limit: int) -> Sequence[str]:
        return self._unit.overview.facilities(kind, sites=self._sites, care_sites=self._care_sites, limit=limit)

    def _alerts(self, ids: Sequence[str]) -> list[AlertView]:
        found = (self._unit.alerts.get(alert_id) for alert_id in ids)
        return [self._alert(alert) for alert in found if alert is not None]

    def _alert(self, alert: Alert) -> AlertView:
        first_ms = None
        if alert.late:
            first_ms = min((press.at_ms for press in self._unit.presses.of_alert(alert.id)), default=None)
        return present_alert(alert, self._scene, first_press_ms=first_ms)

    def _orders(self, ids: Sequence[str]) -> list[OrderView]:
        found = (self._unit.work_orders.get(order_id) for order_id in ids)
        return [present_order(order, self._scene) for order in found if order is not None]

    def _facilities(self, ids: Sequence[str]) -> list[FacilityView]:
        found = [facility for facility in map(self._unit.registry.facilities.get, ids) if facility is not None]
        states = self._unit.states.load_facilities([facility.id for facility in found])
        points = self._points([facility for facility in found if wants_point(facility, self._scene)])
        return [
            present_facility(
                FacilityFacts(
                    facility=facility,
                    state=states.get(facility.id),
                    point=points.get(facility.id),
                    alarms=self._alarms(facility),
                ),
                self._scene,
            )
            for facility in found
        ]

    def _points(self, facilities: Sequence[Facility]) -> dict[str, Point]:
        by_site: dict[str, list[str]] = {}
        for facility in facilities:
            by_site.setdefault(facility.site, []).append(facility.slug)
        points: dict[str, Point] = {}
        for site, slugs in by_site.items():
            try:
                found = self._latest(site, slugs)
            except StorageError:
                continue  # the page shows what the rules know; readiness tells of the store
            points.update({f"{site}.{slug}": point for slug, point in found.items()})
        return points

    def _alarms(self, facility: Facility) -> set[FaultCode]:
        if facility.kind != FacilityKind.WRISTBAND or not self._rights.may(Action.READ_CARE, facility.site):
            return set()
        subject = Subject(facility.site, facility.id)
        found = {code: self._unit.alerts.open_of(subject.key, code) for code in ALARMS}
        return {code for code, alert in found.items() if alert is not None and alert.active}


def seen_alert(unit: Unit, rights: Rights, alert_id: str) -> Alert:
    """Return an alert; raises NotFoundError where there is none or somebody with these rights may not see it."""
    alert = unit.alerts.get(alert_id)
    if alert is not None:
        order = None if alert.work_order is None else unit.work_orders.get(alert.work_order)
        crew = None if order is None else order.crew
        if rights.sight_of_alerts.takes_in(alert.subject.site, life_safety=alert.life_safety, crew=crew):
            return alert
    message = "there is no such alert, or you may not see it"
    raise NotFoundError(message)


def seen_order(unit: Unit, rights: Rights, order_id: str) -> WorkOrder:
    """Return an order; raises NotFoundError where there is none or somebody with these rights may not see it."""
    order = unit.work_orders.get(order_id)
    if order is not None and rights.sight_of_orders.takes_in(
        order.subject.site, life_safety=order.life_safety, crew=order.crew
    ):
        return order
    message = "there is no such work order, or you may not see it"
    raise NotFoundError(message)


def _sees_any(sight: Sight) -> bool:
    return sight.sites is None or sight.care_sites is None or bool(sight.sites or sight.care_sites or sight.crews)


def _sees_beyond_crews(rights: Rights) -> bool:
    sight = rights.sight_of_orders
    return sight.sites is None or sight.care_sites is None or bool(sight.sites or sight.care_sites)
