"""A day without InfluxDB, in half a minute: away, hanging, overloaded, refusing the token, choosing among the lines.

The hub's ingest and writer are the real ones; the writer's waits and the hub's clock run `SPEED` times as fast.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hub.clock import WallClock
from hub.telemetry.delivery import Verdict
from protocols.lanes import Lane
from simulators.servers.influxd import InfluxServer
from simulators.servers.server import Launch
from tests.chaos.influx_mutants import MUTANTS
from tests.chaos.influx_stage import Stage
from tests.fakes.influx_answers import NOT_ABOUT_LINES, Dialect, Mood, ScriptedInflux, scripted_influx
from tests.guarantees.guarantee import Control, Guarantee, Run

START_MS: Final = 1_795_000_000_000
MINUTE_MS: Final = 60_000
SPEED: Final = 3_600.0
"""Simulated seconds a second: the writer waits a minute in 17 ms."""
BINS: Final = 120
"""Read once a minute: two readings a second, what six fully fitted nodes send."""
BAD_EACH: Final = 997
"""A line of so many is one that InfluxDB refuses."""
DRAINED_WITHIN_S: Final = 120.0
SHORT_MINUTES: Final = 60
OUTAGE_MINUTES: Final = 24 * 60
CONTROL_MINUTES: Final = 16
MOST_SOS_MS: Final = 2_000.0
"""As ever (G4); the machine may be busy with something else."""
MOST_BYTES_A_READING: Final = 250
MOST_SERIES: Final = 150
LATER: Final = Mood(503, {"message": "later"})
MOODS: Final = (
    ("away", LATER),
    ("hangs", Mood(hang=True)),
    ("too many requests", Mood(429, {"message": "slow down"}, {"Retry-After": "30"})),
    ("a proxy's error page", Mood(502)),
)
"""How it is away, one after the other."""
REFUSES_THE_TOKEN: Final = Mood(401, {"code": "unauthorized", "message": "unauthorized access"})
MENDED_BY_PEOPLE: Final = tuple((name, mood, Verdict.UNEXPECTED) for name, mood in NOT_ABOUT_LINES.items())
"""Answers that speak of the body and of none of its lines."""


@dataclass(slots=True)
class Books:
    """What the outages came to."""

    readings: int = 0
    stored: int = 0
    bad: int = 0
    quarantined: int = 0
    presses: int = 0
    writes: int = 0
    restarts: int = 0
    backlog_readings: int = 0
    backlog_bytes: int = 0
    drain_s: float = 0.0
    ack_ms: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    real: dict[str, Any] = field(default_factory=dict[str, Any])
    wrong: list[str] = field(default_factory=list[str])


def play(seed: int, minutes: int, *, mutants: Sequence[str] = ()) -> Books:
    """Live through an outage of so many minutes and every kind of refusal; return what became of the readings."""
    books = Books()
    undo = [MUTANTS[mutant]() for mutant in mutants]
    patience_s = DRAINED_WITHIN_S if not mutants else 3.0
    try:
        with tempfile.TemporaryDirectory() as folder, scripted_influx(ScriptedInflux(is_bad=_is_bad)) as influx:
            stage = Stage(Path(folder), influx.url, speed=SPEED, bins=BINS, at_ms=START_MS + seed * MINUTE_MS)
            try:
                _live(stage, influx, books, minutes, patience_s)
                _judge(stage, influx, books)
            finally:
                stage.close()
    finally:
        for mend in undo:
            mend()
    return books


def _live(stage: Stage, influx: ScriptedInflux, books: Books, minutes: int, patience_s: float) -> None:
    quiet: list[tuple[float, float | None]] = _minutes(stage, max(minutes // 24, 4))
    _drain(stage, books, patience_s)
    outage: list[tuple[float, float | None]] = []
    for _, mood in MOODS:
        influx.mood_after = mood
        outage += _minutes(stage, minutes // len(MOODS))
        stage.reopen()
        books.restarts += 1
    books.backlog_readings = stage.store.backlog_lines
    books.backlog_bytes = (stage.folder / "telemetry.db").stat().st_size
    books.ack_ms = {"with InfluxDB": _latency(quiet), "without": _latency(outage)}
    for name, mood, verdict in (("the token is refused", REFUSES_THE_TOKEN, Verdict.DENIED), *MENDED_BY_PEOPLE):
        influx.mood_after = mood
        _minutes(stage, max(minutes // 24, 2))
        told = stage.until(lambda verdict=verdict: stage.told(verdict), within_s=10, what=f"nobody was told: {name}")
        _expect(books, told)
        if ("storeUnavailable", "firing") not in stage.alerts():
            books.wrong.append(f"no alert says: {name}")
        if held := [line for line, _ in stage.quarantined() if not _is_bad(line)]:
            books.wrong.append(f"{len(held)} good lines are quarantined because of: {name}")
        influx.mood_after = None
        _drain(stage, books, patience_s)
    for dialect in Dialect:
        influx.dialect = dialect
        influx.moods = [LATER, Mood(408), Mood(401)]
        _minutes(stage, max(minutes // 24, 9))
        _drain(stage, books, patience_s)


def _minutes(stage: Stage, minutes: int) -> list[tuple[float, float | None]]:
    """Have the community send for so many minutes; return (reading, press) latencies in ms."""
    found: list[tuple[float, float | None]] = []
    for minute in range(minutes):
        begun_s = time.monotonic()
        stage.now_ms += MINUTE_MS
        found.append((stage.read(), stage.press() if minute % 10 == 0 else None))
        time.sleep(max(0.0, 60 / stage.speed - (time.monotonic() - begun_s)))
    return found


def _drain(stage: Stage, books: Books, patience_s: float) -> None:
    begun_s = time.monotonic()
    _expect(books, stage.until(stage.drained, within_s=patience_s, what="the backlog does not drain"))
    books.drain_s = max(books.drain_s, time.monotonic() - begun_s)


def _judge(stage: Stage, influx: ScriptedInflux, books: Books) -> None:
    made, wrong = stage.made, books.wrong
    books.readings, books.presses = made[Lane.TELEMETRY], made[Lane.SOS]
    books.writes = len(influx.calls)
    seqs = sorted(_seq(line) for line in influx.stored)
    books.stored = len(seqs)
    wanted = [seq for seq in range(1, books.readings + 1) if seq % BAD_EACH]
    books.bad = books.readings - len(wanted)
    stage.until(lambda: len(stage.quarantined()) >= books.bad, within_s=5, what="")
    held = stage.quarantined()
    books.quarantined = len(held)
    if seqs != wanted:
        wrong.append(f"{len(set(wanted) - set(seqs))} of {len(wanted)} good readings are not in InfluxDB")
    if sorted(_seq(line) for line, _ in held) != [seq for seq in range(1, books.readings + 1) if not seq % BAD_EACH]:
        wrong.append(f"{len(held)} lines are quarantined, {books.bad} are bad")
    if any("refused this line: " not in detail or detail.endswith(": ") for _, detail in held):
        wrong.append("a line is quarantined without InfluxDB's reason")
    if stage.acknowledged != {Lane.TELEMETRY: books.readings, Lane.SOS: books.presses}:
        wrong.append(f"acknowledged are {stage.acknowledged}")
    if ("storeUnavailable", "closed") not in stage.alerts() or ("storeUnavailable", "firing") in stage.alerts():
        wrong.append("an alert does not end with its cause")
    if books.backlog_readings and books.backlog_bytes > MOST_BYTES_A_READING * books.backlog_readings + 2_000_000:
        wrong.append(f"the backlog takes {books.backlog_bytes} bytes for {books.backlog_readings} readings")
    if books.ack_ms["without"]["sos_p99"] > MOST_SOS_MS:
        wrong.append(f"without InfluxDB a call is acknowledged in {books.ack_ms['without']['sos_p99']:.0f} ms")


def real(seed: int) -> Books:
    """Fill a real InfluxDB up to its most series, and send it readings that its retention has passed."""
    books = Books()
    now_ms = WallClock().now_ms() + seed
    with tempfile.TemporaryDirectory() as folder, _SmallInflux.start(Path(folder, "influx")) as influx:
        influx.create_database("full")
        influx.query('ALTER RETENTION POLICY "autogen" ON "full" DURATION 24h SHARD DURATION 1h', database="full")
        stage = Stage(Path(folder), influx.url, bucket="full", speed=SPEED, bins=BINS, at_ms=now_ms)
        try:
            expired = 3
            stage.read()
            stage.now_ms += 1
            for days in range(2, 2 + expired):
                stage.read(at_ms=now_ms - days * 24 * 3_600_000)
            stage.read(first_bin=BINS)
            influx.kill()
            stage.read()
            stage.reopen()
            influx.launch(influx.port)
            stage.read()
            _drain(stage, books, DRAINED_WITHIN_S)
            fit = MOST_SERIES - BINS
            books.readings = stage.made[Lane.TELEMETRY]
            books.bad = expired * BINS + (BINS - fit)
            stage.until(lambda: len(stage.quarantined()) >= books.bad, within_s=20, what="")
            held = stage.quarantined()
            rows = influx.query("SELECT count(distance_mm) FROM fill_level", database="full")
            books.stored, books.quarantined = sum(row["count"] for row in rows), len(held)
            reasons = ["retention", "max-series-per-database"]
            counts = {word: sum(word in detail for _, detail in held) for word in reasons}
            books.real = {"stored": books.stored, "quarantined_by_reason": counts, "readings": books.readings}
            if counts != {"retention": expired * BINS, "max-series-per-database": BINS - fit}:
                books.wrong.append(f"the real InfluxDB's refusals: {counts}, {len(held)} held")
            if books.stored + books.quarantined != books.readings or books.quarantined != books.bad:
                books.wrong.append(f"{books.stored} stored, {books.quarantined} held of {books.readings}")
        finally:
            stage.close()
    return books


class _SmallInflux(InfluxServer):
    """An InfluxDB 1.8 with room for few series."""

    def configure(self, port: int) -> Launch:
        launch = super().configure(port)
        configuration = self.directory / "influxd.toml"
        small = f'index-version = "inmem"\n  max-series-per-database = {MOST_SERIES}'
        configuration.write_text(configuration.read_text().replace('index-version = "tsi1"', small))
        return launch


def run(seed: int, *, full: bool = False) -> Run:
    """Live a day without InfluxDB; in full, besides, before a real one that is full."""
    minutes = OUTAGE_MINUTES if full else SHORT_MINUTES
    books = play(seed, minutes)
    wrong = list(books.wrong)
    if full:
        before_real = real(seed)
        wrong += before_real.wrong
        books.real = before_real.real
    sos = books.ack_ms["without"]
    reached = (
        f"{minutes / 60:g} h without InfluxDB, then every refusal: {books.readings - books.stored - books.quarantined}"
        f" of {books.readings:,} readings lost, exactly the {books.bad} bad lines set aside with their reasons;"
        f" calls for help acknowledged in {sos['sos_p99']:.0f} ms (p99) meanwhile"
    )
    figures = {name: getattr(books, name) for name in Books.__dataclass_fields__ if name != "wrong"}
    return Run(reached, wrong, {"outage_minutes": minutes, **figures})


def control(seed: int) -> Control:
    """Break the writer in one way after the other."""
    found = {name: play(seed, CONTROL_MINUTES, mutants=[name]).wrong for name in MUTANTS}
    return Control({name: any("not in InfluxDB" in line for line in wrong) for name, wrong in found.items()}, found)


def _is_bad(line: str) -> bool:
    return not _seq(line) % BAD_EACH


def _seq(line: str) -> int:
    return int(line.rpartition(" ")[2]) % 1_000_000


def _expect(books: Books, missing: str | None) -> None:
    if missing is not None:
        books.wrong.append(missing)


def _latency(found: Sequence[tuple[float, float | None]]) -> dict[str, float]:
    readings = sorted(reading for reading, _ in found)
    presses = sorted(press for _, press in found if press is not None)
    return {
        "telemetry_p50": round(statistics.median(readings), 2),
        "telemetry_p99": round(readings[int(len(readings) * 0.99)], 2),
        "sos_p50": round(statistics.median(presses), 2),
        "sos_p99": round(presses[int(len(presses) * 0.99)], 2),
    }


GUARANTEE: Final = Guarantee(
    name="G13",
    promise="Without InfluxDB no reading is lost, only what it refuses is set aside, and no call for help waits.",
    aim="24 h of outage and 503, 429, time-outs, 401, 400 and 422: 0 lost, exactly the bad lines quarantined",
    run=run,
    control=control,
)
