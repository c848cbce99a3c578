"""The watchdog's process: one loop takes what was seen, decides, keeps, and then acts."""

import hashlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from hub.channels import apprise
from hub.clock import SteadyClock, monotonic_s
from hub.errors import InvalidError
from hub.ids import new_hex
from hub.settings import WatchdogSettings
from hub.storage import data_dir
from hub.vocabulary import PROBE_DEVICE
from hub.watchdog import letters as post
from hub.watchdog import memory as keeping
from hub.watchdog import prober as probing
from hub.watchdog.inquiry import EVERY_S, Inquiry
from hub.watchdog.letters import Letter
from hub.watchdog.link import Link
from hub.watchdog.memory import Memory
from hub.watchdog.prober import BeginEpoch, Effect, Passed, Press, Prober, SayHello, Through, ref_of
from hub.watchdog.vigil import (
    ChainAnswered,
    HubAnswered,
    HubMissed,
    Looked,
    Notice,
    Observation,
    Patience,
    begin,
    observe,
)
from hub.watchdog.wording import text_of, title_of
from protocols.codec import encode
from protocols.envelope import SCHEMA, ClockState, LaneMessage, Stamp
from protocols.events import Event, EventName
from protocols.hello import Hello
from protocols.instant import format_ms
from protocols.lanes import Lane
from protocols.topics import Channel

LOOK_S: Final = 0.25
"""How often time is looked at where nothing comes."""

log = structlog.get_logger("hub.watchdog")


class _Sent:
    """A letter was sent; the addresses that did not take it."""

    def __init__(self, refused: tuple[str, ...]) -> None:
        self.refused = refused


_Seen = HubAnswered | HubMissed | probing.Input | _Sent


class Watchdog:
    """One watchdog; `run` takes until `stopping` is set."""

    def __init__(self, settings: WatchdogSettings) -> None:
        """Check who is to be told; raises InvalidError for an address that cannot be used."""
        self._settings = settings
        self._addresses = _addresses(settings)
        self._clock = SteadyClock()
        self._seen: queue.SimpleQueue[_Seen] = queue.SimpleQueue()
        self._boot = new_hex()
        self._patience = Patience(
            silent_ms=int(settings.silent_s * 1_000),
            repeat_ms=int(settings.repeat_s * 1_000),
            chain=settings.probe_password is not None,
        )
        self._sending = False
        self._link: Link | None = None
        self._kept: Memory | None = None

    def run(self, stopping: threading.Event, *, ready: Callable[[], None], alive: Callable[[], None]) -> None:
        """Watch until told to stop; `alive` is called while every part of the watchdog itself moves."""
        settings, folder = self._settings, self._settings.data_dir
        held = data_dir.hold(folder)
        memory = keeping.load(folder, epoch=new_hex())
        self._letters = post.resumed(memory.letters, addresses=tuple(self._addresses))
        self._vigil = begin(at_ms=self._clock.now_ms(), episode=memory.episode)
        self._prober = Prober(int(settings.probe_every_s * 1_000), memory.epoch, memory.next)
        inquiry = Inquiry(settings.hub_url, every_s=min(EVERY_S, settings.silent_s / 5), tell=self._seen.put)
        if settings.probe_password is not None:
            password = settings.probe_password.get_secret_value()
            self._link = Link(settings.mqtt_url, ca=settings.mqtt_ca, password=password, tell=self._seen.put)
        else:
            log.warning("watchdog.no_test_presses", setting="LINLI_WATCHDOG_PROBE_PASSWORD")
        try:
            inquiry.start()
            if self._link is not None:
                self._link.start()
            log.info("watchdog.watching", hub=settings.hub_url, tells=len(self._addresses))
            ready()
            while not stopping.is_set():
                self._turn(folder)
                if inquiry.runs:
                    alive()
        finally:
            if self._link is not None:
                self._link.stop()
            inquiry.stop()
            held.close()

    def _turn(self, folder: Path) -> None:
        """Take what was seen, keep what must not be forgotten, then act."""
        try:
            seen: _Seen | None = self._seen.get(timeout=LOOK_S)
        except queue.Empty:
            seen = None
        at_ms = self._clock.now_ms()
        effects: tuple[Effect, ...] = ()
        match seen:
            case None:
                pass
            case HubAnswered() | HubMissed():
                self._observe(seen, at_ms)
            case _Sent(refused=refused):
                self._sending = False
                self._letters = post.settle(self._letters, refused=refused, at_ms=at_ms)
            case _:
                effects = self._step(seen, at_ms)
        effects += self._step(Passed(), at_ms)
        self._observe(Looked(), at_ms)
        self._keep(folder)
        for effect in effects:
            self._perform(effect, at_ms)
        letter = post.due(self._letters, at_ms=at_ms)
        if letter is not None and not self._sending:
            self._sending = True
            threading.Thread(target=self._send, args=(letter,), name="watchdog-post", daemon=True).start()

    def _observe(self, observation: Observation, at_ms: int) -> None:
        self._vigil, notices = observe(self._patience, self._vigil, observation, at_ms=at_ms)
        for notice in notices:
            self._tell(notice, at_ms)

    def _tell(self, notice: Notice, at_ms: int) -> None:
        title, text = title_of(notice, name=self._settings.name), text_of(notice)
        troubles = [trouble.value for trouble in notice.troubles]
        log.warning("watchdog.tells", occasion=notice.occasion.value, troubles=troubles, detail=notice.detail)
        addresses = tuple(self._addresses)
        self._letters = post.write(self._letters, title=title, text=text, addresses=addresses, at_ms=at_ms)

    def _step(self, told: probing.Input, at_ms: int) -> tuple[Effect, ...]:
        self._prober, effects = probing.step(self._prober, told, at_ms=at_ms)
        for effect in effects:
            if isinstance(effect, BeginEpoch):
                self._prober = probing.begun(self._prober, new_hex())
                log.info("watchdog.epoch_begun", epoch=self._prober.epoch)
            elif isinstance(effect, Through):
                self._observe(ChainAnswered(), at_ms)
                log.debug("watchdog.through", seq=effect.seq, took_ms=effect.took_ms)
        return effects

    def _keep(self, folder: Path) -> None:
        memory = Memory(self._prober.epoch, self._prober.next, self._vigil.episode, self._letters)
        if memory != self._kept and keeping.save(folder, memory):
            self._kept = memory

    def _perform(self, effect: Effect, at_ms: int) -> None:
        if self._link is None:
            return
        prober, uptime_ms = self._prober, int(monotonic_s() * 1_000)
        if isinstance(effect, SayHello):
            hello = Hello(
                schema_version=SCHEMA,
                lane=Lane.SOS,
                epoch=prober.epoch,
                boot=self._boot,
                min_retained=prober.next if prober.flight is None else prober.flight.seq,
                next=prober.next,
                at=format_ms(at_ms),
                uptime_ms=uptime_ms,
                clock=ClockState.SYNCED,
                interval_s=prober.interval_ms / 1_000,
            )
            self._link.publish(Channel.HELLO_SOS, encode(hello))
        elif isinstance(effect, Press):
            press = Event(
                device=PROBE_DEVICE,
                event=EventName.SOS_PRESSED,
                ref=ref_of(prober.epoch, effect.seq),
                at=format_ms(at_ms),
                uptime_ms=uptime_ms,
                details={"test": True},
            )
            message = LaneMessage(
                schema_version=SCHEMA,
                epoch=prober.epoch,
                first=effect.seq,
                boot=self._boot,
                clock=ClockState.SYNCED,
                now=Stamp(at=format_ms(at_ms), uptime_ms=uptime_ms),
                records=[press],
            )
            self._link.publish(Channel.SOS, encode(message))

    def _send(self, letter: Letter) -> None:
        refused: list[str] = []
        for address in letter.addresses:
            delivery = apprise.deliver(self._addresses[address], letter.title, letter.text)
            if not delivery.arrived:
                log.error("watchdog.not_told", reason=delivery.error)
                refused.append(address)
        self._seen.put(_Sent(tuple(refused)))


def send_test(settings: WatchdogSettings) -> list[str]:
    """Send a test message to every address; return what went wrong, a line each."""
    name = settings.name
    text = "测试消息：值守进程能通知到您 | Test message: the watchdog can reach you"
    deliveries = [apprise.deliver(url, f"{name}: 测试 | test", text) for url in _addresses(settings).values()]
    return [delivery.error or "not taken" for delivery in deliveries if not delivery.arrived]


def _addresses(settings: WatchdogSettings) -> dict[str, str]:
    """Return who is told, by the hash that the memory knows an address by; loads apprise now, not in an emergency."""
    urls = settings.tell.get_secret_value().split()
    faults = [f"address {place} {fault}" for place, url in enumerate(urls, 1) if (fault := apprise.check_address(url))]
    if not urls:
        faults = ["nobody is to be told"]
    if faults:
        raise InvalidError(*(("LINLI_WATCHDOG_TELL", fault) for fault in faults))
    return {hashlib.sha256(url.encode()).hexdigest()[:16]: url for url in urls}
