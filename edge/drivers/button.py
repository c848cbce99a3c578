"""Button on a GPIO: hold to press, so that a touch calls nobody."""

import logging
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Annotated, Any, Final

from msgspec import Meta

from edge.drivers.driver import (
    Clock,
    Driver,
    DriverContext,
    DriverOptions,
    Occurrence,
    OnEvent,
    OpensAndCloses,
    Parts,
)
from edge.drivers.gpio import BcmPin, InputLine
from edge.drivers.hold import HoldRule, HoldState, step, wake_s
from edge.errors import DriverError
from edge.tables import Mistakes
from protocols.events import EventName

NODE_EVENTS: Final = frozenset({EventName.OUTBOX_RESET, EventName.CLOCK_STEPPED, EventName.LOW_DISK})
"""What a node says of itself; no button says it."""

_log = logging.getLogger(__name__)


class ButtonOptions(DriverOptions, frozen=True, kw_only=True):
    """Options of `driver = "button"`; the hold of 2 s against touch is telecare's habit (`domain.md` §1.3)."""

    pin: Annotated[BcmPin, Meta(description="GPIO of the button.")]
    event: Annotated[EventName, Meta(description="What a press says.")] = EventName.SOS_PRESSED
    hold_s: Annotated[float, Meta(gt=0, le=10, description="How long it must be held: a touch calls nobody.")] = 2.0
    bounce_s: Annotated[float, Meta(ge=0, le=0.5, description="A shorter release is contact bounce.")] = 0.05
    pull_up: Annotated[bool, Meta(description="true: wired to ground; false: wired to 3.3 V.")] = True

    def __post_init__(self) -> None:
        """Refuse what a button does not say."""
        if self.event in NODE_EVENTS:
            raise Mistakes(("event", f"{self.event} is said by nodes, not by buttons"))


class Button(OpensAndCloses):
    """Event source: one occurrence per press that lasts `hold_s`, told from a thread of its own."""

    def __init__(self, options: ButtonOptions, *, device: str, clock: Clock, pin_factory: Any = None) -> None:
        self._options = options
        self._rule = HoldRule(hold_s=options.hold_s, bounce_s=options.bounce_s)
        self._device = device
        self._clock = clock
        self._line = InputLine(options.pin, pull_up=options.pull_up, on_change=self._changed, pin_factory=pin_factory)
        self._edges: SimpleQueue[tuple[bool, float] | None] = SimpleQueue()
        self._on_event: OnEvent | None = None
        self._thread: Thread | None = None

    def listen(self, on_event: OnEvent) -> None:
        """Name the listener."""
        self._on_event = on_event

    def open(self) -> None:
        """Take the pin and start watching it."""
        if self._thread is not None:
            return
        if self._on_event is None:
            raise DriverError(f"button {self._device!r} has no listener")
        self._edges = SimpleQueue()
        self._line.open()
        self._thread = Thread(
            target=self._watch, args=(self._edges, self._on_event), name=f"button-{self._device}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Let go of the pin and stop watching."""
        self._line.close()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._edges.put(None)
            thread.join()

    def _changed(self, _ticks: float, active: bool) -> None:  # noqa: FBT001 the pin library calls by position
        self._edges.put((active, self._clock.monotonic_s()))

    def _watch(self, edges: "SimpleQueue[tuple[bool, float] | None]", on_event: OnEvent) -> None:
        state = HoldState()
        while True:
            wake = wake_s(self._rule, state)
            try:
                edge = edges.get(timeout=None if wake is None else max(0.0, wake - self._clock.monotonic_s()))
            except Empty:
                edge = (state.active, self._clock.monotonic_s())
            if edge is None:
                return
            state, held = step(self._rule, state, active=edge[0], at_s=edge[1])
            if held is not None:
                self._tell(on_event, held.at_s)

    def _tell(self, on_event: OnEvent, at_s: float) -> None:
        try:
            on_event(Occurrence(event=self._options.event.value, at_s=at_s, details={"hold_s": self._options.hold_s}))
        except Exception:  # noqa: BLE001 a listener that fails once must not leave a dead button behind
            _log.exception("listener.failed", extra={"device": self._device})


def _build(context: DriverContext, options: ButtonOptions) -> Parts:
    return Parts(event_source=Button(options, device=context.device, clock=context.clock))


DRIVER: Final = Driver(options=ButtonOptions, build=_build, kinds=None, groups=frozenset({"gpio"}))
