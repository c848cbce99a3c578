"""What the doctor makes of facts: the verdict, and a remedy wherever something is not in order."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from hub.mqtt.broker_url import BrokerUrl
from hub.mqtt.trouble import HANGS_UP
from hub.settings import ClockKind, Environment, Settings
from hub.storage.sql.inspection import Queues
from hub.upkeep.doctor.broker import judge_connection, judge_rights
from hub.upkeep.doctor.doctor import run_checks
from hub.upkeep.doctor.finding import Finding, Verdict, exit_code
from hub.upkeep.doctor.machine import check_clock, judge_space
from hub.upkeep.doctor.process import judge_parts
from hub.upkeep.doctor.queues import judge_queues
from hub.upkeep.doctor.stores import judge_backlog, judge_databases, judge_date, judge_schema

AT_MS = 1_795_000_000_000
QUIET: dict[str, Any] = {
    "overdue": 0,
    "overdue_for_life": 0,
    "failed_in_a_day": 0,
    "held": 0,
    "silent": (),
    "calls": (),
    "calls_attended": 0,
}


def verdicts(findings: list[Finding]) -> dict[str, Verdict]:
    for finding in findings:
        assert bool(finding.remedy) == (finding.verdict in (Verdict.WARN, Verdict.FAIL)), finding
    return {finding.what: finding.verdict for finding in findings}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ((Verdict.OK, Verdict.SKIP), 0),
        ((Verdict.OK, Verdict.WARN), 1),
        ((Verdict.WARN, Verdict.FAIL), 2),
        ((), 0),
    ],
)
def test_the_worst_finding_is_the_exit_code(given: tuple[Verdict, ...], code: int) -> None:
    assert exit_code(Finding("x", verdict, "y") for verdict in given) == code


def test_a_finding_is_one_line_and_what_to_do_another() -> None:
    assert Finding("disk", Verdict.OK, "fine").lines() == ["OK   disk: fine"]
    assert Finding("disk", Verdict.FAIL, "full", "make room").lines() == ["FAIL disk: full", "     -> make room"]


@pytest.mark.parametrize(
    ("trouble", "remedy"),
    [
        ("TLS: its certificate is not trusted: self-signed", "LINLI_MQTT_CA"),
        ("TLS: wrong version number", "speaks no TLS"),
        ("connection refused: nothing listens at that port", "start the broker"),
        ("unreachable: no such host: x", "host in LINLI_MQTT_URL"),
        ("unreachable: no answer in time", "firewall"),
        ("refused: Not authorized", "user and password"),
        ("refused: Unsupported protocol version", "LINLI_MQTT_VERSION"),
        (HANGS_UP, "LINLI_MQTT_VERSION"),
    ],
)
def test_each_trouble_with_the_broker_has_a_remedy_of_its_own(trouble: str, remedy: str) -> None:
    found = judge_connection(BrokerUrl.parse("mqtt://a:secret@broker"), trouble=trouble, version="5")
    assert found.verdict is Verdict.FAIL
    assert remedy in found.remedy
    assert "secret" not in found.detail


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("mqtt://a:b@127.0.0.1", Verdict.OK),
        ("mqtts://a:b@broker", Verdict.OK),
        ("mqtt://broker", Verdict.OK),
        ("mqtt://a:b@broker", Verdict.WARN),
    ],
)
def test_a_password_in_clear_over_a_network_is_a_warning(url: str, verdict: Verdict) -> None:
    assert judge_connection(BrokerUrl.parse(url), trouble=None, version="5").verdict is verdict


def test_only_an_administrator_has_the_rights() -> None:
    assert judge_rights("admin", refusal=None).verdict is Verdict.OK
    assert judge_rights("admin", refusal="no answer in time").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("current", "verdict", "remedy"),
    [
        ("0002", Verdict.OK, ""),
        ("0001", Verdict.FAIL, "linli-hub migrate"),
        ("0003", Verdict.FAIL, "backup"),
        (None, Verdict.WARN, "linli-hub migrate"),
    ],
)
def test_the_schema_is_compared_with_the_release(current: str | None, verdict: Verdict, remedy: str) -> None:
    found = judge_schema("sqlite:///x", current=current, wanted="0002")
    assert found.verdict is verdict
    assert remedy in found.remedy


def test_a_backlog_is_a_warning_once_it_waits_for_more_than_five_minutes() -> None:
    assert judge_backlog(0, None, at_ms=AT_MS).verdict is Verdict.OK
    assert judge_backlog(3, AT_MS - 300_000, at_ms=AT_MS).verdict is Verdict.OK
    assert judge_backlog(3, AT_MS - 301_000, at_ms=AT_MS).verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("status", "body", "verdict", "said"),
    [
        (200, '{"results":[{"series":[{"values":[["_internal"],["linli"]]}]}]}', Verdict.OK, "exists"),
        (200, '{"results":[{"series":[{"values":[["_internal"]]}]}]}', Verdict.FAIL, "no database 'linli'"),
        (200, '{"results":[{}]}', Verdict.FAIL, "no database 'linli'"),
        (200, "<html>", Verdict.FAIL, "no InfluxDB"),
        (200, "[]", Verdict.FAIL, "no InfluxDB"),
        (401, "", Verdict.FAIL, "token"),
        (503, "starting", Verdict.FAIL, "503"),
    ],
)
def test_what_influxdb_answers_is_told_apart(status: int, body: str, verdict: Verdict, said: str) -> None:
    found = judge_databases("http://influx:8086", "linli", status=status, body=body)
    assert found.verdict is verdict
    assert said in found.detail


def test_a_clock_two_seconds_from_influxdbs_is_right_and_three_are_a_warning() -> None:
    date = format_datetime(datetime.fromtimestamp(AT_MS / 1000, UTC), usegmt=True)
    for apart_ms, verdict in ((0, Verdict.OK), (-2_000, Verdict.OK), (3_000, Verdict.WARN), (-3_000, Verdict.WARN)):
        found = judge_date(date, at_ms=AT_MS + apart_ms)
        assert found is not None
        assert found.verdict is verdict
    assert judge_date(None, at_ms=AT_MS) is None


def test_the_clock_is_judged_by_who_keeps_it() -> None:
    kept, loose = (check_clock(Settings(), is_kept=lambda told=told: told)[0].verdict for told in (True, False))
    simulated = Settings(environment=Environment.SIMULATION, clock=ClockKind.MESSAGES)
    assert (kept, loose) == (Verdict.OK, Verdict.WARN)
    assert check_clock(simulated, is_kept=lambda: False)[0].verdict is Verdict.SKIP


def test_space_runs_out_by_steps() -> None:
    found = [judge_space(Path("/x"), free_mb=free_mb, total_mb=9_000).verdict for free_mb in (1_024, 1_023, 200, 199)]
    assert found == [Verdict.OK, Verdict.WARN, Verdict.WARN, Verdict.FAIL]


def test_quiet_queues_are_all_well() -> None:
    assert set(verdicts(judge_queues(Queues(**QUIET))).values()) == {Verdict.OK}


@pytest.mark.parametrize(
    ("changes", "what", "verdict"),
    [
        ({"calls": ("demo.band-1",)}, "open SOS", Verdict.FAIL),
        ({"calls_attended": 1}, "open SOS", Verdict.WARN),
        ({"overdue": 2}, "notifications due", Verdict.WARN),
        ({"overdue": 2, "overdue_for_life": 1}, "notifications due", Verdict.FAIL),
        ({"failed_in_a_day": 1}, "notifications failed", Verdict.WARN),
        ({"held": 1}, "quarantine", Verdict.WARN),
        ({"silent": ("demo.pi-1",)}, "silent nodes", Verdict.WARN),
    ],
)
def test_each_queue_is_judged_on_its_own(changes: dict[str, Any], what: str, verdict: Verdict) -> None:
    found = verdicts(judge_queues(Queues(**{**QUIET, **changes})))
    assert found.pop(what) is verdict
    assert set(found.values()) == {Verdict.OK}


def test_long_lists_name_five_and_count_the_rest() -> None:
    quiet = Queues(**QUIET)
    many = replace(quiet, silent=[f"demo.pi-{n}" for n in range(7)])
    (found,) = [finding for finding in judge_queues(many) if finding.what == "silent nodes"]
    assert found.detail == "7: demo.pi-0, demo.pi-1, demo.pi-2, demo.pi-3, demo.pi-4 and 2 more"


def test_the_running_hubs_parts_get_a_line_where_they_are_not_well() -> None:
    parts = {
        "state": {"status": "ok", "detail": None},
        "influxdb": {"status": "degraded", "detail": "away"},
        "broker": {"status": "failed", "detail": "not connected: sos"},
    }
    assert verdicts(judge_parts(parts)) == {"hub's influxdb": Verdict.WARN, "hub's broker": Verdict.FAIL}


def test_a_check_that_hangs_or_breaks_is_a_finding_and_the_others_are_made() -> None:
    never = threading.Event()

    def hang() -> list[Finding]:
        never.wait()
        return []

    def fall() -> list[Finding]:
        raise ValueError("odd")

    found = run_checks([("a", hang), ("b", fall), ("c", lambda: [Finding("c", Verdict.OK, "fine")])], longest_s=0.05)
    never.set()
    assert [(finding.what, finding.verdict) for finding in found] == [
        ("a", Verdict.FAIL),
        ("b", Verdict.FAIL),
        ("c", Verdict.OK),
    ]
    assert found[1].detail == "ValueError: odd"
