"""What a guarantee is: a promise with its aim, a run in which it must hold, a control that must fail."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """What the real code came to under one seed."""

    reached: str
    """The figure of the promise, one line, with units: "0 lost, 0 doubled of 104,210 events over 231 kills"."""
    wrong: Sequence[str]
    """What the promise does not allow; empty where it held."""
    figures: Mapping[str, Any]
    """Everything that was measured, as JSON, units in the names."""


@dataclass(frozen=True, slots=True)
class Control:
    """Which broken builds the same test caught, by name; one that slipped through makes the guarantee worthless."""

    caught: Mapping[str, bool]
    figures: Mapping[str, Any]

    @classmethod
    def by_signs(
        cls,
        signs: Mapping[str, str],
        wrong: Mapping[str, Sequence[str]],
        sound: Mapping[str, Sequence[str]],
        figures: Mapping[str, Any] | None = None,
    ) -> "Control":
        """A mutant is caught by a line that its sign is found in, where the same without its fault has nothing wrong.

        `signs` are regular expressions; `sound` names what the sound twin of each mutant has wrong.
        """
        caught = {
            name: not sound[name] and any(re.search(sign, line) for line in wrong[name]) for name, sign in signs.items()
        }
        seen = {name: {"wrong": [*lines[:5]], "sound": [*sound[name][:5]]} for name, lines in wrong.items()}
        return cls(caught, figures or seen)

    @property
    def missed(self) -> list[str]:
        """The mutants that nobody caught."""
        return [name for name, caught in self.caught.items() if not caught]


@dataclass(frozen=True, slots=True)
class Guarantee:
    """A promise of Linli and the two experiments that show it."""

    name: str
    """G1 … G18, as the goals are numbered."""
    promise: str
    """What people may rely on, one sentence."""
    aim: str
    """The figure that is to be met."""
    run: Callable[..., Run]
    """`run(seed, *, full)`: short inside `make test`, full for `make guarantees`."""
    control: Callable[[int], Control]
    """`control(seed)`: short in any case."""
