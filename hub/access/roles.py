"""Who may do what: the table role → actions, and what a person's roles come to at each site."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hub.vocabulary import Role, Sight

EVERY_SITE: Final = "*"


class Action(StrEnum):
    """What can be permitted."""

    READ_REGISTRY = "read_registry"
    """Sites, grids, facilities, nodes, devices, crews, rule parameters."""
    WRITE_REGISTRY = "write_registry"
    ISSUE_CREDENTIALS = "issue_credentials"
    WRITE_RULES = "write_rules"
    READ_PEOPLE = "read_people"
    WRITE_PEOPLE = "write_people"
    READ_ALERTS = "read_alerts"
    HANDLE_ALERTS = "handle_alerts"
    """Acknowledge, comment, shelve, resolve."""
    ASSIGN_ALERTS = "assign_alerts"
    READ_ORDERS = "read_orders"
    ASSIGN_ORDERS = "assign_orders"
    """Assign, cancel, reopen."""
    WORK_ORDERS = "work_orders"
    """Accept, arrive, complete, hold and resume any order."""
    WORK_OWN_ORDERS = "work_own_orders"
    """See and work the orders of one's own crews."""
    READ_CARE = "read_care"
    """See the alerts and orders of life safety."""
    HANDLE_CARE = "handle_care"
    """Acknowledge, comment and resolve the alerts of life safety."""
    READ_TELEMETRY = "read_telemetry"
    READ_VITALS = "read_vitals"
    """Telemetry of wristbands."""
    READ_INGEST = "read_ingest"
    """Lanes, gaps, incidents, quarantine."""
    DECIDE_QUARANTINE = "decide_quarantine"
    MANAGE_WEBHOOKS = "manage_webhooks"
    READ_AUDIT = "read_audit"


_SEES: Final = frozenset({Action.READ_REGISTRY, Action.READ_ALERTS, Action.READ_ORDERS, Action.READ_TELEMETRY})

PERMITTED: Final[Mapping[Role, frozenset[Action]]] = {
    Role.ADMIN: frozenset(Action),
    Role.OPERATOR: _SEES
    | {
        Action.READ_PEOPLE,
        Action.HANDLE_ALERTS,
        Action.ASSIGN_ALERTS,
        Action.READ_CARE,
        Action.HANDLE_CARE,
        Action.READ_VITALS,
        Action.READ_INGEST,
        Action.DECIDE_QUARANTINE,
    },
    Role.DISPATCHER: _SEES
    | {
        Action.READ_PEOPLE,
        Action.ASSIGN_ALERTS,
        Action.READ_CARE,
        Action.ASSIGN_ORDERS,
        Action.WORK_ORDERS,
    },
    Role.GRID_WORKER: _SEES,
    Role.CREW: frozenset({Action.READ_REGISTRY, Action.WORK_OWN_ORDERS, Action.READ_TELEMETRY}),
    Role.CARER: frozenset(
        {
            Action.READ_REGISTRY,
            Action.READ_CARE,
            Action.HANDLE_CARE,
            Action.WORK_OWN_ORDERS,
            Action.READ_VITALS,
            Action.READ_TELEMETRY,
        }
    ),
    Role.FAMILY: frozenset(),
    Role.AUDITOR: _SEES | {Action.READ_PEOPLE, Action.READ_CARE, Action.READ_INGEST, Action.READ_AUDIT},
}
"""A relative sees what a consent gives them, and there is none yet."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may do: their roles with the sites they are held for, and the crews they are in."""

    grants: tuple[tuple[Role, str], ...]
    crews: frozenset[str] = frozenset()
    """REST ids."""

    def sites(self, action: Action) -> frozenset[str] | None:
        """Return the sites where the action is permitted; None: everywhere."""
        held = {site for role, site in self.grants if action in PERMITTED[role]}
        return None if EVERY_SITE in held else frozenset(held)

    def may(self, action: Action, site: str) -> bool:
        """Tell whether the action is permitted at the site."""
        sites = self.sites(action)
        return sites is None or site in sites

    def may_everywhere(self, action: Action) -> bool:
        """Tell whether the action is permitted at every site, those to come included."""
        return self.sites(action) is None

    @property
    def own_crews(self) -> frozenset[str]:
        """The crews whose orders one may work."""
        return frozenset(crew for crew in self.crews if self.may(Action.WORK_OWN_ORDERS, crew.partition(".")[0]))

    @property
    def sight_of_alerts(self) -> Sight:
        """Which alerts may be seen."""
        return Sight(self.sites(Action.READ_ALERTS), self.sites(Action.READ_CARE), self.own_crews)

    @property
    def sight_of_orders(self) -> Sight:
        """Which work orders may be seen."""
        return Sight(self.sites(Action.READ_ORDERS), self.sites(Action.READ_CARE), self.own_crews)
