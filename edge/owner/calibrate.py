"""`linli-edge calibrate`: lead a person through a calibration, and write what was found into the configuration."""

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final

from msgspec import structs

from edge.app import Configured, parts_of
from edge.clock import Clock
from edge.drivers.driver import Parts, RawSensor, load_driver
from edge.errors import DriverError, EdgeError
from edge.owner.hands import read, take_devices
from edge.owner.table import wiring
from edge.owner.toml_text import NotEditable, lines_to_paste, set_options
from edge.owner.wizard import (
    Aborted,
    Ask,
    Changes,
    Conversation,
    Measure,
    Tell,
    Turn,
    fill_conversation,
    lamp_conversation,
    wide_options,
)
from edge.settings import DeviceSettings

_PAUSE_S: Final = 0.3
"""Between two readings of a calibration."""

Say = Callable[[str], None]
AskPerson = Callable[[str], str | None]


def calibrate(configured: Configured, slug: str | None, *, say: Say, ask: AskPerson, now: Clock) -> bool:
    """Lead a person through the calibration of one device and write what was found; False when they ended it."""
    device = _to_calibrate(configured, slug)
    take_devices(configured, "calibrate")
    conversation, parts = _conversation(configured, device, now)
    say(f"{device.slug}: {device.driver} on {_wired(device.options)}, in {configured.path}")
    say("")
    try:
        for part in parts:
            part.open()
        changes = _hold(conversation, parts, say=say, ask=ask, now=now)
    except (Aborted, KeyboardInterrupt):  # Ctrl-C between two questions too
        say("Nothing was changed.")
        return False
    finally:
        for part in parts:
            part.close()
    return _write(configured, device, changes, say=say, ask=ask)


def _to_calibrate(configured: Configured, slug: str | None) -> DeviceSettings:
    fitting = [device for device in configured.settings.devices if _is_adjustable(device)]
    if slug is None and len(fitting) == 1:
        return fitting[0]
    for device in configured.settings.devices:
        if device.slug == slug:
            if device in fitting:
                return device
            raise EdgeError(f"{slug}: there is nothing to calibrate about {device.driver!r}")
    known = ", ".join(device.slug for device in fitting) or "none"
    if slug is None:
        raise EdgeError(f"say which device to calibrate; there are: {known}")
    raise EdgeError(f"no device is called {slug!r}; to calibrate there are: {known}")


def _is_adjustable(device: DeviceSettings) -> bool:
    return load_driver(device.driver).fit is not None or {"empty_mm", "full_mm"} <= _option_names(device)


def _option_names(device: DeviceSettings) -> set[str]:
    return set(load_driver(device.driver).options.__struct_fields__)


def _conversation(configured: Configured, device: DeviceSettings, now: Clock) -> tuple[Conversation, Parts]:
    base_dir, driver = configured.path.parent, load_driver(device.driver)
    if driver.fit is not None:
        parts = parts_of(device, base_dir=base_dir, clock=now, air=Lock())
        return lamp_conversation(driver.fit, switches=parts.switch is not None), parts
    blind_zone_mm = _option(device, "blind_zone_mm")
    max_range_mm = _option(device, "max_range_mm")
    options = wide_options(device.options, blind_zone_mm=blind_zone_mm, max_range_mm=max_range_mm)
    wide = DeviceSettings(slug=device.slug, driver=device.driver, kind=device.kind, options=options)
    conversation = fill_conversation(blind_zone_mm=blind_zone_mm, max_range_mm=max_range_mm)
    return conversation, parts_of(wide, base_dir=base_dir, clock=now, air=Lock())


def _option(device: DeviceSettings, name: str) -> float:
    """A number among the options: as configured, else the driver's default."""
    if name in device.options:
        return float(device.options[name])
    (default,) = [field.default for field in structs.fields(load_driver(device.driver).options) if field.name == name]
    return float(default)


def _hold(conversation: Conversation, parts: Parts, *, say: Say, ask: AskPerson, now: Clock) -> Changes:
    """Do what the conversation asks for, until it has what it wanted; raises Aborted."""
    answer: Any = None
    while True:
        try:
            step = conversation.send(answer)
        except StopIteration as ended:
            return ended.value
        answer = None
        match step:
            case Tell(text=text):
                say(text)
            case Ask(text=text):
                answer = ask(text)
                if answer is None:
                    raise Aborted
            case Measure(readings=readings, raw=raw):
                answer = _measured(parts, readings, raw=raw, now=now)
            case Turn(on=on):
                if parts.switch is not None:
                    parts.switch.switch(on=on)


def _measured(parts: Parts, readings: int, *, raw: bool, now: Clock) -> list[Any]:
    pause, values = Event(), list[Any]()
    sensor = parts.sensor
    for number in range(readings):
        if number:
            pause.wait(_PAUSE_S)
        if raw and isinstance(sensor, RawSensor):
            values.append(sensor.raw(now.monotonic_s()))
        elif sensor is not None:
            values.append(read(sensor, now.monotonic_s()))
    return values


def _write(configured: Configured, device: DeviceSettings, changes: Changes, *, say: Say, ask: AskPerson) -> bool:
    say("")
    say("option             before      after")
    for name, value in changes.items():
        say(f"{name:<16} {_option(device, name):>8g}   {value:>8g}")
    say("")
    fault = _fault(configured, device, changes)
    if fault is not None:
        say(f"The driver would not take these: {fault}. Nothing was written.")
        return False
    path = configured.path
    paste = [f"Set these options of {device.slug} in {path}:", *(f"    {line}" for line in lines_to_paste(changes))]
    try:
        text = path.read_text(encoding="utf-8")
        edited = set_options(text, device.slug, changes)
    except NotEditable as error:
        _say_all([f"{error}.", *paste], say)
        return True
    if edited == text:
        say("That is what the file says already.")
        return True
    answer = ask(f"Write this into {path}? [y/N]")
    if answer is None or answer.strip().lower() not in ("y", "yes"):
        _say_all(["Nothing was written.", *paste], say)
        return answer is not None
    try:
        _replace(path, edited)
    except OSError as error:
        _say_all([f"{path} cannot be written ({error.strerror}).", *paste], say)
        return True
    say(f"Written. The file before is kept as {path.name}.before; start the agent again to use it.")
    return True


def _fault(configured: Configured, device: DeviceSettings, changes: Changes) -> str | None:
    """What the driver says against the new options."""
    changed = structs.replace(device, options={**device.options, **changes})
    try:
        parts_of(changed, base_dir=configured.path.parent, clock=Clock(), air=Lock())
    except DriverError as error:
        return str(error)
    return None


def _replace(path: Path, text: str) -> None:
    """Put a file in the place of another in one go, with its owner and permissions; the old one is kept beside it."""
    kept = path.with_name(f"{path.name}.before")
    shutil.copy2(path, kept)
    fresh = path.with_name(f".{path.name}.new")
    was = path.stat()
    with fresh.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), stat.S_IMODE(was.st_mode))
        if os.geteuid() == 0:
            os.fchown(file.fileno(), was.st_uid, was.st_gid)
            os.chown(kept, was.st_uid, was.st_gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _say_all(lines: list[str], say: Say) -> None:
    for line in lines:
        say(line)


def _wired(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in wiring(options).items()) or "no pins"
