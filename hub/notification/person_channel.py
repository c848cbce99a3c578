"""A person's channel: an address of theirs at a service that reaches people; the address is a secret."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from hub.errors import InvalidError
from hub.notification.digest import DIGEST_S, QuietHours
from hub.notification.pace import Pace, Service, service_of
from protocols.instant import format_known_ms, format_ms

MOST_PER_PERSON: Final = 20
"""Channels that one person may have."""
SHORTEST_DIGEST_S: Final = 60
LONGEST_DIGEST_S: Final = 43_200
VENDORS: Final = frozenset(
    {"dingtalk", "discord", "feishu", "lark", "pushplus", "qq", "schan", "slack", "tgram", "wecombot", "wxpusher"}
)
"""Services whose server is fixed: with these a person cannot have the hub call a machine of their choice."""
LOCAL: Final = frozenset({"dbus", "gio", "glib", "gnome", "gtk", "kde", "macosx", "qt", "syslog", "windows"})
"""Schemes that reach the hub's own machine instead of a person."""
_SCHEME: Final = re.compile(r"([a-z][a-z0-9]{1,31})://\S+", re.IGNORECASE)
_PARTS: Final = re.compile(r"[^A-Za-z0-9_.%~-]+")
_SHORTEST_SECRET: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonChannel:
    """One way to reach a person; `url` is in the notation of apprise and is shown nowhere."""

    id: str
    version: int = 1
    person: str
    name: str
    url: str
    per_minute: int
    digest_s: int = DIGEST_S
    """News are sent together, so often."""
    quiet: QuietHours | None = None
    created_at_ms: int
    verified_at_ms: int | None = None
    """When its service first took a test message."""
    disabled_at_ms: int | None = None

    @property
    def scheme(self) -> str:
        """The service."""
        return scheme_of(self.url)

    @property
    def service(self) -> Service:
        """What the service bears."""
        return service_of(self.scheme)

    @property
    def pace(self) -> Pace:
        """The pace of its messages."""
        return Pace(self.per_minute)

    @property
    def key(self) -> str:
        """What is the same for every channel to the same address: a group's robot has one limit, whoever entered it."""
        address = self.url.partition("?")[0] if self.scheme in VENDORS else self.url
        return hashlib.sha256(address.rstrip("/").encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Recipient:
    """A channel of somebody who is to be told, and how they are spoken to."""

    channel: PersonChannel
    locale: str
    time_zone: str
    """Of the site that the message is about."""


def scheme_of(url: str) -> str:
    """Return the scheme of an address; empty where it has none."""
    found = _SCHEME.fullmatch(url)
    return "" if found is None else found[1].lower()


def masked(url: str) -> str:
    """Return the address as it may be shown: its service alone, for keys stand anywhere in it."""
    return f"{scheme_of(url) or '****'}://****"


def without_secrets(text: str, url: str) -> str:
    """Return a text, an error say, without any part of the address that could be a secret."""
    written = _PARTS.split(url.partition("://")[2])
    parts = {part for part in (*written, *map(unquote, written)) if len(part) >= _SHORTEST_SECRET}
    for secret in (url, *sorted(parts, key=len, reverse=True)):
        text = text.replace(secret, "****")
    return text


def check_channel(*, url: str, per_minute: int | None, by_administrator: bool) -> None:
    """Raise `InvalidError` where the address is none, may not be given by this person, or the pace is too fast."""
    scheme = scheme_of(url)
    errors: list[tuple[str, str]] = []
    if not scheme or not url.isprintable():
        errors.append(("url", "must be an address such as wecombot://key"))
    elif scheme in LOCAL:
        errors.append(("url", f"{scheme} reaches no person"))
    elif scheme not in VENDORS and not by_administrator:
        errors.append(("url", f"an administrator has to add {scheme}; you may add {', '.join(sorted(VENDORS))}"))
    most = service_of(scheme).per_minute
    if per_minute is not None and per_minute > most:
        errors.append(("per_minute", f"this service takes {most} a minute"))
    if errors:
        raise InvalidError(*errors)


def one_each(recipients: Iterable[Recipient]) -> list[Recipient]:
    """Return the recipients with each address once, the first of it: a group's robot says a thing once."""
    seen: dict[str, Recipient] = {}
    for recipient in recipients:
        seen.setdefault(recipient.channel.key, recipient)
    return list(seen.values())


def present_channel(channel: PersonChannel) -> dict[str, Any]:
    """Return the REST item."""
    return {
        "id": channel.id,
        "version": channel.version,
        "person": channel.person,
        "name": channel.name,
        "service": channel.scheme,
        "url": masked(channel.url),
        "per_minute": channel.per_minute,
        "digest_s": channel.digest_s,
        "quiet_hours": None
        if channel.quiet is None
        else {"from": channel.quiet.text_from, "until": channel.quiet.text_until},
        "created_at": format_ms(channel.created_at_ms),
        "verified_at": format_known_ms(channel.verified_at_ms),
        "disabled_at": format_known_ms(channel.disabled_at_ms),
    }
