"""A table is read whole: every mistake with its key, none invented."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta, field

from edge.tables import Mistakes, Table, read_table


class Colour(StrEnum):
    """Two of them."""

    RED = "red"
    BLUE = "blue"


class Lamp(Table, frozen=True, kw_only=True):
    """An inner table."""

    pin: Annotated[int, Meta(ge=0, le=27)]
    colour: Colour = Colour.RED

    def __post_init__(self) -> None:
        """Pin 1 is nobody's, pin 2 is not red."""
        if self.pin == 1:
            raise Mistakes(("pin", "is taken"))
        if self.pin == 2 and self.colour is Colour.RED:
            raise ValueError("pin 2 is not red")


class Street(Table, frozen=True, kw_only=True):
    """An outer table."""

    folder: Path
    share: Annotated[float, Meta(gt=0)] = 0.5
    length_m: Annotated[float, Meta(gt=0)] | None = None
    limits: dict[str, Annotated[float, Meta(ge=0)]] = field(default_factory=dict[str, float])
    first: Lamp = Lamp(pin=5)
    lamps: tuple[Lamp, ...] = ()
    options: dict[str, Any] = field(default_factory=dict[str, Any])


def problems(table: dict[str, Any], *, key: str = "") -> list[tuple[str, str]]:
    with pytest.raises(Mistakes) as caught:
        read_table(Street, table, key=key)
    return list(caught.value.problems)


def test_a_good_table_is_what_it_says() -> None:
    street = read_table(
        Street,
        {
            "folder": "data",
            "share": 1,
            "limits": {"a": 0, "b": 2.5},
            "lamps": [{"pin": 3, "colour": "blue"}, {"pin": 4}],
            "options": {"any": [1, "x", {"y": True}]},
        },
    )
    assert street == Street(
        folder=Path("data"),
        share=1.0,
        limits={"a": 0.0, "b": 2.5},
        lamps=(Lamp(pin=3, colour=Colour.BLUE), Lamp(pin=4)),
        options={"any": [1, "x", {"y": True}]},
    )
    assert type(street.share) is float


def test_every_mistake_of_every_table_is_told_at_once_where_it_stands() -> None:
    assert problems(
        {
            "share": 0,
            "length_m": "far",
            "limits": {"a": -1, "b": float("inf"), "c": 1},
            "first": 5,
            "lamps": [{"pin": 28, "color": "red"}, 7, {"colour": "green"}],
            "colour": "red",
        },
        key="streets[0]",
    ) == [
        ("streets[0].folder", "is missing"),
        ("streets[0].share", "Expected `float` > 0.0"),
        ("streets[0].length_m", "Expected `float`, got `str`"),
        ("streets[0].limits.a", "Expected `float` >= 0.0"),
        ("streets[0].limits.b", "must be a finite number"),
        ("streets[0].first", "must be a table"),
        ("streets[0].lamps[0].pin", "Expected `int` <= 27"),
        ("streets[0].lamps[0].color", "unknown key"),
        ("streets[0].lamps[1]", "must be a table"),
        ("streets[0].lamps[2].pin", "is missing"),
        ("streets[0].lamps[2].colour", "must be one of: red, blue"),
        ("streets[0].colour", "unknown key"),
    ]


@pytest.mark.parametrize("pin", [True, 3.0, "3", None, float("nan"), 2**70, [3]])
def test_what_only_looks_like_a_whole_number_is_none(pin: object) -> None:
    (problem,) = problems({"folder": "x", "first": {"pin": pin}})
    assert problem[0] == "first.pin"


def test_what_does_not_fit_together_is_told_of_the_table_or_of_the_key_that_its_check_names() -> None:
    assert problems({"folder": "x", "first": {"pin": 1}, "lamps": [{"pin": 2}]}) == [
        ("first.pin", "is taken"),
        ("lamps[0]", "pin 2 is not red"),
    ]
