"""A webhook: where a site's messages go by HTTP, signed as Standard Webhooks describes."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from hub.errors import InvalidError
from hub.notification.messages import WEBHOOK_EVENTS
from protocols.instant import format_known_ms, format_ms

ALL_EVENTS: Final = "*"
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 the standard's mark in front of a secret
SECRET_BYTES: Final = 32
"""Standard Webhooks asks for 24 to 64 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One receiver; `secret` is `whsec_` and base64, `events` are names of `WEBHOOK_EVENTS` or `*`."""

    id: str
    version: int = 1
    site: str
    url: str
    secret: str
    events: tuple[str, ...] = (ALL_EVENTS,)
    created_at_ms: int
    disabled_at_ms: int | None = None
    """Since when it gets nothing: a person said so, or the receiver answered 410."""

    def wants(self, event: str) -> bool:
        """Tell whether it gets this kind of message."""
        return self.disabled_at_ms is None and (ALL_EVENTS in self.events or event in self.events)


def new_webhook_secret(random_bytes: bytes) -> str:
    """Return the secret that `random_bytes` (`SECRET_BYTES` of them) make."""
    return SECRET_PREFIX + base64.b64encode(random_bytes).decode()


def check_webhook(*, url: str, events: Sequence[str]) -> None:
    """Raise `InvalidError` where the address is no HTTP one or an event has an unknown name."""
    errors: list[tuple[str, str]] = []
    if not _is_address(url):
        errors.append(("url", "must be an absolute http or https address"))
    if not events:
        errors.append(("events", "must not be empty"))
    unknown = [event for event in events if event != ALL_EVENTS and event not in WEBHOOK_EVENTS]
    errors += [("events", f"{event!r} is not known; see the list in the documentation") for event in unknown]
    if errors:
        raise InvalidError(*errors)


def sign(webhook_secret: str, *, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the value of the `webhook-signature` header for a body sent at `timestamp_s` (seconds since 1970)."""
    signed = b".".join((message_id.encode(), str(timestamp_s).encode(), body))
    digest = hmac.new(_key(webhook_secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def signed_headers(webhook: Webhook, *, message_id: str, timestamp_s: int, body: bytes) -> Mapping[str, str]:
    """Return the headers of a signed message; `message_id` is the same on every attempt."""
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": sign(webhook.secret, message_id=message_id, timestamp_s=timestamp_s, body=body),
    }


def present_webhook(webhook: Webhook, *, with_secret: bool = False) -> dict[str, Any]:
    """Return the REST item; the secret is shown once, at the creation."""
    item: dict[str, Any] = {
        "id": webhook.id,
        "version": webhook.version,
        "site": webhook.site,
        "url": webhook.url,
        "events": list(webhook.events),
        "created_at": format_ms(webhook.created_at_ms),
        "disabled_at": format_known_ms(webhook.disabled_at_ms),
    }
    return item | {"secret": webhook.secret} if with_secret else item


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return url.isprintable() and parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port out of range
        return False


def _key(webhook_secret: str) -> bytes:
    try:
        return base64.b64decode(webhook_secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        message = "the secret of a webhook is base64 after whsec_"
        raise InvalidError(("secret", message)) from None
