"""The webhook channel: one signed POST per message, as Standard Webhooks describes."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import httpx2

from hub.errors import InvalidError
from hub.notification.outbox import Delivery, Notification, Outcome
from hub.notification.person_channel import without_secrets
from hub.notification.ports import Target
from hub.notification.webhook import Webhook, signed_headers

TIMEOUT_S: Final = 5.0
"""For the connection, for sending and for the answer, each."""
_LONGEST_ERROR: Final = 200


class WebhookSender:
    """Posts messages; 2xx is delivered, 410 is gone, anything else is tried again. Redirects are not followed."""

    def __init__(self, client: httpx2.Client, *, now_ms: Callable[[], int]) -> None:
        """Keep the client, which is not closed here; `now_ms` is real time, which receivers compare with theirs."""
        self._client = client
        self._now_ms = now_ms

    def send(self, rows: Sequence[Notification], target: Target | None) -> Sequence[Delivery]:
        """Post each body to the webhook's address; the answer's body is not read."""
        webhook = target if isinstance(target, Webhook) else None
        return [self._post(row, webhook) for row in rows]

    def _post(self, row: Notification, webhook: Webhook | None) -> Delivery:
        if webhook is None or webhook.disabled_at_ms is not None:
            return Delivery(Outcome.GONE, "the webhook was removed or disabled")
        body = row.body.encode()
        try:
            headers = signed_headers(webhook, message_id=row.id, timestamp_s=self._now_ms() // 1_000, body=body)
            with self._client.stream("POST", webhook.url, content=body, headers=dict(headers)) as response:
                status = response.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, InvalidError, UnicodeError) as error:
            reason = without_secrets(f"{type(error).__name__}: {error}", webhook.url)
            return Delivery(Outcome.RETRY, reason[:_LONGEST_ERROR])
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Delivery(Outcome.DELIVERED)
        if status == HTTPStatus.GONE:
            return Delivery(Outcome.GONE, "HTTP 410: the receiver wants nothing any more")
        return Delivery(Outcome.RETRY, f"HTTP {status}")


def open_client() -> httpx2.Client:
    """Return a client for webhooks; whoever opens it closes it."""
    return httpx2.Client(
        timeout=httpx2.Timeout(TIMEOUT_S),
        follow_redirects=False,
        headers={"user-agent": "linli-hub"},
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
    )
