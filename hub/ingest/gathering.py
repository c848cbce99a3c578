"""Messages of simulated time that are committed together.

They are, as long as committing each by itself would only have moved marks and states: where something follows from a
message, its commit is the end of what was gathered, and its time is the commit's.
"""

from collections.abc import Mapping
from dataclasses import replace

from hub.ingest.deadlines import Deadlines, Sleeper
from hub.ingest.decoding import HelloItem, Item, LaneItem, RefusedItem
from hub.ingest.intake import Intake
from hub.ingest.judgement import Judgement
from hub.ingest.lane import LaneState
from hub.ingest.supervision import Supervisor
from hub.telemetry.point import LaneKey
from hub.vocabulary import rest_id
from protocols.lanes import Lane


class Gathering:
    """What was taken and judged but not committed, and the deadlines as they would be stored."""

    def __init__(
        self, intake: Intake, judgement: Judgement, supervisor: Supervisor, deadlines: Deadlines, *, at_ms: int
    ) -> None:
        """Gather nothing yet, at the simulated time `at_ms`."""
        self.intake = intake
        self.judged = judgement
        self.items: list[Item] = []
        self.moved: set[LaneKey] = set()
        self.at_ms = at_ms
        self.over = False
        """Something follows from the newest message: nothing may be gathered with it."""
        self._supervisor = supervisor
        self._deadlines = deadlines

    def moves_time(self, item: Item, unseen: Mapping[LaneKey, LaneState]) -> bool:
        """Tell whether what a message says of time is to be believed: behind a hole nothing is admitted.

        `unseen` are the lanes of the message of which nothing was gathered yet.
        """
        if not isinstance(item, LaneItem) or item.key.lane is Lane.SOS:
            return True
        lane = self.intake.lanes.get(item.key) or unseen[item.key]
        return item.message.header.first <= lane.high_water + 1

    def passes_deadline(self, to_ms: int) -> bool:
        """Tell whether something is to be looked at by then, before a message of that time is taken."""
        return self._deadlines.due(to_ms)

    def take(self, item: Item) -> None:
        """Take and judge a message as one received now."""
        item = _received(item, self.at_ms)
        self.items.append(item)
        if not isinstance(item, LaneItem):
            if isinstance(item, HelloItem):
                self.intake.greet(item)
            self.over = True
            return
        intake = self.intake
        already = len(intake.runs)
        if intake.take(item):
            self.moved.add(item.key)
        runs, events = intake.runs[already:], intake.events  # an event is the last that is gathered
        self.judged.take(runs, events)
        wake_ms = self._supervisor.wake_once_heard(item.node, self.at_ms)
        if wake_ms is None or events or intake.alarms or intake.refused or intake.gaps or self.judged.events:
            self.over = True
            return
        self._deadlines.move(Sleeper.NODE, item.node.id, wake_ms)
        for facility in {rest_id(point.series.site, point.series.facility) for run in runs for point in run.points}:
            state = self.judged.states[facility]
            self._deadlines.move(Sleeper.FACILITY, facility, state.wake_at_ms)


def _received(item: Item, at_ms: int) -> Item:
    if isinstance(item, RefusedItem):
        return replace(item, refused=replace(item.refused, received_ms=at_ms))
    return replace(item, received_ms=at_ms)
