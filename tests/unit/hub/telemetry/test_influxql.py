import pytest

from hub.telemetry import influxql
from hub.telemetry.influxql import InfluxQLError, ResultSeries
from hub.telemetry.point import Point
from hub.telemetry.series import Aggregate, Sample, SeriesQuery

QUERY = SeriesQuery("demo", "bin-42", "fill_percent", 1_000, 2_000)


class TestStatements:
    def test_raw_samples_are_asked_for_with_their_quality(self) -> None:
        assert influxql.raw(QUERY, asked=201) == (
            'SELECT "fill_percent", "quality" FROM "fill_level" WHERE "site" = \'demo\' AND "facility" = \'bin-42\''
            " AND time >= 1000000000 AND time < 2000000000 ORDER BY time ASC LIMIT 201"
        )

    def test_windows_are_condensed_by_the_server_and_empty_ones_left_out(self) -> None:
        query = SeriesQuery("demo", "bin-42", "fill_percent", 1_000, 2_000, every_s=3_600, aggregate=Aggregate.MAX)
        statement = influxql.windowed(query, asked=5)
        assert statement.startswith('SELECT max("fill_percent") AS "value" FROM "fill_level" WHERE')
        assert statement.endswith("GROUP BY time(3600s) fill(none) ORDER BY time ASC LIMIT 5")

    def test_a_metric_of_several_kinds_is_asked_of_each(self) -> None:
        assert influxql.kinds_with("battery_percent") == ("fill_level", "vitals")
        assert influxql.kinds_with("unheard_of") == ()

    @pytest.mark.parametrize(
        ("value", "literal"),
        [
            ("bin-42", "'bin-42'"),
            ("x' OR '1'='1", r"'x\' OR \'1\'=\'1'"),
            ("back\\", r"'back\\'"),
            ("\\'", r"'\\\''"),
            ("a\nb", r"'a\nb'"),
        ],
    )
    def test_a_string_stays_inside_its_quotes(self, value: str, literal: str) -> None:
        assert influxql.text(value) == literal

    @pytest.mark.parametrize(("value", "quoted"), [("x", '"x"'), ('x" FROM "y', r'"x\" FROM \"y"'), ("x\\", r'"x\\"')])
    def test_a_name_stays_inside_its_quotes(self, value: str, quoted: str) -> None:
        assert influxql.name(value) == quoted


class TestAnswers:
    def test_rows_become_samples_in_order_of_time_over_all_measurements(self) -> None:
        columns = ["time", "battery_percent", "quality"]
        answer = {
            "results": [
                {
                    "statement_id": 0,
                    "series": [
                        {"name": "fill_level", "columns": columns, "values": [[1, 80, 90], [3, 79.5, None]]},
                        {"name": "vitals", "columns": columns, "values": [[2, 50.0, 95], [4, None, 95]]},
                    ],
                }
            ]
        }
        found = influxql.read_answer(answer)
        assert influxql.samples_of(found, "battery_percent") == [
            Sample(1, 80.0, 90),
            Sample(2, 50.0, 95),
            Sample(3, 79.5, 0),
        ]

    def test_nothing_found_is_no_series(self) -> None:
        assert influxql.read_answer({"results": [{"statement_id": 0}]}) == []

    def test_the_newest_rows_become_points_without_the_fields_they_lack(self) -> None:
        tags = {"site": "demo", "facility": "bin-42", "node": "pi-1", "device": "u"}
        row = {"time": 1_500_000_007, "fill_percent": 81, "distance_mm": None, "quality": 95.0, "foreign": 1.0}
        assert list(influxql.points_of([ResultSeries("fill_level", tags, (row,))])) == [
            Point.of(
                "demo",
                "bin-42",
                "pi-1",
                "u",
                "fill_level",
                at_ms=1_500,
                seq=7,
                quality=95,
                values={"fill_percent": 81.0},
            )
        ]

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ({"error": "authorization failed"}, "authorization failed"),
            ({"results": [{"statement_id": 0, "error": "database not found: x"}]}, "database not found: x"),
            ({"code": "unauthorized", "message": "unauthorized access"}, "unauthorized access"),
            ({}, "the answer has no results"),
            ([], "the answer is not InfluxQL's"),
        ],
    )
    def test_what_is_no_result_is_an_error_with_the_servers_words(self, answer: object, words: str) -> None:
        with pytest.raises(InfluxQLError, match=words):
            influxql.read_answer(answer)
