"""Relay on a GPIO: a siren, a beacon, whatever a local rule turns on."""

import logging
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Annotated, Any, Final

from msgspec import Meta

from edge.drivers.contact import Contact, FailSafe
from edge.drivers.driver import Clock, Driver, DriverContext, DriverOptions, OpensAndCloses, Parts
from edge.drivers.gpio import BcmPin
from edge.drivers.switching import SwitchRule, SwitchState, compare, is_settled, step, wake_s
from edge.errors import DriverError

_log = logging.getLogger(__name__)


class RelayOptions(DriverOptions, frozen=True, kw_only=True):
    """Options of `driver = "relay"`."""

    pin: Annotated[BcmPin, Meta(description="GPIO of the coil's driver.")]
    active_high: Annotated[bool, Meta(description="false for boards whose coil draws when the pin is low.")] = True
    fail_safe: Annotated[
        FailSafe,
        Meta(
            description="What the load is without a running agent: `off` (wired to the normally open contact)"
            " or `on` (to the normally closed one)."
        ),
    ] = FailSafe.OFF
    max_on_s: Annotated[
        Annotated[float, Meta(gt=0, le=604_800)] | None,
        Meta(description="Longest time on; then off until ordered off and on again. Give one to a siren."),
    ] = None
    readback_pin: Annotated[
        BcmPin | None, Meta(description="Input that tells whether the load is on; a contradiction is logged.")
    ] = None
    readback_pull_up: Annotated[
        bool, Meta(description="true: low means on (a contact to ground); false: high means on.")
    ] = True
    readback_s: Annotated[float, Meta(ge=0.01, le=10, description="How long after switching the read-back counts.")] = (
        0.5
    )

    def __post_init__(self) -> None:
        """Refuse one pin for two things."""
        if self.pin == self.readback_pin:
            raise ValueError("pin and readback_pin must differ")


class Relay(OpensAndCloses):
    """Switch: does what was ordered last, on a thread of its own that also ends it in time."""

    def __init__(self, options: RelayOptions, *, device: str, clock: Clock, pin_factory: Any = None) -> None:
        self._device = device
        self._clock = clock
        self._rule = SwitchRule(max_on_s=options.max_on_s, settle_s=options.readback_s)
        self._contact = Contact(
            options.pin,
            active_high=options.active_high,
            fail_safe=options.fail_safe,
            readback_pin=options.readback_pin,
            readback_pull_up=options.readback_pull_up,
            pin_factory=pin_factory,
        )
        self._orders: SimpleQueue[bool | None] = SimpleQueue()
        self._thread: Thread | None = None

    def open(self) -> None:
        """Take the pins; the load is off while the agent works and nothing is ordered."""
        if self._thread is not None:
            return
        self._contact.open()
        self._orders = SimpleQueue()
        self._set(on=False)
        self._thread = Thread(target=self._work, args=(self._orders,), name=f"relay-{self._device}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the load in its fail-safe state, let go of the pins."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._orders.put(None)
            thread.join()
        self._contact.close()

    def switch(self, *, on: bool) -> None:
        """Do this from now on."""
        self._orders.put(on)

    def _work(self, orders: "SimpleQueue[bool | None]") -> None:
        state = SwitchState()
        while True:
            wake = wake_s(self._rule, state)
            try:
                order = orders.get(timeout=None if wake is None else max(0.0, wake - self._clock.monotonic_s()))
            except Empty:
                order = state.wanted
            if order is None:
                return
            at_s = self._clock.monotonic_s()
            after = step(self._rule, state, wanted=order, at_s=at_s)
            if after.on != state.on:
                self._set(on=after.on)
            if after.wanted and state.on and not after.on:
                _log.warning("relay.spent", extra={"device": self._device, "max_on_s": self._rule.max_on_s})
            state = self._compared(after) if is_settled(self._rule, after, at_s=at_s) else after

    def _compared(self, state: SwitchState) -> SwitchState:
        try:
            seen_on = self._contact.seen_on()
        except DriverError as error:
            _log.warning("relay.unread", extra={"device": self._device, "why": str(error)})
            return compare(state, seen_on=state.on)
        after = compare(state, seen_on=state.on if seen_on is None else seen_on)
        if after.contradicted:
            _log.error("relay.contradicted", extra={"device": self._device, "ordered": state.on, "seen": seen_on})
        elif state.contradicted:
            _log.info("relay.obeys", extra={"device": self._device})
        return after

    def _set(self, *, on: bool) -> None:
        try:
            self._contact.set(on=on)
        except DriverError as error:
            # The next order may succeed; this thread must live to take it.
            _log.error("relay.failed", extra={"device": self._device, "why": str(error)})


def _build(context: DriverContext, options: RelayOptions) -> Parts:
    return Parts(switch=Relay(options, device=context.device, clock=context.clock))


DRIVER: Final = Driver(options=RelayOptions, build=_build, kinds=frozenset(), groups=frozenset({"gpio"}))
