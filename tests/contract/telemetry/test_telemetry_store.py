"""One suite over every telemetry store: memory, SQLite, InfluxDB 1.8.10."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.storage.influx_writes import InfluxTarget
from hub.storage.memory import MemoryTelemetryStore
from hub.storage.sqlite_telemetry import SqliteTelemetryStore
from hub.telemetry.point import LaneBatch
from hub.telemetry.ports import TelemetryStore
from hub.telemetry.series import Aggregate, Page, Sample, SeriesQuery
from protocols.lanes import Lane
from tests.contract.telemetry.subjects import (
    HOUR_MS,
    KEY,
    NOON_MS,
    Subject,
    a_batch,
    a_point,
    a_query,
    open_influx,
    settle_influx,
)

_DATABASES = itertools.count(1)


@pytest.fixture(params=["memory", "sqlite", pytest.param("influx", marks=pytest.mark.influxd)])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    path = tmp_path / "telemetry.db"
    if request.param == "memory":
        subject = Subject(MemoryTelemetryStore(), lambda: None, lambda: None)
    elif request.param == "sqlite":

        def reopen_sqlite() -> None:
            subject.store.close()
            subject.store = SqliteTelemetryStore.open(path)

        subject = Subject(SqliteTelemetryStore.open(path), lambda: None, reopen_sqlite)
    else:
        server = request.getfixturevalue("influx")
        database = f"telemetry_{next(_DATABASES)}"
        server.create_database(database)
        target = InfluxTarget(server.url, bucket=database)

        def settle() -> None:
            settle_influx(subject.store)  # pyright: ignore[reportArgumentType] the subject says which store it is

        def reopen() -> None:
            subject.store.close()
            subject.store = open_influx(path, target)

        subject = Subject(open_influx(path, target), settle, reopen)
    yield subject
    subject.store.close()


def held(subject: Subject, **changes: Any) -> list[tuple[int, float]]:
    """(seq, value) of all samples of the hour."""
    subject.settle()
    return [(s.at_ns % 1_000_000, s.value) for s in subject.store.query(a_query(**changes)).samples]


def pages(store: TelemetryStore, query: SeriesQuery) -> list[Page]:
    found = [store.query(query)]
    while found[-1].next_after_ns is not None:
        found.append(store.query(replace(query, after_ns=found[-1].next_after_ns)))
        assert len(found) < 100
    return found


class TestAppend:
    def test_a_reading_comes_back_with_its_time_value_and_quality(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point(seq=7))])
        subject.settle()
        page = subject.store.query(a_query())
        assert page == Page((Sample(NOON_MS * 1_000_000 + 7, 81.0, 95),), None)

    def test_the_high_water_moves_with_the_points(self, subject: Subject) -> None:
        assert subject.store.high_water(KEY) == 0
        subject.store.append([a_batch(a_point(seq=1), a_point(seq=2))])
        assert subject.store.high_water(KEY) == 2

    def test_the_high_water_moves_over_records_that_were_not_stored(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point(seq=1), high_water=9)])
        subject.store.append([LaneBatch(KEY, 12, ())])
        assert subject.store.high_water(KEY) == 12
        assert held(subject) == [(1, 81.0)]

    def test_the_high_water_never_goes_back(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point(seq=5))])
        subject.store.append([a_batch(a_point(seq=3))])
        assert subject.store.high_water(KEY) == 5
        assert held(subject) == [(5, 81.0)]

    def test_each_node_epoch_and_lane_has_its_own_high_water(self, subject: Subject) -> None:
        others = [KEY._replace(node="pi-2"), KEY._replace(epoch="00"), KEY._replace(lane=Lane.EVENT)]
        subject.store.append([a_batch(a_point(seq=5)), LaneBatch(others[0], 3, ())])
        assert [subject.store.high_water(key) for key in (KEY, *others)] == [5, 3, 0, 0]

    def test_what_the_high_water_has_passed_is_skipped(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point(seq=1), a_point(seq=2))])
        subject.store.append([a_batch(a_point(seq=2, fill_percent=1.0), a_point(seq=3))])
        assert held(subject) == [(1, 81.0), (2, 81.0), (3, 81.0)]

    def test_two_batches_of_a_lane_in_one_append_count_once(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point(seq=1)), a_batch(a_point(seq=1, fill_percent=2.0), a_point(seq=2))])
        assert held(subject) == [(1, 81.0), (2, 81.0)]
        assert subject.store.high_water(KEY) == 2

    def test_the_same_append_after_a_crash_of_the_state_neither_loses_nor_doubles(self, subject: Subject) -> None:
        batch = a_batch(a_point(seq=1), a_point(seq=2))
        subject.store.append([batch])
        subject.reopen()
        subject.store.append([batch])
        assert held(subject) == [(1, 81.0), (2, 81.0)]
        subject.store.append([a_batch(a_point(seq=1), a_point(seq=2), a_point(seq=3, fill_percent=82.0))])
        assert held(subject) == [(1, 81.0), (2, 81.0), (3, 82.0)]

    def test_the_high_water_outlives_the_process(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point(seq=4))])
        subject.reopen()
        assert subject.store.high_water(KEY) == 4

    def test_equal_instants_are_both_kept(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point(seq=1, fill_percent=10.0), a_point(seq=2, fill_percent=20.0))])
        assert held(subject) == [(1, 10.0), (2, 20.0)]

    def test_the_millionth_record_after_another_keeps_its_own_millisecond(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point(seq=1), a_point(seq=1_000_001, at_ms=NOON_MS + 1, fill_percent=5.0))])
        assert held(subject) == [(1, 81.0), (1, 5.0)]
        first, later = subject.store.query(a_query()).samples
        assert later.at_ns - first.at_ns == 1_000_000

    def test_devices_of_one_facility_are_kept_apart(self, subject: Subject) -> None:
        other = a_point(seq=1, device="bin-42-v", node="pi-2", fill_percent=9.0)
        subject.store.append([a_batch(a_point(seq=1)), a_batch(other, key=KEY._replace(node="pi-2"))])
        assert sorted(held(subject)) == [(1, 9.0), (1, 81.0)]

    def test_a_node_with_many_kinds_files_each_under_its_facility(self, subject: Subject) -> None:
        lamp = a_point(seq=2, facility="lamp-1", device="lamp-1-r", kind="lamp", values={"power_w": 41.5, "on": 1.0})
        subject.store.append([a_batch(a_point(seq=1), lamp)])
        assert held(subject) == [(1, 81.0)]
        assert held(subject, facility="lamp-1", metric="on") == [(2, 1.0)]
        assert held(subject, facility="lamp-1", metric="fill_percent") == []

    def test_a_reading_may_lack_an_optional_field(self, subject: Subject) -> None:
        bare = a_point(seq=2, values={"fill_percent": 50.0})
        subject.store.append([a_batch(a_point(seq=1), bare, a_point(seq=3))])
        assert held(subject) == [(1, 81.0), (2, 50.0), (3, 81.0)]
        assert held(subject, metric="distance_mm") == [(1, 412.0), (3, 412.0)]

    def test_every_finite_float_survives(self, subject: Subject) -> None:
        values = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -273.15, 1e22, 0.0]
        points = [a_point(seq=n, fill_percent=value) for n, value in enumerate(values, 1)]
        subject.store.append([a_batch(*points)])
        assert held(subject) == list(enumerate(values, 1))

    def test_many_readings_in_one_append_are_all_kept(self, subject: Subject) -> None:
        points = [a_point(seq=n, at_ms=NOON_MS + n) for n in range(1, 6_001)]
        subject.store.append([a_batch(*points)])
        assert len(held(subject, limit=10_000)) == 6_000

    def test_nothing_to_append_is_no_error(self, subject: Subject) -> None:
        subject.store.append([])
        subject.store.append_late([])
        assert held(subject) == []


class TestLate:
    def test_a_late_point_is_kept_though_the_high_water_has_passed_it(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point(seq=9))])
        subject.store.append_late([a_point(seq=4, fill_percent=40.0)])
        assert held(subject) == [(4, 40.0), (9, 81.0)]
        assert subject.store.high_water(KEY) == 9

    def test_a_late_point_sent_again_overwrites_itself(self, subject: Subject) -> None:
        subject.store.append_late([a_point(seq=4, fill_percent=40.0)])
        subject.store.append_late([a_point(seq=4, fill_percent=40.0)])
        assert held(subject) == [(4, 40.0)]

    def test_the_last_word_on_a_point_holds(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point(seq=4))])
        subject.store.append_late([a_point(seq=4, fill_percent=40.0)])
        assert held(subject) == [(4, 40.0)]


class TestRange:
    def test_from_is_inside_and_to_is_outside(self, subject: Subject) -> None:
        instants = [NOON_MS - 1, NOON_MS, NOON_MS + HOUR_MS - 1, NOON_MS + HOUR_MS]
        subject.store.append([a_batch(*(a_point(seq=n, at_ms=at) for n, at in enumerate(instants, 1)))])
        assert [seq for seq, _ in held(subject)] == [2, 3]

    def test_a_range_without_end_holds_everything(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point())])
        assert held(subject, from_ms=0, to_ms=2**62) == [(1, 81.0)]

    def test_late_arrivals_are_answered_in_order_of_their_time(self, subject: Subject) -> None:
        points = [a_point(seq=1, at_ms=NOON_MS + 50), a_point(seq=2, at_ms=NOON_MS), a_point(seq=3, at_ms=NOON_MS + 20)]
        subject.store.append([a_batch(*points)])
        assert [seq for seq, _ in held(subject)] == [2, 3, 1]

    def test_pages_follow_each_other_without_gap_or_overlap(self, subject: Subject) -> None:
        points = [a_point(seq=n, at_ms=NOON_MS + n // 3, fill_percent=float(n)) for n in range(1, 26)]
        subject.store.append([a_batch(*points)])
        subject.settle()
        found = pages(subject.store, a_query(limit=4))
        assert [len(page.samples) for page in found] == [4] * 6 + [1]
        assert [s.value for page in found for s in page.samples] == [float(n) for n in range(1, 26)]

    def test_a_page_never_parts_devices_that_spoke_at_the_same_instant(self, subject: Subject) -> None:
        points = [
            a_point(seq=seq, at_ms=NOON_MS + seq, device=f"u{n}", fill_percent=float(10 * seq + n))
            for seq in (1, 2, 3)
            for n in (1, 2, 3)
        ]
        subject.store.append_late(points)
        subject.settle()
        for limit in (1, 2, 3, 4, 5, 9):
            found = [s.value for page in pages(subject.store, a_query(limit=limit)) for s in page.samples]
            assert sorted(found) == sorted(p.values["fill_percent"] for p in points), limit

    def test_an_unknown_facility_metric_or_site_is_an_empty_page(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point())])
        subject.settle()
        for changes in ({"facility": "bin-43"}, {"metric": "unheard_of"}, {"site": "other"}):
            assert subject.store.query(a_query(**changes)) == Page((), None)

    def test_a_name_cannot_break_out_of_the_question(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point())])
        subject.settle()
        for name in (
            "x' OR '1'='1",
            "bin-42\\",
            'x" FROM "lamp',
            "a\nb",
            "bin-42'--",
            "%",
            "bin-42; DROP MEASUREMENT x",
        ):
            assert subject.store.query(a_query(facility=name)) == Page((), None)
            assert subject.store.query(a_query(metric=name)) == Page((), None)
            assert subject.store.latest(name, ["bin-42"]) == {}
            assert subject.store.latest("demo", [name]) == {}


class TestWindows:
    VALUES = ((0, 10.0), (10, 30.0), (19, 20.0), (40, 5.0), (59, 8.0))

    @pytest.fixture
    def minutes(self, subject: Subject) -> Subject:
        points = [
            a_point(seq=n, at_ms=NOON_MS + minute * 60_000, fill_percent=value)
            for n, (minute, value) in enumerate(self.VALUES, 1)
        ]
        subject.store.append([a_batch(*points)])
        subject.settle()
        return subject

    @pytest.mark.parametrize(
        ("aggregate", "expected"),
        [
            (Aggregate.MEAN, [(0, 20.0), (40, 6.5)]),
            (Aggregate.MIN, [(0, 10.0), (40, 5.0)]),
            (Aggregate.MAX, [(0, 30.0), (40, 8.0)]),
            (Aggregate.FIRST, [(0, 10.0), (40, 5.0)]),
            (Aggregate.LAST, [(0, 20.0), (40, 8.0)]),
            (Aggregate.SUM, [(0, 60.0), (40, 13.0)]),
            (Aggregate.COUNT, [(0, 3.0), (40, 2.0)]),
        ],
    )
    def test_a_window_becomes_one_value_and_an_empty_one_is_left_out(
        self, minutes: Subject, aggregate: Aggregate, expected: Sequence[tuple[int, float]]
    ) -> None:
        page = minutes.store.query(a_query(every_s=1_200, aggregate=aggregate))
        assert [(s.at_ns - NOON_MS * 1_000_000, s.value, s.quality) for s in page.samples] == [
            (minute * 60_000_000_000, value, None) for minute, value in expected
        ]

    def test_windows_are_aligned_to_1970_and_hold_only_what_is_asked_for(self, minutes: Subject) -> None:
        from_ms = NOON_MS + 5 * 60_000
        page = minutes.store.query(a_query(from_ms=from_ms, every_s=86_400, aggregate=Aggregate.COUNT))
        midnight_ns = NOON_MS // 86_400_000 * 86_400_000 * 1_000_000
        assert page.samples == (Sample(midnight_ns, 4.0, None),)

    def test_a_week_begins_where_1970_did_on_a_thursday(self, minutes: Subject) -> None:
        page = minutes.store.query(a_query(every_s=7 * 86_400, aggregate=Aggregate.COUNT))
        week_ns = 7 * 86_400 * 1_000_000_000
        assert page.samples == (Sample(NOON_MS * 1_000_000 // week_ns * week_ns, 5.0, None),)

    def test_pages_of_windows_follow_each_other(self, minutes: Subject) -> None:
        query = a_query(every_s=600, aggregate=Aggregate.SUM, limit=2)
        found = pages(minutes.store, query)
        assert [[s.value for s in page.samples] for page in found] == [[10.0, 50.0], [5.0, 8.0]]

    def test_a_metric_of_two_kinds_is_condensed_together(self, minutes: Subject) -> None:
        battery = {"heart_rate_bpm": 60.0, "battery_percent": 20.0}
        minutes.store.append_late(
            [
                a_point(seq=90, values={"fill_percent": 1.0, "battery_percent": 80.0}, at_ms=NOON_MS + 3_599_000),
                a_point(seq=91, kind="vitals", values=battery, at_ms=NOON_MS + 3_599_000),
                a_point(seq=92, kind="vitals", values=battery, at_ms=NOON_MS + 3_599_000),
            ]
        )
        minutes.settle()
        query = a_query(metric="battery_percent", every_s=3_600)
        assert [s.value for s in minutes.store.query(query).samples] == [40.0]
        assert [s.value for s in minutes.store.query(replace(query, every_s=None)).samples] == [80.0, 20.0, 20.0]


class TestLatest:
    def test_the_newest_is_the_one_with_the_highest_time_not_the_last_to_arrive(self, subject: Subject) -> None:
        newest = a_point(seq=2, at_ms=NOON_MS + 60_000, fill_percent=90.0)
        subject.store.append([a_batch(a_point(seq=1), newest, a_point(seq=3, at_ms=NOON_MS + 1_000))])
        subject.settle()
        assert subject.store.latest("demo", ["bin-42"]) == {"bin-42": newest}

    def test_of_one_instant_the_higher_seq_is_newer(self, subject: Subject) -> None:
        subject.store.append([a_batch(a_point(seq=5, fill_percent=1.0), a_point(seq=6, fill_percent=2.0))])
        subject.settle()
        assert subject.store.latest("demo", ["bin-42"])["bin-42"].values["fill_percent"] == 2.0

    def test_a_swapped_device_counts_as_the_same_facility(self, subject: Subject) -> None:
        new = a_point(seq=1, at_ms=NOON_MS + 5, node="pi-2", device="bin-42-v", values={"fill_percent": 7.0})
        subject.store.append([a_batch(a_point(seq=1)), a_batch(new, key=KEY._replace(node="pi-2"))])
        subject.settle()
        assert subject.store.latest("demo", ["bin-42"]) == {"bin-42": new}

    def test_only_facilities_that_were_asked_for_and_have_readings_are_answered(self, subject: Subject) -> None:
        points = [a_point(seq=n, facility=f"bin-{n}") for n in range(1, 6)]
        subject.store.append([a_batch(*points, a_point(seq=9, site="other", facility="bin-7"))])
        subject.settle()
        found = subject.store.latest("demo", ["bin-1", "bin-4", "bin-7", "bin-8"])
        assert found == {"bin-1": points[0], "bin-4": points[3]}
        assert subject.store.latest("demo", []) == {}

    def test_a_whole_community_is_answered_at_once(self, subject: Subject) -> None:
        points = [a_point(seq=n, facility=f"bin-{n}") for n in range(1, 1_201)]
        subject.store.append([a_batch(*points)])
        subject.settle()
        assert subject.store.latest("demo", [p.series.facility for p in points]) == {
            p.series.facility: p for p in points
        }


class TestLife:
    def test_a_store_that_commits_says_nothing(self, subject: Subject) -> None:
        assert subject.store.ping() is None

    def test_close_may_be_repeated(self, subject: Subject) -> None:
        subject.store.close()
        subject.store.close()

    def test_any_thread_may_append_and_ask(self, subject: Subject) -> None:
        failures: list[Exception] = []

        def work(node: str) -> None:
            try:
                for seq in range(1, 21):
                    point = a_point(seq=seq, node=node, facility=node)
                    subject.store.append([a_batch(point, key=KEY._replace(node=node))])
                    subject.store.query(a_query(facility=node))
                    subject.store.high_water(KEY)
            except Exception as error:  # noqa: BLE001 reported below
                failures.append(error)

        threads = [threading.Thread(target=work, args=(f"pi-{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert failures == []
        assert [len(held(subject, facility=f"pi-{n}")) for n in range(4)] == [20] * 4
