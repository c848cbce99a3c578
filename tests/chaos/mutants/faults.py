"""Faults that are put into the real code at its start; the chaos runner has to catch each."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from edge import app
from edge.agent import loop
from edge.outbox import Draft
from edge.uplink.courier import Courier
from hub.alerts.ports import Fact
from hub.ingest import intake
from hub.ingest.lane import LaneState
from hub.ingest.pipeline import Pipeline
from hub.storage.sql.lanes import SqlLanes
from hub.storage.sql.presses import SqlPresses
from hub.telemetry.point import LaneKey
from protocols.lanes import Lane
from tests.chaos.faulty_hub import let_go_before_influxdb, new_id_each_attempt
from tests.chaos.forgetful_edge import keep_nothing_done
from tests.chaos.mutants.taking import accepts_a_hole, counts_duplicates
from tests.property.edge.test_uplink_mutants import (
    forgets_the_epoch,
    never_rewinds,
    never_sends_again,
    trusts_the_broker,
)

SLOW_DISK_S: Final = 1.0
"""How long a commit takes where its acknowledgement has left before it."""


def delete_on_puback() -> None:
    """The edge lets go of a record as soon as the broker has it."""
    _protocol(trusts_the_broker)
    keep_nothing_done()


def never_rewind() -> None:
    """The edge takes a lower acknowledgement for an old one."""
    _protocol(never_rewinds)


def never_send_again() -> None:
    """The edge has no timer for what is not acknowledged."""
    _protocol(never_sends_again)


def keep_the_epoch() -> None:
    """A new outbox goes by the name of the old one, and counts from 1."""
    app.open_outbox = forgets_the_epoch


def sos_behind_telemetry() -> None:
    """A call for help takes the readings' lane, and its turn in it."""
    draft_of = loop.event_draft

    def mutant(*given: Any, **named: Any) -> Any:
        draft = draft_of(*given, **named)
        return replace(draft, lane=Lane.TELEMETRY) if isinstance(draft, Draft) and draft.lane is Lane.SOS else draft

    loop.event_draft = mutant


def acknowledge_before_commit() -> None:
    """The hub acknowledges what it has read, and commits it afterwards."""
    append = Pipeline._append  # noqa: SLF001 a mutant is made inside

    def mutant(self: Pipeline, intake: Any) -> None:
        for state in intake.lanes.values():
            self._acknowledger.acknowledge(state)
        time.sleep(SLOW_DISK_S)
        append(self, intake)

    Pipeline._append = mutant  # noqa: SLF001 a mutant is made inside


def accept_a_hole() -> None:
    """The hub takes what lies behind a hole, and with it the hole for something it has."""
    intake.take = accepts_a_hole


def count_duplicates() -> None:
    """The hub counts a record that comes again as another one."""
    intake.take = counts_duplicates


def forget_high_water() -> None:
    """The hub does not know after a start how far it had taken its lanes."""

    def mutant(self: SqlLanes, keys: Sequence[LaneKey]) -> dict[LaneKey, LaneState]:
        return {}

    SqlLanes.load = mutant


def hear_every_repeat() -> None:
    """The hub takes each frame of a press for a press."""

    def mutant(self: SqlPresses, fact: Fact) -> None:
        return None

    SqlPresses.heard = mutant


def _protocol(advance: Callable[..., Any]) -> None:
    """Have the edge's lanes go by another protocol."""
    Courier.__init__.__kwdefaults__ = {**(Courier.__init__.__kwdefaults__ or {}), "advance": advance}


FAULTS: Final[dict[str, Callable[[], None]]] = {
    made.__name__: made
    for made in (
        delete_on_puback,
        never_rewind,
        never_send_again,
        keep_the_epoch,
        sos_behind_telemetry,
        acknowledge_before_commit,
        accept_a_hole,
        count_duplicates,
        forget_high_water,
        hear_every_repeat,
        let_go_before_influxdb,
        new_id_each_attempt,
    )
}
