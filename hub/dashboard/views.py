"""What a page shows, ready in words: templates only lay it out."""

from dataclasses import dataclass
from enum import StrEnum

from hub.dashboard.times import Moment


class Level(StrEnum):
    """How loud something is; colour is never its only sign, words and shapes say it too."""

    SOS = "sos"
    RED = "red"
    YELLOW = "yellow"
    BLUE = "blue"
    GOOD = "good"
    STALE = "stale"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Button:
    """A step that one touch takes."""

    action: str
    """The address it is posted to."""
    step: str
    label: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a history."""

    when: Moment
    sentence: str
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """An alert."""

    id: str
    href: str
    level: Level
    life_safety: bool
    active: bool
    sentence: str
    subject: str
    site: str
    fault: str
    severity: str
    state: str
    state_word: str
    fired: Moment
    notes: tuple[str, ...]
    order_href: str | None
    steps: tuple[str, ...]
    button: Button | None


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a work order: `past`, `now`, `failed` or `ahead`."""

    word: str
    status: str


@dataclass(frozen=True, slots=True)
class Due:
    """By when something has to happen."""

    sentence: str
    when: Moment
    urgent: bool
    """It is late, or somebody calls for help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """A work order."""

    id: str
    href: str
    level: Level
    colour: str
    subject: str
    site: str
    fault: str
    state: str
    state_word: str
    reason: str
    crew: str | None
    opened: Moment
    due: Due | None
    stages: tuple[Stage, ...]
    steps: tuple[str, ...]
    buttons: tuple[Button, ...]
    more: str | None
    """What else can be done, on its own page; None: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FacilityView:
    """A facility and how it is."""

    id: str
    name: str
    place: str
    level: Level
    state_word: str
    value: str | None
    percent: int | None
    """For a bar, 0–100."""
    heard: Moment | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """A number with its word."""

    number: int
    word: str
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class KindView:
    """The facilities of one kind."""

    kind: str
    title: str
    total: int
    counts: tuple[Count, ...]
    facilities: tuple[FacilityView, ...]
