"""Which crew gets a new order: one of the site with the skill, the least loaded; with the reason and its parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.vocabulary import Skill
from hub.workorders.order import OrderReason
from hub.workorders.ports import CrewLoad


@dataclass(frozen=True, slots=True)
class Choice:
    """The crew chosen, or None, and why; `parameters` are those of the reason's sentence."""

    crew: str | None
    reason: OrderReason
    parameters: Mapping[str, Any]


def choose(able: Sequence[CrewLoad], skill: Skill) -> Choice:
    """Return the crew with the fewest orders that are not over; among equals the first by its id."""
    if not able:
        return Choice(None, OrderReason.NO_CREW_WITH_SKILL, {"skill": skill.value})
    best = min(able, key=lambda load: (load.open_orders, load.crew))
    parameters = {"skill": skill.value, "open_orders": best.open_orders, "candidates": len(able)}
    return Choice(best.crew, OrderReason.SKILL_MATCH, parameters)
