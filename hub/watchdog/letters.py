"""What people are still to be told: kept until every address took it, or one did and the others would not; pure."""

from dataclasses import dataclass, replace
from typing import Final

DELAYS_MS: Final = (2_000, 5_000, 10_000, 30_000, 60_000)
"""Waits after each failure; the last one for ever."""
MOST_TRIES: Final = 6
"""How often an address is tried once another has taken the letter."""
MOST_LETTERS: Final = 50
"""While nobody can be told, the oldest but the first are forgotten."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, and the addresses (by their hash) that have not taken it."""

    title: str
    text: str
    addresses: tuple[str, ...]
    taken: bool = False
    tries: int = 0
    due_ms: int = 0


Letters = tuple[Letter, ...]


def write(letters: Letters, *, title: str, text: str, addresses: tuple[str, ...], at_ms: int) -> Letters:
    """Return the letters with a further one."""
    more = (*letters, Letter(title, text, addresses, due_ms=at_ms))
    return more if len(more) <= MOST_LETTERS else (more[0], *more[2:])


def due(letters: Letters, *, at_ms: int) -> Letter | None:
    """Return the letter to be sent now; they leave in their order, so that the end never comes before the beginning."""
    return letters[0] if letters and letters[0].due_ms <= at_ms else None


def settle(letters: Letters, *, refused: tuple[str, ...], at_ms: int) -> Letters:
    """Return the letters after the first one was sent to its addresses, of which `refused` did not take it."""
    first, rest = letters[0], letters[1:]
    tries = first.tries + 1
    taken = first.taken or len(refused) < len(first.addresses)
    if not refused or (taken and tries >= MOST_TRIES):
        return rest
    due_ms = at_ms + DELAYS_MS[min(tries, len(DELAYS_MS)) - 1]
    return (replace(first, addresses=refused, taken=taken, tries=tries, due_ms=due_ms), *rest)


def resumed(letters: Letters, *, addresses: tuple[str, ...]) -> Letters:
    """Return the letters of an earlier process for the addresses that are set now; all are due at once."""
    kept = ((letter, tuple(one for one in letter.addresses if one in addresses)) for letter in letters)
    return tuple(replace(letter, addresses=left or addresses, due_ms=0) for letter, left in kept)
