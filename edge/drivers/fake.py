"""Scripted device, chosen by its name only: plays a CSV as a sensor and event source, and writes what it is shown."""

import json
import logging
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Annotated, Final, TextIO

from msgspec import Meta

from edge.drivers.driver import (
    Clock,
    Driver,
    DriverContext,
    DriverOptions,
    Fault,
    FaultReason,
    Occurrence,
    OnEvent,
    OpensAndCloses,
    Parts,
    Sample,
    Stage,
)
from edge.drivers.script import BadScript, Script, parse_script
from edge.errors import DeviceUnavailable, DriverError, InvalidOptions

_log = logging.getLogger(__name__)


class FakeOptions(DriverOptions, frozen=True, kw_only=True):
    """Options of `driver = "fake"`: a script to play, and/or a file of JSON lines that records the stages shown.

    `repeat_after_s` starts the script again, that long after its start; otherwise its last values hold on.
    """

    script: Annotated[
        str | None,
        Meta(description="CSV to play: `after_s`, the fields of the kind, `quality`, `fault`, `event`, `ref`."),
    ] = None
    repeat_after_s: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="The script starts again this long after its start; else its last values hold on."),
    ] = None
    record: Annotated[str | None, Meta(description="File that gets a JSON line for each stage shown.")] = None

    def __post_init__(self) -> None:
        """Refuse a device that would do nothing."""
        if self.script is None and self.record is None:
            raise ValueError("script or record is needed")
        if self.script is None and self.repeat_after_s is not None:
            raise ValueError("repeat_after_s needs a script")


class ScriptedSensor(OpensAndCloses):
    """Sensor: the sample that the script holds for the time since `open`."""

    def __init__(self, script: Script, *, clock: Clock) -> None:
        self._script = script
        self._clock = clock
        self._start_s: float | None = None

    def open(self) -> None:
        """The script's time starts now."""
        if self._start_s is None:
            self._start_s = self._clock.monotonic_s()

    def close(self) -> None:
        """Stop."""
        self._start_s = None

    def read(self, at_s: float) -> Sample:
        """The scripted sample of this instant."""
        if self._start_s is None:
            return Fault(FaultReason.SENSOR_FAULT, "the sensor is not open")
        return self._script.sample_at(max(0.0, at_s - self._start_s))


class ScriptedEventSource(OpensAndCloses):
    """Event source: tells each scripted event when its time has come, from a thread of its own."""

    def __init__(self, script: Script, *, device: str, clock: Clock) -> None:
        self._script = script
        self._device = device
        self._clock = clock
        self._on_event: OnEvent | None = None
        self._closing = Event()
        self._thread: Thread | None = None

    def listen(self, on_event: OnEvent) -> None:
        """Name the listener."""
        self._on_event = on_event

    def open(self) -> None:
        """The script's time starts now."""
        if self._thread is not None:
            return
        if self._on_event is None:
            raise DriverError(f"fake {self._device!r} has no listener")
        self._closing = Event()
        self._thread = Thread(
            target=self._play,
            args=(self._clock.monotonic_s(), self._on_event, self._closing),
            name=f"fake-{self._device}",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop; what has not happened yet never will."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._closing.set()
            thread.join()

    def _play(self, start_s: float, on_event: OnEvent, closing: Event) -> None:
        for scripted in self._script.timeline():
            due_s = start_s + scripted.after_s
            while (remaining_s := due_s - self._clock.monotonic_s()) > 0:
                if closing.wait(remaining_s):
                    return
            if closing.is_set():
                return
            try:
                on_event(Occurrence(event=scripted.event.value, at_s=due_s, ref=scripted.ref))
            except Exception:  # noqa: BLE001 a listener that fails once must not end the script
                _log.exception("listener.failed", extra={"device": self._device})


class StageRecorder(OpensAndCloses):
    """Indicator: appends each stage shown to a file, one JSON object a line: `at_s`, `device`, `stage`, `ref`."""

    def __init__(self, path: Path, *, device: str, clock: Clock) -> None:
        self._path = path
        self._device = device
        self._clock = clock
        self._lock = Lock()
        self._file: TextIO | None = None

    def open(self) -> None:
        """Open the file for appending."""
        if self._file is not None:
            return
        try:
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise DeviceUnavailable(f"record {self._path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def show(self, stage: Stage, *, ref: str | None = None) -> None:
        """Write one line, visible to readers at once; nothing when closed."""
        line = {"at_s": self._clock.monotonic_s(), "device": self._device, "stage": stage.value, "ref": ref}
        with self._lock:
            if self._file is not None:
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()


def _build(context: DriverContext, options: FakeOptions) -> Parts:
    recorder = None
    if options.record is not None:
        recorder = StageRecorder(context.base_dir / options.record, device=context.device, clock=context.clock)
    if options.script is None:
        return Parts(indicator=recorder)
    script = _load(context.base_dir / options.script, kind=context.kind, repeat_after_s=options.repeat_after_s)
    return Parts(
        sensor=ScriptedSensor(script, clock=context.clock) if script.samples else None,
        event_source=ScriptedEventSource(script, device=context.device, clock=context.clock) if script.events else None,
        indicator=recorder,
    )


def _load(path: Path, *, kind: str | None, repeat_after_s: float | None) -> Script:
    """Read and parse at building time: a script is configuration, and a bad one is a configuration error."""
    try:
        return parse_script(path.read_text(encoding="utf-8-sig"), kind=kind, repeat_after_s=repeat_after_s)
    except OSError as error:
        raise InvalidOptions("fake", [("options.script", f"{path}: {error.strerror}")]) from error
    except (BadScript, UnicodeDecodeError) as error:
        raise InvalidOptions("fake", [("options.script", f"{path.name}: {error}")]) from error


DRIVER: Final = Driver(options=FakeOptions, build=_build, kinds=None)
