"""Outages with real processes (G6): two hubs, three brokers, agents with a modem on a pseudo-terminal, broken ways."""

import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from edge.outbox.look import look
from protocols.instant import parse_instant_ms
from simulators.servers.mosquitto import BrokerAuth, MosquittoServer
from tests.acceptance.outside.client_rest import Rest
from tests.acceptance.outside.hub_process import ADMIN, Hub
from tests.acceptance.outside.neighbourhood import Neighbourhood
from tests.chaos.proxy import BLACK_HOLE, CLEAR, Proxy, Stroke, Weather
from tests.fakes.modem import FakeModem
from tests.integration.edge.agent_process import AgentProcess, wait_until

SITE: Final = "demo"
NUMBER: Final = "+8613800138000"
PRESS_AFTER_S: Final = 15.0
"""From an agent's start to its press: until then it must have connected, also on a busy machine."""
OUTAGE_S: Final = 14.0
"""From the press to the end of the outage."""
START_WITHIN_S: Final = 3.0
SLACK_S: Final = 1.0
"""What processes on a busy machine may take beyond the timers that are judged."""
MENDED_WITHIN_S: Final = 60.0


@dataclass(slots=True)
class Trial:
    """One outage of one agent, and what came of it."""

    fault: str
    aside: str
    started_s: float | None = None
    siren_s: float | None = None
    sent_s: float | None = None
    text_s: float | None = None
    wrong: list[str] = field(default_factory=list[str])

    def figures(self) -> dict[str, Any]:
        """Everything measured."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Way:
    """A way of breaking one agent's first path."""

    name: str
    only: bytes
    turns: tuple[Weather | Stroke, ...]


WAYS: Final = (
    Way("black hole", b"", (BLACK_HOLE,)),
    Way("black hole for SOS alone", b".sos", (BLACK_HOLE,)),
    Way("acks lost", b"", (Weather(loses_down=True),)),
    Way("broker gone", b"", (Weather(refuses=True), Stroke.RESET)),
)


class Stand:
    """Hub A by brokers 1 and 2, hub B by broker 3, each with the same site."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.first = stack.enter_context(MosquittoServer.start(folder / "broker-1"))
        second, third = (
            stack.enter_context(MosquittoServer.start(folder / f"broker-{number}", auth=BrokerAuth.ANONYMOUS))
            for number in (2, 3)
        )
        self.asides = {"second broker of the same hub": second.port, "second hub": third.port}
        self.home = Hub(folder / "hub-a", self.first.admin_url, extra={"HUB_ID": "hub-a", "MQTT_URL_2": second.url})
        self.other = Hub(folder / "hub-b", third.url, broker_admin="none", extra={"HUB_ID": "hub-b"})
        self.sites: dict[str, Neighbourhood] = {}
        for name, hub in (("home", self.home), ("other", self.other)):
            hub.start()
            stack.callback(hub.kill)
            rest = Rest(hub.url).login(*ADMIN)
            stack.callback(rest.close)
            self.sites[name] = Neighbourhood(rest, SITE).build()

    def agent(self, number: int, port: int, *, aside: str, modem: FakeModem | None) -> AgentProcess:
        """Register a node with its wristband at both hubs, and start its agent."""
        node, band = f"pi-{number}", f"band-{number}"
        for site in self.sites.values():
            site.node(node)
            site.band(band, node=node)
        folder = self.folder / node
        folder.mkdir()
        (folder / "password").write_text(f"{self.sites['home'].credentials(node)['password']}\n")
        (folder / "presses.csv").write_text(f"after_s,event,ref\n{PRESS_AFTER_S},sos_pressed,{band}:1\n")
        second = f'[second_path]\nbroker = {{url = "mqtt://127.0.0.1:{self.asides[aside]}"}}\n'
        if modem is not None:
            second += f'sms = {{port = "{modem.port}", numbers = ["{NUMBER}"], labels = {{{band} = "王奶奶"}}}}\n'
        (folder / "edge.toml").write_text(
            f'site = "{SITE}"\nnode = "{node}"\ndata_dir = "data"\nclock = "system"\n'
            f'broker = {{url = "mqtt://127.0.0.1:{port}", password_file = "password"}}\n{second}'
            f'[[devices]]\nslug = "{band}"\ndriver = "fake"\noptions = {{script = "presses.csv"}}\n'
            '[[devices]]\nslug = "siren"\ndriver = "fake"\noptions = {record = "siren.jsonl"}\n'
            '[[local_rules]]\nwhen = "sos"\noutput = "siren"\n'
        )
        return self._stack.enter_context(AgentProcess(folder))


def tried(seed: int, *, times: int) -> list[Trial]:
    """Break the ways of so many agents, a few at once; brokers and hubs of the last ones themselves."""
    random, trials = Random(seed), list[Trial]()
    asides = ("second broker of the same hub", "second hub")
    with TemporaryDirectory(prefix="linli-second-path-") as folder, ExitStack() as stack:
        stand = Stand(Path(folder), stack)
        plain = [(way, asides[(number + way_number) % 2]) for number in range(2) for way_number, way in enumerate(WAYS)]
        random.shuffle(plain)
        wholes = [("hub frozen", "second hub"), ("broker killed", asides[0]), ("broker killed", asides[1])]
        alone = plain[: max(0, times - len(wholes) - 1)]
        for first in range(0, len(alone), 4):
            trials += _by_proxies(stand, alone[first : first + 4], first)
        trials += _by_modem(stand, len(alone))
        trials += _frozen(stand, wholes[:1], 100)
        trials += _killed(stand, wholes[1:], 200)
    return trials


def _by_proxies(stand: Stand, kinds: list[tuple[Way, str]], first: int) -> list[Trial]:
    with ExitStack() as ways:
        proxies = [ways.enter_context(Proxy(stand.first.port, only=way.only)) for way, _ in kinds]
        ports = [proxy.port for proxy in proxies]

        def spoil() -> None:
            for proxy, (way, _) in zip(proxies, kinds, strict=True):
                for turn in way.turns:
                    proxy.turn(turn)

        def mend() -> None:
            for proxy in proxies:
                proxy.turn(CLEAR)
                proxy.turn(Stroke.RESET)

        return _outage(stand, [(way.name, aside) for way, aside in kinds], ports, first=first, spoil=spoil, mend=mend)


def _by_modem(stand: Stand, first: int) -> list[Trial]:
    """Nothing but a modem is left: hub B is frozen as well, and the first text is refused."""
    modem = FakeModem()
    modem.verdicts.append("+CMS ERROR: 38")
    try:
        with Proxy(stand.first.port) as way:

            def spoil() -> None:
                way.turn(BLACK_HOLE)
                os.kill(stand.other.pid, signal.SIGSTOP)

            def mend() -> None:
                os.kill(stand.other.pid, signal.SIGCONT)
                way.turn(CLEAR)
                way.turn(Stroke.RESET)

            kinds = [("black hole, and second hub frozen", "second hub")]
            (trial,) = _outage(stand, kinds, [way.port], first=first, spoil=spoil, mend=mend, modem=modem)
    finally:
        modem.stop()
    if [number for number, _ in modem.told] != [NUMBER]:
        trial.wrong.append(f"texts after a refusal: {modem.told}")
    elif "王奶奶" not in modem.told[0][1] or f"band-{first}:1" not in modem.told[0][1]:
        trial.wrong.append(f"a text that does not say who: {modem.told}")
    return [trial]


def _frozen(stand: Stand, kinds: list[tuple[str, str]], first: int) -> list[Trial]:
    return _outage(
        stand,
        kinds,
        [stand.first.port] * len(kinds),
        first=first,
        spoil=lambda: os.kill(stand.home.pid, signal.SIGSTOP),
        mend=lambda: os.kill(stand.home.pid, signal.SIGCONT),
    )


def _killed(stand: Stand, kinds: list[tuple[str, str]], first: int) -> list[Trial]:
    ports = [stand.first.port] * len(kinds)
    return _outage(stand, kinds, ports, first=first, spoil=stand.first.kill, mend=stand.first.restart)


def _outage(
    stand: Stand,
    kinds: list[tuple[str, str]],
    ports: list[int],
    *,
    first: int,
    spoil: Callable[[], object],
    mend: Callable[[], object],
    modem: FakeModem | None = None,
) -> list[Trial]:
    """Let agents connect, spoil their ways, wait for their presses, mend, and look at both hubs."""
    trials = [Trial(fault, aside) for fault, aside in kinds]
    agents = [
        stand.agent(first + number, port, aside=trial.aside, modem=modem)
        for number, (trial, port) in enumerate(zip(trials, ports, strict=True))
    ]
    for agent in agents:
        wait_until(lambda agent=agent: _is_connected(agent), "all connected")
    spoil()
    spoilt_ms = _now_ms()
    for agent in agents:
        wait_until(
            lambda agent=agent: bool(look(agent.folder / "data")["sos"]), "the press", within_s=2 * PRESS_AFTER_S
        )
    time.sleep(OUTAGE_S)
    mend()
    for number, (trial, agent) in enumerate(zip(trials, agents, strict=True), start=first):
        _judge(stand, trial, agent, number=number, spoilt_ms=spoilt_ms)
        if modem is not None:
            trial.text_s = _logged_s(agent, "sms.sent")
        agent.stop()
    return trials


def _judge(stand: Stand, trial: Trial, agent: AgentProcess, *, number: int, spoilt_ms: int) -> None:
    def say(what: str) -> None:
        trial.wrong.append(f"{trial.fault}, {trial.aside}: {what}")

    def done() -> bool:
        return all(lane["pending"] == 0 for lane in look(agent.folder / "data")["lanes"])

    ref = f"band-{number}:1"
    try:
        wait_until(done, "the first path brings everything", within_s=MENDED_WITHIN_S)
    except AssertionError:
        say("the home hub did not get everything after the outage")
    (call,) = look(agent.folder / "data")["sos"]
    stored_ms = parse_instant_ms(call["stored_at"]) or 0
    if stored_ms < spoilt_ms:
        say("pressed before the outage: this machine is too slow for the trial")
    trial.started_s = _logged_s(agent, "sos.second_path", since_ms=stored_ms)
    trial.siren_s = _logged_s(agent, "local.on", since_ms=stored_ms)
    sent_ms = parse_instant_ms(call["sent_at"])
    trial.sent_s = None if sent_ms is None else (sent_ms - stored_ms) / 1_000
    # A hub behind two brokers answers by both: what its ack loses on one way comes by the other at once.
    unsent = trial.sent_s is None or trial.sent_s > START_WITHIN_S
    if unsent and (trial.started_s is None or trial.started_s > START_WITHIN_S + SLACK_S):
        say(f"second path started after {trial.started_s} s")
    if trial.siren_s is None or trial.siren_s > 10:
        say(f"siren after {trial.siren_s} s")
    served = "second hub frozen" not in trial.fault
    if served and (trial.sent_s is None or trial.sent_s > 10):
        say(f"sent after {trial.sent_s} s, though the second path was alive")
    for name, site in stand.sites.items():
        listed = [alert for alert in site.alerts(fault_code="sosPressed") if ref in alert["refs"]]
        wanted = {1} if name == "home" or (trial.aside == "second hub" and served) else {0}
        if not served:  # what a frozen hub's broker dropped meanwhile, the home hub has
            wanted |= {1}
        if len(listed) not in wanted or any(alert["refs"] != [ref] for alert in listed):
            say(f"{name}: {len(listed)} alerts list the press instead of {max(wanted)}")


def _is_connected(agent: AgentProcess) -> bool:
    text = agent.log.read_text() if agent.log.exists() else ""
    return set(re.findall(r"link\.up link=(\w+)", text)) == {"sos", "rest", "second"} and "hub.adopted" in text


def _logged_s(agent: AgentProcess, event: str, *, since_ms: int | None = None) -> float | None:
    """Seconds from a time, the call's own by default, until the agent first logged an event; its log tells no day."""
    if since_ms is None:
        since_ms = parse_instant_ms(look(agent.folder / "data")["sos"][0]["stored_at"]) or 0
    found = re.search(rf"^(\d\d):(\d\d):(\d\d)\.(\d\d\d) \w+ {re.escape(event)} ", agent.log.read_text(), re.MULTILINE)
    if found is None:
        return None
    hours, minutes, seconds, ms = (int(part) for part in found.groups())
    of_day_ms = ((hours * 60 + minutes) * 60 + seconds) * 1_000 + ms
    return ((of_day_ms - since_ms) % 86_400_000) / 1_000


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000)
