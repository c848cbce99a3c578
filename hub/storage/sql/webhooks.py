"""Rows ⇄ webhooks."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from hub.errors import StaleVersionError
from hub.notification.webhook import Webhook
from hub.storage.sql.prepared import Prepared
from hub.storage.sql.rows import document
from hub.storage.sql.tables import webhooks

_GET: Final = Prepared(select(webhooks).where(webhooks.c.id == bindparam("webhook_id")))
_ENABLED: Final = Prepared(
    select(webhooks)
    .where(webhooks.c.site == bindparam("of_site"), webhooks.c.disabled_at_ms.is_(None))
    .order_by(webhooks.c.id)
)


class SqlWebhooks:
    """The webhooks in the state database."""

    def __init__(self, connection: Connection) -> None:
        """Work on one transaction."""
        self._connection = connection

    def get(self, webhook_id: str) -> Webhook | None:
        row = _GET.first(self._connection, {"webhook_id": webhook_id})
        return None if row is None else _webhook(row)

    def enabled(self, site: str) -> Sequence[Webhook]:
        return [_webhook(row) for row in _ENABLED.all(self._connection, {"of_site": site})]

    def find(
        self, *, sites: frozenset[str] | None = None, before: str | None = None, limit: int = 50
    ) -> Sequence[Webhook]:
        statement = select(webhooks).order_by(webhooks.c.id.desc()).limit(limit)
        if sites is not None:
            statement = statement.where(webhooks.c.site.in_(sites))
        if before is not None:
            statement = statement.where(webhooks.c.id < before)
        return [_webhook(row) for row in self._connection.execute(statement)]

    def add(self, webhook: Webhook) -> None:
        self._connection.execute(insert(webhooks).values(id=webhook.id, **_values(webhook)))

    def save(self, webhook: Webhook) -> None:
        changed = self._connection.execute(
            update(webhooks)
            .where(webhooks.c.id == webhook.id, webhooks.c.version == webhook.version - 1)
            .values(**_values(webhook))
        )
        if changed.rowcount != 1:
            message = "somebody else changed the webhook first"
            raise StaleVersionError(message)

    def remove(self, webhook_id: str) -> None:
        self._connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))


def _values(webhook: Webhook) -> dict[str, Any]:
    return {
        "version": webhook.version,
        "site": webhook.site,
        "url": webhook.url,
        "secret": webhook.secret,
        "events": document(webhook.events),
        "created_at_ms": webhook.created_at_ms,
        "disabled_at_ms": webhook.disabled_at_ms,
    }


def _webhook(row: Any) -> Webhook:
    return Webhook(
        id=row.id,
        version=row.version,
        site=row.site,
        url=row.url,
        secret=row.secret,
        events=tuple(json.loads(row.events)),
        created_at_ms=row.created_at_ms,
        disabled_at_ms=row.disabled_at_ms,
    )
