"""Conservation (G11): produced = stored + quarantined + gaps + losses of closed epochs, held against a second ledger.

A node written from the contract does by a seed whatever moves a seq: good and bad records, declared gaps, messages that
come again, holes, lost cards whose rows turn up later, records that a person releases. It keeps its own account of each
lane; the hub's must be the same in every term, and its telemetry must hold as many readings as both say.
"""

import sqlite3
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from simulators.servers.mosquitto import BrokerAuth, MosquittoServer
from tests.acceptance.outside.client_node import LANES, Json
from tests.acceptance.outside.client_rest import Rest, metric
from tests.acceptance.outside.hub_process import ADMIN, RESIDUAL, Hub
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.guarantees.guarantee import Control, Guarantee, Run

NODE: Final = "pi-1"
BIN: Final = "bin-1"
FULL_STEPS: Final = 1_500
SHORT_STEPS: Final = 60
CONTROL_STEPS: Final = 60
ANSWERED_WITHIN_S: Final = 30.0
SIGNS: Final = {
    "count_duplicates": "stored .* at the hub",
    "forget_gaps": "gaps 0 at the hub",
    "forget_closed_epochs": "loss 0 at the hub",
    "quarantine_counts_as_stored": "quarantined 0 at the hub",
    "release_moves_nothing": "quarantined [1-9].* at the hub",
}
"""Mutant → what is found wrong then."""
TERMS: Final = ("produced", "stored", "quarantined", "gaps", "duplicates", "loss")


@dataclass(slots=True)
class Account:
    """One lane of one epoch, as the node knows it."""

    produced: int = 0
    stored: int = 0
    quarantined: int = 0
    gaps: int = 0
    duplicates: int = 0
    loss: int = 0
    closed: bool = False

    @property
    def high_water(self) -> int:
        """The last seq that the hub has passed."""
        return self.stored + self.quarantined + self.gaps


class Player:
    """The node, its steps, and its ledger."""

    def __init__(self, scene: "Scene", random: Random) -> None:
        self._scene, self._random = scene, random
        self._node = scene.site.online(NODE)
        self.ledger: dict[tuple[str, str], Account] = {}
        self._last: tuple[str, int, list[Json]] | None = None
        self._later: list[str] = []
        self._old: list[tuple[str, str]] = []
        """Lanes of closed epochs that have lost something."""
        self._count = 0
        self._begin()

    def step(self) -> None:
        """Do something."""
        does: list[tuple[Callable[[], None], int]] = [
            (self._good, 12),
            (self._bad, 6),
            (self._gap, 4),
            (self._again, 4),
            (self._hole, 3),
            (self._rubbish, 2),
            (self._new_card, 1),
            (self._find_old_rows, 1),
            (self._register_and_release, 1),
        ]
        self._random.choices(*zip(*does, strict=True))[0]()

    def finish(self) -> None:
        """Let every kind of step have happened, and tell the hub how far the lanes are."""
        for does in (self._good, self._bad, self._gap, self._again, self._hole, self._new_card, self._find_old_rows):
            does()
        self._register_and_release()
        for lane in LANES:
            self._hello(lane)

    def _account(self, lane: str) -> Account:
        return self.ledger.setdefault((self._node.epoch, lane), Account())

    def _begin(self) -> None:
        for lane in LANES:
            self._account(lane)
            self._hello(lane)

    def _hello(self, lane: str) -> None:
        account = self._account(lane)
        account.produced = self._node.next[lane] - 1
        self._node.hello(lane, timeout_s=ANSWERED_WITHIN_S)

    def _lane(self) -> str:
        return self._random.choices(LANES, weights=(1, 3, 8))[0]

    def _record(self, lane: str) -> Json:
        self._count += 1
        if lane == "telemetry":
            return self._node.fill(self._scene.device, self._random.uniform(0, 50))
        if lane == "event":
            return self._node.event(self._scene.device, "lid_closed", f"lid:{self._count}")
        return self._node.event(self._scene.band, "sos_cancelled", f"band:{self._count}")

    def _bad_record(self, lane: str) -> Json:
        """A record that cannot be used, each for another reason."""
        self._count += 1
        if lane != "telemetry":
            event = "volcano_erupted" if lane == "event" else "lid_opened"
            return self._node.event(self._scene.device, event, f"bad:{self._count}")
        fill, reading = self._node.fill, self._node.reading
        return self._random.choice(
            [
                lambda: fill("nobody-us", 10),
                lambda: fill(self._scene.device, 150),
                lambda: fill(self._scene.device, float("nan")),
                lambda: reading(self._scene.device, "gravity", {"g": 9.8}),
                lambda: reading(self._scene.device, "fill_level", {"distance_mm": 4}),
            ]
        )()

    def _send(self, lane: str, records: list[Json], *, seqs: int) -> None:
        """Send what comes next, and wait until the hub has it."""
        node, first = self._node, self._node.next[lane]
        node.next[lane] += seqs
        self._deliver(lane, first, records, through=first + seqs - 1)
        account = self._account(lane)
        account.produced = max(account.produced, node.next[lane] - 1)
        self._last = (lane, first, records)

    def _deliver(self, lane: str, first: int, records: list[Json], *, through: int, **overrides: Any) -> None:
        mark = self._node.mark(lane)
        self._node.send(lane, first, records, **overrides)
        epoch = overrides.get("epoch", self._node.epoch)
        self._node.wait_ack(lane, through, since=mark, timeout_s=ANSWERED_WITHIN_S, epoch=epoch)

    def _good(self) -> None:
        lane = self._lane()
        records = [self._record(lane) for _ in range(self._random.randint(1, 40 if lane == "telemetry" else 3))]
        self._send(lane, records, seqs=len(records))
        self._account(lane).stored += len(records)

    def _bad(self) -> None:
        """Bad ones among good ones."""
        lane = self._lane()
        bad = self._random.randint(1, 3)
        records = [self._bad_record(lane) for _ in range(bad)]
        good = [self._record(lane) for _ in range(self._random.randint(0, 3))]
        records += good
        self._random.shuffle(records)
        self._send(lane, records, seqs=len(records))
        self._account(lane).quarantined += bad
        self._account(lane).stored += len(good)

    def _gap(self) -> None:
        """A gap between two records; the hub is told first how far the lane is."""
        lane, width = self._lane(), self._random.randint(1, 500)
        first, reason = self._node.next[lane], self._random.choice(["evicted", "thinned", "corrupt"])
        records = [self._record(lane), self._node.gap(first + width, reason), self._record(lane)]
        self._node.next[lane] = first + width + 2
        self._hello(lane)
        self._deliver(lane, first, records, through=first + width + 1)
        account = self._account(lane)
        account.stored, account.gaps = account.stored + 2, account.gaps + width
        self._last = (lane, first, records)

    def _again(self) -> None:
        """The last message comes a second time, a gap as one record; what says nothing new may stay unanswered."""
        if self._last is None:
            return
        lane, first, records = self._last
        self._node.send(lane, first, records)
        self._hello(lane)
        self._account(lane).duplicates += len(records)

    def _hole(self) -> None:
        """A message is overtaken: the SOS lane takes the later one at once, the others wait for the first."""
        lane = self._lane()
        records = [self._record(lane) for _ in range(4)]
        first = self._node.next[lane]
        self._node.next[lane] += 4
        self._node.send(lane, first + 2, records[2:])
        self._hello(lane)
        self._deliver(lane, first, records, through=first + 3)
        account = self._account(lane)
        account.stored += 4
        account.duplicates += 2 if lane == "sos" else 0
        self._last = (lane, first, records)

    def _rubbish(self) -> None:
        """A message that is none moves nothing."""
        self._count += 1
        self._node.send_raw(self._lane(), f"rubbish {self._count} {{".encode())

    def _new_card(self) -> None:
        """Records were made and told of, and then the card with them is lost."""
        old = self._node.epoch
        for lane in LANES:
            made = self._random.randint(0, 30)
            self._node.next[lane] += made
            self._hello(lane)
            account = self.ledger[old, lane]
            account.loss, account.closed = account.produced - account.high_water, True
            if account.loss:
                self._old.append((old, lane))
        self._node.new_epoch()
        self._last = None
        self._begin()

    def _find_old_rows(self) -> None:
        """Some of what a lost card held turns up, and drains under its own epoch."""
        if not self._old:
            return
        epoch, lane = self._old.pop(self._random.randrange(len(self._old)))
        account = self.ledger[epoch, lane]
        found = self._random.randint(1, account.loss)
        records = [self._record(lane) for _ in range(found)]
        first = account.high_water + 1
        self._deliver(lane, first, records, through=first + found - 1, epoch=epoch)
        account.stored, account.loss = account.stored + found, account.loss - found
        if account.loss:
            self._old.append((epoch, lane))

    def _register_and_release(self) -> None:
        """A device that nobody knew says something, is registered, and its record is released by a person."""
        self._count += 1
        slug = f"late-{self._count}-us"
        self._send("telemetry", [self._node.fill(slug, 20)], seqs=1)
        self._account("telemetry").quarantined += 1
        scene = self._scene
        scene.site.device(slug, "fill_level", facility=BIN, node=NODE)
        held = scene.rest.items("quarantine", site=scene.site.slug, state="held", reason="unknown_device")
        (mine,) = [
            item
            for item in held
            if (item["epoch"], item["seq"]) == (self._node.epoch, self._node.next["telemetry"] - 1)
        ]
        scene.rest.post(f"quarantine/{mine['id']}/release", {"comment": "registered since"})
        account = self._account("telemetry")
        account.quarantined, account.stored = account.quarantined - 1, account.stored + 1


@dataclass(slots=True)
class Scene:
    """A hub and one site on a broker that asks for no password."""

    hub: Hub
    rest: Rest
    site: Neighbourhood
    device: str
    band: str


def play(seed: int, *, steps: int, restarts: int = 0, fault: str | None = None) -> Run:
    """Play so many steps, killing the hub between some of them, and compare the books."""
    random = Random(seed)
    with TemporaryDirectory(prefix="linli-books-") as name, ExitStack() as stack:
        scene = _open_scene(Path(name), stack, fault)
        player = Player(scene, random)
        killed_at = set(random.sample(range(steps), restarts))
        for number in range(steps):
            player.step()
            if number in killed_at:
                scene.hub.kill()
                scene.hub.start()
                scene.rest.login(*ADMIN)
        player.finish()
        wrong = _audit(scene, player.ledger)
        residual = metric(scene.hub.url, RESIDUAL)
        stored = _readings(scene.hub.data_dir / "telemetry.db")
    sums = {term: sum(getattr(account, term) for account in player.ledger.values()) for term in TERMS}
    left = sums["produced"] - sums["stored"] - sums["quarantined"] - sums["gaps"] - sums["loss"]
    assert left == 0, f"the ledger of the test itself does not balance: {left}"
    kept = sum(account.stored for (_, lane), account in player.ledger.items() if lane == "telemetry")
    if residual:
        wrong.append(f"the conservation residual is {residual:g}")
    if stored != kept:
        wrong.append(f"{kept} readings are counted as stored, and {stored} are there")
    closed = sum(account.closed for account in player.ledger.values())
    reached = (
        f"residual {residual:g}: {sums['produced']:,} produced = {sums['stored']:,} stored + {sums['quarantined']:,}"
        f" quarantined + {sums['gaps']:,} declared lost + {sums['loss']:,} on lost cards; {sums['duplicates']:,} came"
        f" again and were counted once; {closed} lanes closed, {restarts} kills of the hub"
    )
    lanes = [{"epoch": epoch, "lane": lane, **asdict(account)} for (epoch, lane), account in player.ledger.items()]
    return Run(reached, wrong, {**sums, "residual": residual, "steps": steps, "restarts": restarts, "lanes": lanes})


def run(seed: int, *, full: bool) -> Run:
    """Compare the books of a long or a short play."""
    return play(seed, steps=FULL_STEPS, restarts=5) if full else play(seed, steps=SHORT_STEPS)


def control(seed: int) -> Control:
    """Have each term miscounted by the hub: the comparison must tell."""
    seen = {fault: play(seed, steps=CONTROL_STEPS, fault=fault).wrong for fault in SIGNS}
    return Control.by_signs(SIGNS, seen, dict.fromkeys(SIGNS, play(seed, steps=CONTROL_STEPS).wrong))


def _open_scene(folder: Path, stack: ExitStack, fault: str | None) -> Scene:
    broker = stack.enter_context(MosquittoServer.start(folder / "broker", auth=BrokerAuth.ANONYMOUS))
    hub = Hub(folder / "data", broker.url, broker_admin="none")
    if fault is not None:
        hub.command = (sys.executable, "-m", "tests.chaos.wrong_books", fault)
    stack.callback(hub.kill)
    hub.start()
    rest = Rest(hub.url).login(*ADMIN)
    stack.callback(rest.close)
    site = Neighbourhood(rest, "books").build()
    stack.callback(site.close)
    site.node(NODE)
    _, device = site.bin(BIN, node=NODE)
    _, band = site.band("band-1", node=NODE)
    return Scene(hub, rest, site, device, band)


def _audit(scene: Scene, ledger: dict[tuple[str, str], Account]) -> list[str]:
    rows = {(row["epoch"], row["lane"]): row for row in scene.site.lanes(NODE)}
    wrong = [f"nobody made the lane {key}" for key in rows.keys() - ledger.keys()]
    for key, account in ledger.items():
        row = rows.get(key, {})
        found = {term: row.get(term) or 0 for term in TERMS} | {"high water": row.get("high_water")}
        wanted = {term: getattr(account, term) for term in TERMS} | {"high water": account.high_water}
        wrong += [
            f"{key[1]} of epoch {key[0]}: {term} {found[term]} at the hub, {wanted[term]} in the ledger"
            for term in wanted
            if found[term] != wanted[term]
        ]
        if bool(row.get("closed_at")) != account.closed:
            wrong.append(f"{key[1]} of epoch {key[0]}: closed at {row.get('closed_at')}")
    return wrong


def _readings(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM readings").fetchone()[0])


GUARANTEE: Final = Guarantee(
    name="G11",
    promise="Every record that an edge has numbered is accounted for: stored, quarantined with its reason, declared"
    " lost, or lost with its card; nothing is counted twice, nothing disappears.",
    aim="residual 0, and every term equal to a second ledger; also at the end of every test that stops a hub",
    run=run,
    control=control,
)
