"""The modem for texts: whether it answers, has a SIM and a network, with what to do where not."""

from typing import Final

from edge.checks.finding import Finding, Verdict
from edge.sms.modem import ModemStanding, TextRefusedError, TextTrouble

_WHAT: Final = "sms modem"
_WEAK: Final = 6
"""Below this of 31 (about -101 dBm) texts get lost in bad weather."""
_REMEDIES: Final = {
    TextTrouble.PORT: "check second_path.sms.port (ls -l /dev/serial/by-id) and the group dialout",
    TextTrouble.SILENT: "is this its port for AT commands (often the third of four), with second_path.sms.baud?",
    TextTrouble.SIM: "put in a SIM, and take its PIN off with a phone",
    TextTrouble.NO_NETWORK: "check the antenna, and whether the SIM is paid for; a new one takes minutes",
    TextTrouble.REFUSED: "the modem refuses a command it should know: look it up in its manual",
    TextTrouble.IN_DOUBT: "try again",
}


def judge_modem(port: str, standing: ModemStanding | TextRefusedError) -> Finding:
    """Return the finding of a look at the modem; nothing was sent."""
    if isinstance(standing, TextRefusedError):
        return Finding(_WHAT, Verdict.FAIL, f"{port}: {standing}", _REMEDIES[standing.trouble])
    signal = "signal unknown" if standing.signal is None else f"signal {standing.signal} of 31"
    detail = f"{port}: {standing.model}, registered {standing.network}, {signal}"
    if standing.signal is not None and standing.signal < _WEAK:
        return Finding(_WHAT, Verdict.WARN, detail, "a better place or antenna: texts may not get through")
    return Finding(_WHAT, Verdict.OK, detail)
