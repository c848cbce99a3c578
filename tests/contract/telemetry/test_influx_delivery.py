"""From the log to InfluxDB: every answer of its dialects, scripted; the real 1.8.10 where it can be made to refuse."""

import contextlib
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.errors import TelemetryUnavailableError
from hub.storage.influx import InfluxTelemetryStore
from hub.storage.influx_log import MOST_BYTES, MOST_LINES
from hub.storage.influx_writer import Trouble
from hub.storage.influx_writes import InfluxTarget, InfluxWrites
from hub.telemetry.delivery import RetryPolicy, Verdict
from simulators.servers.influxd import InfluxServer
from tests.contract.telemetry.subjects import (
    KEY,
    NOON_MS,
    a_batch,
    a_point,
    a_query,
    open_influx,
    settle_influx,
    wait_until,
)
from tests.fakes.influx_answers import NOT_ABOUT_LINES, Dialect, Mood, ScriptedInflux, scripted_influx

OpenStore = Callable[..., InfluxTelemetryStore]
_DATABASES = itertools.count(1)


class Heard:
    """What the callbacks of a store were told."""

    def __init__(self) -> None:
        self.troubles: list[Trouble | None] = []
        self.bad: list[tuple[str, str]] = []

    def verdicts(self) -> list[Verdict | str | None]:
        return ["over" if trouble is None else trouble.verdict for trouble in self.troubles]

    def take_bad_line(self, line: str, reason: str) -> None:
        self.bad.append((line, reason))


@pytest.fixture
def influx_away() -> Iterator[ScriptedInflux]:
    with scripted_influx(ScriptedInflux()) as server:
        yield server


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def open_store(tmp_path: Path, heard: Heard) -> Iterator[OpenStore]:
    with contextlib.ExitStack() as stack:

        def opened(url: str, *, timeout_s: float = 5.0, bucket: str = "linli", **options: Any) -> InfluxTelemetryStore:
            target = InfluxTarget(url, bucket=bucket, token="t0p", org="linli", timeout_s=timeout_s)
            options = {"on_trouble": heard.troubles.append, "on_bad_line": heard.take_bad_line} | options
            store = open_influx(tmp_path / "telemetry.db", target, **options)
            stack.callback(store.close)
            return store

        yield opened


def append(store: InfluxTelemetryStore, *seqs: int) -> None:
    store.append([a_batch(*(a_point(seq=seq, fill_percent=float(seq)) for seq in seqs))])


def stored_seqs(server: ScriptedInflux) -> list[int]:
    return sorted(int(line.rpartition(" ")[2]) % 1_000_000 for line in server.stored)


class TestCall:
    def test_a_write_names_bucket_organisation_precision_and_token(
        self, influx_away: ScriptedInflux, open_store: OpenStore
    ) -> None:
        store = open_store(influx_away.url)
        append(store, 1)
        settle_influx(store)
        path, parameters, authorization = influx_away.seen[0]
        assert path == "/api/v2/write"
        assert parameters == {"org": ["linli"], "bucket": ["linli"], "precision": ["ns"]}
        assert authorization == "Token t0p"

    def test_kind_slugs_and_floats_are_what_is_written(
        self, influx_away: ScriptedInflux, open_store: OpenStore
    ) -> None:
        store = open_store(influx_away.url)
        append(store, 3)
        settle_influx(store)
        series = "fill_level,device=bin-42-u,facility=bin-42,node=pi-1,site=demo"
        fields = "fill_percent=3.0,distance_mm=412.0,quality=95.0"
        assert list(influx_away.stored) == [f"{series} {fields} {NOON_MS}000003"]

    def test_appends_that_wait_go_together_in_one_call(
        self, influx_away: ScriptedInflux, open_store: OpenStore
    ) -> None:
        store = open_store(influx_away.url, started=False)
        for seq in range(1, 101):
            append(store, seq)
        store.start()
        settle_influx(store)
        assert influx_away.calls == [(204, 100)]

    def test_lines_gather_before_a_call_that_is_not_full(
        self, influx_away: ScriptedInflux, open_store: OpenStore
    ) -> None:
        store = open_store(influx_away.url, gather_s=0.3)
        for seq in range(1, 11):
            append(store, seq)
        settle_influx(store)
        assert influx_away.calls == [(204, 10)]

    def test_a_full_call_does_not_wait_for_more(self, influx_away: ScriptedInflux, open_store: OpenStore) -> None:
        store = open_store(influx_away.url, gather_s=60.0)
        append(store, *range(1, MOST_LINES + 1))
        settle_influx(store)
        assert influx_away.calls == [(204, MOST_LINES)]

    def test_a_call_stays_within_lines_and_bytes(self, influx_away: ScriptedInflux, open_store: OpenStore) -> None:
        influx_away.most_bytes = MOST_BYTES
        store = open_store(influx_away.url, started=False)
        append(store, *range(1, 12_001))
        for seq in range(12_001, 12_010):
            append(store, seq)
        store.start()
        settle_influx(store)
        assert {status for status, _ in influx_away.calls} == {204}
        assert max(lines for _, lines in influx_away.calls) <= MOST_LINES
        assert stored_seqs(influx_away) == list(range(1, 12_010))


class TestRetry:
    @pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
    def test_what_heals_by_itself_is_sent_again_until_it_is_stored(
        self, influx_away: ScriptedInflux, open_store: OpenStore, heard: Heard, status: int
    ) -> None:
        influx_away.moods = [Mood(status, {"message": "later"})] * 4
        store = open_store(influx_away.url)
        append(store, 1, 2)
        settle_influx(store)
        wait_until(lambda: heard.verdicts() == [Verdict.AWAY, "over"])
        assert influx_away.calls == [(status, 2)] * 4 + [(204, 2)]
        assert stored_seqs(influx_away) == [1, 2]

    def test_retry_after_is_kept(self, influx_away: ScriptedInflux, open_store: OpenStore) -> None:
        influx_away.moods = [Mood(429, headers={"Retry-After": "0"}), Mood(429, headers={"Retry-After": "30"})]
        store = open_store(influx_away.url, policy=RetryPolicy(least_s=0.005, most_s=60.0))
        append(store, 1)
        wait_until(lambda: len(influx_away.calls) == 2)
        threading.Event().wait(0.3)
        assert len(influx_away.calls) == 2
        assert store.backlog_lines == 1

    def test_a_server_that_never_answers_is_asked_again(
        self, influx_away: ScriptedInflux, open_store: OpenStore, heard: Heard
    ) -> None:
        influx_away.moods = [Mood(hang=True)]
        store = open_store(influx_away.url, timeout_s=0.3)
        append(store, 1)
        settle_influx(store)
        wait_until(lambda: heard.verdicts() == [Verdict.AWAY, "over"])
        assert influx_away.calls == [(0, 1), (204, 1)]

    def test_points_wait_while_nothing_listens_at_the_address(self, open_store: OpenStore, heard: Heard) -> None:
        server = ScriptedInflux()
        with scripted_influx(server):
            port = int(server.url.rpartition(":")[2])
        store = open_store(f"http://127.0.0.1:{port}")
        for seq in range(1, 4):
            append(store, seq)
        wait_until(lambda: heard.verdicts() == [Verdict.AWAY])
        assert store.trouble is not None
        assert store.trouble.detail.startswith("no answer")
        assert store.ping() is None
        assert (store.backlog_rows, store.backlog_lines) == (3, 3)
        assert store.backlog_oldest_s(now_ms=NOON_MS + 90_000) == 90.0
        with pytest.raises(TelemetryUnavailableError, match="InfluxDB does not answer"):
            store.query(a_query())

    @pytest.mark.parametrize(
        ("mood", "verdict"),
        [
            (Mood(401, {"code": "unauthorized", "message": "unauthorized access"}), Verdict.DENIED),
            (Mood(403, {"error": "not allowed"}), Verdict.DENIED),
            (Mood(404, {"code": "not found", "message": 'bucket "linli" not found'}), Verdict.NO_BUCKET),
            (Mood(302, headers={"Location": "/login"}), Verdict.UNEXPECTED),
            (Mood(405), Verdict.UNEXPECTED),
        ],
    )
    def test_what_a_person_must_mend_is_said_once_and_the_points_wait(
        self, influx_away: ScriptedInflux, open_store: OpenStore, heard: Heard, mood: Mood, verdict: Verdict
    ) -> None:
        influx_away.mood_after = mood
        store = open_store(influx_away.url)
        append(store, 1, 2)
        wait_until(lambda: len(influx_away.calls) >= 3)
        append(store, 3)
        assert heard.verdicts() == [verdict]
        assert store.trouble is not None
        assert str(mood.status) in store.trouble.detail
        assert set(influx_away.calls) == {(mood.status, 2)}
        influx_away.mood_after = None
        settle_influx(store)
        wait_until(lambda: heard.verdicts() == [verdict, "over"])
        assert store.trouble is None
        assert stored_seqs(influx_away) == [1, 2, 3]
        assert heard.bad == []

    @pytest.mark.parametrize("mood", NOT_ABOUT_LINES.values(), ids=list(NOT_ABOUT_LINES))
    def test_an_answer_that_is_not_about_lines_is_said_and_every_line_waits(
        self, influx_away: ScriptedInflux, open_store: OpenStore, heard: Heard, mood: Mood
    ) -> None:
        influx_away.mood_after = mood
        store = open_store(influx_away.url)
        append(store, 1, 2, 3, 4)
        wait_until(lambda: len(influx_away.calls) >= 9)
        assert heard.verdicts() == [Verdict.UNEXPECTED]
        assert f"HTTP {mood.status}: " in str(store.trouble)
        influx_away.mood_after = None
        settle_influx(store)
        wait_until(lambda: heard.verdicts() == [Verdict.UNEXPECTED, "over"])
        assert stored_seqs(influx_away) == [1, 2, 3, 4]
        assert heard.bad == []

    def test_a_listener_that_fails_stops_nothing_and_is_told_again(
        self, influx_away: ScriptedInflux, open_store: OpenStore
    ) -> None:
        told: list[Trouble | None] = []

        def listen(trouble: Trouble | None) -> None:
            told.append(trouble)
            if len(told) < 3:
                raise RuntimeError("the state database is busy")

        influx_away.moods = [Mood(503)] * 5
        store = open_store(influx_away.url, on_trouble=listen)
        append(store, 1)
        settle_influx(store)
        wait_until(lambda: len(told) >= 4)
        assert [trouble and trouble.verdict for trouble in told] == [Verdict.AWAY] * 3 + [None]

    def test_close_does_not_wait_for_a_server_that_is_away(
        self, influx_away: ScriptedInflux, open_store: OpenStore
    ) -> None:
        influx_away.mood_after = Mood(503)
        store = open_store(influx_away.url, policy=RetryPolicy(least_s=60.0, most_s=60.0))
        append(store, 1)
        wait_until(lambda: len(influx_away.calls) == 1)
        closing = threading.Thread(target=store.close)
        closing.start()
        closing.join(3)
        assert not closing.is_alive()
        assert not any(thread.name == "linli-influx-writer" for thread in threading.enumerate())


class TestBadLines:
    @pytest.mark.parametrize("dialect", list(Dialect))
    @pytest.mark.parametrize("bad", [{1}, {40}, {17, 18, 33}, set(range(1, 41))])
    def test_exactly_the_bad_lines_are_handed_over_and_all_others_stored(
        self, influx_away: ScriptedInflux, open_store: OpenStore, heard: Heard, dialect: Dialect, bad: set[int]
    ) -> None:
        influx_away.dialect = dialect
        influx_away.is_bad = lambda line: int(line.rpartition(" ")[2]) % 1_000_000 in bad
        store = open_store(influx_away.url, started=False)
        for start in range(1, 41, 5):
            append(store, *range(start, start + 5))
        store.start()
        settle_influx(store)
        wait_until(lambda: len(heard.bad) == len(bad))
        assert {int(line.rpartition(" ")[2]) % 1_000_000 for line, _ in heard.bad} == bad
        assert stored_seqs(influx_away) == [seq for seq in range(1, 41) if seq not in bad]
        assert all(reason for _, reason in heard.bad)
        assert store.trouble is None

    def test_a_body_that_is_too_large_is_parted(
        self, influx_away: ScriptedInflux, open_store: OpenStore, heard: Heard
    ) -> None:
        influx_away.most_bytes = 2_000
        store = open_store(influx_away.url)
        append(store, *range(1, 101))
        settle_influx(store)
        assert stored_seqs(influx_away) == list(range(1, 101))
        assert heard.bad == []

    def test_an_outage_in_the_middle_of_the_search_loses_nothing(
        self, influx_away: ScriptedInflux, open_store: OpenStore, heard: Heard
    ) -> None:
        influx_away.dialect = Dialect.V2_INVALID
        refused = Mood(400, {"code": "invalid", "message": "unable to parse"})
        influx_away.moods = [refused, Mood(503), refused, Mood(429), Mood(401)]
        influx_away.is_bad = lambda line: line.endswith("000007")
        store = open_store(influx_away.url)
        append(store, *range(1, 11))
        settle_influx(store)
        wait_until(lambda: len(heard.bad) == 1)
        assert stored_seqs(influx_away) == [1, 2, 3, 4, 5, 6, 8, 9, 10]

    def test_bad_lines_that_nobody_took_are_offered_again_and_stop_nothing(
        self, influx_away: ScriptedInflux, open_store: OpenStore, heard: Heard
    ) -> None:
        influx_away.is_bad = lambda line: line.endswith("000001")
        full = True

        def take(line: str, reason: str) -> None:
            if full:
                raise RuntimeError("the state database is away")
            heard.take_bad_line(line, reason)

        store = open_store(influx_away.url, on_bad_line=take)
        append(store, 1, 2)
        settle_influx(store)
        append(store, 3)
        settle_influx(store)
        wait_until(lambda: store.trouble is not None)
        assert stored_seqs(influx_away) == [2, 3]
        full = False
        wait_until(lambda: len(heard.bad) == 1)
        wait_until(lambda: store.trouble is None)

    def test_bad_lines_survive_a_crash_before_they_were_taken(
        self, influx_away: ScriptedInflux, open_store: OpenStore, heard: Heard
    ) -> None:
        influx_away.is_bad = lambda line: line.endswith("000001")

        def refuse(line: str, reason: str) -> None:
            raise RuntimeError("crash")

        store = open_store(influx_away.url, on_bad_line=refuse)
        append(store, 1, 2)
        settle_influx(store)
        store.close()
        again = open_store(influx_away.url)
        wait_until(lambda: len(heard.bad) == 1)
        again.close()
        open_store(influx_away.url)
        threading.Event().wait(0.1)
        assert [line.endswith("000001") for line, _ in heard.bad] == [True]


class TestLog:
    def test_a_new_process_goes_on_where_a_killed_one_was(
        self, influx_away: ScriptedInflux, open_store: OpenStore, tmp_path: Path
    ) -> None:
        influx_away.mood_after = Mood(503)
        script = (
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "from hub.storage.influx_writes import InfluxTarget\n"
            "from tests.contract.telemetry.subjects import a_batch, a_point, open_influx\n"
            "store = open_influx(Path(sys.argv[1]), InfluxTarget(sys.argv[2]))\n"
            "for seq in range(1, 31):\n"
            "    store.append([a_batch(a_point(seq=seq, fill_percent=float(seq)))])\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        command = [sys.executable, "-c", script, str(tmp_path / "telemetry.db"), influx_away.url]
        killed = subprocess.run(command, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
        assert killed.returncode == -signal.SIGKILL
        influx_away.mood_after = None
        store = open_store(influx_away.url, started=False)
        assert store.high_water(KEY) == 30
        assert store.backlog_lines == 30
        store.start()
        settle_influx(store)
        assert stored_seqs(influx_away) == list(range(1, 31))

    def test_an_order_of_outages_and_restarts_stores_every_point_once(
        self, influx_away: ScriptedInflux, open_store: OpenStore
    ) -> None:
        sent = 0
        for outage in (Mood(503), Mood(401), Mood(hang=True), Mood(429), Mood(404)):
            influx_away.mood_after = outage
            store = open_store(influx_away.url, timeout_s=0.2)
            for _ in range(5):
                append(store, sent + 1, sent + 2)
                sent += 2
            wait_until(lambda: bool(influx_away.calls))
            store.close()
            influx_away.calls.clear()
        influx_away.mood_after = None
        settle_influx(open_store(influx_away.url))
        assert stored_seqs(influx_away) == list(range(1, sent + 1))

    def test_a_log_that_fails_is_said_and_what_it_held_is_sent_again(
        self, influx_away: ScriptedInflux, open_store: OpenStore, heard: Heard, tmp_path: Path
    ) -> None:
        store = open_store(influx_away.url, started=False)
        append(store, 1, 2)
        other = sqlite3.connect(tmp_path / "telemetry.db", isolation_level=None)
        other.execute("CREATE TRIGGER stuck BEFORE DELETE ON influx_log BEGIN SELECT raise(ABORT, 'stuck'); END")
        store.start()
        wait_until(lambda: heard.troubles == [Trouble(None, "telemetry.db: stuck")])
        wait_until(lambda: len(influx_away.calls) >= 3)
        other.execute("DROP TRIGGER stuck")
        other.close()
        settle_influx(store)
        wait_until(lambda: heard.verdicts() == [None, "over"])
        assert stored_seqs(influx_away) == [1, 2]

    def test_the_file_does_not_grow_with_what_has_passed(
        self, influx_away: ScriptedInflux, open_store: OpenStore, tmp_path: Path
    ) -> None:
        store = open_store(influx_away.url)
        for start in range(1, 40_001, 500):
            append(store, *range(start, start + 500))
            settle_influx(store)
        passed = sum(len(line) for line in influx_away.stored)
        assert (tmp_path / "telemetry.db").stat().st_size < passed / 10
        assert (store.backlog_rows, store.backlog_lines, store.backlog_oldest_s(now_ms=0)) == (0, 0, 0.0)


@pytest.mark.influxd
class TestRealServer:
    @pytest.fixture
    def database(self, influx: InfluxServer) -> str:
        return f"delivery_{next(_DATABASES)}"

    def test_a_missing_database_is_said_and_the_points_arrive_when_it_is_made(
        self, influx: InfluxServer, database: str, open_store: OpenStore, heard: Heard
    ) -> None:
        store = open_store(influx.url, bucket=database)
        append(store, 1, 2)
        wait_until(lambda: heard.verdicts() == [Verdict.NO_BUCKET])
        assert "database not found" in str(heard.troubles[0])
        influx.create_database(database)
        settle_influx(store)
        assert [s.value for s in store.query(a_query()).samples] == [1.0, 2.0]

    def test_a_type_conflict_costs_only_the_conflicting_lines(
        self, influx: InfluxServer, database: str, open_store: OpenStore, heard: Heard, tmp_path: Path
    ) -> None:
        influx.create_database(database)
        foreign = InfluxWrites(InfluxTarget(influx.url, bucket=database))
        assert foreign.write(f'lamp power_w="much" {NOON_MS}000000'.encode()).status == 204
        foreign.close()
        store = open_store(influx.url, bucket=database, started=False)
        lamps = [a_point(seq=seq, kind="lamp", values={"power_w": 40.0}) for seq in (3, 8)]
        store.append([a_batch(*(a_point(seq=seq) for seq in (1, 2)), lamps[0])])
        store.append([a_batch(*(a_point(seq=seq) for seq in (4, 5, 6, 7)), lamps[1], a_point(seq=9))])
        store.start()
        settle_influx(store)
        wait_until(lambda: len(heard.bad) == 2)
        assert [line.startswith("lamp,") for line, _ in heard.bad] == [True, True]
        assert all("field type conflict" in reason for _, reason in heard.bad)
        assert [s.at_ns % 10 for s in store.query(a_query()).samples] == [1, 2, 4, 5, 6, 7, 9]

    def test_a_value_that_is_no_number_is_refused_alone(
        self, influx: InfluxServer, database: str, open_store: OpenStore, heard: Heard
    ) -> None:
        influx.create_database(database)
        store = open_store(influx.url, bucket=database)
        points = [a_point(seq=seq, fill_percent=float("nan") if seq in (4, 5) else 1.0) for seq in range(1, 9)]
        points.append(a_point(seq=9, fill_percent=float("inf")))
        store.append([a_batch(*points)])
        settle_influx(store)
        wait_until(lambda: len(heard.bad) == 3)
        assert [s.at_ns % 10 for s in store.query(a_query()).samples] == [1, 2, 3, 6, 7, 8]

    @pytest.mark.parametrize("name", ["a b,c=d", "it's", 'say "x"', "back\\slash", "50%", "邻里"])
    def test_a_strange_name_is_written_and_found_again(
        self, influx: InfluxServer, database: str, open_store: OpenStore, name: str
    ) -> None:
        influx.create_database(database)
        store = open_store(influx.url, bucket=database)
        point = a_point(site=name, facility=name, node=name, device=name)
        store.append([a_batch(point)])
        settle_influx(store)
        assert [s.value for s in store.query(a_query(site=name, facility=name)).samples] == [81.0]
        assert store.latest(name, [name, "other"]) == {name: point}

    def test_the_default_retention_policy_may_be_named(
        self, influx: InfluxServer, database: str, open_store: OpenStore
    ) -> None:
        influx.create_database(database)
        store = open_store(influx.url, bucket=f"{database}/autogen")
        append(store, 1)
        settle_influx(store)
        assert [s.value for s in store.query(a_query()).samples] == [1.0]
        assert list(store.latest("demo", ["bin-42"])) == ["bin-42"]

    def test_a_question_to_a_missing_database_is_one_clear_error(
        self, influx: InfluxServer, open_store: OpenStore
    ) -> None:
        store = open_store(influx.url, bucket="nowhere")
        with pytest.raises(TelemetryUnavailableError, match="database not found: nowhere"):
            store.query(a_query())
