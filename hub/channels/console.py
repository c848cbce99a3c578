"""The console channel: one line of text per message."""

import json
from collections.abc import Sequence
from typing import TextIO

from hub.notification.outbox import Delivery, Notification, Outcome
from hub.notification.ports import Target
from hub.notification.texts import LOCALES


class ConsoleSender:
    """Writes messages to a stream: the kind, the site, the sentence in Chinese and in English."""

    def __init__(self, stream: TextIO) -> None:
        """Keep the stream; it is not closed here."""
        self._stream = stream

    def send(self, rows: Sequence[Notification], target: Target | None) -> Sequence[Delivery]:
        """Write the lines."""
        del target
        return [self._write(row) for row in rows]

    def _write(self, row: Notification) -> Delivery:
        message = json.loads(row.body)
        sentences = " | ".join(str(message["data"]["text"][locale]) for locale in LOCALES)
        try:
            self._stream.write(f"NOTIFY {message['type']} {row.site} {_on_one_line(sentences)}\n")
            self._stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            return Delivery(Outcome.RETRY, f"console: {error}")
        return Delivery(Outcome.SENT)


def _on_one_line(text: str) -> str:
    """Return the text without what would break the line or steer the terminal: names come from people."""
    return "".join(character if character.isprintable() else " " for character in text)
