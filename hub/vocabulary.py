"""The words that nouns share: fault codes with their weight, colours, severities, skills, roles."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FacilityKind(StrEnum):
    """What people see and care for."""

    BIN = "bin"
    STREETLIGHT = "streetlight"
    WRISTBAND = "wristband"


class Severity(StrEnum):
    """How bad an alert is."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    WARNING = "warning"


class Colour(StrEnum):
    """The response clock of an alert and its order: red 24 h, yellow 3 and blue 7 working days."""

    RED = "red"
    YELLOW = "yellow"
    BLUE = "blue"


class Skill(StrEnum):
    """What a crew can do."""

    WASTE = "waste"
    ELECTRICAL = "electrical"
    CARE = "care"


class FaultCode(StrEnum):
    """The field's own names (TALQ, uCIFI) where it has one; the spelling of the REST contract."""

    BIN_FULL = "binFull"
    LAMP_FAILURE = "lampFailure"
    LAMP_UNEXPECTED_ON = "lampUnexpectedOn"
    BATTERY_LOW = "batteryLow"
    COMMUNICATION_FAILURE = "communicationFailure"
    NODE_OFFLINE = "nodeOffline"
    SOS_PRESSED = "sosPressed"
    FALL_DETECTED = "fallDetected"
    STORE_UNAVAILABLE = "storeUnavailable"
    """The telemetry store refuses or is missing; raised at the site, points wait."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What follows from a fault code: severity, colour, the skill of its order (None.

    No order) and the class that shares one order.
    """

    severity: Severity
    colour: Colour
    skill: Skill | None
    fault_class: str
    life_safety: bool = False


FAULTS: Final[Mapping[FaultCode, Fault]] = {
    FaultCode.BIN_FULL: Fault(Severity.MAJOR, Colour.YELLOW, Skill.WASTE, "waste"),
    FaultCode.LAMP_FAILURE: Fault(Severity.MAJOR, Colour.YELLOW, Skill.ELECTRICAL, "lamp"),
    FaultCode.LAMP_UNEXPECTED_ON: Fault(Severity.MINOR, Colour.BLUE, Skill.ELECTRICAL, "lamp"),
    FaultCode.BATTERY_LOW: Fault(Severity.WARNING, Colour.BLUE, Skill.ELECTRICAL, "battery"),
    FaultCode.COMMUNICATION_FAILURE: Fault(Severity.MINOR, Colour.BLUE, Skill.ELECTRICAL, "communication"),
    FaultCode.NODE_OFFLINE: Fault(Severity.MAJOR, Colour.YELLOW, Skill.ELECTRICAL, "node"),
    FaultCode.SOS_PRESSED: Fault(Severity.CRITICAL, Colour.RED, Skill.CARE, "care", life_safety=True),
    FaultCode.FALL_DETECTED: Fault(Severity.CRITICAL, Colour.RED, Skill.CARE, "care", life_safety=True),
    FaultCode.STORE_UNAVAILABLE: Fault(Severity.MAJOR, Colour.YELLOW, None, "store"),
}


PROBE_SITE: Final = "linli-watchdog"
PROBE_NODE: Final = "probe"
PROBE_DEVICE: Final = "test-press"
"""Where the watchdog's test presses come from.

It stands in no registry; whoever registers it makes it an ordinary node, whose SOS are real.
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about: a facility, else a node, else the site itself.

    REST ids (`site.slug`), the site's slug.
    """

    site: str
    facility: str | None = None
    node: str | None = None

    @property
    def key(self) -> str:
        """Identity of the subject: the facility's id, else the node's marked as such, else the site's."""
        if self.facility is not None:
            return f"facility:{self.facility}"
        return f"node:{self.node}" if self.node is not None else f"site:{self.site}"


class Role(StrEnum):
    """What a person may do, held for one site (or for all: site `*`, admin only)."""

    ADMIN = "admin"
    OPERATOR = "operator"
    DISPATCHER = "dispatcher"
    GRID_WORKER = "grid_worker"
    CREW = "crew"
    CARER = "carer"
    FAMILY = "family"
    AUDITOR = "auditor"


class Locale(StrEnum):
    """The languages people are spoken to in."""

    ZH = "zh"
    EN = "en"


def rest_id(site: str, slug: str) -> str:
    """Return the REST id of a grid, facility, device, node or crew."""
    return f"{site}.{slug}"


def slug_of(identifier: str) -> str:
    """Return the slug in a REST id `site.slug`."""
    return identifier.partition(".")[2]


@dataclass(frozen=True, slots=True)
class Sight:
    """Which alerts and work orders somebody may see: all of some sites, life safety of some, those of some crews."""

    sites: frozenset[str] | None
    """Where everything is seen; None: everywhere."""
    care_sites: frozenset[str] | None
    """Where what is of life safety is seen; None: everywhere."""
    crews: frozenset[str] = frozenset()
    """REST ids of the crews whose orders, and the alerts of these, are seen."""

    def takes_in(self, site: str, *, life_safety: bool, crew: str | None) -> bool:
        """Tell whether an alert or order of the site is seen; `crew` is the order's."""
        return (
            self.sites is None
            or site in self.sites
            or (life_safety and (self.care_sites is None or site in self.care_sites))
            or (crew is not None and crew in self.crews)
        )
