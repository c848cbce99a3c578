"""Reconnection storm (G17): a mosquitto with mTLS dies under a thousand clients; all come back, and not all at once."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from simulators.servers.mosquitto import BrokerAuth, MosquittoServer
from tests.benchmarks.child import Child
from tests.chaos.storm_clients import HOLDS_S, Crowd, Kind, Manner
from tests.chaos.tls_broker import TlsBroker
from tests.guarantees.guarantee import Control, Guarantee, Run

CLIENTS: Final = 1_000
SHORT_CLIENTS: Final = 100
AWAY_S: Final = (0.5, 5.0, 20.0)
SHORT_AWAY_S: Final = (0.5,)
CONTROL_AWAY_S: Final = (1.5,)
CONTROL_CLIENTS: Final = 200
BACK_WITHIN_S: Final = 30.0
SLOT_S: Final = 0.2
MOST_IN_A_SLOT: Final = 0.4
"""Of the clients: a wave."""
MOST_FAILED: Final = 0.05
"""Of the clients, once the broker is there again: a second wave begins with those that did not get through."""
TRIES_A_SECOND: Final = 1.5
TRIES_AT_FIRST: Final = 6.0
"""On average a client does not try more often than this while nobody listens."""


@dataclass(frozen=True, slots=True)
class Return:
    """How the clients came back from one death of the broker; times count from when it listened again."""

    away_s: float
    clients: int
    back: int
    last_back_s: float
    half_back_s: float
    most_in_a_slot: int
    """Attempts in the fullest fifth of a second since the death."""
    refused: int
    failed: int
    """Attempts that failed although the broker was there."""
    tries_while_away: int
    connects_each_second: Mapping[int, int]

    def wrong(self) -> list[str]:
        """What the promise does not allow."""
        wrong: list[str] = []
        after = f"after {self.away_s:g} s"
        if self.back < self.clients or self.last_back_s > BACK_WITHIN_S:
            wrong.append(f"{after}: {self.back} of {self.clients} back, the last in {self.last_back_s:.1f} s")
        if self.most_in_a_slot > MOST_IN_A_SLOT * self.clients:
            wrong.append(f"{after}: {self.most_in_a_slot} attempts within {SLOT_S} s")
        if self.failed > MOST_FAILED * self.clients:
            wrong.append(f"{after}: {self.failed} attempts failed although the broker was there")
        if self.tries_while_away > self.clients * (TRIES_AT_FIRST + TRIES_A_SECOND * self.away_s):
            wrong.append(f"{after}: {self.tries_while_away} attempts while nobody listened")
        return wrong


def storm(
    seed: int, *, clients: int, away_s: Sequence[float], mutual_tls: bool, manner: Manner = Manner.EDGE
) -> list[Return]:
    """Kill the broker under its clients for so long each time; return how they came back."""
    with tempfile.TemporaryDirectory(prefix="linli-storm-") as folder, ExitStack() as stack:
        crowd = Crowd(0, clients, seed, manner)
        if mutual_tls:
            broker = stack.enter_context(TlsBroker(Path(folder, "broker")).launch())
            crowd = over_tls(broker, clients=clients, seed=seed, manner=manner)
        else:
            broker = stack.enter_context(MosquittoServer.start(Path(folder, "broker"), auth=BrokerAuth.ANONYMOUS))
            crowd = Crowd(broker.port, clients, seed, manner)
        child = stack.enter_context(Child.python("tests.chaos.storm_clients", crowd.to_json()))
        child.await_line("ready", within_s=60 + clients / 50)
        returns: list[Return] = []
        for gone_s in away_s:
            if len(away_s) > 1:
                time.sleep(HOLDS_S)
            returns.append(_kill(broker, child, clients=clients, away_s=gone_s))
        return returns


def over_tls(broker: TlsBroker, *, clients: int, seed: int, manner: Manner = Manner.EDGE) -> Crowd:
    """A crowd that comes with a certificate."""
    certificate, key = broker.certificates.client
    authority = str(broker.certificates.authority)
    return Crowd(broker.tls_port, clients, seed, manner, authority, str(certificate), str(key))


def diary_of(child: Child) -> list[tuple[float, str, int]]:
    """What happened to the clients since this was asked last."""
    child.say("report")
    said = child.await_line("report", within_s=30)
    return [(at_s, kind, number) for at_s, kind, number in json.loads(said.removeprefix("report"))]


def _kill(broker: MosquittoServer, child: Child, *, clients: int, away_s: float) -> Return:
    diary_of(child)
    died_s = time.monotonic()
    broker.kill()
    time.sleep(away_s)
    broker.restart()
    there_s = time.monotonic()
    diary: list[tuple[float, str, int]] = []
    up: set[int] = set()
    while len(up) < clients and time.monotonic() - there_s < BACK_WITHIN_S + 10:
        time.sleep(0.5)
        news = diary_of(child)
        for at_s, kind, number in news:
            if kind == Kind.IS_UP and at_s > died_s:
                up.add(number)
            elif kind == Kind.LOST:
                up.discard(number)
        diary += news
    return judged(diary, died_s=died_s, there_s=there_s, clients=clients)


def judged(diary: Sequence[tuple[float, str, int]], *, died_s: float, there_s: float, clients: int) -> Return:
    """Read a diary of one death."""
    up = {number: at_s for at_s, kind, number in diary if kind == Kind.IS_UP and at_s > died_s}
    back_s = sorted(at_s - there_s for at_s in up.values())
    tries_s = [at_s for at_s, kind, _ in diary if kind == Kind.TRIES and at_s > died_s]
    slots = Counter(int((at_s - died_s) / SLOT_S) for at_s in tries_s)
    return Return(
        away_s=round(there_s - died_s, 2),
        clients=clients,
        back=len(up),
        last_back_s=round(back_s[-1], 2) if back_s else -1.0,
        half_back_s=round(back_s[len(back_s) // 2], 2) if back_s else -1.0,
        most_in_a_slot=max(slots.values(), default=0),
        refused=sum(kind == Kind.REFUSED for _, kind, _ in diary),
        failed=sum(kind == Kind.FAILED and at_s > there_s for at_s, kind, _ in diary),
        tries_while_away=sum(at_s < there_s for at_s in tries_s),
        connects_each_second=dict(sorted(Counter(max(0, int(at_s)) for at_s in back_s).items())),
    )


def run(seed: int, *, full: bool) -> Run:
    """A thousand mTLS clients and three deaths; short: a hundred plain ones and one."""
    clients, away_s = (CLIENTS, AWAY_S) if full else (SHORT_CLIENTS, SHORT_AWAY_S)
    returns = storm(seed, clients=clients, away_s=away_s, mutual_tls=full)
    last = ", ".join(f"{one.last_back_s:.1f} s after {one.away_s:.0f} s away" for one in returns)
    most = max(one.most_in_a_slot for one in returns)
    reached = (
        f"all of {clients:,} {'mTLS' if full else 'plain'} clients back in {last}; at most {most} came within"
        f" {SLOT_S} s, {sum(one.failed for one in returns)} did not get through"
    )
    wrong = [what for one in returns for what in one.wrong()]
    return Run(reached, wrong, {"returns": [asdict(one) for one in returns]})


def control(seed: int) -> Control:
    """Clients that all wait equally long, and clients that do not wait, make the wave that is looked for."""
    found: dict[str, list[Return]] = {
        manner.value: storm(seed, clients=CONTROL_CLIENTS, away_s=CONTROL_AWAY_S, mutual_tls=False, manner=manner)
        for manner in (Manner.NO_JITTER, Manner.NO_BACKOFF)
    }
    figures: dict[str, Any] = {name: [asdict(one) for one in returns] for name, returns in found.items()}
    return Control({name: any(one.wrong() for one in returns) for name, returns in found.items()}, figures)


GUARANTEE: Final = Guarantee(
    name="G17",
    promise="When the broker comes back after a fault, a whole city reconnects within half a minute, and not all at"
    " once.",
    aim="1,000 mTLS clients back ≤ 30 s after the broker is, by the edge's own rule; no second wave",
    run=run,
    control=control,
)
