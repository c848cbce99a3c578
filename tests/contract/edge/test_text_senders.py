"""What every sender of texts promises, a modem on a pseudo-terminal and one in memory; and the modem's own ways."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.clock import Clock
from edge.drivers.uart import SerialPort
from edge.sms.modem import AtModem, TextRefusedError, TextSender, TextTrouble
from tests.fakes.modem import FakeModem
from tests.fakes.texts import RememberingSender

NUMBER = "+8613800138000"
SHORT = "【求助】王奶奶按下了求助键"
LONG = "求助" * 100 + "😀" + "SOS" * 20


def a_modem(port: str, *, answer_s: float = 0.6, network_s: float = 0.6) -> AtModem:
    return AtModem(SerialPort(port, baud=115_200), now_s=Clock().monotonic_s, answer_s=answer_s, network_s=network_s)


@pytest.fixture
def fake() -> Iterator[FakeModem]:
    modem = FakeModem()
    yield modem
    modem.stop()


@pytest.fixture
def modem(fake: FakeModem) -> Iterator[AtModem]:
    sender = a_modem(fake.port)
    yield sender
    sender.close()


@pytest.fixture(params=["modem", "memory"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[TextSender, FakeModem | RememberingSender]]:
    if request.param == "memory":
        sender = RememberingSender()
        yield sender, sender
        return
    fake = FakeModem()
    sender = a_modem(fake.port)
    yield sender, fake
    sender.close()
    fake.stop()


Pair = tuple[TextSender, FakeModem | RememberingSender]


def refuse_next(other: FakeModem | RememberingSender) -> None:
    if isinstance(other, FakeModem):
        other.verdicts.append("+CMS ERROR: 38")
    else:
        other.refusals.append(TextTrouble.REFUSED)


def test_a_text_arrives_as_it_is_once(pair: Pair) -> None:
    sender, other = pair
    sender.send(NUMBER, SHORT)
    sender.send("110", LONG)
    assert other.told == [(NUMBER, SHORT), ("110", LONG)]


def test_what_was_refused_may_be_sent_again(pair: Pair) -> None:
    sender, other = pair
    refuse_next(other)
    with pytest.raises(TextRefusedError) as refused:
        sender.send(NUMBER, SHORT)
    assert refused.value.trouble is TextTrouble.REFUSED
    assert other.told == []
    sender.send(NUMBER, SHORT)
    assert other.told == [(NUMBER, SHORT)]


def test_closing_twice_is_no_fault(pair: Pair) -> None:
    sender, _ = pair
    sender.close()
    sender.close()


def test_the_network_s_reason_is_told(fake: FakeModem, modem: AtModem) -> None:
    fake.verdicts.append("+CMS ERROR: 38")
    with pytest.raises(TextRefusedError, match=r"refused: \+CMS ERROR: 38"):
        modem.send(NUMBER, SHORT)


def test_a_modem_that_says_nothing_after_the_text_leaves_it_in_doubt_and_takes_the_next(
    fake: FakeModem, modem: AtModem
) -> None:
    fake.verdicts.append("")
    with pytest.raises(TextRefusedError) as doubted:
        modem.send(NUMBER, SHORT)
    assert doubted.value.trouble is TextTrouble.IN_DOUBT
    modem.send(NUMBER, SHORT)
    assert fake.told == [(NUMBER, SHORT)]


def test_a_dead_modem_is_told_from_a_refusing_one(fake: FakeModem, modem: AtModem) -> None:
    fake.is_mute = True
    with pytest.raises(TextRefusedError) as silent:
        modem.send(NUMBER, SHORT)
    assert silent.value.trouble is TextTrouble.SILENT
    fake.is_mute = False
    modem.send(NUMBER, SHORT)
    assert fake.told == [(NUMBER, SHORT)]


@pytest.mark.parametrize("said", ["+CPIN: SIM PIN", "+CME ERROR: 10"])
def test_a_sim_that_is_locked_or_missing_is_named(fake: FakeModem, modem: AtModem, said: str) -> None:
    fake.sim = said
    with pytest.raises(TextRefusedError) as refused:
        modem.send(NUMBER, SHORT)
    assert refused.value.trouble is TextTrouble.SIM


def test_a_modem_without_a_network_is_named_with_why(fake: FakeModem, modem: AtModem) -> None:
    fake.registration = {"AT+CREG?": "+CREG: 0,3", "AT+CEREG?": "+CEREG: 0,2"}
    with pytest.raises(TextRefusedError, match="no_network: the network refuses it"):
        modem.send(NUMBER, SHORT)


def test_one_that_knows_lte_only_or_roams_is_registered(fake: FakeModem, modem: AtModem) -> None:
    fake.registration = {"AT+CREG?": "+CME ERROR: 100", "AT+CEREG?": "+CEREG: 0,5"}
    modem.send(NUMBER, SHORT)
    assert modem.look().network == "roaming"


def test_what_a_modem_tells_without_being_asked_disturbs_nothing(fake: FakeModem, modem: AtModem) -> None:
    fake.noise = b'\r\nRING\r\n\r\n+CMTI: "SM",3\r\n'
    modem.send(NUMBER, SHORT)
    assert fake.told == [(NUMBER, SHORT)]


def test_it_tells_model_network_and_signal(modem: AtModem) -> None:
    standing = modem.look()
    assert (standing.model, standing.network, standing.signal) == ("FAKE-7600", "at home", 17)


def test_a_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextRefusedError, match=r"port: .*no such port"):
        a_modem(str(tmp_path / "ttyUSB9")).send(NUMBER, SHORT)
