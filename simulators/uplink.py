"""One lane of a node, without I/O: seqs, hello, window, re-send, rewind and gaps, as the wire contract asks of an edge.

A second implementation, written from the contract and sharing nothing with the agent. It keeps its records in memory:
a simulator may lose them with its process, and then says so with a new epoch.
"""

import hashlib
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Final

from protocols.ack import Ack, Refusal
from protocols.codec import encode, encode_record
from protocols.envelope import SCHEMA, ClockState, LaneMessage, Record, Stamp
from protocols.gaps import Gap, GapReason, GapRecord
from protocols.hello import DEFAULT_INTERVAL_S, Hello
from protocols.instant import format_instant
from protocols.lanes import Lane
from protocols.topics import Channel
from simulators.timeline import Moment

LARGEST_WINDOW: Final = 8
"""Messages that may be unacknowledged."""
MEMORY: Final = 200_000
"""Telemetry records that may wait for the hub; beyond, the oldest are declared lost. Events and SOS always wait."""
_LARGEST_BATCH_BYTES: Final = 200 * 1024
_HELLO_REPEAT_S: Final = (2.0, 30.0)
_RESEND_S: Final = {Lane.SOS: (0.5, 2.0), Lane.EVENT: (2.0, 30.0), Lane.TELEMETRY: (2.0, 30.0)}
"""The shortest and the longest wait for an acknowledgement before a re-send."""
_JITTER: Final = 0.25
_SMOOTHING: Final = 0.125


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish."""

    channel: Channel
    payload: bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """How this life of the node is known: its epoch, its boot, and why the epoch is new."""

    epoch: str
    boot: str
    new_epoch_because: str | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    first: int
    last: int
    record: Record
    size_bytes: int
    stamped: Moment | None


@dataclass(frozen=True, slots=True)
class _Flight:
    first: int
    last: int
    sent_s: float
    digest: str
    again: bool


class Uplink:
    """The records of one lane from their birth to the hub's acknowledgement."""

    def __init__(
        self,
        lane: Lane,
        identity: Identity,
        *,
        rng: Random,
        batch: int = 50,
        window: int = LARGEST_WINDOW,
        memory: int = MEMORY,
        keep_done: int = 2_000,
        hello_interval_s: float | None = None,
        clock_rate: float = 1.0,
    ) -> None:
        """`batch` is records a message at most, `memory` how many may wait, `keep_done` how many done ones stay.

        `window` is how many messages may be unacknowledged; a real edge keeps to the contract's.
        `clock_rate` is how many seconds the node's clock runs in a real one: hellos follow the node's clock.
        """
        self.lane = lane
        self.identity = identity
        self.high_water = 0
        """All up to here is committed at the hub."""
        self.next = 1
        """The seq of the record to come."""
        self.duplicates_sent = 0
        """Records sent more than once."""
        self._rng = rng
        self._batch = batch
        self._memory = memory
        self._keep_done = keep_done
        self._hello_interval_s = hello_interval_s or DEFAULT_INTERVAL_S[lane]
        self._clock_rate = clock_rate
        self._rows: dict[int, _Row] = {}
        self._done: deque[int] = deque()
        self._flights: deque[_Flight] = deque()
        self._cursor = 0
        self._largest_sent = 0
        self._singly_through = 0
        self._largest_window = window
        self._window = window
        self._timeouts = 0
        self._resend_s = _RESEND_S[lane][0]
        self._smoothed_s: float | None = None
        self._hub_id: str | None = None
        self._connected = False
        self._greeted_next = 0
        self._hellos: dict[int, int] = {}
        self._hello_due_s = 0.0
        self._hello_repeat_s = _HELLO_REPEAT_S[0]

    @property
    def pending(self) -> int:
        """How many seqs are not acknowledged."""
        return self.next - 1 - self.high_water

    @property
    def settled(self) -> bool:
        """Whether all is acknowledged and the hub has been told where the lane stands."""
        return self.pending == 0 and self._greeted_next == self.next

    @property
    def min_retained(self) -> int:
        """The lowest seq that can still be read, else the next one."""
        return min(self._rows, default=self.next) if not self._done else self._done[0]

    def append(self, record: Record, *, stamped: Moment | None = None) -> int:
        """Take a record in and return its seq; `stamped` makes its message carry that moment as the node's clock."""
        seq = self.next
        self._rows[seq] = _Row(seq, seq, record, len(encode_record(record)), stamped)
        self.next = seq + 1
        if self.lane is Lane.TELEMETRY and self.pending > self._memory:
            self._evict(max(1, self._memory // 10))
        return seq

    def connected(self, now: Moment) -> None:
        """A connection stands and its subscription is granted: say hello, then send again what was on its way."""
        self._connected = True
        self._greeted_next = 0
        self._hellos.clear()
        self._hello_repeat_s = _HELLO_REPEAT_S[0]
        self._hello_due_s = now.monotonic_s
        self._rewind_to(self.high_water)

    def disconnected(self) -> None:
        """The connection is gone; nothing is sent until the next one."""
        self._connected = False

    def greet(self, now: Moment) -> None:
        """Say hello at the next poll, whatever the interval."""
        self._hello_repeat_s = _HELLO_REPEAT_S[0]
        self._hello_due_s = now.monotonic_s

    def poll(self, now: Moment) -> list[Outgoing]:
        """Return what is to be published at this moment."""
        outgoing: list[Outgoing] = []
        if not self._connected:
            return outgoing
        if now.monotonic_s >= self._hello_due_s:
            outgoing.append(self._hello(now))
        self._expire(now)
        while self._may_send():
            outgoing.append(self._message(now))
        return outgoing

    def wake_s(self) -> float | None:
        """Return the monotonic instant at which `poll` has something to do even if nothing happens until then."""
        if not self._connected:
            return None
        if not self._flights:
            return self._hello_due_s
        return min(self._hello_due_s, self._flights[0].sent_s + self._resend_s)

    def acknowledged(self, ack: Ack, now: Moment) -> None:
        """Take in an acknowledgement; one of another epoch or of another hub moves nothing."""
        self._hub_id = self._hub_id or ack.hub_id
        if ack.epoch != self.identity.epoch or ack.hub_id != self._hub_id or ack.hw >= self.next:
            return
        if ack.hello_interval_s is not None:
            self._hello_interval_s = ack.hello_interval_s
        if ack.uptime_ms is not None and ack.uptime_ms in self._hellos:
            self._greeted_next = self._hellos[ack.uptime_ms]
            self._hellos.clear()
            self._hello_repeat_s = _HELLO_REPEAT_S[0]
            self._hello_due_s = now.monotonic_s + self._hello_interval_s / self._clock_rate
        if ack.hw > self.high_water:
            self._progress(ack.hw, now)
        elif ack.hw < self.high_water:
            self._rewind_to(ack.hw)

    def refused(self, refusal: Refusal) -> None:
        """Send one record a message after a refusal; a record refused alone becomes a gap."""
        for flight in self._flights:
            if flight.digest == refusal.hash:
                if self._rows[flight.first].last == flight.last:
                    self._declare_lost(flight.first, flight.last, GapReason.REFUSED)
                else:
                    self._singly_through = max(self._singly_through, flight.last)
                self._rewind_to(self.high_water)
                return

    def _evict(self, count: int) -> None:
        """Declare the oldest `count` records that are not on their way lost, as an edge does whose disk is short."""
        last = min(self.next - 1, self._cursor + count)
        if last > self._cursor:
            self._declare_lost(self._cursor + 1, last, GapReason.EVICTED)

    def _progress(self, hw: int, now: Moment) -> None:
        for seq in range(self.high_water + 1, hw + 1):
            if seq in self._rows:
                self._done.append(seq)
        while len(self._done) > self._keep_done:
            self._rows.pop(self._done.popleft(), None)
        self.high_water = hw
        self._cursor = max(self._cursor, hw)
        while self._flights and self._flights[0].last <= hw:
            flight = self._flights.popleft()
            if not flight.again:
                took_s = now.monotonic_s - flight.sent_s
                before_s = took_s if self._smoothed_s is None else self._smoothed_s
                self._smoothed_s = before_s + _SMOOTHING * (took_s - before_s)
        self._timeouts = 0
        self._window = min(self._largest_window, self._window * 2)
        shortest, longest = _RESEND_S[self.lane]
        self._resend_s = min(longest, max(shortest, 4 * (self._smoothed_s or 0.0)))

    def _expire(self, now: Moment) -> None:
        """Give up what was not acknowledged in time, and send it again one message at a time."""
        if not self._flights or now.monotonic_s < self._flights[0].sent_s + self._resend_s:
            return
        self._timeouts += 1
        shortest, longest = _RESEND_S[self.lane]
        waited_s = min(longest, max(shortest, 4 * (self._smoothed_s or 0.0)) * 2**self._timeouts)
        self._resend_s = waited_s * self._rng.uniform(1 - _JITTER, 1 + _JITTER)
        self._window = 1
        self._rewind_to(self.high_water)

    def _rewind_to(self, hw: int) -> None:
        self._flights.clear()
        while self._done and self._done[-1] > hw:
            self._done.pop()
        self.high_water = hw
        self._cursor = hw

    def _may_send(self) -> bool:
        if len(self._flights) >= self._window or self._cursor + 1 >= self.next:
            return False
        if self.lane is not Lane.SOS and not self._greeted_next:
            return False
        return not isinstance(self._row_at(self._cursor + 1).record, GapRecord) or self._gap_is_announced()

    def _gap_is_announced(self) -> bool:
        """A hub refuses a gap that reaches beyond the `next` of the last hello."""
        return self._row_at(self._cursor + 1).last < self._greeted_next

    def _row_at(self, seq: int) -> _Row:
        """Return the row that begins at `seq`; what was forgotten after its acknowledgement is a gap."""
        row = self._rows.get(seq)
        if row is None:
            until = min((first for first in self._rows if first > seq), default=self.next)
            row = self._declare_lost(seq, until - 1, GapReason.EVICTED)
        return row

    def _declare_lost(self, first: int, last: int, reason: GapReason) -> _Row:
        for seq in range(first, last + 1):
            self._rows.pop(seq, None)
        record = GapRecord(gap=Gap(to=last, reason=reason))
        row = _Row(first, last, record, len(encode_record(record)), None)
        self._rows[first] = row
        if last >= self._greeted_next:
            self._hello_due_s = 0.0
        return row

    def _message(self, now: Moment) -> Outgoing:
        head = self._row_at(self._cursor + 1)
        rows = [head]
        size = head.size_bytes
        largest = 1 if self._cursor < self._singly_through else self._batch
        while len(rows) < largest and rows[-1].last + 1 < self.next:
            row = self._row_at(rows[-1].last + 1)
            size += row.size_bytes
            apart = row.stamped != head.stamped or (
                isinstance(row.record, GapRecord) and row.last >= self._greeted_next
            )
            if apart or size > _LARGEST_BATCH_BYTES:
                break
            rows.append(row)
        clock = head.stamped or now
        message = LaneMessage(
            schema_version=SCHEMA,
            epoch=self.identity.epoch,
            first=head.first,
            boot=self.identity.boot,
            clock=ClockState.SYNCED,
            now=Stamp(at=format_instant(clock.at), uptime_ms=clock.uptime_ms),
            records=[row.record for row in rows],
        )
        payload = encode(message)
        self._flights.append(self._flight(rows, payload, now))
        self._cursor = rows[-1].last
        return Outgoing(Channel.records(self.lane), payload)

    def _flight(self, rows: list[_Row], payload: bytes, now: Moment) -> _Flight:
        again = rows[0].first <= self._largest_sent
        self.duplicates_sent += sum(row.first <= self._largest_sent for row in rows)
        self._largest_sent = max(self._largest_sent, rows[-1].last)
        digest = hashlib.sha256(payload).hexdigest()
        return _Flight(rows[0].first, rows[-1].last, now.monotonic_s, digest, again)

    def _hello(self, now: Moment) -> Outgoing:
        self._hellos[now.uptime_ms] = self.next
        self._hello_due_s = now.monotonic_s + self._hello_repeat_s
        self._hello_repeat_s = min(_HELLO_REPEAT_S[1], self._hello_repeat_s * 2)
        hello = Hello(
            schema_version=SCHEMA,
            lane=self.lane,
            epoch=self.identity.epoch,
            boot=self.identity.boot,
            min_retained=self.min_retained,
            next=self.next,
            at=format_instant(now.at),
            uptime_ms=now.uptime_ms,
            clock=ClockState.SYNCED,
            new_epoch_because=self.identity.new_epoch_because,
            interval_s=self._hello_interval_s,
        )
        return Outgoing(Channel.hello(self.lane), encode(hello))
