"""Hubs that break the promise of at least once on purpose: the run has to catch each."""

from collections.abc import Callable, Iterable
from typing import Final

from hub import reactions
from hub.events import AlertChanged, Event
from hub.ingest.intake import Intake
from hub.ingest.pipeline import Pipeline
from hub.notification import outbox, service
from hub.notification.ports import NotificationRepository
from hub.storage.sql.unit_of_work import Listener, SqlTransactions, SqlUnit
from tests.chaos.faulty_hub import new_id_each_attempt
from tests.chaos.influx_mutants import moves_on_before_the_answer

LONG_S: Final = 10 * 365 * 86_400


def never_takes_over() -> None:
    """What a dead sender held is nobody's: its lease does not end."""
    outbox.LEASE_S = LONG_S  # pyright: ignore[reportConstantRedefinition] a mutant is made inside


def gives_up_what_a_dead_sender_held() -> None:
    """A lease that has run out is taken for a message that nobody wants any more."""
    lease = service.lease

    def mutant(rows: NotificationRepository, row: outbox.Notification, *, at_ms: int) -> outbox.Notification | None:
        if row.state is not outbox.NotificationState.LEASED:
            return lease(rows, row, at_ms=at_ms)
        rows.save(outbox.cancel(row), was=row.state, attempts=row.attempts)
        return None

    service.lease = mutant


def acknowledges_before_the_commit() -> None:
    """The edge is told before the state is committed, and forgets what a crash then takes back."""
    append = Pipeline._append  # noqa: SLF001 a mutant is made inside

    def mutant(self: Pipeline, intake: Intake) -> None:
        append(self, intake)
        for state in intake.lanes.values():
            self._acknowledger.acknowledge(state)

    Pipeline._append = mutant  # noqa: SLF001 a mutant is made inside


def tells_people_after_the_commit() -> None:
    """The rows of a message are written in a transaction of their own, after that of their alert."""
    handlers = dict(reactions.REACTIONS)
    handlers[AlertChanged] = tuple(
        handler for handler in handlers[AlertChanged] if handler is not reactions.notify_of_alert
    )
    reactions.REACTIONS = handlers  # pyright: ignore[reportAttributeAccessIssue] a mutant is made inside
    listen = SqlTransactions.listen

    def mutant(self: SqlTransactions, listener: Listener) -> None:
        def told(events: tuple[Event, ...]) -> None:
            mine = [event for event in events if isinstance(event, AlertChanged)]
            if mine and not self._listeners.index(told):
                with self.background() as unit:
                    _tell(unit, mine)
            listener(events)

        listen(self, told)

    SqlTransactions.listen = mutant


def _tell(unit: SqlUnit, events: Iterable[AlertChanged]) -> None:
    for event in events:
        reactions.notify_of_alert(unit, event, event.at_ms)


MUTANTS: Final[dict[str, Callable[[], object]]] = {
    made.__name__: made
    for made in (
        never_takes_over,
        gives_up_what_a_dead_sender_held,
        acknowledges_before_the_commit,
        tells_people_after_the_commit,
        moves_on_before_the_answer,
        new_id_each_attempt,
    )
}
