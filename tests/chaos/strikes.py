"""What is done to whom and when: the schedule that a seed draws, as it stands in a history file."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, Final, Self

BROKER: Final = "broker"
HUB: Final = "hub"
INFLUXDB: Final = "influxdb"
AGENT: Final = "agent"
FREEZES_A_KILL: Final = 1 / 10
CUTS_A_KILL: Final = 1 / 20
STARTS_WITHIN_S: Final = {HUB: 6.0, INFLUXDB: 2.0, AGENT: 3.0}
"""How long a target is left alone after it comes back, so that it works now and then; others: a second."""
LONGEST_AWAY_S: Final = 1.5
LONGEST_FREEZE_S: Final = 3.0


class Blow(StrEnum):
    """What can be done to a target."""

    KILL = "kill"
    """SIGKILL; it starts again `away_s` later."""
    FREEZE = "freeze"
    """SIGSTOP, and SIGCONT `away_s` later."""
    CUT = "cut"
    """The broker throws the hub's connection out: what is published until it is back reaches nobody."""
    NEW_CARD = "new_card"
    """What the agent has is acknowledged, then its disk is lost: it starts with an empty one."""
    KEEP_DISK = "keep_disk"
    """The hub's disk is copied while it is down."""
    OLD_DISK = "old_disk"
    """The hub starts with the copy of `keep_disk`."""


@dataclass(frozen=True, slots=True)
class Strike:
    """At `at_s` after everybody works, this is done; the target comes back `away_s` later."""

    at_s: float
    target: str
    blow: Blow = Blow.KILL
    away_s: float = 0.0

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """Return the strike that a history tells of."""
        return cls(told["at_s"], told["target"], Blow(told["blow"]), told["away_s"])


def schedule(seed: int, *, kills: int, every_s: float, edges: int, new_card: bool) -> list[Strike]:
    """Draw so many kills, one every `every_s` on average, every target among them; freezes and cuts come on top.

    A new card is given once, half-way.
    """
    random = Random(seed)
    targets = [BROKER, HUB, INFLUXDB, AGENT, *(f"edge-{number}" for number in range(1, edges + 1))]
    free_s = dict.fromkeys(targets, 0.0)
    unseen = random.sample(targets, len(targets))
    strikes: list[Strike] = []
    at_s = 0.0
    for number in range(kills):
        at_s += every_s * random.uniform(0.4, 1.6)
        if new_card and number == kills // 2:
            strikes.append(Strike(round(at_s, 2), AGENT, Blow.NEW_CARD))
        _add(strikes, random, free_s, at_s=at_s, blow=Blow.KILL, among=[unseen.pop()] if unseen else targets)
        if random.random() < FREEZES_A_KILL:
            _add(strikes, random, free_s, at_s=at_s + 0.1, blow=Blow.FREEZE, among=targets)
        if random.random() < CUTS_A_KILL:
            strikes.append(Strike(round(at_s + 0.2, 2), HUB, Blow.CUT))
    return sorted(strikes, key=lambda strike: strike.at_s)


def _add(
    strikes: list[Strike],
    random: Random,
    free_s: dict[str, float],
    *,
    at_s: float,
    blow: Blow,
    among: Sequence[str],
) -> None:
    """Add a strike on a target that is back from its last one, else on whoever is back first."""
    free = [target for target in among if free_s[target] <= at_s]
    target = random.choice(free) if free else min(among, key=lambda name: free_s[name])
    at_s = max(at_s, free_s[target])
    away_s = random.uniform(0.0, LONGEST_FREEZE_S if blow is Blow.FREEZE else LONGEST_AWAY_S)
    strikes.append(Strike(round(at_s, 2), target, blow, round(away_s, 2)))
    free_s[target] = at_s + away_s + random.uniform(0.3, 1.0) * STARTS_WITHIN_S.get(target, 1.0)
