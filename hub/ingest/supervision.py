"""Rule states in memory.

Judged with each batch, swept when a deadline comes due, taken over only after the commit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

from hub.events import NodeChanged
from hub.ingest.decoding import StatusItem
from hub.ingest.directory import Directory, NodeEntry
from hub.ingest.intake import Intake
from hub.ingest.judgement import Judgement, Steady, events_of
from hub.ingest.ports import Transactions, Unit
from hub.rules import node as node_rule
from hub.rules.facility import (
    FacilityRules,
    FacilityState,
    NodeContact,
    Supervision,
    wake,
)
from hub.rules.node import NodeState
from hub.rules.rule import Raised
from hub.vocabulary import Subject, rest_id
from protocols.instant import parse_instant_ms
from protocols.presence import PresenceState

SWEEP_LIMIT: Final = 500
"""Deadlines looked at in one transaction; the rest follow in the next."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A node spoke: when last, and how many messages of it the batch has."""

    node: NodeEntry
    at_ms: int
    contacts: int
    sos: bool = False
    """Whether one of them came in its SOS lane."""


class Supervisor:
    """Holds the rule states of facilities and nodes.

    Everything happens inside a state transaction, so one thread at a time.
    """

    def __init__(self, directory: Directory, *, sos_lanes: bool = True) -> None:
        """Start without states; those of nodes are loaded by `start`, those of facilities when they are needed.

        Hellos move no simulated time, so there their absence from `sos_lanes` says nothing.
        """
        self._directory = directory
        self._sos_lanes = sos_lanes
        self._facilities: dict[str, FacilityState] = {}
        self._nodes: dict[str, NodeState] = {}
        self._steady: dict[str, Steady] = {}
        self._listening: dict[str, int | None] = {}
        self._noting = Lock()

    def start(self, transactions: Transactions) -> None:
        """Load the supervision of nodes; everything is loaded again after a commit that is in doubt."""
        transactions.on_doubt(self._recall)
        with transactions.read() as unit:
            self._recall(unit)

    def listening(self, consumer: str, since_ms: int | None) -> None:
        """Note since when a consumer hears its nodes; None: it hears nobody.

        Silence is judged only while all of them hear.
        """
        with self._noting:
            self._listening[consumer] = since_ms

    def listen_anew(self, at_ms: int) -> None:
        """Count silence from `at_ms`: the hub's clock was set, and what it said before is not comparable."""
        with self._noting:
            self._listening = {
                consumer: None if since_ms is None else at_ms for consumer, since_ms in self._listening.items()
            }

    def set_back(self, unit: Unit, at_ms: int, *, everywhere: bool) -> None:
        """Count nobody as heard later than `at_ms`: the hub's clock was set back to then.

        Devices are judged anew where a node was heard later, or `everywhere`: a batch may have written the old time
        of a device since its site was last looked at.
        """
        changed: dict[str, NodeState] = {}
        for node_id, former in self._nodes.items():
            parameters = self._directory.node_rules(node_id.partition(".")[0])
            state = node_rule.set_back(parameters, former, at_ms=at_ms)
            if state is not former:
                changed[node_id] = state
        self._save(unit, {}, changed)
        for site in {node_id.partition(".")[0] for node_id in (self._nodes if everywhere else changed)}:
            unit.states.wake_site_facilities(site, at_ms)

    @property
    def listening_since_ms(self) -> int | None:
        """Since when every consumer hears; None while one does not."""
        times = [since_ms for since_ms in self._listening.values() if since_ms is not None]
        return max(times) if times and len(times) == len(self._listening) else None

    def judge(self, transactions: Transactions, intake: Intake) -> Judgement:
        """Judge a batch before its transaction begins: who needs the state meanwhile does not wait for it."""
        judgement = self.judgement(transactions)
        judgement.take(intake.runs, intake.events)
        return judgement

    def judgement(self, transactions: Transactions) -> Judgement:
        """Return a judgement of nothing yet."""
        return Judgement(
            self._directory, lambda facility, node: self._state(transactions, facility, node), steady=self._steady
        )

    def wake_once_heard(self, node: NodeEntry, at_ms: int) -> int | None:
        """Return the deadline of a node once it was heard at `at_ms`; None where more follows from that."""
        former = self._nodes.get(node.id)
        if former is None or former.offline or former.heard_since_return is not None:
            return None
        heard, _ = node_rule.note_contact(self._directory.node_rules(node.site), former, at_ms=at_ms)
        return heard.wake_at_ms

    def evaluate(self, unit: Unit, intake: Intake, heard: Mapping[str, Heard], judged: Judgement) -> None:
        """Bring a batch and who was heard into its transaction.

        A facility that was moved since it was judged, or whose rules were changed, is judged once more.
        """
        nodes = self._hear_nodes(unit, heard)
        moved = {
            facility
            for facility, base in judged.bases.items()
            if self._facilities.get(facility) is not base
            or self._directory.rules_of(facility) is not judged.rules[facility]
        }
        again = Judgement(self._directory, lambda facility, _: self._facilities[facility], only=moved)
        if moved:
            self._load(unit, self._facilities, moved)
            again.take(intake.runs, intake.events)
        for facility in judged.states:
            unit.emit(*(again if facility in moved else judged).events.get(facility, ()))
        self._save(unit, {**judged.states, **again.states}, nodes)
        unit.on_committed(lambda: self._steady.update({**judged.steady, **again.steady}))

    def note_status(self, unit: Unit, item: StatusItem) -> None:
        """Keep what a node says of itself; planned silence moves its deadline."""
        unit.states.save_status(item.node.id, item.payload.decode("utf-8", "replace"))
        unit.emit(NodeChanged(Subject(item.node.site, node=item.node.id), item.status.state, item.received_ms))
        former = self._nodes.get(item.node.id)
        asleep = item.status.state is PresenceState.SLEEPING
        if former is None or item.retained or (not asleep and former.sleeping_until_ms is None):
            return
        until_ms = parse_instant_ms(item.status.until) if asleep else None
        parameters = self._directory.node_rules(item.node.site)
        state = node_rule.note_sleeping(parameters, former, until_ms=until_ms, at_ms=item.received_ms)
        self._save(unit, {}, {item.node.id: state})
        self._nodes[item.node.id] = state

    def sweep(self, transactions: Transactions, at_ms: int, *, unheard_until_ms: int | None = None) -> bool:
        """Look at the deadlines of rules that have come; tell whether there may be more.

        Where nothing is heard before `unheard_until_ms` of simulated time, later ones that change nothing are met too.
        """
        with transactions.read() as unit:
            nodes = unit.states.due_nodes(at_ms, SWEEP_LIMIT)
            facilities = unit.states.due_facilities(at_ms, SWEEP_LIMIT)
        if not nodes and not facilities:
            return False
        with transactions.background(at_ms=at_ms) as unit:
            self._wake_nodes(unit, nodes, at_ms)
            alike_until_ms = at_ms
            if unheard_until_ms is not None and not nodes:
                node_wake_ms = unit.states.earliest_node_wake_ms()
                alike_until_ms = unheard_until_ms if node_wake_ms is None else min(unheard_until_ms, node_wake_ms)
            self._wake_facilities(unit, facilities, at_ms, alike_until_ms=alike_until_ms)
        return len(nodes) == SWEEP_LIMIT or len(facilities) == SWEEP_LIMIT

    def _hear_nodes(self, unit: Unit, heard: Mapping[str, Heard]) -> dict[str, NodeState]:
        changed: dict[str, NodeState] = {}
        for node_id, contact in heard.items():
            former = self._nodes.get(node_id)
            parameters = self._directory.node_rules(contact.node.site)
            state, effects = former or NodeState(), ()
            for _ in range(contact.contacts if state.offline or state.heard_since_return is not None else 1):
                sos = contact.sos and self._sos_lanes
                state, said = node_rule.note_contact(parameters, state, at_ms=contact.at_ms, sos=sos)
                effects += said
            changed[node_id] = state
            subject = Subject(contact.node.site, node=node_id)
            if former is None:
                unit.emit(NodeChanged(subject, "heard", contact.at_ms))
            unit.emit(*events_of(subject, effects))
            if former is not None and former.offline and not state.offline:
                unit.emit(NodeChanged(subject, "back", contact.at_ms))
                children = self._directory.facilities_of_node(contact.node.site, contact.node.slug)
                unit.states.wake_facilities(children, contact.at_ms)
        return changed

    def _state(self, transactions: Transactions, facility: str, node: str) -> FacilityState:
        """Return the state of a facility; the first question loads those of its whole node."""
        memory = self._facilities  # a recall replaces it: what was read before goes with it
        state = memory.get(facility)
        if state is None:
            site, _, slug = node.partition(".")
            wanted = {facility, *self._directory.facilities_of_node(site, slug)}
            with transactions.read() as unit:
                self._load(unit, memory, wanted)
            state = memory[facility]
        return state

    def _load(self, unit: Unit, memory: dict[str, FacilityState], facilities: Iterable[str]) -> None:
        missing = [facility for facility in facilities if facility not in memory]
        found = unit.states.load_facilities(missing) if missing else {}
        for facility in missing:
            memory.setdefault(facility, found.get(facility) or FacilityState())

    def _recall(self, unit: Unit) -> None:
        self._nodes = unit.states.load_nodes()
        self._facilities, self._steady = {}, {}

    def _save(self, unit: Unit, facilities: Mapping[str, FacilityState], nodes: Mapping[str, NodeState]) -> None:
        if facilities:
            unit.states.save_facilities(facilities)
        if nodes:
            unit.states.save_nodes(nodes)

        def install() -> None:
            self._facilities.update(facilities)
            self._nodes.update(nodes)

        unit.on_committed(install)

    def _wake_nodes(self, unit: Unit, nodes: Sequence[str], at_ms: int) -> None:
        changed: dict[str, NodeState] = {}
        for node_id in nodes:
            state = self._nodes.get(node_id) or NodeState()
            site, _, slug = node_id.partition(".")
            subject = Subject(site, node=node_id)
            if self._directory.node(site, slug) is None:
                changed[node_id] = NodeState()
                continue
            state, effects = node_rule.wake(
                self._directory.node_rules(site), state, at_ms=at_ms, listening_since_ms=self.listening_since_ms
            )
            changed[node_id] = state
            unit.emit(*events_of(subject, effects))
            if any(isinstance(effect, Raised) for effect in effects):
                unit.emit(NodeChanged(subject, "silent", at_ms))
                unit.states.wake_facilities(self._directory.facilities_of_node(site, slug), at_ms)
        self._save(unit, {}, changed)

    def _wake_facilities(self, unit: Unit, facilities: Sequence[str], at_ms: int, *, alike_until_ms: int) -> None:
        self._load(unit, self._facilities, facilities)
        working = {facility: self._facilities[facility].copy() for facility in facilities}
        for facility in facilities:
            entry = self._directory.facilities.get(facility)
            if entry is None:
                working[facility] = FacilityState()
                continue
            state = working[facility]
            rules = self._directory.rules_of(facility)
            supervision = self._supervision(entry.site, rules, state)
            _, effects = wake(rules, state, at_ms=at_ms, supervision=supervision)
            unit.emit(*events_of(Subject(entry.site, facility=facility), effects))
            working[facility] = _doze(rules, state, supervision, from_ms=at_ms, until_ms=alike_until_ms)
        self._save(unit, working, {})

    def _supervision(self, site: str, rules: FacilityRules, state: FacilityState) -> Supervision:
        hearers = {node for node in rules.nodes.values() if node is not None}
        hearers.update(contact.node for contact in state.contacts.values())
        hearers.update(slug for contact in state.contacts.values() for slug, _ in contact.earlier)
        contacts: dict[str, NodeContact] = {}
        for slug in hearers:
            node = self._nodes.get(rest_id(site, slug))
            if node is not None and node.last_heard_ms is not None:
                contacts[slug] = NodeContact(node.last_heard_ms, node.offline)
        return Supervision(self.listening_since_ms, contacts)


def _doze(
    rules: FacilityRules, state: FacilityState, supervision: Supervision, *, from_ms: int, until_ms: int
) -> FacilityState:
    """Meet the deadlines between, each at its own time, as far as nothing follows from one but the next."""
    at_ms = from_ms
    while state.wake_at_ms is not None and at_ms < state.wake_at_ms < until_ms:
        at_ms = state.wake_at_ms
        later, effects = wake(rules, state.copy(), at_ms=at_ms, supervision=supervision)
        if effects:
            break
        state = later
    return state
