"""The broker: whether both of the node's users get in, with what to do where one does not."""

from typing import Final

from edge.checks.finding import Finding, Verdict
from edge.checks.trial import Outcome, Trial
from edge.link import Endpoint

_REMEDIES: Final = {
    Outcome.NO_NAME: "check the host in broker.url; ping it; does this machine have a name server?",
    Outcome.REFUSED: "is the broker running, and does broker.url have its port (1883, with TLS 8883)?",
    Outcome.UNREACHABLE: "check cable or Wi-Fi, and the firewall between here and the broker",
    Outcome.NO_ANSWER: "something answers there that is no MQTT 5 broker, or it wants TLS: mqtts:// and its port",
    Outcome.CERTIFICATE: "set broker.ca to its authority's PEM file, and name the broker as its certificate does",
    Outcome.TOO_EARLY: "this clock is behind: set it first (sudo timedatectl set-ntp true)",
    Outcome.TLS: "the broker speaks no TLS there: mqtt:// and its port, or its TLS port (8883)",
    Outcome.CREDENTIALS: "fetch the node's credentials anew from the hub; the password is shown once",
    Outcome.OTHER: "the broker's log says more",
}


def judge_trial(endpoint: Endpoint, trial: Trial, *, is_second: bool = False) -> Finding:
    """Return the finding of one attempt to connect, to the first broker or the second path's."""
    what = f"{'second broker' if is_second else 'broker'} as {endpoint.username}"
    where = f"{endpoint.host}:{endpoint.port}{' with TLS' if endpoint.tls else ''}"
    if trial.outcome is Outcome.FINE:
        detail = f"{where}: {trial.detail}"
        if not endpoint.tls and not _is_near(endpoint.host) and endpoint.password is not None:
            remedy = "mqtts:// keeps password and readings from the network between"
            return Finding(what, Verdict.WARN, f"{detail}, but the password goes in clear", remedy)
        return Finding(what, Verdict.OK, detail)
    remedy = _REMEDIES[trial.outcome]
    if is_second:
        remedy = remedy.replace("broker.", "second_path.broker.")
    return Finding(what, Verdict.FAIL, f"{where}: {trial.detail}", remedy)


def _is_near(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
