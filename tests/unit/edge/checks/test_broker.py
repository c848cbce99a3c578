import pytest

from edge.checks.broker import judge_trial
from edge.checks.finding import Finding, Verdict, is_fit
from edge.checks.trial import Outcome, Trial
from edge.link import Endpoint


def an_endpoint(host: str = "127.0.0.1", *, tls: bool = False, password: str | None = "x") -> Endpoint:
    return Endpoint(host, 1883, "demo.pi-1", password, tls=tls)


def test_a_connection_is_fine_but_a_password_in_clear_over_the_network_is_warned_of() -> None:
    fine = Trial(Outcome.FINE, "Success")
    assert judge_trial(an_endpoint(), fine).verdict is Verdict.OK
    assert judge_trial(an_endpoint("192.168.1.10", tls=True), fine).verdict is Verdict.OK
    assert judge_trial(an_endpoint("192.168.1.10", password=None), fine).verdict is Verdict.OK
    assert judge_trial(an_endpoint("192.168.1.10"), fine).verdict is Verdict.WARN


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.FINE])
def test_every_way_to_fail_says_what_to_do(outcome: Outcome) -> None:
    finding = judge_trial(an_endpoint(), Trial(outcome, "why"))
    assert finding.verdict is Verdict.FAIL
    assert finding.lines() == ["FAIL broker as demo.pi-1: 127.0.0.1:1883: why", f"     -> {finding.remedy}"]
    assert finding.remedy


def test_only_a_failure_keeps_the_agent_from_its_work() -> None:
    assert is_fit([Finding("a", verdict, "") for verdict in (Verdict.OK, Verdict.WARN, Verdict.SKIP)])
    assert not is_fit([Finding("a", Verdict.OK, ""), Finding("b", Verdict.FAIL, "")])


def test_a_second_broker_is_named_with_its_own_keys() -> None:
    finding = judge_trial(an_endpoint(), Trial(Outcome.CERTIFICATE, "why"), is_second=True)
    assert finding.what == "second broker as demo.pi-1"
    assert finding.remedy.startswith("set second_path.broker.ca ")
