"""Sentences for people: a key and its parameters, rendered in the reader's language; Chinese comes first.

A key is looked up as it stands (`alert.binFull.fired`), then without its fault code (`alert.fired`). A parameter `x`
whose value is a word of ours is shown by the entry `x.<value>` of the locale (`fault_code.binFull`, `skill.waste`).
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

LOCALES: Final = ("zh", "en")


class Texts:
    """The sentences of every locale."""

    def __init__(self, sentences: Mapping[str, Mapping[str, str]]) -> None:
        """Take locale → key → sentence with `{parameter}` places."""
        self._sentences = sentences

    def keys(self, locale: str) -> frozenset[str]:
        """Return every key that the locale knows."""
        return frozenset(self._sentences[locale])

    def sentence(self, key: str, *, locale: str) -> str | None:
        """Return the sentence of a key with its places unfilled, or None where it is not known in any form."""
        sentences = self._sentences.get(locale) or self._sentences[LOCALES[0]]
        return sentences.get(key) or sentences.get(_general(key))

    def render(self, key: str, params: Mapping[str, Any], *, locale: str) -> str:
        """Return the sentence with its parameters; an unknown locale reads Chinese, an unknown key itself."""
        sentence = self.sentence(key, locale=locale)
        if sentence is None:
            return key
        return sentence.format_map({name: self._shown(name, value, locale) for name, value in params.items()})

    def _shown(self, name: str, value: object, locale: str) -> str:
        if isinstance(value, float):
            return f"{value:.1f}".removesuffix(".0")
        word = self._sentences.get(locale, {}).get(f"{name}.{value}")
        return word or ("–" if value is None else str(value))


@cache
def shipped_texts() -> Texts:
    """Return the sentences that come with the hub."""
    folder = resources.files("hub.notification") / "locales"
    return Texts({locale: json.loads((folder / f"{locale}.json").read_text("utf-8")) for locale in LOCALES})


def _general(key: str) -> str:
    first, _, rest = key.partition(".")
    return f"{first}.{rest.rpartition('.')[2]}"
