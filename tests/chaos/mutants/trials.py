"""For each fault the strikes that make it show: the same play without the fault has clean books."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.strikes import AGENT, HUB, INFLUXDB, Blow, Strike


@dataclass(frozen=True, slots=True)
class Trial:
    """What is done, on which stand, how long everybody works on after it, and what is then wrong with the books."""

    sign: str
    """Found in a line of what is wrong."""
    strikes: Sequence[Strike] = ()
    edges: int = 1
    presses: bool = True
    """Whether the agent's wearer calls for help."""
    backlog: int = 0
    refused: int = 0
    goes_on_s: float = 2.0


LONG_BACKLOG: Final = 120_000
"""Takes the agent two seconds to send on a fast machine (60,000 a second), and more than ten on a slow one."""

STANDS_STILL: Final = "agent does not get on: .*telemetry"
MISCOUNTED: Final = r"telemetry: (\d+) made, high water \1, (?!\1 )"
TOLD_TWICE: Final = r"calls for \S+: \d+ of \d+, too many"

TRIALS: Final[Mapping[str, Trial]] = {
    # What is published while the hub is away reaches nobody, and the broker says thank you for it.
    "delete_on_puback": Trial(r"[1-9]\d* given up", [Strike(2.0, HUB, away_s=1.5)], edges=0, goes_on_s=6.0),
    # An older disk of the hub asks for records that the agent holds as done. Nobody presses: the disk forgot that too.
    "never_rewind": Trial(
        STANDS_STILL,
        [Strike(1.5, HUB, Blow.KEEP_DISK), Strike(4.0, HUB, Blow.OLD_DISK)],
        edges=0,
        presses=False,
        goes_on_s=4.0,
    ),
    # The messages under way to a hub that dies are lost; the agent's connection stands all the time.
    "never_send_again": Trial(STANDS_STILL, [Strike(2.0, HUB, away_s=1.5)], edges=0, goes_on_s=6.0),
    # A new card's first records must not pass for the old card's.
    "keep_the_epoch": Trial(STANDS_STILL, [Strike(3.0, AGENT, Blow.NEW_CARD)], edges=0),
    # The first call comes while tens of thousands of readings wait.
    "sos_behind_telemetry": Trial("a call for help was heard when only", edges=0, backlog=LONG_BACKLOG, goes_on_s=0.0),
    # The hub dies at the edges' last acknowledgement, as in each play.
    "acknowledge_before_commit": Trial(r"telemetry: (\d+) made, high water (?!\1,)"),
    # The hub is back before the edges' timers run out, and hears first what came after the lost messages.
    "accept_a_hole": Trial(MISCOUNTED, [Strike(2.0, HUB, Blow.CUT), Strike(4.5, HUB, Blow.CUT)], goes_on_s=4.0),
    # A hub that stands still finds every message twice: as it was sent, and as it was sent again.
    "count_duplicates": Trial(MISCOUNTED, [Strike(1.5, HUB, Blow.FREEZE, away_s=4.0)]),
    "forget_high_water": Trial(MISCOUNTED, [Strike(2.0, HUB)]),
    # Each press comes as two records with one ref.
    "hear_every_repeat": Trial(TOLD_TWICE, goes_on_s=6.0),
    # The hub dies while InfluxDB is away and lines wait for it.
    "let_go_before_influxdb": Trial(
        r"in InfluxDB: [1-9]\d* lost", [Strike(2.0, INFLUXDB, away_s=4.0), Strike(4.5, HUB)], edges=1
    ),
    # The first calls for help are not taken, so they are made again.
    "new_id_each_attempt": Trial(TOLD_TWICE, edges=0, refused=2, goes_on_s=5.0),
}
