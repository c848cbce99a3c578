"""What the lane protocol is told and what it wants done: inputs and effects as data."""

from dataclasses import dataclass

from protocols.ack import Ack, SosReceipt
from protocols.hello import NewEpochBecause
from protocols.rejections import MessageReason


@dataclass(frozen=True, slots=True)
class Connected:
    """The lane's connection is up and subscribed."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The lane's connection is gone."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Records were committed; `next` is the seq to come, `released` the highest that may leave."""

    next: int
    released: int


@dataclass(frozen=True, slots=True)
class Sent:
    """One message went out: its seqs, how many records, whether a gap is among them, and its hash."""

    first: int
    last: int
    records: int
    digest: str
    has_gap: bool = False


@dataclass(frozen=True, slots=True)
class NothingSent:
    """A `Send` could not be done: the connection is going, or nothing is there."""


@dataclass(frozen=True, slots=True)
class GapAhead:
    """The next message holds a gap through `last`; it needs a hello that tells of it first."""

    last: int


@dataclass(frozen=True, slots=True)
class Acked:
    """The hub acknowledged."""

    ack: Ack


@dataclass(frozen=True, slots=True)
class Refused:
    """The hub cannot decode a message with this hash."""

    reason: MessageReason
    digest: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """This hub is home from now on."""

    hub_id: str


@dataclass(frozen=True, slots=True)
class EpochBegun:
    """A new epoch holds what was not done."""

    epoch: str
    next: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; `jitter` (0.75..1.25) stretches the next resend timer."""

    jitter: float = 1.0


Input = (
    Connected | Disconnected | Appended | Sent | NothingSent | GapAhead | Acked | Refused | Adopted | EpochBegun | Tick
)


@dataclass(frozen=True, slots=True)
class SayHello:
    """Publish a hello of this lane."""

    interval_s: float


@dataclass(frozen=True, slots=True)
class Release:
    """Commit that seqs up to `through` may have left, before any of them does."""

    through: int


@dataclass(frozen=True, slots=True)
class Send:
    """Publish one message that begins at `first`; answer with Sent or NothingSent."""

    first: int
    most_records: int


@dataclass(frozen=True, slots=True)
class MarkDone:
    """The home hub has everything up to `through`, and nothing above."""

    through: int


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take this hub as home, for all lanes."""

    hub_id: str


@dataclass(frozen=True, slots=True)
class BeginEpoch:
    """Begin a new epoch, for all lanes."""

    reason: NewEpochBecause


@dataclass(frozen=True, slots=True)
class ReplaceByGap:
    """Put a gap `refused` in the place of this record."""

    seq: int


@dataclass(frozen=True, slots=True)
class Light:
    """A hub lists this call; only the home hub's word goes beyond *sent*."""

    receipt: SosReceipt
    at_home: bool


Effect = SayHello | Release | Send | MarkDone | Adopt | BeginEpoch | ReplaceByGap | Light
