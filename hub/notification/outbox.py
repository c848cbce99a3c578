"""A row of the notification outbox and its life: pending → leased → sent | failed | cancelled; pure."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

LIFE_SAFETY_DELAYS_S: Final = (1, 2, 5, 10)
"""Waits after the first failures of an SOS; then `LIFE_SAFETY_REPEAT_S`, for as long as the alert or order is open."""
LIFE_SAFETY_REPEAT_S: Final = 30
FIRST_DELAY_S: Final = 5
"""Wait after the first failure of anything else; doubles with each further one, up to `LONGEST_DELAY_S`."""
LONGEST_DELAY_S: Final = 3_600
GIVE_UP_S: Final = 86_400
"""How long after it was to leave anything but an SOS counts as failed."""
LEASE_S: Final = 30
"""How long a sender may take; longer than any send, so that only a dead sender's row is taken by another."""


class Channel(StrEnum):
    """Ways to reach people."""

    CONSOLE = "console"
    WEBHOOK = "webhook"
    APPRISE = "apprise"
    """A person's own channel, at any of the services that apprise knows."""
    SINK = "sink"
    """Nobody: where the watchdog's test presses end."""


class NotificationState(StrEnum):
    """The states of a row."""

    PENDING = "pending"
    LEASED = "leased"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to one target; its id is what a receiver tells repeats by."""

    id: str
    site: str
    alert: str | None
    work_order: str | None
    step: str
    channel: Channel
    target: str
    """Of a webhook or a person's channel: its id. Of the console: `console`. An address never stands here."""
    person: str | None = None
    """Whose channel it is."""
    body: str
    life_safety: bool
    state: NotificationState = NotificationState.PENDING
    attempts: int = 0
    created_at_ms: int
    due_at_ms: int | None = None
    """When it was to leave, where that is later than it was written: a digest, or the end of quiet hours."""
    next_attempt_ms: int | None
    leased_until_ms: int | None = None
    sent_at_ms: int | None = None
    delivered_at_ms: int | None = None
    failed_at_ms: int | None = None
    error: str | None = None

    @property
    def place(self) -> str:
        """Where it goes; rows of one place are sent one after the other."""
        return place_of(self.channel, self.target)

    @property
    def failed_before(self) -> bool:
        """Whether it waits for another attempt after one that failed, or is in one."""
        return self.attempts > 0 if self.state is NotificationState.PENDING else self.attempts > 1

    @property
    def wanted_at_ms(self) -> int:
        """When it was to leave."""
        return self.created_at_ms if self.due_at_ms is None else self.due_at_ms


def place_of(channel: str, target: str) -> str:
    """Return the name of a place."""
    return f"{channel}:{target}"


class Outcome(StrEnum):
    """What a channel says of an attempt."""

    SENT = "sent"
    """The channel took it."""
    DELIVERED = "delivered"
    """The receiver itself has it."""
    RETRY = "retry"
    GONE = "gone"
    """The receiver wants nothing any more."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The result of an attempt; `error` is one line for the operator."""

    outcome: Outcome
    error: str | None = None

    @property
    def arrived(self) -> bool:
        """Whether it need not be sent again."""
        return self.outcome in {Outcome.SENT, Outcome.DELIVERED}


def lease(row: Notification, *, at_ms: int) -> Notification | None:
    """Return the row as its sender holds it, or None where it is not due, or another sender has it."""
    if not is_due(row, at_ms=at_ms):
        return None
    return replace(
        row,
        state=NotificationState.LEASED,
        attempts=row.attempts + 1,
        next_attempt_ms=None,
        leased_until_ms=at_ms + LEASE_S * 1_000,
    )


def is_due(row: Notification, *, at_ms: int) -> bool:
    """Tell whether the row waits to be sent now: its time has come, or its sender died."""
    if row.state is NotificationState.PENDING:
        return row.next_attempt_ms is not None and row.next_attempt_ms <= at_ms
    return row.state is NotificationState.LEASED and row.leased_until_ms is not None and row.leased_until_ms <= at_ms


def set_back(row: Notification, *, at_ms: int) -> Notification:
    """Return the row after the clock was set back to `at_ms`: it waits no longer than such a row ever does.

    A digest and the end of quiet hours are times of the day, and stay.
    """
    if row.state is NotificationState.LEASED and row.leased_until_ms is not None:
        return replace(row, leased_until_ms=min(row.leased_until_ms, at_ms + LEASE_S * 1_000))
    if row.state is not NotificationState.PENDING or row.next_attempt_ms is None:
        return row
    if row.attempts == 0 and not row.life_safety:
        return row
    longest_ms = delay_s(row) * 1_000 if row.attempts > 0 else 0
    return replace(row, next_attempt_ms=min(row.next_attempt_ms, at_ms + longest_ms))


def settle(row: Notification, delivery: Delivery, *, wanted: bool, at_ms: int) -> Notification:
    """Return a leased row after its attempt; `wanted` tells whether what it is about is still open.

    A row that was cancelled while it was under way stays cancelled, unless it did arrive: that is the truth.
    """
    if delivery.arrived:
        return replace(
            row,
            state=NotificationState.SENT,
            sent_at_ms=at_ms,
            delivered_at_ms=at_ms if delivery.outcome is Outcome.DELIVERED else None,
            next_attempt_ms=None,
            leased_until_ms=None,
            error=None,
        )
    if row.state is not NotificationState.LEASED:
        return row
    over = replace(row, next_attempt_ms=None, leased_until_ms=None, error=delivery.error)
    if delivery.outcome is Outcome.GONE:
        return replace(over, state=NotificationState.FAILED, failed_at_ms=at_ms)
    if row.life_safety and not wanted:
        return replace(over, state=NotificationState.CANCELLED)
    next_ms = at_ms + delay_s(row) * 1_000
    if not row.life_safety and next_ms - row.wanted_at_ms > GIVE_UP_S * 1_000:
        return replace(over, state=NotificationState.FAILED, failed_at_ms=at_ms)
    return replace(over, state=NotificationState.PENDING, next_attempt_ms=next_ms)


def cancel(row: Notification) -> Notification:
    """Return the row as nobody sends it any more; what is over stays as it is."""
    if row.state not in {NotificationState.PENDING, NotificationState.LEASED}:
        return row
    return replace(row, state=NotificationState.CANCELLED, next_attempt_ms=None, leased_until_ms=None)


def delay_s(row: Notification) -> int:
    """Return how long to wait after the row's last attempt failed."""
    failures = max(row.attempts, 1)
    if not row.life_safety:
        return min(FIRST_DELAY_S << min(failures - 1, 20), LONGEST_DELAY_S)
    if failures <= len(LIFE_SAFETY_DELAYS_S):
        return LIFE_SAFETY_DELAYS_S[failures - 1]
    return LIFE_SAFETY_REPEAT_S
