"""A node and a hub on a network that loses, doubles and reorders: a hypothesis state machine over production code."""

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import structs

from edge.clock import EARLIEST, Moment
from edge.outbox import CallStage, Draft, NewCall, Opened, Outbox, open_outbox
from edge.outbox.clearing import Clearing
from edge.outbox.packing import unpack
from edge.uplink.courier import Courier
from edge.uplink.lane import LaneState, advance
from edge.uplink.steps import Effect, Input
from protocols.ack import Ack, Refusal, SosReceipt
from protocols.codec import decode_ack, encode, encode_record
from protocols.envelope import ClockState
from protocols.events import Event
from protocols.instant import format_instant
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.topics import Channel
from tests.fakes.lane_hub import LaneHub

MEMORY = Path("/dev/shm")  # noqa: S108 a folder of random name in it; no disk is worn by thousands of commits
_REF = re.compile(rb'"ref":"([^"]+)"')
LINKS = {"sos": (Lane.SOS,), "rest": (Lane.EVENT, Lane.TELEMETRY)}
Advance = Callable[[LaneState, Input, int], tuple[LaneState, tuple[Effect, ...]]]
OpenOutbox = Callable[..., Opened]


class _Overheard:
    """An outbox, and the calls that it says again."""

    def __init__(self, outbox: Outbox, said: set[str]) -> None:
        self._outbox = outbox
        self._said = said

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outbox, name)

    def say_again(self, *, high_water: int, listed: Collection[str]) -> list[str]:
        again = self._outbox.say_again(high_water=high_water, listed=listed)
        self._said.update(again)
        return again


class NodeAndHub(RuleBasedStateMachine):
    """Whatever happens on the way, what the node committed reaches the hub once, in order, or is declared lost."""

    advance: Advance = staticmethod(advance)
    open_outbox: OpenOutbox = staticmethod(open_outbox)
    make_hub: Callable[[], Any] = staticmethod(LaneHub)
    """The hub that the node talks to: a `LaneHub`, or one that is taken and asked like it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="linli-model-", dir=MEMORY if MEMORY.is_dir() else None))
        self.image: tuple[Path, set[str]] | None = None
        self.names = count(1)
        self.epochs = count(1)
        self.boots = count(1)
        self.random = Random(7)
        self.now_ms = 1_000_000
        self.hub = self.make_hub()
        self.other = LaneHub("hub-b")
        self.backup = self.hub.snapshot()
        self.up: list[tuple[Channel, bytes]] = []
        self.down: list[tuple[Channel, bytes]] = []
        self.connected: set[str] = set()
        self.produced: dict[str, Lane] = {}
        self.may_be_missing: set[str] = set()
        self.taken_back: set[str] = set()
        """What the hub held before it was put back to a backup."""
        self.may_be_double: set[str] = set()
        self.was_put_back = False
        self.said_again: set[str] = set()
        """Calls that the hub passed over on a card that was put back; they come behind others, and may be doubled."""
        self._start()
        for link in LINKS:
            self.connect(link)

    # The node's life.

    def _start(self) -> None:
        self.opened = self.open_outbox(
            self.folder / "data",
            boot=f"{next(self.boots):016x}",
            machine="pi",
            new_epoch=lambda: f"{next(self.epochs):016x}",
        )
        self.outbox = self.opened.outbox
        self.courier = Courier(
            cast("Outbox", _Overheard(self.outbox, self.said_again)),
            publish=self._publish,
            lit=self._lit,
            draw=self.random.random,
            machine="pi",
            home="hub-a",
            advance=self.advance,
        )

    def _lit(self, receipt: SosReceipt, at_home: bool, moment: Moment) -> None:
        self.outbox.calls.mark_call(receipt.ref, CallStage.SENT, at=format_instant(moment.at))

    def _publish(self, channel: Channel, payload: bytes) -> bool:
        if ("sos" if channel.lane is Lane.SOS else "rest") not in self.connected:
            return False
        self.up.append((channel, payload))
        return True

    def _moment(self) -> Moment:
        return Moment(EARLIEST + timedelta(milliseconds=self.now_ms), self.now_ms, ClockState.SYNCED)

    def _crash(self) -> None:
        """Die without a word: what no commit carried is gone."""
        self.opened.outbox.database.close()
        self.opened.lock.close()
        self.connected.clear()

    def _append(self, lane: Lane, number: int) -> None:
        drafts: list[Draft] = []
        for _ in range(number):
            name = f"r{next(self.names)}"
            self.produced[name] = lane
            call = NewCall(ref=name, device="d", event="sos_pressed") if lane is Lane.SOS else None
            drafts.append(Draft(lane=lane, body=encode_record(self._record(lane, name)), call=call))
        moment = self._moment()
        self.outbox.append(drafts, at=moment.at, uptime_ms=self.now_ms, synced=True, flowing=self.courier.flowing())
        self.courier.appended({lane}, moment)

    def _record(self, lane: Lane, name: str) -> Any:
        if lane is Lane.TELEMETRY:
            return Reading(device="d", kind="lamp", values={"power_w": 1.0}, ref=name)
        return Event(device="d", event="sos_pressed" if lane is Lane.SOS else "moved", ref=name)

    def _name(self, body: bytes) -> str:
        return _REF.findall(unpack(body))[0].decode()

    @rule(lane=st.sampled_from(Lane), number=st.integers(1, 5))
    def append(self, lane: Lane, number: int) -> None:
        self._append(lane, number)

    @rule(number=st.sampled_from([150, 450]))
    def append_many(self, number: int) -> None:
        self._append(Lane.TELEMETRY, number)

    @rule(link=st.sampled_from(["sos", "rest"]))
    def connect(self, link: str) -> None:
        if link not in self.connected:
            self.connected.add(link)
            self.courier.connected(LINKS[link], self._moment())

    @rule(link=st.sampled_from(["sos", "rest"]), kept=st.booleans())
    def disconnect(self, link: str, kept: bool) -> None:
        if link in self.connected:
            self.connected.discard(link)
            self.courier.disconnected(LINKS[link], self._moment())
            if not kept:
                self.down = [sent for sent in self.down if sent[0].lane not in LINKS[link]]

    @rule()
    def crash_node(self) -> None:
        self._crash()
        self._start()

    @rule(after_ms=st.sampled_from([50, 600, 2_500, 40_000]))
    def wait(self, after_ms: int) -> None:
        self.now_ms += after_ms
        self.courier.tick(self._moment())

    @contextmanager
    def _loss(self) -> Generator[None]:
        """What this destroys, here and at the hub, may be missing from now on; nothing else may."""
        before = self._held()
        yield
        self.may_be_missing |= before - self._held()

    def _held(self) -> set[str]:
        """Names of records that stand in the outbox or at the hub."""
        rows = self.outbox.database.rows("SELECT body FROM records WHERE through IS NULL")
        return {self._name(body) for (body,) in rows} | set(self._stored())

    def _stored(self) -> list[str]:
        return [record.ref or "" for book in self.hub.books.values() for record in book.records.values()]

    @rule()
    def evict(self) -> None:
        with self._loss():
            Clearing(self.outbox).evict()

    @rule(lane=st.sampled_from(Lane))
    def drop_done(self, lane: Lane) -> None:
        """Room is short: done rows go before their time.

        The hub has them, so nothing is lost by it, unless the hub was put back and the node has not heard of it yet.
        """
        before = self._held()
        Clearing(self.outbox).drop_done(lane)
        self.may_be_missing |= (before - self._held()) & self.taken_back

    @precondition(lambda self: self.image is None)
    @rule()
    def take_image(self) -> None:
        self._crash()
        shutil.copytree(self.folder / "data", self.folder / "image")
        self._start()
        pending: set[str] = set()
        for lane in Lane:
            first = self.outbox.marks(lane).done + 1
            rows = self.outbox.read(lane, first, most=10_000, most_bytes=1 << 30)
            pending |= {self._name(row.body) for row in rows if not row.is_gap}
        self.image = (self.folder / "image", pending)

    @precondition(lambda self: self.image is not None)
    @rule(offline=st.integers(0, 30))
    def restore_image(self, offline: int) -> None:
        """The card is put back to an older state; new records take the seqs of those made since."""
        assert self.image is not None
        path, pending = self.image
        with self._loss():
            self._crash()
            shutil.rmtree(self.folder / "data")
            shutil.copytree(path, self.folder / "data")
            self.up.clear()
            self._start()
        self.may_be_double |= pending
        self.was_put_back = True
        if offline:
            self._append(Lane.TELEMETRY, offline)
            self._crash()
            self._start()

    @rule()
    def lose_outbox(self) -> None:
        """The file is gone, its folder is not."""
        with self._loss():
            self._crash()
            for part in (self.folder / "data").glob("outbox.db*"):
                part.unlink()
            self._start()

    # The network and the hub.

    @precondition(lambda self: self.up)
    @rule(data=st.data(), fate=st.sampled_from(["deliver", "deliver", "drop", "double", "reorder"]))
    def travel_up(self, data: st.DataObject, fate: str) -> None:
        place = data.draw(st.integers(0, len(self.up) - 1)) if fate == "reorder" else 0
        message = self.up[place] if fate == "double" else self.up.pop(place)
        if fate != "drop":
            self.down += self._taken(message)

    @precondition(lambda self: self.down)
    @rule(data=st.data(), fate=st.sampled_from(["deliver", "deliver", "drop", "double", "reorder"]))
    def travel_down(self, data: st.DataObject, fate: str) -> None:
        place = data.draw(st.integers(0, len(self.down) - 1)) if fate == "reorder" else 0
        message = self.down[place] if fate == "double" else self.down.pop(place)
        if fate != "drop":
            self.hear(message)

    @rule()
    def travel_all(self) -> None:
        self._exchange()

    @rule(lane=st.sampled_from(Lane), behind=st.integers(0, 3))
    def other_hub_speaks(self, lane: Lane, behind: int) -> None:
        """Another hub's word never marks anything done."""
        hw = max(0, self.outbox.marks(lane).next - 1 - behind)
        channel, payload = self.other.ack(lane, self.outbox.epoch, at_ms=self.now_ms)
        ack = decode_ack(payload)
        assert isinstance(ack, Ack)
        self.hear((channel, encode(structs.replace(ack, hw=hw))))

    @rule()
    def back_up_hub(self) -> None:
        self.backup = self.hub.snapshot()

    @rule()
    def restore_hub(self) -> None:
        stored = set(self._stored())
        with self._loss():
            self.hub.restore(self.backup)
        self.taken_back |= stored - set(self._stored())
        self.down.clear()

    def _taken(self, message: tuple[Channel, bytes]) -> list[tuple[Channel, bytes]]:
        """What the hub answers to a message."""
        return self.hub.take(*message, at_ms=self.now_ms)

    def hear(self, message: tuple[Channel, bytes]) -> None:
        channel, payload = message
        lane = channel.lane
        assert lane is not None
        if ("sos" if lane is Lane.SOS else "rest") in self.connected:
            answer = decode_ack(payload)
            assert isinstance(answer, Ack | Refusal)
            self.courier.answered(lane, answer, self._moment())

    def _exchange(self) -> None:
        while self.up or self.down:
            while self.up:
                self.down += self._taken(self.up.pop(0))
            while self.down:
                self.hear(self.down.pop(0))

    # What must hold.

    @invariant()
    def the_hub_accounts_for_every_seq(self) -> None:
        for book in self.hub.books.values():
            assert book.accounted == book.hw

    @invariant()
    def nothing_is_said_again_but_on_a_card_that_was_put_back(self) -> None:
        assert self.was_put_back or not self.said_again

    @invariant()
    def the_hub_holds_the_order_of_the_node(self) -> None:
        for book in self.hub.books.values():
            refs = [record.ref or "" for _, record in sorted(book.records.items())]
            names = [int(ref[1:]) for ref in refs if ref not in self.said_again]
            assert names == sorted(names)

    @invariant()
    def the_window_is_kept(self) -> None:
        for state in self.courier.lanes.values():
            assert len(state.flights) <= 8
            assert state.done <= state.sent < state.next

    def teardown(self) -> None:
        try:
            self._heal()
        finally:
            self._crash()
            shutil.rmtree(self.folder)

    def _heal(self) -> None:
        """The network is good from now on: after a while everything must be where it belongs."""
        self.up.clear()
        self.down.clear()
        for link in ("sos", "rest"):
            self.connect(link)
        for _ in range(60):
            self._exchange()
            due_ms = self.courier.wake_ms()
            self.now_ms = max(self.now_ms + 1, due_ms or 0)
            self.courier.tick(self._moment())
        self._exchange()
        stored = self._stored()
        missing = set(self.produced) - set(stored) - self.may_be_missing
        assert not missing, f"lost: {sorted(missing)}"
        double = {name for name, times in Counter(stored).items() if times > 1}
        double -= self.may_be_double | self.said_again
        assert not double, f"doubled: {sorted(double)}"
        for lane, state in self.courier.lanes.items():
            assert state.done == self.outbox.marks(lane).next - 1, f"{lane} is not drained"
