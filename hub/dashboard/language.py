"""Which language a page speaks; Chinese first."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from pydantic_core import from_json

from hub.notification.texts import LOCALES, Texts, shipped_texts

CHOSEN: Final = "linli_lang"
"""The cookie that keeps what `?lang=` said."""


@cache
def page_texts() -> Texts:
    """Return the words of the pages."""
    folder = resources.files("hub.dashboard") / "locales"
    return Texts({locale: from_json((folder / f"{locale}.json").read_bytes()) for locale in LOCALES})


class Words:
    """The words of one language: those of the pages, then those that notifications use too."""

    def __init__(self, locale: str) -> None:
        """Speak `locale`."""
        self.locale = locale

    def __call__(self, key: str, /, **parameters: Any) -> str:
        """Return the sentence of a key; an unknown one returns itself."""
        if self.knows(key):
            return page_texts().render(key, parameters, locale=self.locale)
        return shipped_texts().render(key, parameters, locale=self.locale)

    def knows(self, key: str) -> bool:
        """Tell whether the pages have a sentence of exactly this key."""
        return key in page_texts().keys(self.locale)

    def first(self, keys: Iterable[str], /, **parameters: Any) -> str:
        """Return the sentence of the first key that the pages know, else of the last."""
        key = ""
        for key in keys:
            if self.knows(key):
                break
        return self(key, **parameters)


@cache
def words(locale: str) -> Words:
    """Return the words of a locale."""
    return Words(locale)


def choose(*, asked: str | None, chosen: str | None, person: str | None, accepted: str | None) -> str:
    """Return the locale: what the address asks for, what was chosen before, the person's, the browser's, Chinese."""
    for wish in (asked, chosen, person):
        if wish in LOCALES:
            return wish
    return _accepted(accepted or "") or LOCALES[0]


def _accepted(header: str) -> str | None:
    """Return the locale that an Accept-Language header likes best of ours."""
    liked: Mapping[str, float] = {}
    for part in header.split(","):
        tag, _, weight = part.partition(";")
        locale = tag.strip().lower().partition("-")[0]
        if locale in LOCALES:
            liked = {**liked, locale: max(liked.get(locale, 0.0), _weight(weight))}
    return max(
        (locale for locale, weight in liked.items() if weight > 0), key=lambda locale: liked[locale], default=None
    )


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
