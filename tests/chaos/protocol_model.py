"""G3: the protocol as a state machine over production code: an edge's lanes and outbox against a hub's pipeline.

The network drops, doubles, reorders and batches; both sides die between any two of their effects; the card is lost or
put back to an old image, the hub to a backup. Whatever happens, each record is at the hub once or declared lost.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Final

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, get_state_machine_test, invariant, precondition, rule

from edge.outbox.packing import unpack
from protocols.ack import Ack
from protocols.events import Event
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.topics import Channel
from tests.chaos.protocol_mutants import MUTANTS, Story, putting_in
from tests.chaos.quiet import quiet
from tests.fakes.core_hub import CoreHub, Death
from tests.guarantees.guarantee import Control, Guarantee, Run
from tests.property.edge.node_model import NodeAndHub
from tests.property.hub.ingest.test_lane import LaneMachine
from tests.property.hub.loop.test_alert_life import AlertLife
from tests.property.hub.loop.test_notification_life import NotificationLife
from tests.property.hub.loop.test_order_life import OrderLife

RUNS: Final = 2_000
STEPS: Final = 40
OTHER_RUNS: Final = 200
SHORT_RUNS: Final = 15
SEARCH_S: Final = 60.0
"""A broken build has to be found out within this time of one core."""
WORKERS: Final = 2
_NAME: Final = re.compile(rb'"(?:energy_wh":|ref":"r)(\d+)')
_PARTS: Final = 10
"""Into so many searches of their own seed the runs are parted: one search remembers what it has tried."""


class ProtocolModel(NodeAndHub):
    """The node of the edge's own model, and a hub of production code that may die as well."""

    make_hub = CoreHub
    hub: CoreHub

    def __init__(self) -> None:
        self.unusable: set[str] = set()
        self.spoilt: set[str] = set()
        super().__init__()
        self.hub.spoilt = lambda payload: not self.spoilt.isdisjoint(names_in(payload))

    def _record(self, lane: Lane, name: str) -> Any:
        number = int(name[1:])
        if lane is not Lane.TELEMETRY:
            event = "danced" if name in self.unusable else "sos_pressed" if lane is Lane.SOS else "moved"
            return Event(device="d", event=event, ref=name)
        watts = -1.0 if name in self.unusable else 1.0
        values = {"power_w": watts, "energy_wh": number}
        return Reading(device="d", kind="lamp", values=values, ref=name if number % 3 == 0 else None)

    def _name(self, body: bytes) -> str:
        return named(unpack(body))

    @rule(lane=st.sampled_from(Lane), before=st.integers(0, 2))
    def append_unusable(self, lane: Lane, before: int) -> None:
        """A record that decodes and cannot be used, maybe behind good ones: it is quarantined and takes its seq."""
        self.unusable.add(self._last_of(before + 1))
        self._append(lane, before + 1)

    @rule(lane=st.sampled_from(Lane), before=st.integers(0, 2))
    def append_undecodable(self, lane: Lane, before: int) -> None:
        """A record that spoils its message for the hub: it is given up alone, and the others arrive."""
        name = self._last_of(before + 1)
        self.spoilt.add(name)
        self.may_be_missing.add(name)
        self._append(lane, before + 1)

    def _last_of(self, number: int) -> str:
        """The name that the last of so many new records will have."""
        return f"r{len(self.produced) + number}"

    @precondition(lambda self: self.up)
    @rule(number=st.integers(2, 9))
    def travel_up_together(self, number: int) -> None:
        """The hub finds several messages waiting and takes them as one batch."""
        batch, self.up = self.up[:number], self.up[number:]
        self.down += self.hub.take(batch, at_ms=self.now_ms)

    @precondition(lambda self: self.up)
    @rule(death=st.sampled_from(Death), number=st.integers(1, 4))
    def hub_dies(self, death: Death, number: int) -> None:
        self.hub.dies = death
        self.travel_up_together(number)
        self.hub.start()

    @precondition(lambda self: self.up)
    @rule()
    def hub_cannot_commit(self) -> None:
        self.hub.fails = True
        self.travel_up_together(2)
        self.hub.fails = False

    @rule()
    def hub_restarts(self) -> None:
        self.hub.start()

    @precondition(lambda self: self.image is not None and not self._between_commits())
    @rule(offline=st.integers(0, 30))
    def restore_image(self, offline: int) -> None:
        """Not while the hub has committed readings and not their state: those are two disasters at one time."""
        super().restore_image(offline)

    def travel_one_way(self) -> None:
        """Deliver what is on its way up, and the answers; what those set off stays on its way."""
        up, self.up = self.up, []
        for answer in self.down + self.hub.take(up, at_ms=self.now_ms):
            self.hear(answer)
        self.down.clear()

    def courier_ack(self, lane: Lane) -> Ack:
        """What the hub says of a lane of the epoch that stands now."""
        hub, epoch = self.hub, self.outbox.epoch
        (hw,) = [book.hw for key, book in hub.state.books.items() if (key.epoch, key.lane) == (epoch, lane)]
        time = format_ms(hub.now_ms)
        return Ack(schema_version=1, lane=lane, epoch=epoch, hw=hw, hub_id=hub.hub_id, hub_gen="1", hub_time=time)

    def check(self) -> None:
        """Look at everything that must hold at any time."""
        self.the_hub_accounts_for_every_seq()
        self.the_hub_holds_the_order_of_the_node()
        self.the_window_is_kept()
        self.every_call_raises_when_it_arrives_and_once()

    def _between_commits(self) -> bool:
        hub = self.hub
        return any(
            mark > book.hw for key, book in hub.state.books.items() for mark in [hub.telemetry.marks.get(key, 0)]
        )

    def _taken(self, message: tuple[Channel, bytes]) -> list[tuple[Channel, bytes]]:
        return self.hub.take([message], at_ms=self.now_ms)

    def _stored(self) -> list[str]:
        return [*self._readings(), *(event.ref for event in self.hub.state.events), *self._quarantined()]

    def _readings(self) -> list[str]:
        lanes = self.hub.telemetry.readings.values()
        return [f"r{int(number)}" for readings in lanes for number in readings.values()]

    def _beyond(self) -> int:
        """Readings that a hub committed and died before it knew of them: for ever, where their card is lost as well."""
        books = self.hub.state.books
        held = self.hub.telemetry.readings.items()
        return sum(seq > books[key].hw if key in books else 1 for key, readings in held for seq in readings)

    def _quarantined(self) -> list[str]:
        return [named(refused.raw) for refused in self.hub.state.refused]

    @invariant()
    def the_hub_accounts_for_every_seq(self) -> None:
        for key, book in self.hub.state.books.items():
            assert book.accounted == book.hw, f"{key.lane}: {book}"

    @invariant()
    def the_hub_holds_the_order_of_the_node(self) -> None:
        for readings in self.hub.telemetry.readings.values():
            numbers = [number for _, number in sorted(readings.items())]
            assert numbers == sorted(numbers), "out of order"

    @invariant()
    def every_call_raises_when_it_arrives_and_once(self) -> None:
        assert not self.hub.calls_missed, f"a call was heard and raised nothing: {self.hub.calls_missed}"
        raised = Counter((alarm.epoch, alarm.seq) for alarm in self.hub.state.alarms if alarm.seq is not None)
        twice = [key for key, times in raised.items() if times > 1]
        assert not twice, f"raised more than once: {twice}"

    def _heal(self) -> None:
        super()._heal()
        self.check()
        state, stored = self.hub.state, Counter(self._stored())
        counted = sum(book.stored + book.quarantined for book in state.books.values())
        # What a hub stored and died before it knew of may have been evicted since: then it is there, and a gap too.
        assert counted <= stored.total() - self._beyond(), "something counts as stored and is not there"
        for name in self._quarantined():
            assert name in self.unusable, f"{name} was usable"
        for key, book in state.books.items():
            if key.epoch == self.outbox.epoch:
                assert not book.ahead, f"{key.lane}: {book.ahead} lie behind a hole for ever"
                produced = self.outbox.marks(key.lane).next - 1
                assert produced == book.stored + book.quarantined + book.gaps, f"{key.lane} is not conserved"


def named(raw: bytes) -> str:
    """Return the name of a record of the model."""
    (name,) = names_in(raw)
    return name


def names_in(raw: bytes) -> set[str]:
    """Return the names of the records in a message."""
    return {f"r{number.decode()}" for number in _NAME.findall(raw)}


@dataclass(frozen=True, slots=True)
class Search:
    """What a search of a machine came to: what it found wrong, in one line, after how long."""

    found: str | None
    took_s: float
    runs: int


def search(machine: type[RuleBasedStateMachine], *, runs: int, steps: int, drawn: int) -> Search:
    """Run a machine so many times with a seed; stop at the first thing that is wrong."""
    begun_s = time.process_time()
    searched = settings(
        max_examples=runs,
        stateful_step_count=steps,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    test = get_state_machine_test(machine, settings=searched)
    try:
        seed(drawn)(test)()
    except Exception as error:  # noqa: BLE001 whatever a broken build raises, it is found out
        return Search(_one_line(error), _since(begun_s), runs)
    return Search(None, _since(begun_s), runs)


def _since(begun_s: float) -> float:
    return round(time.process_time() - begun_s, 1)


MACHINES: Final[dict[str, type[RuleBasedStateMachine]]] = {
    "protocol": ProtocolModel,
    "lane of the hub": LaneMachine,
    "life of alerts": AlertLife,
    "life of orders": OrderLife,
    "notification outbox": NotificationLife,
}


def _searched(name: str, runs: int, steps: int, drawn: int) -> Search:
    with quiet():
        return search(MACHINES[name], runs=runs, steps=steps, drawn=drawn)


def _hunted(name: str, drawn: int) -> Search:
    """Tell a broken build the story that undoes it, else search it until it is found out or the time is over."""
    mutant = MUTANTS[name]
    machine = type("Mutant", (ProtocolModel,), dict(mutant.parts))
    begun_s, runs = time.process_time(), 0
    with quiet(), putting_in(mutant):
        if mutant.story is not None:
            return Search(told(machine, mutant.story), _since(begun_s), 1)
        while _since(begun_s) < SEARCH_S:
            attempt = search(machine, runs=50, steps=STEPS, drawn=drawn + runs)
            runs += 50
            if attempt.found is not None:
                return Search(attempt.found, _since(begun_s), runs)
    return Search(None, _since(begun_s), runs)


def told(machine: type[ProtocolModel], story: Story) -> str | None:
    """Play a story and let the network heal; return what was wrong, in one line."""
    node = machine()
    try:
        try:
            story(node)
            node.check()
        finally:
            node.teardown()
    except Exception as error:  # noqa: BLE001 whatever a broken build raises, it is found out
        return _one_line(error)
    return None


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]


def stories() -> list[str]:
    """Play every story to the sound build; return what was wrong."""
    plays = [(name, mutant.story) for name, mutant in MUTANTS.items() if mutant.story is not None]
    found = [(name, told(ProtocolModel, story)) for name, story in plays]
    return [f"the story of: {name}: {wrong}" for name, wrong in found if wrong is not None]


def _side_by_side(work: Callable[..., Search], tasks: Sequence[tuple[Any, ...]]) -> list[Search]:
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        return list(pool.map(work, *zip(*tasks, strict=True)))


def run(seed: int, *, full: bool) -> Run:
    """Search every machine for something that the protocol does not allow."""
    if full:
        tasks = [("protocol", RUNS // _PARTS, STEPS, seed * 1_000 + part) for part in range(_PARTS)]
        tasks += [(name, OTHER_RUNS, STEPS, seed) for name in MACHINES if name != "protocol"]
        found = _side_by_side(_searched, tasks)
    else:
        tasks = [("protocol", SHORT_RUNS, STEPS, seed)]
        found = [_searched(*task) for task in tasks]
    wrong = stories() + [
        f"{task[0]}, seed {task[3]}: {one.found}" for task, one in zip(tasks, found, strict=True) if one.found
    ]
    runs = sum(task[1] for task in tasks if task[0] == "protocol")
    others = sum(task[1] for task in tasks) - runs
    reached = f"0 of {runs:,} runs of {STEPS} steps broke the protocol" if not wrong else f"{len(wrong)} broken"
    more = f", 0 of {others:,} runs the lives of alerts, orders and notifications" if others and not wrong else ""
    figures = {"runs": runs, "steps": STEPS, "other_runs": others, "took_s": [one.took_s for one in found]}
    return Run(reached + more, wrong, figures)


def control(seed: int) -> Control:
    """Each broken build is searched with the same rules: it must be found out within a minute."""
    names = list(MUTANTS)
    found = _side_by_side(_hunted, [(name, seed) for name in names])
    figures = {
        name: {"caught_after_s": one.took_s, "runs": one.runs, "by": one.found}
        for name, one in zip(names, found, strict=True)
    }
    return Control({name: one.found is not None for name, one in zip(names, found, strict=True)}, figures)


GUARANTEE: Final = Guarantee(
    name="G3",
    promise="Whatever network, crashes, new cards and restored hubs do, the protocol loses and doubles nothing.",
    aim="2,000 runs x 40 steps without a fault; at least 8 broken builds, each caught within 60 s",
    run=run,
    control=control,
)
