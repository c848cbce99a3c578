"""When a person's message leaves, and which messages leave together as one; pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from hub.errors import InvalidError
from hub.notification.messages import ALERT_ATTENTION, ORDER_ATTENTION, TEST
from hub.notification.outbox import Notification
from hub.notification.texts import Texts
from protocols.instant import from_ms, to_ms

DIGEST_S: Final = 3_600
"""How often news are sent, unless a person wants otherwise."""
_DAY_MIN: Final = 1_440
_MARK: Final = "· "
_PLACE_BYTES: Final = 60
_FRAME_BYTES: Final = 320
"""Kept free in a message of several lines: its title with three places, and the line that counts what is not shown."""
_ASKING: Final = frozenset((*ALERT_ATTENTION, *ORDER_ATTENTION, TEST))


class Urgency(StrEnum):
    """How soon a message has to leave."""

    LIFE_SAFETY = "life_safety"
    ATTENTION = "attention"
    """It asks for somebody: at once, but not in their quiet hours."""
    NEWS = "news"
    """It asks for nobody: with the next digest."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From a minute of the day until another, in the time of the site; over midnight where the first is the later."""

    from_min: int
    until_min: int

    @property
    def text_from(self) -> str:
        """The first minute as `HH:MM`."""
        return _hh_mm(self.from_min)

    @property
    def text_until(self) -> str:
        """The minute behind the last as `HH:MM`."""
        return _hh_mm(self.until_min)

    def hold(self, minute: int) -> bool:
        """Tell whether they hold at this minute of the day."""
        if self.from_min <= self.until_min:
            return self.from_min <= minute < self.until_min
        return minute >= self.from_min or minute < self.until_min


def quiet_hours(start: str, end: str) -> QuietHours:
    """Return the quiet hours between two `HH:MM`; raises InvalidError where they are none."""
    first, behind = _minute(start, "quiet_hours.from"), _minute(end, "quiet_hours.until")
    if first == behind:
        raise InvalidError(("quiet_hours", "must not be the whole day"))
    return QuietHours(first, behind)


def urgency_of(row: Notification) -> Urgency:
    """Return how soon a row has to leave."""
    return urgency(step=row.step, life_safety=row.life_safety)


def urgency(*, step: str, life_safety: bool) -> Urgency:
    """Return how soon a message of this step has to leave."""
    if life_safety:
        return Urgency.LIFE_SAFETY
    return Urgency.ATTENTION if step in _ASKING else Urgency.NEWS


def leaves_ms(how: Urgency, at_ms: int, *, digest_s: int, quiet: QuietHours | None, zone: tzinfo) -> int:
    """Return when a message of `at_ms` leaves: help at once, the rest after quiet hours, news with the digest."""
    if how is Urgency.LIFE_SAFETY:
        return at_ms
    if how is Urgency.NEWS:
        period_ms = digest_s * 1_000
        at_ms = (at_ms // period_ms + 1) * period_ms
    return at_ms if quiet is None else _after_quiet_ms(at_ms, quiet, zone)


def text_of(text: str, *, locale: str, place: str, local: datetime) -> str:
    """Return the body of a person's row: what it says in their language, of which site, at what local time."""
    site = _cut(_on_one_line(place), _PLACE_BYTES)
    said = {"locale": locale, "site": site, "text": f"{local:%H:%M} {_on_one_line(text)}"}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def together(rows: Sequence[Notification], *, room_bytes: int) -> list[Notification]:
    """Return those of the waiting rows that leave now as one message; what asks for somebody first, oldest first.

    What asks for somebody is told in full, so what has no room waits for the next message; news are told in full as
    far as there is room, and counted beyond.
    """
    asking = [row for row in rows if urgency_of(row) is not Urgency.NEWS]
    room = room_bytes - _FRAME_BYTES
    for fitting, line in enumerate(_lines([_said(row) for row in asking])):
        room -= _line_bytes(line)
        if room < 0 and fitting:
            return asking[:fitting]
    return asking + [row for row in rows if urgency_of(row) is Urgency.NEWS]


def compose(rows: Sequence[Notification], *, room_bytes: int, texts: Texts) -> tuple[str, str]:
    """Return title and text of the message that these rows make, no longer than the room together."""
    said = [_said(row) for row in rows]
    locale = said[0]["locale"]
    places = list(dict.fromkeys(one["site"] for one in said))
    lines = _lines(said)
    key = "channel.title" if len(said) == 1 else "channel.title_many"
    title = texts.render(key, {"site": " / ".join(places[:3]), "count": len(said)}, locale=locale)
    if len(lines) == 1:
        return title, _cut(lines[0], room_bytes - _bytes(title) - 2)
    whole = room = room_bytes - _FRAME_BYTES
    shown: list[str] = []
    for line in lines:
        room -= _line_bytes(line)
        if room < 0 and shown:
            break
        shown.append(f"{_MARK}{_cut(line, whole - _line_bytes(''))}")
    if len(shown) < len(lines):
        shown.append(texts.render("channel.rest", {"count": len(lines) - len(shown)}, locale=locale))
    return title, "\n".join(shown)


def _said(row: Notification) -> dict[str, str]:
    return json.loads(row.body)


def _lines(said: Sequence[dict[str, str]]) -> list[str]:
    """Return one line each; where they are of several places, the place stands in front."""
    one_place = len({one["site"] for one in said}) == 1
    return [one["text"] if one_place else f"{one['site']} {one['text']}" for one in said]


def _line_bytes(text: str) -> int:
    return _bytes(_MARK) + _bytes(text) + 1


def _bytes(text: str) -> int:
    return len(text.encode())


def _cut(text: str, room_bytes: int) -> str:
    """Return the text, or as much of it as has room, on a character's border."""
    if _bytes(text) <= room_bytes:
        return text
    return text.encode()[: max(room_bytes - _bytes("…"), 0)].decode(errors="ignore") + "…"


def _on_one_line(text: str) -> str:
    """Return the text without what would break the line: names come from people."""
    return "".join(character if character.isprintable() else " " for character in text)


def _after_quiet_ms(at_ms: int, quiet: QuietHours, zone: tzinfo) -> int:
    local = from_ms(at_ms).astimezone(zone)
    if not quiet.hold(local.hour * 60 + local.minute):
        return at_ms
    ends = time(quiet.until_min // 60, quiet.until_min % 60)
    day = local.date() if local.time() < ends else local.date() + timedelta(days=1)
    return max(to_ms(datetime.combine(day, ends, zone)), at_ms)


def _minute(text: str, field: str) -> int:
    hours, _, minutes = text.partition(":")
    if len(text) != 5 or not (hours.isascii() and minutes.isascii() and hours.isdigit() and minutes.isdigit()):
        raise InvalidError((field, "must be a time such as 22:00"))
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute >= _DAY_MIN:
        raise InvalidError((field, "must be a time such as 22:00"))
    return minute


def _hh_mm(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
