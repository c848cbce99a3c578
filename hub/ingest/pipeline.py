"""The hot path: decode → admit → telemetry → one state transaction → acknowledge, a batch at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from hub.errors import StorageError
from hub.events import QuarantineChanged
from hub.fault_points import FaultPoint, passed
from hub.ingest.acknowledgement import Acknowledger
from hub.ingest.decoding import (
    HelloItem,
    Item,
    LaneItem,
    RefusedItem,
    StatusItem,
    decode,
    said_now_ms,
    unreadable,
)
from hub.ingest.directory import Directory, NodeEntry
from hub.ingest.epochs import greet, meet
from hub.ingest.gathering import Gathering
from hub.ingest.heartbeat import wanted_interval_s
from hub.ingest.intake import Intake, unknown_source
from hub.ingest.isolation import halves, set_aside
from hub.ingest.judgement import Judgement
from hub.ingest.lane import LaneState
from hub.ingest.ports import Transactions, Unit
from hub.ingest.quarantine import Refused
from hub.ingest.renewal import Renewal
from hub.ingest.sieve import Sieve
from hub.ingest.simulated_time import SimulatedTime
from hub.ingest.sources import Incoming
from hub.ingest.supervision import Heard, Supervisor
from hub.ingest.throttle import LIMIT, SOS_LIMIT, Limit
from hub.ingest.tracks import Tracks
from hub.metrics import Metrics
from hub.pulse import Pulse
from hub.telemetry.point import LaneBatch, LaneKey
from hub.telemetry.ports import TelemetryStore
from protocols.lanes import Lane
from protocols.presence import PresenceState
from protocols.rejections import MessageReason

log = structlog.get_logger("hub.ingest")

MOST_BROKEN = 20
"""Records of one message that may break the hub's own code one by one; each takes some eight attempts to find."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a batch is committed, telemetry first."""

    telemetry: TelemetryStore
    transactions: Transactions


class Pipeline:
    """Takes batches of one consumer. Its lanes are its own: no other thread moves them."""

    def __init__(
        self,
        consumer: str,
        *,
        stores: Stores,
        renewal: Renewal,
        supervisor: Supervisor,
        acknowledger: Acknowledger,
        metrics: Metrics,
        now_ms: Callable[[], int],
        simulated: SimulatedTime | None = None,
        throttled_by: Limit | None = None,
    ) -> None:
        """Wire a pipeline named after its consumer: `sos` goes before everybody at the state's gate.

        `simulated` is the time that messages move; None: time is the machine's.
        """
        self._consumer = consumer
        self._stores = stores
        life_safety = consumer == Lane.SOS
        self._begin = stores.transactions.life_safety if life_safety else stores.transactions.background
        self._renewal = renewal
        self._supervisor = supervisor
        self._acknowledger = acknowledger
        self._metrics = metrics
        self._now_ms = now_ms
        self._simulated = simulated
        self.pulse = Pulse()
        """Its step is a batch, or a message of one that breaks the hub's own code."""
        self._lanes: dict[LaneKey, LaneState] = {}
        self._tracks = Tracks()
        self._met: set[tuple[str, str, str]] = set()
        self._sieve = Sieve(
            life_safety=life_safety,
            limit=throttled_by or (SOS_LIMIT if life_safety else LIMIT),
            directory=lambda: renewal.renew(ask=False),
            now_ms=now_ms,
            on_no_room=metrics.throttled.inc,
        )

    @property
    def postponed(self) -> int:
        """How many messages of throttled nodes were put off."""
        return self._sieve.postponed

    def take_postponed(self) -> list[Incoming]:
        """Return some of the messages that were put off, for `process` to take now."""
        return self._sieve.take_postponed()

    def put_back(self, batch: Sequence[Incoming]) -> None:
        """Put off again, before all others, what `take_postponed` gave and could not be committed."""
        self._sieve.put_back(batch)

    def process(self, batch: Sequence[Incoming], *, now: bool = False) -> None:
        """Take a batch; what cannot be committed is not acknowledged, so its edges send it again.

        Messages of throttled nodes are put off, unless they are to be taken `now`. A message that breaks the hub's own
        code is isolated, and of it the record that does: it is quarantined, in the sos lane with an alarm, and must not
        stop the others for ever.
        """
        try:
            if not now and self._simulated is None:
                batch = self._sieve.sift(batch)
            if batch:
                self._process(batch)
        except StorageError:
            self._metrics.failed_batches.labels(self._consumer).inc()
            self._forget()
            raise
        except Exception:
            self._metrics.failed_batches.labels(self._consumer).inc()
            self._forget()
            if len(batch) == 1:
                log.exception("ingest.message_failed", topic=batch[0].topic)
                self._isolate(batch[0])
                return
            log.warning("ingest.batch_split", messages=len(batch))
            for incoming in batch:
                self.pulse.step()
                self.process([incoming], now=True)

    def _forget(self) -> None:
        """Have lanes read again: a commit that failed may be there all the same, where the server died on the way."""
        self._lanes.clear()
        self._met.clear()

    def _process(self, batch: Sequence[Incoming]) -> None:
        directory = self._renewal.renew(ask=False)
        self._take_items([item for incoming in batch if (item := decode(incoming, directory)) is not None], directory)

    def _take_items(self, items: list[Item], directory: Directory) -> None:
        if self._simulated is None:
            self._take(items, directory)
            return
        with self._simulated.turn:
            self._live_through(items, directory, self._simulated)

    def _take(self, items: list[Item], directory: Directory) -> None:
        keys = {item.key for item in items if isinstance(item, LaneItem | HelloItem)}
        intake = Intake(directory, self._tracks, self._working(keys))
        moved: set[LaneKey] = set()
        for item in items:
            if isinstance(item, LaneItem):
                if intake.take(item):
                    moved.add(item.key)
            elif isinstance(item, HelloItem):
                intake.greet(item)
        self._append(intake)
        judged = self._supervisor.judge(self._stores.transactions, intake)
        with self._begin() as unit:
            self._commit(unit, items, intake, judged, at_ms=self._now_ms())
        passed(FaultPoint.BATCH_COMMITTED)
        self._sieve.charge(items, intake.refused)
        self._answer(items, intake, moved)
        passed(FaultPoint.BATCH_ACKNOWLEDGED)
        self._count(items, intake)

    def _live_through(self, items: list[Item], directory: Directory, time: SimulatedTime) -> None:
        """Take messages of simulated time: each at the time it says, every deadline before it at its own."""
        gathering = self._gathering(directory, time)
        for item in items:
            keys = {item.key} if isinstance(item, LaneItem | HelloItem) else set[LaneKey]()
            said_ms = said_now_ms(item)
            if said_ms is not None and gathering.moves_time(item, self._unseen(gathering, keys)):
                if gathering.passes_deadline(said_ms):
                    self._commit_gathered(gathering, time)
                    time.sweep(said_ms)
                    gathering = self._gathering(directory, time)
                gathering.at_ms = max(gathering.at_ms, said_ms)
            gathering.intake.lanes.update(self._unseen(gathering, keys))  # not before: its commit would have met them
            gathering.take(item)
            if gathering.over or not all(self._knows(key) for key in keys):
                self._commit_gathered(gathering, time)
                gathering = self._gathering(directory, time)
        self._commit_gathered(gathering, time)

    def _gathering(self, directory: Directory, time: SimulatedTime) -> Gathering:
        return Gathering(
            Intake(directory, self._tracks),
            self._supervisor.judgement(self._stores.transactions),
            self._supervisor,
            time.deadlines(),
            at_ms=time.now_ms(),
        )

    def _unseen(self, gathering: Gathering, keys: set[LaneKey]) -> dict[LaneKey, LaneState]:
        return self._working(keys - gathering.intake.lanes.keys())

    def _commit_gathered(self, gathering: Gathering, time: SimulatedTime) -> None:
        items, intake = gathering.items, gathering.intake
        if not items:
            return
        self._append(intake)
        with self._begin(at_ms=gathering.at_ms) as unit:
            self._commit(unit, items, intake, gathering.judged, at_ms=gathering.at_ms)
            time.mark(unit, gathering.at_ms)
        self._answer(items, intake, gathering.moved)
        self._count(items, intake)

    def _knows(self, key: LaneKey) -> bool:
        return (key.site, key.node, key.epoch) in self._met

    def _append(self, intake: Intake) -> None:
        if intake.runs:
            lanes = intake.lanes
            self._stores.telemetry.append(
                [LaneBatch(key, lanes[key].high_water, points) for key, points in intake.points().items()]
            )
            passed(FaultPoint.TELEMETRY_COMMITTED)

    def _working(self, keys: set[LaneKey]) -> dict[LaneKey, LaneState]:
        unknown = [key for key in keys if key not in self._lanes]
        if unknown:
            with self._stores.transactions.read() as unit:
                found = unit.lanes.load(unknown)
            for key in unknown:
                self._lanes[key] = found.get(key) or LaneState(key)
        return {key: self._lanes[key].copy() for key in keys}

    def _commit(self, unit: Unit, items: list[Item], intake: Intake, judged: Judgement, *, at_ms: int) -> None:
        heard = self._hear(unit, items)
        for key in intake.lanes:
            if not self._knows(key):
                meet(unit, key, at_ms)
        for refused in intake.refused:
            self._quarantine(unit, refused)
        self._record_gaps(unit, intake, at_ms)
        for event in intake.events:
            unit.device_events.add(event)
        unit.emit(*intake.alarms, *intake.probes)
        self._supervisor.evaluate(unit, intake, heard, judged)
        unit.lanes.save({key: self._lanes[key] for key in intake.lanes}, intake.lanes.values())

        def install() -> None:
            for key, state in intake.lanes.items():
                self._lanes[key] = state
                self._met.add((key.site, key.node, key.epoch))

        unit.on_committed(install)

    def _hear(self, unit: Unit, items: list[Item]) -> dict[str, Heard]:
        heard: dict[str, Heard] = {}
        for item in items:
            match item:
                case HelloItem():
                    greet(unit, item)
                    _hear(heard, item.node, item.received_ms, sos=item.key.lane is Lane.SOS)
                case LaneItem():
                    _hear(heard, item.node, item.received_ms, sos=item.key.lane is Lane.SOS)
                case StatusItem():
                    self._supervisor.note_status(unit, item)
                    if not item.retained and item.status.state is not PresenceState.OFFLINE:
                        _hear(heard, item.node, item.received_ms)
                case RefusedItem():
                    self._hold(unit, item)
        return heard

    def _record_gaps(self, unit: Unit, intake: Intake, at_ms: int) -> None:
        for key, gap in intake.gaps:
            unit.lanes.add_gap(key, gap, at_ms)
            unit.incidents.add(
                unit.new_id(),
                site=key.site,
                node=key.node,
                kind="gap",
                at_ms=at_ms,
                details={
                    "epoch": key.epoch,
                    "lane": key.lane,
                    "from": gap.from_seq,
                    "to": gap.to_seq,
                    "reason": gap.reason,
                },
            )

    def _hold(self, unit: Unit, item: RefusedItem) -> None:
        self._quarantine(unit, item.refused)
        if item.life_safety:  # also where the same bytes were refused before: their alert joins repeats by itself
            unit.emit(unknown_source(item.refused, item.node))

    def _quarantine(self, unit: Unit, refused: Refused) -> None:
        quarantine_id, new = unit.quarantine.hold(refused, unit.new_id())
        if new:
            unit.emit(QuarantineChanged(quarantine_id, refused.site, "held", refused.received_ms))

    def _answer(self, items: list[Item], intake: Intake, moved: set[LaneKey]) -> None:
        answered: set[LaneKey] = set()
        for item in items:
            if isinstance(item, HelloItem):
                self._acknowledger.acknowledge(
                    intake.lanes[item.key],
                    hello_uptime_ms=item.hello.uptime_ms,
                    hello_interval_s=wanted_interval_s(intake.directory.node_rules(item.key.site), item.hello),
                )
                answered.add(item.key)
            elif (
                isinstance(item, RefusedItem)
                and item.node is not None
                and item.lane is not None
                and item.answer_hash is not None
            ):
                reason = item.refused.reason
                assert isinstance(reason, MessageReason)  # noqa: S101 a whole message was refused
                self._acknowledger.refuse(
                    item.node.site, item.node.slug, lane=item.lane, reason=reason, payload_hash=item.answer_hash
                )
        for key, state in intake.lanes.items():
            if key not in answered:
                self._acknowledger.acknowledge(state, progress=key in moved)

    def _count(self, items: list[Item], intake: Intake) -> None:
        metrics = self._metrics
        now_ms = self._now_ms()
        for key, state in intake.lanes.items():
            counts = state.counts
            if counts.stored:
                metrics.stored.labels(key.lane).inc(counts.stored)
                if state.last_at_ms is not None:
                    metrics.lane_lag.labels(key.lane).observe(max(0, now_ms - state.last_at_ms) / 1000)
            if counts.duplicates:
                metrics.duplicates.labels(key.lane).inc(counts.duplicates)
            if counts.left_out:
                metrics.left_out.inc(counts.left_out)
        if intake.probes:
            metrics.probes.inc(len(intake.probes))
        for refused in intake.refused:
            metrics.quarantined.labels(refused.lane, refused.reason).inc()
        for key, gap in intake.gaps:
            metrics.gaps.labels(key.lane, gap.reason).inc(gap.lost)
        for item in items:
            if isinstance(item, RefusedItem):
                metrics.refused.labels(item.refused.reason).inc()
        if items and self._simulated is None:
            received_ms = min(
                item.refused.received_ms if isinstance(item, RefusedItem) else item.received_ms for item in items
            )
            metrics.commit.labels(self._consumer).observe(max(0, now_ms - received_ms) / 1000)

    def _isolate(self, incoming: Incoming) -> None:
        """Take what can be taken of a message that breaks the hub's own code; the whole is held where that is not all.

        What cannot even be held is not acknowledged: its wearer is not told that it was.
        """
        directory = self._renewal.renew(ask=False)
        try:
            item = decode(incoming, directory)
            if isinstance(item, LaneItem) and self._take_apart(item, directory):
                return
        except StorageError:
            self._forget()
            raise
        except Exception:  # noqa: BLE001 the log has its reason
            self._forget()
        self._hold_whole(incoming, directory)

    def _hold_whole(self, incoming: Incoming, directory: Directory) -> None:
        try:
            held = unreadable(incoming, directory)
            if held is not None:
                self._take_items([held], directory)
        except StorageError:
            self._forget()
            raise
        except Exception as error:
            self._forget()
            log.exception("ingest.batch_failed", consumer=self._consumer, messages=1, reason=str(error))

    def _take_apart(self, item: LaneItem, directory: Directory) -> bool:
        """Take a message in ever smaller parts, a record that breaks alone as refused; tell whether all was taken.

        A message of which too many break is given up: its node then sends the rest record by record, and others
        have their turn in between.
        """
        waiting, broken, taken = [item], 0, True
        while waiting:
            part = waiting.pop()
            if self._takes(part, directory):
                continue
            if len(part.message.records) > 1:
                waiting += reversed(halves(part))
                continue
            refused = set_aside(part)
            if refused is None:
                taken = False
                continue
            if broken == MOST_BROKEN:
                return False
            broken += 1
            key, seq = part.key, part.message.header.first
            log.error("ingest.record_failed", site=key.site, node=key.node, lane=key.lane, epoch=key.epoch, seq=seq)
            waiting.append(refused)
        return taken

    def _takes(self, item: LaneItem, directory: Directory) -> bool:
        try:
            self._take_items([item], directory)
        except StorageError:
            raise
        except Exception:  # noqa: BLE001 the log has its reason
            self._forget()
            return False
        return True


def _hear(heard: dict[str, Heard], node: NodeEntry, at_ms: int, *, sos: bool = False) -> None:
    if node.probe:
        return  # the watchdog supervises the hub, not the hub the watchdog
    former = heard.get(node.id)
    if former is None:
        heard[node.id] = Heard(node, at_ms, 1, sos)
    else:
        heard[node.id] = Heard(node, at_ms, former.contacts + 1, sos or former.sos)
