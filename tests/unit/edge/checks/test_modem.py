import pytest

from edge.checks.finding import Verdict
from edge.checks.modem import judge_modem
from edge.sms.modem import ModemStanding, TextRefusedError, TextTrouble


@pytest.mark.parametrize(("signal", "verdict"), [(17, Verdict.OK), (None, Verdict.OK), (5, Verdict.WARN)])
def test_a_modem_with_a_weak_signal_is_warned_of(signal: int | None, verdict: Verdict) -> None:
    assert judge_modem("/dev/ttyUSB2", ModemStanding("SIM7600", "at home", signal)).verdict is verdict


@pytest.mark.parametrize("trouble", TextTrouble)
def test_every_trouble_says_what_to_do(trouble: TextTrouble) -> None:
    finding = judge_modem("/dev/ttyUSB2", TextRefusedError(trouble, "why"))
    assert finding.lines() == [f"FAIL sms modem: /dev/ttyUSB2: {trouble.value}: why", f"     -> {finding.remedy}"]
    assert finding.remedy
