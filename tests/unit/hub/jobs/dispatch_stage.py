"""A dispatcher at work on a story: real threads, fake channels, the loop in memory."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest

from hub.events import AlertChanged
from hub.jobs.dispatcher import Attempt, Dispatcher
from hub.notification.outbox import Channel, Delivery, Notification, Outcome
from hub.notification.person_channel import PersonChannel
from hub.notification.ports import Target
from hub.notification.webhook import Webhook
from hub.vocabulary import FAULTS, FaultCode, Role, Subject
from tests.fakes.loop import MemoryPerson, MemoryTransactions, MemoryUnit
from tests.fakes.loop_story import Story

PATIENCE_S = 10.0
SENT = Delivery(Outcome.SENT)


class FakeSender:
    """A channel that keeps what it is given and answers as told; `hold` keeps a target waiting until it is let go."""

    def __init__(self) -> None:
        self.seen: list[Notification] = []
        self.runs: list[list[str]] = []
        self.answers: dict[str, list[Delivery]] = {}
        self.held: dict[str, threading.Event] = {}
        self.entered: dict[str, threading.Event] = {}
        self.hanging: set[str] = set()
        """Held targets that something is under way to."""
        self.down: set[str] = set()
        """Targets at which no attempt succeeds."""
        self.breaking: set[str] = set()

    def hold(self, target: str) -> None:
        self.held[target] = threading.Event()
        self.entered[target] = threading.Event()

    def let_go(self, target: str) -> None:
        """End the attempt that is under way; the next is held again."""
        held = self.held[target]
        self.hold(target)
        held.set()

    def send(self, rows: Sequence[Notification], target: Target | None) -> Sequence[Delivery]:
        self.runs.append([row.id for row in rows])
        return [self.send_one(row) for row in rows]

    def send_one(self, row: Notification) -> Delivery:
        self.seen.append(row)
        if row.target in self.breaking:
            self.breaking.discard(row.target)
            raise RuntimeError("a bug")
        if row.target in self.held:
            held = self.held[row.target]
            self.entered[row.target].set()
            self.hanging.add(row.target)
            assert held.wait(PATIENCE_S)
            self.hanging.discard(row.target)
        if row.target in self.down:
            return Delivery(Outcome.RETRY, "ReadTimeout")
        answers = self.answers.get(row.target)
        return answers.pop(0) if answers else SENT


class Stage:
    """A dispatcher at work on a story."""

    def __init__(self) -> None:
        self.story = Story()
        self.sender = FakeSender()
        self.attempts: list[Attempt] = []
        self.failures: list[Exception] = []
        self.writes = 0
        self._changed = threading.Condition()
        self.lock = threading.RLock()
        transactions = MemoryTransactions(self.story.unit, now_ms=lambda: self.story.now_ms, lock=self.lock)
        self.dispatcher = Dispatcher(
            read=lambda: self._read(transactions),
            begin=lambda life_safety: self._begin(transactions, life_safety=life_safety),
            senders=dict.fromkeys(Channel, self.sender),
            now_ms=lambda: self.story.now_ms,
            on_attempt=self._note,
        )

    def _read(self, transactions: MemoryTransactions) -> AbstractContextManager[MemoryUnit]:
        if self.failures:
            raise self.failures.pop()
        return transactions.read()

    def _begin(self, transactions: MemoryTransactions, *, life_safety: bool) -> AbstractContextManager[MemoryUnit]:
        self.writes += 1
        return transactions.begin(life_safety)

    def hook(self, *names: str) -> None:
        for name in names:
            self.story.unit.webhooks.add(
                Webhook(id=name, site="demo", url=f"https://{name}.example/", secret="whsec_AAAA", created_at_ms=0)
            )

    def channel(self, name: str, **known: Any) -> None:
        """Give Li, who is operator of the site, one more channel."""
        defaults: dict[str, Any] = {"url": f"wecombot://key-of-{name}", "per_minute": 18, "created_at_ms": 0}
        operator = MemoryPerson(frozenset({(Role.OPERATOR, "demo")}))
        self.story.unit.person_channels.people["li"] = operator
        self.story.unit.person_channels.add(PersonChannel(id=name, person="li", name=name, **(defaults | known)))

    def do(self, what: Callable[[Story], object]) -> None:
        """Let something happen in a transaction, and its commit be heard."""
        with self.lock:
            before = len(self.story.happened)
            what(self.story)
            events = tuple(self.story.happened[before:])
        self.dispatcher.hear(events)

    def look(self) -> None:
        """Have both lanes look at the outbox, as a commit of something else would."""
        for code in (FaultCode.SOS_PRESSED, FaultCode.BIN_FULL):
            fault = FAULTS[code]
            fired = AlertChanged("01JA", Subject("demo"), code, fault.severity, fault.colour, "fired", 0)
            self.dispatcher.hear((fired,))

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until it is true, looking after every attempt and every 50 ms."""
        with self._changed:
            for _ in range(round(PATIENCE_S / 0.05)):
                if true():
                    return
                self._changed.wait(0.05)
        pytest.fail("it did not become true")

    def rows(self, target: str) -> list[Notification]:
        with self.lock:
            return [row for row in self.story.unit.notifications.rows.values() if row.target == target]

    def tried(self, target: str) -> int:
        return sum(attempt.row.target == target for attempt in self.attempts)

    def arrived(self, target: str, step: str) -> bool:
        return any(
            attempt.row.target == target and attempt.row.step == step and attempt.delivery.outcome is Outcome.SENT
            for attempt in self.attempts
        )

    def _note(self, attempt: Attempt) -> None:
        with self._changed:
            self.attempts.append(attempt)
            self._changed.notify_all()
