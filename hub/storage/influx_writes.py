"""The door to InfluxDB's write API: bytes in, an answer out. Retrying and judging are done elsewhere."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol, cast

from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from urllib3.exceptions import HTTPError

from hub.telemetry.delivery import Answer

_LONGEST_DETAIL: Final = 300


@dataclass(frozen=True, slots=True)
class InfluxTarget:
    """Where telemetry goes; for 1.8 the token is `user:password` and the bucket `database` or `database/policy`."""

    url: str
    bucket: str = "linli"
    token: str = field(default=":", repr=False)
    org: str = "-"
    timeout_s: float = 10.0

    @property
    def database(self) -> str:
        """The database that InfluxQL knows the bucket by."""
        return self.bucket.partition("/")[0]

    @property
    def retention_policy(self) -> str | None:
        """The retention policy that the bucket names, None for the database's default."""
        return self.bucket.partition("/")[2] or None


class LineWrites(Protocol):
    """Sends lines."""

    def write(self, lines: bytes) -> Answer:
        """Send lines, ready as they are, and return what was answered; never raises for what the network does."""
        ...

    def close(self) -> None:
        """Release connections; idempotent."""
        ...


class InfluxWrites:
    """influxdb-client's synchronous write, one call at a time, its own retries off."""

    def __init__(self, target: InfluxTarget) -> None:
        self._target = target
        self._client: Any = InfluxDBClient(
            url=target.url.rstrip("/"),
            token=target.token,
            org=target.org,
            timeout=int(target.timeout_s * 1_000),
            retries=False,
        )
        self._api: Any = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, lines: bytes) -> Answer:
        target = self._target
        try:
            self._api.write(target.bucket, target.org, lines, write_precision=WritePrecision.NS)
        except InfluxDBError as error:
            return _refusal(error)
        except (HTTPError, OSError, UnicodeError) as error:
            return Answer(None, type(error).__name__)
        return Answer(204, "")

    def close(self) -> None:
        self._api.close()
        self._client.close()


def _refusal(error: InfluxDBError) -> Answer:
    refusal = cast("Any", error)
    status: int | None = getattr(refusal, "status", None) or None
    headers: Any = getattr(refusal, "headers", None) or {}
    said, in_json = _message(getattr(refusal, "body", None))
    detail = said or str(getattr(refusal, "reason", None) or error)
    retry_after_s = _seconds(headers.get("Retry-After"), headers.get("Date"))
    return Answer(status, detail[:_LONGEST_DETAIL], retry_after_s, in_json=in_json)


def _message(body: str | bytes | None) -> tuple[str, bool]:
    """Return what the server says is wrong, and whether it is the message of its JSON or just the body."""
    said = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    try:
        document: Any = json.loads(said)
    except ValueError:
        return said.strip(), False
    fields = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    message = fields.get("message") or fields.get("error")
    return (said if message is None else str(message)).strip(), message is not None


def _seconds(retry_after: str | None, date: str | None) -> float | None:
    """Return Retry-After in seconds; its form as a date counts from the server's own Date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    until, now = _instant(retry_after), _instant(date)
    return None if until is None or now is None else max(0.0, (until - now).total_seconds())


def _instant(text: str | None) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
