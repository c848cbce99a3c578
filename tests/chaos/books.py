"""The books after the strikes: what was made, what the hub, InfluxDB and whoever is called have of it."""

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.acceptance.outside import client_edge
from tests.acceptance.outside.client_rest import metric
from tests.acceptance.outside.hub_process import ADMIN
from tests.chaos.stand import READY_S, REPEATS, Edge, Stand
from tests.chaos.strikes import AGENT

ENDS_WITHIN_S: Final = 5.0
LONGEST_PATIENCES: Final = 5
SETTLES_S: Final = 1.0
"""Longer than an answered call needs to be repeated."""
UNHEARD: Final = {"high_water": 0, "stored": 0, "gaps": 0, "quarantined": 0}
"""The row of a lane of which the hub knows nothing."""

Made = Mapping[tuple[str, str], int]
"""(epoch, lane) → the last seq that was given out."""


@dataclass(slots=True)
class Books:
    """Counts of all nodes; `wrong` says what the promise does not allow, and is empty where it held."""

    events: int = 0
    """Records that were made and committed by an edge, all lanes."""
    presses: int = 0
    points: int = 0
    """Readings that InfluxDB holds."""
    lost: int = 0
    doubled: int = 0
    phantom: int = 0
    notified: int = 0
    """Distinct ids of calls for help."""
    repeated: int = 0
    """Calls under an id that had arrived before."""
    residual: float = 0.0
    waiting_when_heard: int | None = None
    wrong: list[str] = field(default_factory=list[str])

    def compare(self, what: str, *, wanted: Sequence[Any], found: Mapping[Any, int]) -> None:
        """Compare what should be there once with how often it is there."""
        known = frozenset(wanted)
        missing = sum(1 for one in wanted if one not in found)
        extra = sum(times - 1 for one, times in found.items() if one in known)
        phantom = sum(times for one, times in found.items() if one not in known)
        self.lost, self.doubled, self.phantom = self.lost + missing, self.doubled + extra, self.phantom + phantom
        if missing or extra or phantom:
            self.wrong.append(f"{what}: {missing} lost, {extra} doubled, {phantom} made up, of {len(wanted)}")

    def tally(self, what: str, wanted: int, found: int) -> None:
        """Compare how many should be there with how many are, where one cannot be told from another."""
        self.lost, self.doubled = self.lost + max(0, wanted - found), self.doubled + max(0, found - wanted)
        if wanted != found:
            self.wrong.append(f"{what}: {found} of {wanted}, {'too many' if found > wanted else 'too few'}")


class Audit:
    """Lets everything come to rest, then fills the books."""

    def __init__(self, stand: Stand, books: Books, *, patience_s: float) -> None:
        """`patience_s` is how long any part may stand still before it has come to rest."""
        self._stand = stand
        self._books = books
        self._patience_s = patience_s
        self._made: dict[str, Made] = {}

    def close(self, *, at_the_first: bool = False) -> None:
        """Stop making, let what is on its way arrive, end the hub at the last acknowledgement, compare.

        `at_the_first` ends with the first comparison that finds something wrong.
        """
        for step in (
            self._agent_gets_on,
            self._edges_finish,
            self._hub_dies,
            self._agent_finishes,
            self._compare_lanes,
            self._compare_points,
            self._compare_calls,
            self._compare_conservation,
        ):
            step()
            if at_the_first and self._books.wrong:
                return

    def _agent_gets_on(self) -> None:
        """What the agent has now is acknowledged without a restart of it."""
        self._stand.hub.wait_ready(READY_S)
        wanted = {lane["lane"]: lane["next"] - 1 for lane in self._stand.agent.lanes()}

        def behind() -> list[str]:
            return [
                f"{lane['lane']}: {lane['high_water']} of {wanted[lane['lane']]} acknowledged"
                for lane in self._stand.agent.lanes()
                if lane["high_water"] < wanted[lane["lane"]]
            ]

        if not _comes(behind, self._patience_s):
            self._books.wrong.append(f"{AGENT} does not get on: {', '.join(behind())}")

    def _edges_finish(self) -> None:
        edges = self._stand.edges
        for edge in edges:
            edge.enough()

        def at_work() -> list[tuple[str, int, int]]:
            return [(edge.node, edge.done("telemetry"), edge.done("sos")) for edge in edges if edge.running]

        _comes(at_work, self._patience_s)
        for edge in edges:
            try:
                edge.finish(ENDS_WITHIN_S)
            except (AssertionError, subprocess.TimeoutExpired):
                self._books.wrong.append(f"{edge.node} does not get done")

    def _hub_dies(self) -> None:
        """What was acknowledged is durable, or it is lost now: no edge is there any more that could send it again."""
        self._stand.hub.kill()
        self._stand.hub.start(ready_s=READY_S)
        self._stand.admin.login(*ADMIN)

    def _agent_finishes(self) -> None:
        self._stand.agent.kill()
        try:
            self._stand.agent.drain(within_s=self._patience_s)
        except AssertionError as error:
            self._books.wrong.append(f"{AGENT}: {error}")
        self._made = {AGENT: self._stand.agent.made()} | {edge.node: _made(edge) for edge in self._stand.edges}

    def _compare_lanes(self) -> None:
        """Every seq of every lane is stored: no disk is full here, so no gap and no quarantine is excused."""
        for node, given in self._made.items():
            self._books.events += sum(given.values())
            rows = {(row["epoch"], row["lane"]): row for row in self._stand.site.lanes(node)}
            for key in rows.keys() | given.keys():
                self._compare_lane(f"{node} {key[1]}", given.get(key, 0), rows.get(key, UNHEARD))

    def _compare_lane(self, name: str, made: int, row: Mapping[str, Any]) -> None:
        books, stored = self._books, row["stored"]
        if (row["high_water"], stored, row["gaps"], row["quarantined"]) != (made, made, 0, 0):
            books.lost, books.doubled = books.lost + max(0, made - stored), books.doubled + max(0, stored - made)
            books.wrong.append(
                f"{name}: {made} made, high water {row['high_water']}, {stored} stored, {row['gaps']} given up,"
                f" {row['quarantined']} in quarantine"
            )

    def _compare_points(self) -> None:
        """InfluxDB holds every reading once, and the hub shows as many; all but the agent's own have a number."""
        stand, books = self._stand, self._books
        _comes(lambda: metric(stand.hub.url, "linli_influx_backlog_rows"), self._patience_s)
        for node, given in self._made.items():
            made = _total(given, "telemetry")
            rows = stand.points.query(f"SELECT * FROM fill_level WHERE node = '{node}'")  # noqa: S608 our own names
            books.points += len(rows)
            numbers = Counter(client_edge.number_of(row) for row in rows if row.get("distance_mm") is not None)
            numbered = stand.backlog if node == AGENT else made
            books.compare(f"readings of {node} in InfluxDB", wanted=range(1, numbered + 1), found=numbers)
            books.tally(f"readings of {node} without a number", made - numbered, len(rows) - numbers.total())
        for edge in stand.edges:
            days = stand.site.points(edge.facility, "distance_mm", every=86_400, aggregate="count")
            shown, made = sum(day["value"] for day in days), _total(self._made[edge.node], "telemetry")
            if shown != made:
                books.wrong.append(f"the hub shows {shown:g} of {made} readings of {edge.node}")

    def _compare_calls(self) -> None:
        """Each press is in its wearer's one alert, and was told once: under one id, however often."""
        stand, books = self._stand, self._books
        presses = {stand.agent.wearer: _total(self._made[AGENT], "sos")}
        presses |= {edge.wearer: _total(self._made[edge.node], "sos") // REPEATS for edge in stand.edges}
        bands = {edge.wearer: edge.band for edge in stand.edges}
        books.presses = sum(presses.values())
        alerts = stand.site.alerts(fault_code="sosPressed")
        for wearer, count in presses.items():
            refs = Counter(ref for alert in alerts if alert["facility"] == wearer for ref in alert["refs"])
            if wearer in bands:
                wanted = [f"{bands[wearer]}:{number}" for number in range(1, count + 1)]
                books.compare(f"presses of {wearer}", wanted=wanted, found=refs)
            else:
                books.tally(f"presses of {wearer}", count, len(refs))
        if len(alerts) != sum(1 for count in presses.values() if count):
            books.wrong.append(f"{len(alerts)} alerts for {len(presses)} wearers")
        _comes(lambda: max(0, books.presses - len({call.id for call in stand.calls()})), self._patience_s)
        time.sleep(SETTLES_S)
        ids = Counter((call.json["data"]["facility"], call.id) for call in stand.calls())
        books.notified, books.repeated = len(ids), ids.total() - len(ids)
        for wearer in presses.keys() | {wearer for wearer, _ in ids}:
            told = sum(1 for known, _ in ids if known == wearer)
            books.tally(f"calls for {wearer}", presses.get(wearer, 0), told)

    def _compare_conservation(self) -> None:
        self._books.residual = metric(self._stand.hub.url, "linli_conservation_residual")
        if self._books.residual != 0:
            self._books.wrong.append(f"the conservation residual is {self._books.residual:g}")


def _made(edge: Edge) -> Made:
    outbox = client_edge.Outbox(edge.db)
    return {(outbox.epoch, lane): outbox.next(lane) - 1 for lane in ("telemetry", "sos")}


def _total(made: Made, lane: str) -> int:
    return sum(count for (_, known), count in made.items() if known == lane)


def _comes(missing: Callable[[], Any], patience_s: float) -> bool:
    """Wait until nothing is missing; False where that stays the same for so long, or changes for ever."""
    former, now_s = missing(), time.monotonic()
    until_s, at_last_s = now_s + patience_s, now_s + LONGEST_PATIENCES * patience_s
    while former:
        time.sleep(0.1)
        found, now_s = missing(), time.monotonic()
        if found != former:
            former, until_s = found, now_s + patience_s
        elif now_s > until_s:
            return False
        if now_s > at_last_s:
            return False
    return True
