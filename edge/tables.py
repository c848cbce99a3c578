"""A table of a configuration as a frozen struct; every mistake in it is named by key and reason, all at once."""

from collections.abc import Mapping
from enum import Enum
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import structs


class Table(msgspec.Struct, frozen=True):
    """What may stand in a table: a field a key, its limits as `msgspec.Meta`; any other key is refused.

    What must fit together is checked in `__post_init__`, which raises ValueError, or Mistakes to name its keys.
    """


T = TypeVar("T", bound=Table)


class Mistakes(ValueError):
    """A table cannot be used; `problems` holds one (key, reason) per mistake."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{key}: {reason}" if key else reason for key, reason in problems))


def read_table(model: type[T], table: Mapping[str, Any], *, key: str = "") -> T:
    """Return a parsed TOML table as `model`; raises Mistakes whose keys begin with `key`, the table's own place."""
    fields = {field.name: field for field in structs.fields(model)}
    given: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for name, field in fields.items():
        if name in table:
            _collect(field.type, table[name], name, place=_within(key, name), into=given, problems=problems)
        elif field.required:
            problems.append((_within(key, name), "is missing"))
    problems += [(_within(key, name), "unknown key") for name in table if name not in fields]
    if problems:
        raise Mistakes(*problems)
    try:
        return model(**given)
    except Mistakes as error:
        raise Mistakes(*((_within(key, name), reason) for name, reason in error.problems)) from error
    except ValueError as error:
        raise Mistakes((key, str(error))) from error


def _collect(
    kind: Any, value: object, name: Any, *, place: str, into: dict[Any, Any], problems: list[tuple[str, str]]
) -> None:
    try:
        into[name] = _read(kind, value, place)
    except Mistakes as error:
        problems += error.problems


def _read(kind: Any, value: object, place: str) -> Any:
    """Return `value` as `kind`: a table, a list of them, a mapping, a path, or what msgspec knows."""
    bare = _bare(kind)
    if isinstance(bare, type) and issubclass(bare, Table):
        if not isinstance(value, Mapping):
            raise Mistakes((place, "must be a table"))
        return read_table(bare, cast("Mapping[str, Any]", value), key=place)
    if get_origin(bare) is tuple and isinstance(value, list):
        return tuple(_members(get_args(bare)[0], dict(enumerate(cast("list[Any]", value))), place, "{}[{}]").values())
    if get_origin(bare) is dict and isinstance(value, dict):
        return _members(get_args(bare)[1], cast("dict[str, Any]", value), place, "{}.{}")
    if isinstance(value, float) and not isfinite(value):
        raise Mistakes((place, "must be a finite number"))
    if bare is Path:
        return Path(_read(str, value, place))
    try:
        return msgspec.convert(value, kind if value is None else _some(kind))
    except msgspec.ValidationError as error:
        if isinstance(bare, type) and issubclass(bare, Enum):
            raise Mistakes((place, f"must be one of: {', '.join(member.value for member in bare)}")) from error
        raise Mistakes((place, str(error))) from error


def _members(kind: Any, values: Mapping[Any, Any], place: str, step: str) -> dict[Any, Any]:
    read: dict[Any, Any] = {}
    problems: list[tuple[str, str]] = []
    for name, value in values.items():
        _collect(kind, value, name, place=step.format(place, name), into=read, problems=problems)
    if problems:
        raise Mistakes(*problems)
    return read


def _bare(kind: Any) -> Any:
    """Return a type without its limits and without None."""
    kind = _some(kind)
    return _bare(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def _some(kind: Any) -> Any:
    """Return a type without None: TOML cannot say it, so nobody need be told of it."""
    if get_origin(kind) is Annotated and _some(get_args(kind)[0]) is not get_args(kind)[0]:
        return _some(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        kinds = [one for one in get_args(kind) if one is not NoneType]
        return kinds[0] if len(kinds) == 1 else kind
    return kind


def _within(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
