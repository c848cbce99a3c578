"""Pure: a CSV script of what a device would have measured and what happened to it."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from edge.drivers.driver import Fault, FaultReason, Measurement, Sample
from protocols.events import EventName
from protocols.readings import KINDS, Flag, ValueFault, check_values

OWN_COLUMNS: Final = frozenset({"after_s", "quality", "fault", "event", "ref"})
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


class BadScript(ValueError):
    """The script cannot be played; the message names line and column."""


@dataclass(frozen=True, slots=True)
class ScriptedEvent:
    """An event that happens `after_s` seconds after the start."""

    after_s: float
    event: EventName
    ref: str | None


@dataclass(frozen=True, slots=True)
class Script:
    """Samples and events in order of time; the last sample holds on unless the script starts again."""

    samples: tuple[tuple[float, Sample], ...]
    events: tuple[ScriptedEvent, ...]
    repeat_after_s: float | None = None

    def sample_at(self, elapsed_s: float) -> Sample:
        """The sample in force `elapsed_s` after the start; before the first row there is no data."""
        if self.repeat_after_s is not None:
            elapsed_s %= self.repeat_after_s
        current: Sample = Fault(FaultReason.NO_DATA, "the script has not begun")
        for after_s, sample in self.samples:
            if after_s > elapsed_s:
                break
            current = sample
        return current

    def timeline(self) -> Iterator[ScriptedEvent]:
        """All events with their time since the start, without end when the script repeats."""
        offset_s = 0.0
        while self.events:
            for event in self.events:
                yield ScriptedEvent(event.after_s + offset_s, event.event, event.ref)
            if self.repeat_after_s is None:
                return
            offset_s += self.repeat_after_s


def parse_script(text: str, *, kind: str | None, repeat_after_s: float | None = None) -> Script:
    """Return the script of a CSV with the columns `after_s`, the fields of `kind`, and `quality fault event ref`.

    An empty cell is absent; a row with `fault` makes the sensor fail with that reason. Raises BadScript.
    """
    rows = csv.DictReader(text.splitlines(), strict=True, skipinitialspace=True)
    try:
        return _parse(rows, kind, repeat_after_s)
    except csv.Error as error:
        raise BadScript(f"line {rows.line_num}: {error}") from error


def _parse(rows: "csv.DictReader[str]", kind: str | None, repeat_after_s: float | None) -> Script:
    _check_columns(rows.fieldnames or (), kind)
    samples: list[tuple[float, Sample]] = []
    events: list[ScriptedEvent] = []
    latest_s = 0.0
    for row in rows:
        where = f"line {rows.line_num}"
        cells = _cells(row, where)
        after_s = _number(cells.pop("after_s", ""), where, "after_s")
        if after_s < latest_s:
            raise BadScript(f"{where}: after_s {after_s:g} goes back (before: {latest_s:g}, least: 0)")
        latest_s = after_s
        if (event := _event(cells, after_s, where)) is not None:
            events.append(event)
        if (sample := _sample(cells, kind, where)) is not None:
            samples.append((after_s, sample))
    if not samples and not events:
        raise BadScript("the script has no rows")
    if repeat_after_s is not None and repeat_after_s <= latest_s:
        raise BadScript(f"repeat_after_s {repeat_after_s:g} must lie after the last row ({latest_s:g})")
    return Script(tuple(samples), tuple(events), repeat_after_s)


def _check_columns(columns: Sequence[str], kind: str | None) -> None:
    names = [name.strip() for name in columns]
    if "after_s" not in names:
        raise BadScript("line 1: the column after_s is missing")
    known = tuple(KINDS[kind]) if kind is not None and kind in KINDS else ()
    for name in names:
        if names.count(name) > 1:
            raise BadScript(f"line 1: column {name!r} stands twice")
        if name not in OWN_COLUMNS and name not in known:
            fields = ", ".join(known) or "none: the device has no kind that the wire knows"
            raise BadScript(f"line 1: column {name!r} is no field of kind {kind!r} ({fields})")


def _cells(row: Mapping[Any, str | list[str] | None], where: str) -> dict[str, str]:
    if None in row:
        raise BadScript(f"{where}: more cells than columns")
    return {
        str(name).strip(): cell.strip() for name, cell in row.items() if isinstance(cell, str) and cell.strip() != ""
    }


def _event(cells: dict[str, str], after_s: float, where: str) -> ScriptedEvent | None:
    name, ref = cells.pop("event", None), cells.pop("ref", None)
    if name is None:
        return None
    try:
        return ScriptedEvent(after_s, EventName(name), ref)
    except ValueError:
        raise BadScript(f"{where}: event {name!r} is unknown ({', '.join(EventName)})") from None


def _sample(cells: dict[str, str], kind: str | None, where: str) -> Sample | None:
    fault = cells.pop("fault", None)
    if fault is not None:
        try:
            return Fault(FaultReason(fault), "scripted")
        except ValueError:
            raise BadScript(f"{where}: fault {fault!r} is unknown ({', '.join(FaultReason)})") from None
    quality = _number(cells.pop("quality", "100"), where, "quality")
    if not 0 <= quality <= 100:
        raise BadScript(f"{where}: quality {quality:g} is outside 0..100")
    if not cells or kind is None:
        return None
    values = {name: _value(kind, name, cell, where) for name, cell in cells.items()}
    checked = check_values(kind, values)
    if isinstance(checked, ValueFault):
        raise BadScript(f"{where}: {checked.detail}")
    return Measurement(values=values, quality=round(quality))


def _value(kind: str, name: str, cell: str, where: str) -> float | bool:
    if not isinstance(KINDS[kind][name], Flag):
        return _number(cell, where, name)
    flag = _FLAGS.get(cell.lower())
    if flag is None:
        raise BadScript(f"{where}: {name} {cell!r} is neither true nor false")
    return flag


def _number(cell: str, where: str, column: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise BadScript(f"{where}: {column} {cell!r} is no number")
    return number
