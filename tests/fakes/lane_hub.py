"""A hub's side of the lane protocol for one node, in memory: for trying the edge where no real hub is wanted."""

from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256

from protocols.ack import Ack, Refusal, SosReceipt, SosStage
from protocols.codec import decode_hello, decode_lane_message, encode
from protocols.envelope import SCHEMA
from protocols.events import Event
from protocols.gaps import GapRecord
from protocols.hello import Hello
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.readings import Reading
from protocols.rejections import MessageReason, MessageRejection, RecordRejection
from protocols.topics import Channel

Answers = list[tuple[Channel, bytes]]


@dataclass
class LaneBook:
    """What the hub holds of one lane of one epoch."""

    hw: int = 0
    told_next: int | None = None
    records: dict[int, Reading | Event] = field(default_factory=dict)
    gaps: list[tuple[int, int, str]] = field(default_factory=list)
    quarantined: list[int] = field(default_factory=list)

    @property
    def accounted(self) -> int:
        """Seqs that are stored, quarantined or declared lost."""
        return len(self.records) + len(self.quarantined) + sum(last - first + 1 for first, last, _ in self.gaps)


class LaneHub:
    """Takes lanes in order, acknowledges after its commit, refuses what it cannot decode."""

    def __init__(self, hub_id: str = "hub-a") -> None:
        self.hub_id = hub_id
        self.generation = 1
        self.books: dict[tuple[str, Lane], LaneBook] = {}
        self.hellos: list[Hello] = []
        self.calls: dict[str, SosReceipt] = {}
        self.poison: set[str] = set()
        """Refs that make the message that carries them undecodable."""
        self.interval_s: float | None = None
        self.messages = 0

    def take(self, channel: Channel, payload: bytes, *, at_ms: int) -> Answers:
        """Take one message; return what is published in answer."""
        lane = channel.lane
        assert lane is not None
        if channel.is_hello:
            return self._greeted(lane, payload, at_ms)
        self.messages += 1
        message = decode_lane_message(payload)
        refs = [getattr(record, "ref", None) for record in getattr(message, "records", [])]
        if isinstance(message, MessageRejection) or self.poison.intersection(refs):
            refusal = Refusal(lane=lane, refused=MessageReason.MALFORMED_JSON, hash=sha256(payload).hexdigest())
            return [(Channel.ack(lane), encode(refusal))]
        book = self.books.setdefault((message.header.epoch, lane), LaneBook())
        seq = message.header.first
        for record in message.records:
            last = record.gap.to if isinstance(record, GapRecord) else seq
            self._take_record(book, lane, record, (seq, last))
            seq = last + 1
        return [self.ack(lane, message.header.epoch, at_ms=at_ms)]

    def ack(self, lane: Lane, epoch: str, *, at_ms: int, uptime_ms: int | None = None) -> tuple[Channel, bytes]:
        """The acknowledgement of where the lane stands."""
        ack = Ack(
            schema_version=SCHEMA,
            lane=lane,
            epoch=epoch,
            hw=self.books.get((epoch, lane), LaneBook()).hw,
            hub_id=self.hub_id,
            hub_gen=str(self.generation),
            hub_time=format_ms(at_ms),
            uptime_ms=uptime_ms,
            hello_interval_s=self.interval_s,
            sos=list(self.calls.values()) if lane is Lane.SOS else None,
        )
        return Channel.ack(lane), encode(ack)

    def stage(self, ref: str, stage: SosStage, *, by: str | None = None, at: str | None = None) -> None:
        """Somebody took the call a step further."""
        self.calls[ref] = SosReceipt(ref=ref, seq=self.calls[ref].seq, stage=stage, by=by, at=at)

    def snapshot(self) -> object:
        """A backup."""
        return deepcopy((self.books, self.calls))

    def restore(self, backup: object) -> None:
        """Put a backup back."""
        self.books, self.calls = deepcopy(backup)  # pyright: ignore[reportGeneralTypeIssues, reportAttributeAccessIssue] a pair is unpacked
        self.generation += 1

    def _greeted(self, lane: Lane, payload: bytes, at_ms: int) -> Answers:
        hello = decode_hello(payload, lane=lane)
        assert isinstance(hello, Hello), hello
        self.hellos.append(hello)
        self.books.setdefault((hello.epoch, lane), LaneBook()).told_next = hello.next
        return [self.ack(lane, hello.epoch, at_ms=at_ms, uptime_ms=hello.uptime_ms)]

    def _take_record(
        self,
        book: LaneBook,
        lane: Lane,
        record: Reading | Event | GapRecord | RecordRejection,
        place: tuple[int, int],
    ) -> None:
        seq, last = place
        if lane is Lane.SOS and isinstance(record, Event) and seq > book.hw:
            self.calls.setdefault(record.ref, SosReceipt(ref=record.ref, seq=seq, stage=SosStage.RECEIVED))
        if last <= book.hw or seq > book.hw + 1:
            return
        if isinstance(record, GapRecord):
            if book.told_next is not None and last >= book.told_next:
                return
            book.gaps.append((book.hw + 1, last, record.gap.reason.value))
        elif isinstance(record, RecordRejection):
            book.quarantined.append(seq)
        else:
            book.records[seq] = record
        book.hw = last
