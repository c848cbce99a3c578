from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import pytest
from standardwebhooks import Webhook as Receiver

from hub.channels.webhook import TIMEOUT_S, WebhookSender, open_client
from hub.notification.outbox import Channel, Delivery, Notification, Outcome
from hub.notification.webhook import SECRET_BYTES, Webhook, new_webhook_secret

SECRET = new_webhook_secret(bytes(range(SECRET_BYTES)))
HOOK = Webhook(id="01JHOOK", site="demo", url="https://example.org/hook", secret=SECRET, created_at_ms=0)
ROW = Notification(
    id="01J1",
    site="demo",
    alert="01JA",
    work_order=None,
    step="fired",
    channel=Channel.WEBHOOK,
    target="01JHOOK",
    body='{"type":"alert.fired","data":{"text":{"zh":"已满"}}}',
    life_safety=False,
    created_at_ms=0,
    next_attempt_ms=0,
)


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000)  # noqa: TID251 the third-party receiver compares with real time


def send(answer: Callable[[httpx2.Request], httpx2.Response], *, hook: Webhook | None = HOOK) -> Delivery:
    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        return WebhookSender(client, now_ms=now_ms).send([ROW], hook)[0]


def test_the_receiver_can_verify_what_was_posted() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(204)

    assert send(answer) == Delivery(Outcome.DELIVERED)
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "https://example.org/hook")
    assert Receiver(SECRET).verify(request.content, dict(request.headers))["type"] == "alert.fired"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, Outcome.DELIVERED), (202, Outcome.DELIVERED), (410, Outcome.GONE)]
    + [(status, Outcome.RETRY) for status in (301, 307, 400, 404, 429, 500, 503)],
)
def test_what_a_status_means(status: int, outcome: Outcome) -> None:
    headers = {"location": "https://elsewhere.example/"}
    assert send(lambda _: httpx2.Response(status, headers=headers)).outcome is outcome


def test_a_network_that_fails_is_tried_again_and_says_how() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectTimeout("too slow", request=request)

    assert send(answer) == Delivery(Outcome.RETRY, "ConnectTimeout: too slow")


@pytest.mark.parametrize(
    "broken",
    [replace(HOOK, secret="whsec_!"), replace(HOOK, url="https://a" + "é" * 80 + ".org")],
)
def test_a_webhook_that_cannot_be_called_does_not_raise(broken: Webhook) -> None:
    assert send(lambda _: httpx2.Response(200), hook=broken).outcome is Outcome.RETRY


@pytest.mark.parametrize("hook", [None, replace(HOOK, disabled_at_ms=5)])
def test_a_webhook_that_was_removed_or_disabled_is_not_called(hook: Webhook | None) -> None:
    assert send(lambda _: pytest.fail("was called"), hook=hook).outcome is Outcome.GONE


def test_the_client_waits_five_seconds_and_follows_nothing() -> None:
    with open_client() as client:
        assert client.timeout == httpx2.Timeout(TIMEOUT_S)
        assert not client.follow_redirects
