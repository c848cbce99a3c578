"""The channel of people: one apprise object per message and address, on a thread of its own that may hang.

What apprise does by itself is switched off where it would harm: waiting, trying again and sending from its own small
pool, where one service that hangs keeps all others waiting; following redirects; counting a failure as optional.
"""

import logging
import threading
from collections.abc import Sequence
from typing import Any, Final

import structlog

from hub.notification.digest import compose
from hub.notification.outbox import Delivery, Notification, Outcome
from hub.notification.person_channel import PersonChannel, masked, scheme_of, without_secrets
from hub.notification.ports import Target
from hub.notification.texts import Texts

BUDGET_S: Final = 12.0
"""How long an attempt may take, well within its lease; apprise gives 4 s to connect and 4 s to each answer."""
CONNECT_S: Final = 4.0
READ_S: Final = 4.0
_LONGEST_ERROR: Final = 200

log = structlog.get_logger("hub.notification")


class AppriseSender:
    """Sends what goes to one address as one message; a service that has taken it may still lose it, so it is *sent*."""

    def __init__(self, *, texts: Texts, budget_s: float = BUDGET_S) -> None:
        """Load nothing yet: apprise costs half a second and 40 MB, which a hub without people's channels keeps."""
        self._texts = texts
        self._budget_s = budget_s
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, bool], threading.Thread] = {}
        """By channel and lane: what asks for help does not wait for news that hang."""

    def send(self, rows: Sequence[Notification], target: Target | None) -> Sequence[Delivery]:
        """Send the rows as one message and give up after the budget; what hangs is not started a second time."""
        delivery = Delivery(Outcome.GONE, "the channel was removed or disabled")
        if isinstance(target, PersonChannel) and target.disabled_at_ms is None:
            title, text = compose(rows, room_bytes=target.service.room_bytes, texts=self._texts)
            delivery = self._send_within_budget(target, title, text, life_safety=rows[0].life_safety)
        return [delivery] * len(rows)

    def _send_within_budget(self, channel: PersonChannel, title: str, text: str, *, life_safety: bool) -> Delivery:
        found: list[Delivery] = []
        lane = (channel.id, life_safety)
        thread = threading.Thread(
            target=lambda: found.append(deliver(channel.url, title, text)), name=f"apprise-{channel.id}", daemon=True
        )
        with self._lock:
            former = self._under_way.get(lane)
            if former is not None and former.is_alive():
                return Delivery(Outcome.RETRY, f"{channel.scheme}: the attempt before has not ended")
            self._under_way[lane] = thread
            thread.start()
        thread.join(self._budget_s)
        if not found:
            return Delivery(Outcome.RETRY, f"{channel.scheme}: no end within {self._budget_s:.0f} s")
        with self._lock:
            self._under_way.pop(lane, None)
        return found[0]


def load() -> None:
    """Import apprise and its services now, not with the first SOS."""
    _box_of("json://127.0.0.1/")


def check_address(url: str) -> str | None:
    """Return why apprise cannot use an address, without repeating it; None where it can."""
    return None if _box_of(url) is not None else "is no address that apprise understands"


def deliver(url: str, title: str, text: str) -> Delivery:
    """Send one message to one address now; takes as long as its service does, at most some connects and answers."""
    try:
        box = _box_of(url)
        if box is None:
            return Delivery(Outcome.GONE, f"{masked(url)} is no address of a service")
        return _read(box.notify(body=text, title=title, body_format="text"), url)
    except Exception as error:  # noqa: BLE001 a plugin's bug; its message is not logged, for it may hold the address
        log.warning("notification.plugin_failed", service=scheme_of(url), reason=type(error).__name__)
        return Delivery(Outcome.RETRY, f"{scheme_of(url)}: {type(error).__name__}")


def _box_of(url: str) -> Any:
    """Return an apprise object with this one address in it, or None: apprise leaves out what it cannot parse."""
    import apprise  # noqa: PLC0415 half a second and 40 MB, for those who use it

    quiet = logging.getLogger("apprise")  # what it has to say comes back with the result, freed of secrets
    quiet.propagate = False
    if not quiet.handlers:
        quiet.addHandler(logging.NullHandler())
    asset = apprise.AppriseAsset(service_timeout=0, allow_templates=False, language="en")
    asset.http_redirects = False
    asset.async_mode = False
    asset.pgp_autogen = False
    asset.pem_autogen = False
    box: Any = apprise.Apprise(asset=asset, location=apprise.ContentLocation.INACCESSIBLE)
    if not box.add(url) or len(box) != 1:
        return None
    plugin: Any = box[0]
    plugin.redirects = False
    plugin.request_rate_per_sec = 0  # its pace is ours: apprise would sleep between the parts of a message
    plugin.socket_connect_timeout = min(plugin.socket_connect_timeout or CONNECT_S, CONNECT_S)
    plugin.socket_read_timeout = min(plugin.socket_read_timeout or READ_S, READ_S)
    plugin.retry = 0
    return box


def _read(result: Any, url: str) -> Delivery:
    """Return what its one attempt says: a result is never `True`, SUCCESS is 0, and `optional` makes a failure one."""
    from apprise import AppriseResultStatus  # noqa: PLC0415 as above

    results = list(result.results)
    if len(results) == 1 and results[0].attempts and results[0].attempts[-1].status is AppriseResultStatus.SUCCESS:
        return Delivery(Outcome.SENT)
    said = [str(entry.message) for one in results for attempt in one.attempts for entry in attempt.logs]
    reason = without_secrets(" ".join(said[-1:]), url) or str(result.status.name)
    return Delivery(Outcome.RETRY, f"{scheme_of(url)}: {reason}"[:_LONGEST_ERROR])
