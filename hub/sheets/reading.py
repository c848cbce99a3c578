"""Bytes of a CSV file → rows and faults; nothing but the file is looked at."""

import csv
import io
import json
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from pydantic import ValidationError

from hub.sheets.row import CHINESE, COLUMNS, FACILITY_COLUMNS, NAMES, NUMBERS, REQUIRED, SheetRow

HEADER_ROW: Final = 1
_NUMBER: Final = re.compile(r"[+-]?\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_NEEDS: Final[Mapping[str, str]] = {
    "grid_name": "grid",
    "device_kind": "device",
    "node": "device",
    "node_name": "node",
    "expected_interval_s": "device",
}
"""A cell → the cell that it speaks of."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What is wrong, where: the row as a spreadsheet counts (the header is 1) and the column."""

    row: int
    column: str
    reason: str

    @property
    def place(self) -> str:
        """Row and column, for a line of text."""
        return f"row {self.row}, {self.column}" if self.column else f"row {self.row}"


@dataclass(frozen=True, slots=True)
class Numbered:
    """A row with its number."""

    row: int
    said: SheetRow


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a file says, and everything that is wrong with it; `left_out` rows are of other sites."""

    rows: tuple[Numbered, ...] = ()
    faults: tuple[Fault, ...] = ()
    left_out: int = 0


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    rows: list[Numbered] = field(default_factory=list[Numbered])
    faults: list[Fault] = field(default_factory=list[Fault])
    left_out: int = 0


def read_sheet(content: bytes, *, site: str | None = None) -> Sheet:
    """Read UTF-8 CSV with a header; `site` leaves out rows of other sites and stands for a missing column."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        return Sheet(faults=(Fault(row, "", "is not UTF-8; save the file as CSV UTF-8"),))
    reading = _Reading()
    records = _records(text, reading.faults)
    _, first = next(records, (HEADER_ROW, list[str]()))
    header = _header(first, reading.faults, site=site)
    if not reading.faults:
        for row, cells in records:
            _read_row(reading, header, row, cells, site=site)
        reading.faults += _contradictions(reading.rows)
    return Sheet(tuple(reading.rows), tuple(sorted(reading.faults)), reading.left_out)


def _records(text: str, faults: list[Fault]) -> Generator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, with their numbers."""
    number = 0
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), start=1):
            if number == HEADER_ROW or any(cell.strip() for cell in cells):
                yield number, cells
    except csv.Error as error:
        faults.append(Fault(number + 1, "", f"is no CSV: {error}"))


def _header(cells: Sequence[str], faults: list[Fault], *, site: str | None) -> list[str]:
    names: list[str] = []
    for cell in cells:
        said = cell.strip()
        name = CHINESE.get(said, said.lower())
        if name not in COLUMNS:
            faults.append(Fault(HEADER_ROW, said, f"is no column; known are {', '.join(COLUMNS)}"))
        elif name in names:
            faults.append(Fault(HEADER_ROW, said, "stands in the header twice"))
        names.append(name)
    needed = ("slug",) if site is not None else ("site", "slug")
    faults += [Fault(HEADER_ROW, name, "is missing from the header") for name in needed if name not in names]
    return names


def _read_row(reading: _Reading, header: Sequence[str], row: int, cells: Sequence[str], *, site: str | None) -> None:
    if len(cells) != len(header):
        reading.faults.append(Fault(row, "", f"has {len(cells)} cells, the header {len(header)}"))
        return
    told = dict(zip(header, cells, strict=True))
    if site is not None and told.setdefault("site", site).strip() != site:
        reading.left_out += 1
        return
    values, wrong = _values(told)
    said: SheetRow | None = None
    try:
        said = SheetRow.model_validate(values)
    except ValidationError as error:
        first = {
            str(part["loc"][0]): str(part["msg"]).removeprefix("Value error, ") for part in reversed(error.errors())
        }
        wrong = first | wrong
    wrong = _lonely(values) | wrong
    reading.faults += [Fault(row, column, reason) for column, reason in wrong.items()]
    if said is not None and not wrong:
        reading.rows.append(Numbered(row, said))


def _values(told: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of the cells, and what is wrong by column."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for column, cell in told.items():
        text = cell if column in NAMES else cell.strip()
        if text == "":
            if column in REQUIRED:
                wrong[column] = "must not be empty"
            elif column not in NAMES:
                values[column] = {} if column == "attributes" else None
            continue
        try:
            values[column] = _value(column, text)
        except ValueError as error:
            wrong[column] = str(error)
    return values, wrong


def _value(column: str, text: str) -> Any:
    if column in NUMBERS:
        if _NUMBER.fullmatch(text) is None:
            message = "must be a number, with a point for decimals"
            raise ValueError(message)
        return float(text)
    return _attributes(text) if column == "attributes" else text


def _attributes(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        message = 'must be a JSON object, like {"rated_power_w": 60}'
        raise ValueError(message)  # noqa: TRY004 what a cell says is a value, not a type
    return cast("dict[str, Any]", value)


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _lonely(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what a cell misses in its own row."""
    wrong = {
        column: f"needs a {other} in the same row"
        for column, other in _NEEDS.items()
        if values.get(column) is not None and values.get(other) is None
    }
    if values.get("device") is not None and "device_kind" in values and values["device_kind"] is None:
        wrong["device_kind"] = "must not be empty where there is a device"
    for column, other in (("lat", "lon"), ("lon", "lat")):
        if values.get(column) is None:
            continue
        if values.get(other) is None:
            wrong[other] = f"must be given with {column}"
        if column in (values.get("attributes") or {}):
            wrong["attributes"] = f"tells {column}, which has a column of its own"
    return wrong


def _contradictions(rows: Sequence[Numbered]) -> Generator[Fault]:
    """Yield what a row says otherwise than one before it."""
    facilities: dict[str, Numbered] = {}
    seen: dict[tuple[str, str], tuple[int, str | None]] = {}
    for numbered in rows:
        said = numbered.said
        first = facilities.setdefault(said.facility_id, numbered)
        for column in FACILITY_COLUMNS:
            if getattr(said, column) != getattr(first.said, column):
                yield Fault(numbered.row, column, f"differs from row {first.row}, of the same facility")
        if said.device_id is not None:
            row, _ = seen.setdefault(("device", said.device_id), (numbered.row, None))
            if row != numbered.row:
                yield Fault(numbered.row, "device", f"stands in row {row} already")
        for column, identifier, name in (
            ("grid_name", said.grid_id, said.grid_name),
            ("node_name", said.node_id, said.node_name),
        ):
            if identifier is not None and name is not None:
                row, former = seen.setdefault((column, identifier), (numbered.row, name))
                if former != name:
                    yield Fault(
                        numbered.row, column, f"differs from row {row}, of the same {column.removesuffix('_name')}"
                    )
