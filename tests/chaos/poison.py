"""G12: what one node sends unusable stops nobody, kills nothing, and is kept with its reason; the good go on."""

import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, Final

import httpx2

from protocols.codec import decode_hello, decode_lane_message, decode_status
from protocols.lanes import Lane
from protocols.rejections import MessageRejection
from protocols.topics import Channel
from simulators.servers.mosquitto import MosquittoServer
from tests.acceptance.outside.client_node import Node
from tests.acceptance.outside.client_rest import Rest, metric
from tests.acceptance.outside.edge_process import EdgeProcess
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.chaos.listener import until
from tests.chaos.poisons import Poison, brew
from tests.guarantees.guarantee import Control, Guarantee, Run

POISONS: Final = {True: 10_000, False: 1_000}
AT_ONCE: Final = 50
"""So many poisons are sent before the poisoner asks, by a hello, whether the hub is still there."""
ANSWERED_S: Final = 10.0
"""A hub that answers no hello for so long stands still."""
LEAST_SHARE: Final = 0.95
SOS_MS: Final = 2_000
PACE_S: Final = {True: 0.2, False: 0.0}
"""Between two batches: 250 a second beside the traffic that is measured, else as fast as the hub answers."""
BACKLOG: Final = {True: 60_000, False: 2_000}
COMES_TO_REST_S: Final = 120.0
"""Within it a hub to which nobody else speaks has taken what it had put off."""
ROUNDS: Final = {True: 5, False: 1}
"""How often the backlog is drained beside poison, and before and after beside the same messages where no hub listens: a
machine's pace comes and goes."""
SIGNS: Final = {
    "dies": "the hub died",
    "stalls": "stall after",
    "tries_again_for_ever": "stall after",
    "forgets_reasons": "were refused and 0 are kept",
    "takes_messages_with_records": r"messages are unusable, \d+ were refused",
}
"""Mutant → what is found wrong then."""
STEADY_RATE: Final = 200
STEADY_S: Final = 8.0


@dataclass(slots=True)
class Books:
    """What was sent, and what the hub says of it."""

    sent: Counter[str] = field(default_factory=Counter[str])
    by_kind: Counter[str] = field(default_factory=Counter[str])
    """Outcome as the codec sees it → messages; the hub throttles some of them."""
    figures: dict[str, Any] = field(default_factory=dict[str, Any])
    wrong: list[str] = field(default_factory=list[str])


class Stage:
    """A broker and a hub, a good node and a bad one."""

    def __init__(self, stack: ExitStack, folder: Path, *, mutant: str | None = None) -> None:
        self.folder = folder
        self.broker = stack.enter_context(MosquittoServer.start(folder / "broker"))
        command = (sys.executable, "-m", "tests.chaos.poisoned_hub", mutant) if mutant else ()
        self.hub = Hub(folder / "hub", self.broker.admin_url, command=command)
        stack.callback(self.hub.kill)
        self.hub.start()
        self.admin = Rest(self.hub.url).login(*ADMIN)
        stack.callback(self.admin.close)
        self.site = Neighbourhood(self.admin, "poison").build()
        stack.callback(self.site.close)
        self.site.node("bad")
        self.site.facility("bad", "bin")
        self.site.device("bad-us", "fill_level", facility="bad", node="bad")
        self.bad = self.site.client("bad").connect()
        self.caller = self.site.online("caller")
        self.wearer, self.band = self.site.band("good-band", node="caller")
        self.pressed = 0
        self.edges: list[EdgeProcess] = []

    def edge(self, number: int, *, rate: float, readings: int, at_once: int) -> EdgeProcess:
        """A good edge of a node of its own."""
        node = f"good-{number}"
        self.site.node(node)
        _, device = self.site.bin(f"bin-{number}", node=node)
        _, band = self.site.band(f"band-{number}", node=node)
        edge = EdgeProcess(
            self.folder / f"{node}.db",
            port=self.broker.port,
            site=self.site,
            node=node,
            device=device,
            band=band,
            rate=rate,
            readings=readings,
            presses=3,
            at_once=at_once,
        )
        self.edges.append(edge)
        return edge

    def rest(self) -> None:
        """Wait until the hub has taken what it had put off; AssertionError where it does not."""
        until(
            lambda: metric(self.hub.url, "linli_postponed_messages") == 0,
            "what was put off is taken",
            within_s=COMES_TO_REST_S,
            every_s=0.2,
        )

    def drain(self, number: int, readings: int, *, within_s: float = 120) -> float:
        """How long a good edge takes to get so many readings acknowledged."""
        edge = self.edge(number, rate=1_000_000, readings=readings, at_once=200)
        began_s = time.monotonic()
        edge.start()
        try:
            edge.finish(within_s)
        finally:
            edge.kill()
        return time.monotonic() - began_s

    def keep_up(self, number: int) -> float:
        """What share of a steady stream is acknowledged when it has flowed for a while."""
        edge = self.edge(number, rate=STEADY_RATE, readings=int(STEADY_RATE * STEADY_S), at_once=10)
        edge.start()
        time.sleep(STEADY_S)
        made, done = edge.made("telemetry"), edge.done("telemetry")
        try:
            edge.finish(60)
        finally:
            edge.kill()
        return done / max(1, made)

    def press(self) -> float:
        """Call for help; return the ms until the hub has it."""
        self.pressed += 1
        began_s = time.monotonic()
        ref = f"{self.band}:{self.pressed}"
        self.caller.deliver("sos", self.caller.event(self.band, "sos_pressed", ref), timeout_s=ANSWERED_S)
        return (time.monotonic() - began_s) * 1_000


class Poisoner(Thread):
    """Sends poison, and asks for an answer to a hello between batches; `wrong` where none comes."""

    def __init__(self, stage: Stage, books: Books, poisons: list[Poison], *, pace_s: float, heard: bool = True) -> None:
        """`heard`: on the channels that the hub listens to; else the machine has the same work, and the hub none."""
        super().__init__(name="poisoner", daemon=True)
        self._pace_s = pace_s
        self._heard = heard
        self._node: Node = stage.bad
        self._books = books
        self._poisons = poisons
        self._sent: list[Poison] = []
        self.enough = Event()
        self.slowest_s = 0.0
        self.took_s = 0.0
        self.stalled = False

    def run(self) -> None:
        began_s = time.monotonic()
        due_s = began_s + self._pace_s
        for number, poison in enumerate(self._poisons, 1):
            link = self._node.sos if poison.channel.lane is Lane.SOS else self._node.rest
            link.publish(self._node.topic(poison.channel if self._heard else Channel.REPORTED), poison.payload)
            self._sent.append(poison)
            at_rest = number % AT_ONCE == 0 or number == len(self._poisons)
            if at_rest and (not self._asks() or self.enough.wait(max(0.0, due_s - time.monotonic()))):
                break
            due_s += self._pace_s if at_rest else 0.0
        self.took_s = time.monotonic() - began_s
        if self._heard:
            self._books.sent.update(poison.kind for poison in self._sent)
            self._books.by_kind.update(map(_outcome, self._sent))

    def _asks(self) -> bool:
        for lane in ("event", "sos"):
            asked_s = time.monotonic()
            try:
                self._node.hello(lane, timeout_s=ANSWERED_S)
            except (AssertionError, TimeoutError) as error:
                self.stalled = True
                self._books.wrong.append(f"stall after {len(self._sent)} poisons: {error}")
                return False
            self.slowest_s = max(self.slowest_s, time.monotonic() - asked_s)
            for link in (self._node.rest, self._node.sos):
                link.downs.clear()
        return True


def _outcome(poison: Poison) -> str:
    """What the codec makes of it: refused, usable as a message, or of no matter."""
    lane = poison.channel.lane
    if poison.channel is Channel.STATUS:
        rejected = poison.payload != b"" and isinstance(decode_status(poison.payload), MessageRejection)
    elif lane is None:
        return "ignored"
    elif poison.channel.is_hello:
        rejected = isinstance(decode_hello(poison.payload, lane=lane), MessageRejection)
    else:
        rejected = isinstance(decode_lane_message(poison.payload, lane=lane), MessageRejection)
    return ("refused" if rejected else "taken") + (" sos" if lane is Lane.SOS else "")


def play(seed: int, *, number: int, backlog: int, rounds: int, mutant: str | None = None) -> Books:
    """Poison the hub while good nodes work; measure them beside it, and before and after beside the same unheard."""
    books = Books()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="linli-poison-")))
        stage = Stage(stack, folder, mutant=mutant)
        pid = stage.hub.pid
        try:
            _measure(stage, books, list(brew(seed, number)), backlog=backlog, rounds=rounds)
        except AssertionError as error:
            books.wrong.append(f"the good could not work: {str(error).splitlines()[0][:200]}")
        except Exception as error:  # noqa: BLE001 whatever a broken hub does to its callers speaks against it
            books.wrong.append(f"the good could not work: {error!r}"[:240])
        if not stage.hub.running() or stage.hub.pid != pid:
            books.wrong.append("the hub died")
        elif not any("stall" in one or "could not" in one for one in books.wrong):
            _audit(stage, books)
        if books.wrong:
            books.figures["hub_said"] = stage.hub.tail()[-2_000:]
        for edge in stage.edges:
            edge.kill()
    return books


def _measure(stage: Stage, books: Books, poisons: list[Poison], *, backlog: int, rounds: int) -> None:
    alone: list[float | None] = []
    beside: list[float | None] = []
    calm: list[float] = []
    presses: list[float] = []
    slowest_s = poisoned_s = 0.0
    share = len(poisons) // rounds
    for each in range(rounds):
        brewed, pace_s = poisons[each * share : (each + 1) * share], PACE_S[rounds > 1]
        for number, heard in enumerate((False, True, False)):
            times, called = (beside, presses) if heard else (alone, calm)
            poisoner = Poisoner(stage, books, brewed, pace_s=pace_s, heard=heard)
            times.append(_drain(stage, 10 * each + number, backlog, called, poisoner))
            if poisoner.stalled:
                return
            if heard:
                slowest_s, poisoned_s = max(slowest_s, poisoner.slowest_s), poisoned_s + poisoner.took_s
            stage.rest()
    books.figures |= {
        "drain_alone_s": [one and round(one, 2) for one in alone],
        "drain_beside_poison_s": [one and round(one, 2) for one in beside],
        "good_share": _share(alone, beside),
        "sos_calm_ms_max": round(max(calm)),
        "sos_beside_poison_ms_max": round(max(presses)),
        "sos_beside_poison_ms_median": round(median(presses)),
        "slowest_hello_s": round(slowest_s, 2),
        "poisons_per_s": round(sum(books.sent.values()) / poisoned_s),
    }
    if rounds > 1:
        steady = _steady(stage, books, poisons[:share])
        books.figures["steady_share_alone_and_beside"] = [round(one, 4) for one in steady]
        stage.rest()
    if None in alone or None in beside:
        books.wrong.append("a good edge did not get its backlog through beside the poison")


def _share(alone: list[float | None], beside: list[float | None]) -> float:
    """The speed beside poison, of that just before and after: the median over the rounds, 0 where one did not end."""
    rounds = zip(alone[::2], beside, alone[1::2], strict=True)
    shares = [(before + after) / 2 / took if before and took and after else 0.0 for before, took, after in rounds]
    return round(median(shares), 3)


def _drain(stage: Stage, number: int, backlog: int, presses: list[float], poisoner: Poisoner) -> float | None:
    """Drain a backlog and call for help beside the poisoner; the seconds of the drain, None where it did not end."""
    drained: list[float] = []

    def drain() -> None:
        with suppress(AssertionError, subprocess.TimeoutExpired, httpx2.HTTPError):
            drained.append(stage.drain(number, backlog))

    drainer = Thread(target=drain, daemon=True)
    drainer.start()
    poisoner.start()
    while not poisoner.stalled and (drainer.is_alive() or poisoner.is_alive()):
        presses.append(stage.press())
        time.sleep(0.2)
    return drained[0] if drained else None


def _steady(stage: Stage, books: Books, poisons: list[Poison]) -> list[float]:
    """A stream below saturation without poison and beside it (the same poison again: once kept, then counted)."""
    alone = stage.keep_up(91)
    poisoner = Poisoner(stage, books, poisons, pace_s=PACE_S[True])
    poisoner.start()
    beside = stage.keep_up(92)
    poisoner.enough.set()
    poisoner.join()
    return [alone, beside]


def _audit(stage: Stage, books: Books) -> None:
    """Compare what was sent with what the hub says became of it."""
    url, wrong = stage.hub.url, books.wrong
    refused = round(metric(url, "linli_messages_refused_total"))
    throttled = round(metric(url, "linli_messages_throttled_total"))
    broken = round(metric(url, "linli_ingest_failures_total"))
    rows = stage.site.quarantine(node="bad")
    messages = [row for row in rows if row["seq"] is None]
    records = [row for row in rows if row["seq"] is not None]
    refusable = books.by_kind["refused"] + books.by_kind["refused sos"]
    lanes = stage.site.lanes("bad")
    reasons = Counter(row["reason"] for row in rows)
    books.figures |= {
        "sent": sum(books.sent.values()),
        "by_kind": dict(books.sent),
        "refused_with_reason": refused,
        "throttled": throttled,
        "quarantined_messages": len(messages),
        "quarantined_records": len(records),
        "reasons": dict(reasons),
    }
    if broken:
        wrong.append(f"{broken} batches broke the hub's own code")
    if not refused <= refusable <= refused + throttled:
        wrong.append(f"{refusable} messages are unusable, {refused} were refused and {throttled} throttled")
    if sum(row["count"] for row in messages) != refused:
        wrong.append(f"{refused} messages were refused and {sum(row['count'] for row in messages)} are kept")
    if any(not row["reason"] or not row["detail"] for row in rows):
        wrong.append("something is kept without a reason")
    counted = Counter({lane: sum(row["quarantined"] for row in lanes if row["lane"] == lane) for lane in Lane})
    kept = Counter(row["lane"] for row in records)
    # Of the sos lane what lies behind a hole is kept at once, and counted when the hole is filled.
    if any(counted[lane] != kept[lane] for lane in (Lane.EVENT, Lane.TELEMETRY)) or counted[Lane.SOS] > kept[Lane.SOS]:
        wrong.append(f"the lanes count {dict(counted)} records, {dict(kept)} are kept")
    if metric(url, "linli_conservation_residual"):
        wrong.append("the books of the lanes do not add up")
    _audit_good(stage, books)


def _audit_good(stage: Stage, books: Books) -> None:
    made = stored = 0
    for edge in stage.edges:
        for lane in stage.site.lanes(edge.node):
            made += edge.made(lane["lane"])
            stored += lane["stored"]
            if lane["quarantined"] or lane["gaps"]:
                books.wrong.append(f"{edge.node}: good records were quarantined or lost: {lane}")
    heard = len(stage.admin.items(f"facilities/{stage.wearer}/events"))
    books.figures |= {"good_made": made, "good_stored": stored, "presses": stage.pressed, "presses_heard": heard}
    if made != stored:
        books.wrong.append(f"the good made {made} records and {stored} are stored")
    if heard != stage.pressed:
        books.wrong.append(f"{stage.pressed} presses, {heard} heard")
    if not stage.site.alerts(fault_code="sosPressed"):
        books.wrong.append("nobody was called")


def run(seed: int, *, full: bool) -> Run:
    """Send the poison; `full` sends ten times as much and holds the good traffic to its baseline."""
    books = play(seed, number=POISONS[full], backlog=BACKLOG[full], rounds=ROUNDS[full])
    figures, wrong = books.figures, books.wrong
    if full and not wrong:
        steady = figures["steady_share_alone_and_beside"]
        if figures["good_share"] < LEAST_SHARE:
            wrong.append(f"beside poison the good drain at {figures['good_share']:.0%} of their speed")
        if steady[1] < LEAST_SHARE * steady[0]:
            wrong.append(
                f"beside poison {steady[1]:.0%} of a steady stream is acknowledged, without it {steady[0]:.0%}"
            )
        if figures["sos_beside_poison_ms_max"] > SOS_MS:
            wrong.append(f"a call for help took {figures['sos_beside_poison_ms_max']} ms beside poison")
    told = Counter({name: value for name, value in figures.items() if isinstance(value, int | float)})
    reached = (
        f"{told['sent']:,} hostile messages ({told['poisons_per_s']:,} a second): 0 stalls and 0 deaths,"
        f" {told['refused_with_reason']:,} refused and kept with a reason, {told['quarantined_records']:,} records"
        f" quarantined, {told['throttled']:,} throttled; the good at {told['good_share']:.0%} of their speed beside the"
        f" same where no hub listens, calls for help within {told['sos_beside_poison_ms_max']:,} ms"
    )
    return Run(reached if not wrong else "; ".join(wrong)[:300], wrong, {"seed": seed, **figures})


def control(seed: int) -> Control:
    """Give the same poison to hubs that die of it, stall at it, forget it, or punish good records for it."""
    sound, *seen = (play(seed, number=200, backlog=400, rounds=1, mutant=name).wrong for name in (None, *SIGNS))
    return Control.by_signs(SIGNS, dict(zip(SIGNS, seen, strict=True)), dict.fromkeys(SIGNS, sound))


GUARANTEE: Final = Guarantee(
    name="G12",
    promise="A node that sends nonsense, by fault or by malice, stops nobody: its messages are kept with a reason or"
    " wait, the hub lives on, and other nodes and calls for help go on as before.",
    aim="10,000 hostile messages: 0 stalls, 0 deaths, all accounted for, good traffic at 95 % of its baseline at least",
    run=run,
    control=control,
)
