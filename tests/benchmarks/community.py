"""The community that is measured: nodes with twenty bins each, wristbands beside them, and what the bins say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

SITE: Final = "bench"
BINS_A_NODE: Final = 20
BANDS_A_NODE: Final = 10
STEP_MS: Final = 100
"""Time between two readings of a bin. Short, so that no reading of a run is late: late readings are not judged."""
FILLING_EVERY: Final = 50
"""One bin in so many fills up, is emptied and fills again: a condition, an alert, an order and its proof."""


@dataclass(frozen=True, slots=True)
class Place:
    """One of so many nodes."""

    number: int

    @property
    def node(self) -> str:
        return f"pi-{self.number:03d}"

    def bin(self, index: int) -> str:
        return f"bin-{self.number:03d}{index:02d}"

    def sensor(self, index: int) -> str:
        return f"{self.bin(index)}-us"

    def band(self, index: int) -> str:
        return f"band-{self.number:03d}{index:02d}"


def fill_percent(bin_number: int, turn: int) -> float:
    """How full a bin is at its reading number `turn`; a filling one crosses 80 % and is emptied every 100 readings."""
    if bin_number % FILLING_EVERY == 0:
        phase = turn % 100
        return 60 + phase / 2 if phase < 70 else 3 + (phase - 70) / 2
    return 10 + bin_number * 7 % 50 + (turn % 40) / 4


def instant(at_ms: int) -> str:
    """An instant as the wire has it."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at_ms % 1000:03d}Z"


class TelemetryLane:
    """The lane messages of one node, encoded as they are asked for; four values a reading, as in the wire contract."""

    def __init__(self, place: Place, *, records_a_message: int, epoch: str, start_ms: int) -> None:
        self.place = place
        self.epoch = epoch
        self.next_seq = 1
        self._records_a_message = records_a_message
        self._start_ms = start_ms
        self._boot = epoch[::-1]

    def hello(self, now_ms: int, *, lane: str = "telemetry") -> bytes:
        """Where this lane stands."""
        return (
            f'{{"schema":1,"lane":"{lane}","epoch":"{self.epoch}","boot":"{self._boot}","min_retained":1,'
            f'"next":{self.next_seq},"at":"{instant(now_ms)}","uptime_ms":{self._uptime(now_ms)},"clock":"synced",'
            '"machine":"bench","new_epoch_because":null,"desired_version":0,"command_counter":0,"interval_s":60}'
        ).encode()

    def message(self, now_ms: int, *, at_most: int | None = None) -> tuple[int, bytes]:
        """The next lane message, at most so many records; its last seq and its payload."""
        count = self._records_a_message if at_most is None else min(at_most, self._records_a_message)
        records = ",".join(self._records(count))
        payload = (
            f'{{"schema":1,"epoch":"{self.epoch}","first":{self.next_seq},"boot":"{self._boot}","clock":"synced",'
            f'"now":{{"at":"{instant(now_ms)}","uptime_ms":{self._uptime(now_ms)}}},"records":[{records}]}}'
        )
        self.next_seq += count
        return self.next_seq - 1, payload.encode()

    def _records(self, count: int) -> Iterator[str]:
        at_ms, said = -1, ""
        for number in range(self.next_seq - 1, self.next_seq - 1 + count):
            turn, index = divmod(number, BINS_A_NODE)
            if at_ms != self._start_ms + turn * STEP_MS:
                at_ms = self._start_ms + turn * STEP_MS
                said = instant(at_ms)
            fill = fill_percent(self.place.number * BINS_A_NODE + index, turn)
            yield (
                f'{{"device":"{self.place.sensor(index)}","kind":"fill_level","at":"{said}",'
                f'"uptime_ms":{self._uptime(at_ms)},"quality":95,"values":{{"distance_mm":{1000 - 9 * fill:.1f},'
                f'"fill_percent":{fill:.1f},"temperature_c":{15 + turn % 50 / 10:.1f},"battery_percent":88}}}}'
            )

    def _uptime(self, at_ms: int) -> int:
        return 86_400_000 + at_ms - self._start_ms
