"""The configured devices: each on a thread of its own, so that one that hangs holds up no other."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Final

from edge.agent.outputs import Signal
from edge.drivers.driver import Clock, Fault, FaultReason, Measurement, Occurrence, Parts, Stage
from edge.errors import DriverError
from edge.sampling import SamplingPlan, start, take

_OPEN_AGAIN_S: Final = (1.0, 5.0, 15.0, 60.0)
"""Waits between attempts to open a device that is not there; the last one for ever."""
_STUCK_AFTER_S: Final = 60.0
"""A sensor that does not come back from a reading for this long (or three intervals) is stuck."""
_STAGES: Final = {Signal.OFF: Stage.CLEARED, Signal.LIGHT: Stage.ALERT, Signal.SIREN: Stage.FAILED}
"""What an indicator shows for a local output."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A sensor's value is worth a record."""

    device: str
    kind: str
    measurement: Measurement
    uptime_ms: int


@dataclass(frozen=True, slots=True)
class Occurred:
    """A device told of an event."""

    device: str
    occurrence: Occurrence


Told = Sampled | Occurred


class Device:
    """One device at work: opens its parts, polls its sensor, hands on its events."""

    def __init__(
        self,
        slug: str,
        parts: Parts,
        *,
        kind: str | None,
        plan: SamplingPlan,
        clock: Clock,
        tell: Callable[[Told], None],
    ) -> None:
        """`tell` is called from the device's threads and must be quick."""
        self.slug = slug
        self._parts = parts
        self._kind = kind
        self._plan = plan
        self._clock = clock
        self._tell = tell
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=f"device-{slug}", daemon=True)
        self._busy_since_s: float | None = None
        self._fault: FaultReason | None = None
        self._lock = Lock()
        self._wanted: tuple[Stage, str | None] | None = None
        self._wanted_on: bool | None = None
        self._is_open = False

    def start(self) -> None:
        """Open and begin to sample; a device that cannot be opened is tried again."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to stop, and wait for nothing."""
        self._stopping.set()

    def stop(self, *, within_s: float = 2.0) -> None:
        """Stop sampling and give the hardware back; a stuck sensor is left behind."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(within_s)
        for part in self._parts:
            part.close()

    def try_out(self) -> str | None:
        """Open and close each part once, to check; return what is in the way."""
        if self._parts.event_source is not None:
            self._parts.event_source.listen(self._on_event)
        try:
            for part in self._parts:
                part.open()
        except DriverError as error:
            return str(error)
        finally:
            for part in self._parts:
                part.close()
        return None

    def is_stuck(self, *, at_s: float) -> bool:
        """Whether a reading has not come back for far too long."""
        since_s = self._busy_since_s
        return since_s is not None and at_s - since_s > max(_STUCK_AFTER_S, 3 * self._plan.interval_s)

    @property
    def calls_for_help(self) -> bool:
        """Whether events come from this device."""
        return self._parts.event_source is not None

    @property
    def shows(self) -> bool:
        """Whether this device can show a stage."""
        return self._parts.indicator is not None

    @property
    def signals(self) -> bool:
        """Whether this device can be a local output: it has an indicator or a switch."""
        return self._parts.indicator is not None or self._parts.switch is not None

    def show(self, stage: Stage, *, ref: str | None = None) -> None:
        """Show how far a call has come, where this device can: at once, or as soon as it is open."""
        with self._lock:
            self._wanted = (stage, ref)
            if self._is_open and self._parts.indicator is not None:
                self._parts.indicator.show(stage, ref=ref)

    def signal(self, signal: Signal) -> None:
        """Turn a local output on or off: its indicator, its switch, or both."""
        self.show(_STAGES[signal])
        with self._lock:
            self._wanted_on = signal is not Signal.OFF
            if self._is_open and self._parts.switch is not None:
                self._parts.switch.switch(on=self._wanted_on)

    def _run(self) -> None:
        if self._parts.event_source is not None:
            self._parts.event_source.listen(self._on_event)
        if self._open():
            self._catch_up()
            self._sample()

    def _catch_up(self) -> None:
        """Show what was asked for before the device was open: after a restart that is the open call."""
        with self._lock:
            self._is_open = True
            if self._wanted is not None and self._parts.indicator is not None:
                self._parts.indicator.show(self._wanted[0], ref=self._wanted[1])
            if self._wanted_on and self._parts.switch is not None:
                self._parts.switch.switch(on=True)

    def _on_event(self, occurrence: Occurrence) -> None:
        self._tell(Occurred(self.slug, occurrence))

    def _open(self) -> bool:
        for part in self._parts:
            attempt = 0
            while True:
                try:
                    part.open()
                    break
                except DriverError as error:
                    wait_s = _OPEN_AGAIN_S[min(attempt, len(_OPEN_AGAIN_S) - 1)]
                    _log.error("device.unavailable", extra={"device": self.slug, "why": str(error), "again_s": wait_s})
                    attempt += 1
                    if self._stopping.wait(wait_s):
                        return False
        return True

    def _sample(self) -> None:
        sensor, kind = self._parts.sensor, self._kind
        if sensor is None or kind is None:
            return
        state = start(self._plan, at_s=self._clock.monotonic_s())
        while not self._stopping.wait(max(0.0, state.due_s - self._clock.monotonic_s())):
            at_s = self._clock.monotonic_s()
            self._busy_since_s = at_s
            try:
                sample = sensor.read(at_s)
            except Exception:  # noqa: BLE001 a driver that fails is a sensor without a value
                _log.exception("sensor.failed", extra={"device": self.slug})
                sample = Fault(FaultReason.SENSOR_FAULT)
            self._busy_since_s = None
            values = None if isinstance(sample, Fault) else sample.values
            state, decision = take(self._plan, state, values, at_s=at_s)
            self._note(sample if isinstance(sample, Fault) else None)
            if isinstance(sample, Measurement) and decision.report:
                self._tell(Sampled(self.slug, kind, sample, uptime_ms=int(at_s * 1_000)))

    def _note(self, fault: Fault | None) -> None:
        """Log a sensor's fault when it begins, changes or ends, not each time."""
        reason = fault.reason if fault else None
        if reason == self._fault:
            return
        self._fault = reason
        if fault is None:
            _log.info("sensor.recovered", extra={"device": self.slug})
        else:
            _log.warning("sensor.fault", extra={"device": self.slug, "reason": fault.reason, "detail": fault.detail})
