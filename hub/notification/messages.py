"""Which steps of alerts and work orders people are told of, and the message that is sent; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hub.notification.texts import LOCALES, Texts
from protocols.instant import format_ms

ALERT_ATTENTION: Final = (
    "fired",
    "refired",
    "released",
    "pressed_again",
    "cancelled_by_wearer",
    "unshelved",
)
"""Steps by which an alert asks for somebody; they are no longer sent once one has acknowledged, or it is over."""
ALERT_NEWS: Final = ("acknowledged", "resolved", "closed")
"""Steps of an alert that are told, but ask for nobody."""
ORDER_ATTENTION: Final = ("opened", "assigned", "unverified", "reopened")
"""Steps by which an order asks for its crew, or a dispatcher."""
ORDER_NEWS: Final = ("cancelled", "closed")
"""Steps of an order that are told, but ask for nobody."""
TEST: Final = "test"
"""The step of a message that a person sends to a channel of theirs to see whether it works."""
WEBHOOK_EVENTS: Final = (
    *(f"alert.{step}" for step in (*ALERT_ATTENTION, *ALERT_NEWS)),
    *(f"work_order.{step}" for step in (*ORDER_ATTENTION, *ORDER_NEWS)),
)
"""The kinds of message a webhook can choose from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is told, before it is written for a channel."""

    kind: str
    """One of `WEBHOOK_EVENTS`."""
    site: str
    item: Mapping[str, Any]
    """The REST item of the alert or the work order."""
    text_key: str
    params: Mapping[str, Any]
    at_ms: int
    alert: str | None = None
    work_order: str | None = None
    crew: str | None = None
    """REST id of the crew that the order is with."""
    life_safety: bool = False
    """It asks for help: it goes before everything else and is repeated for as long as it matters."""

    @property
    def step(self) -> str:
        """The step alone."""
        return self.kind.partition(".")[2]


def body_of(message: Message, texts: Texts) -> str:
    """Return the JSON that is sent: kind, instant, the item, its sentence as key, parameters and in each language."""
    sentences = {locale: texts.render(message.text_key, message.params, locale=locale) for locale in LOCALES}
    text = {"key": message.text_key, "params": dict(message.params), **sentences}
    document = {
        "type": message.kind,
        "timestamp": format_ms(message.at_ms),
        "data": {**message.item, "text": text},
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
