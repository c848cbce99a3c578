"""Outages on the whole agent without its threads (G6): the real loop, outbox and lanes in a time of the test's own.

The first path breaks in one of six ways while somebody presses, the second is another hub, the same hub, a modem or
several of them, and the agent is killed in between. The alerts are made by the hub's own domain in memory.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from heapq import heappop, heappush
from pathlib import Path
from queue import SimpleQueue
from random import Random

from edge.agent.calls import Calls
from edge.agent.devices import Occurred
from edge.agent.loop import Inbox, Item, Loop
from edge.agent.outputs import Bound, Outputs
from edge.agent.upkeep import Upkeep
from edge.clock import EARLIEST, Clock, ClockSource, Moment
from edge.drivers.driver import Occurrence
from edge.link import Arrived, LinkDown, LinkName, LinkUp
from edge.local_rules import SosRule
from edge.outbox import open_outbox
from edge.sms.desk import Texted, TextRequest
from edge.sms.text import Told
from edge.uplink import second_path
from edge.uplink.memory_courier import MemoryCourier
from protocols.envelope import ClockState
from protocols.events import Event
from protocols.lanes import Lane
from protocols.topics import Channel
from tests.chaos.second_path_world import (
    ADDRESS,
    BAND,
    LEFT_MS,
    MENDED_WITHIN_MS,
    NUMBERS,
    SIREN_WITHIN_MS,
    START_WITHIN_MS,
    TICK_MS,
    Aside,
    Build,
    Fault,
    Fed,
    Hub,
    Indicator,
    Nowhere,
    Press,
    Seen,
    Siren,
)


class Outage:
    """A node, its two paths, and one outage that is drawn from a seed."""

    def __init__(self, folder: Path, random: Random, build: Build, *, fault: Fault, aside: Aside) -> None:
        self.seen = Seen(fault, aside)
        self._folder, self._random, self._build = folder, random, build
        self._fault, self._aside = fault, aside
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._items: list[Item] = []
        self._epochs = itertools.count(1)
        self.now_ms = 0
        self._zero_ms = -60_000
        self._boots = 1
        self._up = dict.fromkeys(LinkName, False)
        self._loop: Loop | None = None
        self._down_until_ms = 0
        self._dead: list[tuple[int, int]] = []
        self._broken = False
        self._heal_ms = 0
        self.home = Hub("hub-a")
        self.other = self.home if aside is Aside.SAME_HUB else Hub("hub-b")
        self._presses: dict[str, Press] = {}
        self._network: Counter[tuple[str, str]] = Counter()
        self._under_way: tuple[str, str] | None = None
        self._doubted: Counter[tuple[str, str]] = Counter()
        self._first_sends: list[int] = []
        self._sos_up_ms = 0
        self._has_broker = aside is not Aside.TEXTS
        self._has_texts = aside in (Aside.TEXTS, Aside.HUB_AND_TEXTS, Aside.DEAD_AND_TEXTS)
        self._second_lives = aside in (Aside.SAME_HUB, Aside.OTHER_HUB, Aside.HUB_AND_TEXTS)
        self.light, self.siren = Indicator(), Siren()

    def run(self) -> Seen:
        """Live through it; return what it came to."""
        self._begin()
        self._link_up(LinkName.REST, LinkName.SOS)
        if self._second_lives:
            self._link_up(LinkName.SECOND)
        self._plan()
        while self._heal_ms == 0 or self.now_ms < self._heal_ms + MENDED_WITHIN_MS:
            if not self._step():
                break
        self._judge()
        if self._loop is not None:
            self._opened.close(in_order=True)
        return self.seen

    # The world

    def _plan(self) -> None:
        """Draw the outage, the presses in it, the kills, and its end."""
        random = self._random
        broken_ms = random.randint(1_000, 5_000)
        at_ms = [broken_ms + random.randint(0, 8_000) for _ in range(random.choice((1, 1, 2, 3)))]
        self._heal_ms = max(at_ms) + random.randint(11_000, 45_000)
        self._at(broken_ms, self._break)
        self._at(self._heal_ms, self._heal)
        for number, press_ms in enumerate(sorted(at_ms), start=1):
            self._at(press_ms, lambda ref=f"{BAND}:{number}": self._press(ref))
        for _ in range(random.choice((0, 0, 1, 2))):
            self._at(random.randint(min(at_ms), self._heal_ms), self._kill)

    def _at(self, at_ms: int, action: Callable[[], None]) -> None:
        heappush(self._events, (max(at_ms, self.now_ms), next(self._order), action))

    def _step(self) -> bool:
        """Go to the next thing that happens, in the world or by the node's own timers."""
        wake_ms = None if self._loop is None else self.now_ms + max(1, round(self._loop.patience_s() * 1_000))
        next_ms = self._events[0][0] if self._events else None
        due = [ms for ms in (wake_ms, next_ms) if ms is not None]
        if not due:
            return False
        self.now_ms = min(due)
        while self._events and self._events[0][0] <= self.now_ms:
            heappop(self._events)[2]()
        if self._loop is not None:
            items, self._items = self._items, []
            self._loop.turn(items, self._moment)
            self._watch()
        return not self._is_over()

    def _is_over(self) -> bool:
        """Whether everything is mended: nothing is left to wait for."""
        if self._loop is None or self.now_ms < self._heal_ms + 1_000 or len(self._presses) < self.seen.presses:
            return False
        marks = self._opened.outbox.marks(Lane.SOS)
        return marks.done == marks.next - 1 and not self._second.is_open and not self._events

    def _break(self) -> None:
        self._broken = True
        match self._fault:
            case Fault.BROKER_DEAD:
                self._link_down(LinkName.REST, LinkName.SOS)
            case Fault.BLACK_HOLE:
                self._at(self.now_ms + self._random.randint(10_000, 20_000), self._notice)
            case Fault.SOS_ALONE:
                self._at(self.now_ms + self._random.randint(10_000, 20_000), self._notice)
            case Fault.FLAPPING:
                self._flap()
            case _:
                pass

    def _notice(self) -> None:
        """Keepalive ends a connection that nothing comes by; what tries anew vanishes as well."""
        if self._broken:
            self._link_down(*((LinkName.SOS,) if self._fault is Fault.SOS_ALONE else (LinkName.REST, LinkName.SOS)))

    def _flap(self) -> None:
        if not self._broken:
            return
        if self._up[LinkName.SOS]:
            self._link_down(LinkName.SOS)
        else:
            self._link_up(LinkName.SOS)
        self._at(self.now_ms + self._random.randint(200, 2_000), self._flap)

    def _heal(self) -> None:
        self._broken = False
        for link in (LinkName.REST, LinkName.SOS):
            if not self._up[link]:
                self._at(self.now_ms + self._random.randint(0, 3_000), lambda link=link: self._link_up(link))

    def _press(self, ref: str) -> None:
        if self._loop is None:
            self._at(self._down_until_ms + 1, lambda: self._press(ref))
            return
        self.seen.presses += 1
        self._presses[ref] = Press(ref, self.now_ms)
        self._items.append(Occurred(BAND, Occurrence(event="sos_pressed", at_s=self._uptime_ms / 1_000, ref=ref)))

    def _kill(self) -> None:
        """Kill the agent, or cut the power, after which uptime begins anew; not while the loop has yet to store."""
        if self._loop is None or self._items:
            return
        self.seen.kills += 1
        self._opened.close(in_order=False)
        self._loop = None
        if self._under_way is not None:
            self._doubted[self._under_way] += 1
            self._under_way = None
        self._up = dict.fromkeys(LinkName, False)
        cut = self._random.random() < 0.3
        self._down_until_ms = self.now_ms + self._random.randint(200, 3_000)
        self._dead.append((self.now_ms, self._down_until_ms))
        self._at(self._down_until_ms, lambda: self._again(cut))

    def _again(self, cut: bool) -> None:
        if cut:
            self._boots += 1
            self._zero_ms = self.now_ms - 5_000
            self.siren.sounds = False
        self._begin()
        if self._second_lives:
            self._link_up(LinkName.SECOND)
        swallowed = {
            Fault.BROKER_DEAD: (LinkName.REST, LinkName.SOS),
            Fault.BLACK_HOLE: (LinkName.REST, LinkName.SOS),
            Fault.SOS_ALONE: (LinkName.SOS,),
        }.get(self._fault, ())
        for link in (LinkName.REST, LinkName.SOS):
            if not (self._broken and link in swallowed):
                self._link_up(link)

    # The paths

    def _link_up(self, *links: LinkName) -> None:
        for link in links:
            if self._loop is not None and not self._up[link]:
                self._up[link] = True
                self._items.append(LinkUp(link))
                if link is LinkName.SOS:
                    self._sos_up_ms = self.now_ms

    def _link_down(self, *links: LinkName) -> None:
        for link in links:
            if self._up[link]:
                self._up[link] = False
                self._items.append(LinkDown(link, "gone"))

    def _publish(self, channel: Channel, payload: bytes) -> bool:
        link = LinkName.SOS if channel.lane is Lane.SOS else LinkName.REST
        if not self._up[link]:
            return False
        if channel is Channel.SOS:
            self._first_sends.append(self.now_ms)
        if self._swallowed(link):
            return True
        arrives_ms = self.now_ms + self._random.randint(2, 40)
        if self._broken and self._fault is Fault.HUB_FROZEN:
            arrives_ms += self._heal_ms - self.now_ms
        self._at(arrives_ms, lambda: self._arrive(self.home, channel, payload))
        return True

    def _swallowed(self, link: LinkName) -> bool:
        if not self._broken:
            return False
        match self._fault:
            case Fault.BLACK_HOLE:
                return True
            case Fault.SOS_ALONE:
                return link is LinkName.SOS
            case Fault.FLAPPING:
                return self._random.random() < 0.7
            case _:
                return False

    def _publish_aside(self, payload: bytes) -> bool:
        if not self._up[LinkName.SECOND]:
            return False
        for ref, press in self._presses.items():
            if f'"{ref}"'.encode() in payload and press.started_ms is None:
                press.started_ms = self.now_ms
        payload = self._build.rewritten(payload)
        arrives_ms = self.now_ms + self._random.randint(2, 40)
        if self._broken and self._fault is Fault.HUB_FROZEN and self.other is self.home:
            arrives_ms += self._heal_ms - self.now_ms
        self._at(arrives_ms, lambda: self._arrive(self.other, Channel.SOS, payload))
        return True

    def _arrive(self, hub: Hub, channel: Channel, payload: bytes) -> None:
        """A hub takes a message; the home hub answers by every way that leads to the node, as the real one does."""
        for answer, said in hub.take(channel, payload, self.now_ms):
            at_ms = self.now_ms + self._random.randint(2, 40)
            if hub is self.home:
                link = LinkName.SOS if answer.lane is Lane.SOS else LinkName.REST
                self._at(at_ms, lambda link=link, answer=answer, said=said: self._answer(link, answer, said))
            if hub is self.other and answer.lane is Lane.SOS:
                self._at(at_ms, lambda answer=answer, said=said: self._answer(LinkName.SECOND, answer, said))

    def _answer(self, link: LinkName, answer: Channel, said: bytes) -> None:
        lost = link is not LinkName.SECOND and self._broken and self._fault is Fault.ACK_LOST
        if self._up[link] and not lost and not (link is not LinkName.SECOND and self._swallowed(link)):
            self._items.append(Arrived(link, ADDRESS.topic(answer), said))

    def _hand_over(self, request: TextRequest) -> None:
        key = (request.ref, request.number)
        self._under_way = key
        press = self._presses[request.ref]
        if press.started_ms is None and not (self._has_broker and self._second_lives):
            press.started_ms = self.now_ms
        boot = self._loop
        took_ms = self._random.randint(500, 6_000)
        refused = self._random.random() < 0.3
        self._at(self.now_ms + took_ms, lambda: self._text_answer(key, refused, boot))

    def _text_answer(self, key: tuple[str, str], refused: bool, asked: Loop | None) -> None:
        """The network decides whoever still listens; an agent that was killed meanwhile hears nothing."""
        if not refused:
            self._network[key] += 1
        if self._loop is not asked or self._loop is None:
            return
        self._under_way = None
        self._items.append(Texted(*key, refusal="refused: +CMS ERROR: 38" if refused else None))

    # The node

    @property
    def _uptime_ms(self) -> int:
        return self.now_ms - self._zero_ms

    @property
    def _moment(self) -> Moment:
        return Moment(EARLIEST + timedelta(milliseconds=self.now_ms), self._uptime_ms, ClockState.SYNCED)

    def _begin(self) -> None:
        boot = f"{self._boots:016x}"
        self._opened = opened = open_outbox(
            self._folder, boot=boot, machine="pi", new_epoch=lambda: f"{next(self._epochs):016x}"
        )
        outbox, build = opened.outbox, self._build
        calls = Calls(outbox.calls, [self.light], boot=boot)
        courier = build.courier(
            outbox, publish=self._publish, lit=calls.lit, draw=self._random.random, machine="pi", home=None
        )
        plan = second_path.Plan(
            has_broker=self._has_broker,
            numbers=NUMBERS if self._has_texts else (),
            text_after_ms=second_path.TEXT_BESIDE_BROKER_MS if self._has_broker else second_path.OPEN_AFTER_MS,
        )
        self._calls = calls
        self._second = build.second(
            plan,
            publish=self._publish_aside,
            hand_over=self._hand_over,
            told=Told(site="demo", node="pi-1", labels={}, local=lambda at: at),
            book=outbox.calls,
            boot=boot,
            advance=build.advance,
        )
        inbox: Inbox = SimpleQueue()
        self._loop = Loop(
            inbox=inbox,
            clock=Clock(ClockSource.SYSTEM, uptime_s=lambda: self._uptime_ms / 1_000, wall=lambda: self._moment.at),
            outbox=outbox,
            courier=courier,
            memory=MemoryCourier(
                publish=lambda payload: self._publish(Channel.SOS, payload), boot=boot, new_epoch=lambda: "f" * 16
            ),
            second=self._second,
            calls=calls,
            outputs=Outputs(
                [Bound(SosRule(after_s=build.siren_after_s), "siren", {BAND: 60.0})],
                [self.siren],
                facts=outbox,
                boot=boot,
            ),
            upkeep=Upkeep(
                outbox,
                limit_bytes=1 << 30,
                min_disk_free=0,
                disk_free=lambda: 1 << 30,
                report=lambda event, details: None,
            ),
            devices=[],
            rest=Nowhere(),
            address=ADDRESS,
            version="0.1.0",
            new_ref=lambda device: f"{device}:made",
            watchdog=Fed(),
        )

    def _watch(self) -> None:
        """Note what people at the node see and hear by now, and that the home hub has what counts as done."""
        outbox = self._opened.outbox
        book = self.home.lanes.books.get((outbox.epoch, Lane.SOS))
        done, held = outbox.marks(Lane.SOS).done, 0 if book is None else book.hw
        if done > held:
            self._wrong_once("records are marked as done that the home hub does not have")
        waits_ms = self.now_ms - max(self._sos_up_ms, *self._first_sends[-1:], 0)
        if (
            self._second.is_open
            and self._up[LinkName.SOS]
            and done < outbox.marks(Lane.SOS).next - 1
            and waits_ms > LEFT_MS
        ):
            self._wrong_once("the first path was left when the second opened")
        sent = {call.ref for call in outbox.calls.calls() if call.sent_at is not None}
        for press in self._presses.values():
            if press.sent_ms is None and press.ref in sent:
                press.sent_ms = self.now_ms
            if press.siren_ms is None and self.siren.sounds:
                press.siren_ms = self.now_ms
            if press.failed_ms is None and (self.light.stage, self.light.ref) == ("failed", press.ref):
                press.failed_ms = self.now_ms
            if press.started_ms is None and self._second.is_open and not self._second_lives:
                press.started_ms = self.now_ms

    # The judgement

    def _judge(self) -> None:
        for press in self._presses.values():
            self._judge_press(press)
        self._judge_home()
        self._judge_alerts("home hub", self.home)
        if self.other is not self.home:
            self._judge_alerts("second hub", self.other)
        self._judge_texts()

    def _judge_press(self, press: Press) -> None:
        newest = press is list(self._presses.values())[-1]
        first = press is next(iter(self._presses.values()))
        deadline_ms = self._awake_from(press.at_ms + START_WITHIN_MS)
        in_time = press.sent_ms is not None and press.sent_ms <= deadline_ms
        if not in_time and (self._has_broker or first):
            took = None if press.started_ms is None else press.started_ms - press.at_ms
            if took is None or press.started_ms is None or press.started_ms > deadline_ms + TICK_MS:
                self._wrong(f"second path of {press.ref} started after {took} ms")
            elif deadline_ms > press.at_ms + START_WITHIN_MS:
                self.seen.after_restart_ms.append(max(0, press.started_ms - deadline_ms))
            else:
                self.seen.start_ms.append(took)
        siren_by_ms = self._awake_from(press.at_ms + SIREN_WITHIN_MS) + TICK_MS
        if press.siren_ms is None or press.siren_ms > siren_by_ms:
            self._wrong(f"siren for {press.ref} at {press.siren_ms} instead of {siren_by_ms}")
        else:
            self.seen.siren_ms.append(press.siren_ms - press.at_ms)
        unsent = press.sent_ms is None or press.sent_ms > siren_by_ms
        if newest and unsent and (press.failed_ms is None or press.failed_ms > siren_by_ms):
            self._wrong(f"the light never said that {press.ref} failed, or late: {press.failed_ms}")
        elif (
            press.failed_ms is not None
            and self._awake_from(press.at_ms + SIREN_WITHIN_MS) == press.at_ms + SIREN_WITHIN_MS
        ):
            self.seen.failed_ms.append(press.failed_ms - press.at_ms)

    def _awake_from(self, at_ms: int) -> int:
        """That time, or when the agent was back where it lay dead then."""
        return max([at_ms, *(back_ms for dead_ms, back_ms in self._dead if dead_ms <= at_ms < back_ms)])

    def _judge_home(self) -> None:
        if self._loop is None:
            self._wrong("the agent did not come back")
            return
        outbox, marks = self._opened.outbox, self._opened.outbox.marks(Lane.SOS)
        if marks.done != marks.next - 1 or marks.next - 1 < len(self._presses):
            self._wrong(f"done {marks.done} of {marks.next - 1} at the home hub")
        if (outbox.home, outbox.epoch) != ("hub-a", f"{1:016x}"):
            self._wrong(f"home became {outbox.home}, epoch {outbox.epoch}")
        held = {
            record.ref
            for book in self.home.lanes.books.values()
            for record in book.records.values()
            if isinstance(record, Event)
        }
        if missing := self._presses.keys() - held:
            self._wrong(f"the home hub never got {sorted(missing)}")

    def _judge_alerts(self, name: str, hub: Hub) -> None:
        found = hub.alerts_of
        if doubled := [ref for ref, count in found.items() if count > 1]:
            self._wrong(f"{name}: more than one alert for {doubled}")
        if phantoms := found.keys() - self._presses.keys():
            self._wrong(f"{name}: an alert for {sorted(phantoms)}, which nobody pressed")
        if hub.alerts > 1:
            self._wrong(f"{name}: {hub.alerts} alarms for one person's calls")
        if hub is self.home and self._presses.keys() - found.keys():
            self._wrong(f"{name}: no alert for {sorted(self._presses.keys() - found.keys())}")

    def _judge_texts(self) -> None:
        self.seen.texts = sum(self._network.values())
        for key, count in self._network.items():
            if count > 1 + self._doubted[key]:
                self._wrong(f"{count} texts for {key}")
            self.seen.doubted += max(0, count - 1)
        for press in self._presses.values():
            over_ms = self._heal_ms if press.sent_ms is None else press.sent_ms
            if self._has_texts and over_ms - press.at_ms > 30_000 and not self.seen.kills and len(self._presses) == 1:
                told = [number for number in NUMBERS if self._network[press.ref, number]]
                if not told:
                    self._wrong(f"nobody was told of {press.ref} by text")

    def _wrong_once(self, what: str) -> None:
        if not any(line.endswith(what) for line in self.seen.wrong):
            self._wrong(what)

    def _wrong(self, what: str) -> None:
        self.seen.wrong.append(f"{self._fault}, {self._aside}: {what}")
