"""The truth of a run as JSON lines: what really happened, and every record that was made of it.

Lines speak in seconds of the story, never in clock time, so that the same seed writes the same file.
"""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TextIO

from protocols.lanes import Lane
from simulators.observation import Fact, Measurement, Occurrence
from simulators.world import Place


class TruthWriter:
    """Writes one line per fact and per record, in the order they come to be."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def began(self, **settings: Any) -> None:
        """The run as it was asked for."""
        self._line({"fact": "run", **settings})

    def ended(self, *, after_s: float, records: int) -> None:
        """The whole story was played."""
        self._line({"fact": "end", "after_s": _seconds(after_s), "records": records})

    def fact(self, fact: Fact, place: Place, *, after_s: float) -> None:
        """Something happened to a facility."""
        line = {"fact": fact.name.value, "after_s": _seconds(after_s), "node": place.node, "facility": place.facility}
        self._line({**line, **fact.details})

    def record(self, observed: Measurement | Occurrence, place: Place, *, after_s: float, lane: Lane, seq: int) -> None:
        """A record was produced: (node, lane, seq) names it within the run."""
        line: dict[str, Any] = {
            "fact": "record",
            "after_s": _seconds(after_s),
            "node": place.node,
            "lane": lane.value,
            "seq": seq,
            "device": place.device,
            "facility": place.facility,
        }
        if isinstance(observed, Measurement):
            line |= {"kind": observed.kind, "quality": observed.quality, "values": dict(observed.values)}
        else:
            line |= {"event": observed.event.value, "number": observed.number}
        self._line(line)

    def close(self) -> None:
        """End the file."""
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _line(self, line: Mapping[str, Any]) -> None:
        self._output.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._output.flush()


def _seconds(after_s: float) -> float:
    return round(after_s, 3)
