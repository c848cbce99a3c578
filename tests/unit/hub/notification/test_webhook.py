import base64
import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook as Receiver
from standardwebhooks import WebhookVerificationError

from hub.errors import InvalidError
from hub.notification.webhook import (
    SECRET_BYTES,
    Webhook,
    check_webhook,
    new_webhook_secret,
    present_webhook,
    signed_headers,
)

SECRET = new_webhook_secret(bytes(range(SECRET_BYTES)))
BODY = json.dumps({"type": "alert.fired", "data": {"text": {"zh": "已满"}}}, ensure_ascii=False).encode()
HOOK = Webhook(id="01JHOOK", site="demo", url="https://example.org/hook", secret=SECRET, created_at_ms=0)


def now_s() -> int:
    return int(datetime.now(UTC).timestamp())  # noqa: TID251 the third-party receiver compares with real time


def test_a_standard_webhooks_receiver_accepts_the_signature() -> None:
    headers = signed_headers(HOOK, message_id="01J1", timestamp_s=now_s(), body=BODY)
    assert Receiver(SECRET).verify(BODY, dict(headers))["type"] == "alert.fired"
    assert headers["webhook-id"] == "01J1"


@pytest.mark.parametrize("what", ["body", "id", "secret"])
def test_a_standard_webhooks_receiver_refuses_what_was_changed(what: str) -> None:
    headers = dict(signed_headers(HOOK, message_id="01J1", timestamp_s=now_s(), body=BODY))
    body = BODY + b" " if what == "body" else BODY
    headers |= {"webhook-id": "01J2"} if what == "id" else {}
    secret = new_webhook_secret(bytes(SECRET_BYTES)) if what == "secret" else SECRET
    with pytest.raises(WebhookVerificationError):
        Receiver(secret).verify(body, headers)


def test_a_secret_is_32_bytes_in_base64_behind_its_mark() -> None:
    assert SECRET.startswith("whsec_")
    assert len(base64.b64decode(SECRET.removeprefix("whsec_"))) == SECRET_BYTES


def test_a_secret_that_is_no_base64_is_refused() -> None:
    broken = Webhook(id="1", site="demo", url="https://e.org", secret="whsec_!", created_at_ms=0)
    with pytest.raises(InvalidError):
        signed_headers(broken, message_id="1", timestamp_s=0, body=b"")


@pytest.mark.parametrize(
    ("url", "events", "fields"),
    [
        ("https://example.org/hook?t=1", ["*"], []),
        ("http://127.0.0.1:8000", ["alert.fired", "work_order.closed"], []),
        ("ftp://example.org", ["*"], ["url"]),
        ("https://", ["*"], ["url"]),
        ("https://exa\nmple.org", ["*"], ["url"]),
        ("https://[::1", ["*"], ["url"]),
        ("https://example.org:70000", ["*"], ["url"]),
        ("https://example.org", [], ["events"]),
        ("/hook", ["alert.exploded"], ["url", "events"]),
    ],
)
def test_what_is_wrong_with_a_webhook_is_named_by_field(url: str, events: list[str], fields: list[str]) -> None:
    if not fields:
        check_webhook(url=url, events=events)
        return
    with pytest.raises(InvalidError) as refusal:
        check_webhook(url=url, events=events)
    assert [field for field, _ in refusal.value.errors] == fields


def test_the_secret_is_shown_only_when_asked_for() -> None:
    assert "secret" not in present_webhook(HOOK)
    assert present_webhook(HOOK, with_secret=True)["secret"] == SECRET
    assert present_webhook(HOOK)["disabled_at"] is None
