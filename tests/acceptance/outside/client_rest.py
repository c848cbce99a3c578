"""A REST client written from the contract for clients alone: every error must be a problem, every list a page."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

import httpx2

Json = dict[str, Any]

API: Final = "/api/v1"
RENEW_AFTER_S: Final = 600
"""A token lasts 900 s; a long run signs in again in time."""


def instant(text: str) -> datetime:
    """An RFC 3339 time of the API, which always ends in Z."""
    assert text.endswith("Z"), f"not RFC 3339 with Z: {text!r}"
    return datetime.fromisoformat(text)


class Problem(AssertionError):
    """An answer from 400 on, already checked to be a problem of RFC 9457."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.body: Json = response.json()
        self.code: str = self.body["code"]
        super().__init__(f"{response.request.method} {response.request.url} → {self.status} {self.body}")

    @property
    def fields(self) -> list[str]:
        return [error["field"] for error in self.body.get("errors", [])]


def check_problem(response: httpx2.Response) -> None:
    """Fails unless the answer is problem+json with the members of rest.md §2."""
    where = f"{response.request.method} {response.request.url} → {response.status_code}: {response.text[:400]}"
    assert response.headers["content-type"].split(";")[0] == "application/problem+json", where
    body = response.json()
    for member in ("type", "title", "status", "code"):
        assert member in body, f"{member} is missing: {where}"
    assert body["status"] == response.status_code, where
    for error in body.get("errors", []):
        assert isinstance(error["field"], str), where
        assert isinstance(error["message"], str), where


class Rest:
    """One caller with one token; paths are those of rest.md, without `/api/v1`."""

    def __init__(self, base_url: str, *, token: str | None = None) -> None:
        self.base_url = base_url
        self.token = token
        self._login: tuple[str, str] | None = None
        self._taken_s = 0.0
        self._http = httpx2.Client(base_url=base_url, timeout=20)

    def login(self, username: str, password: str) -> Rest:
        """Takes a token by the form of `auth/token` and keeps it."""
        response = self._http.post(f"{API}/auth/token", data={"username": username, "password": password})
        if response.status_code >= 400:
            check_problem(response)
            raise Problem(response)
        body = response.json()
        assert body["token_type"] == "bearer"
        assert body["expires_in"] == 900
        self.token = body["access_token"]
        self._taken_s = time.monotonic()
        self._login = (username, password)
        return self

    def close(self) -> None:
        self._http.close()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Json | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        """Any request; gives the answer, and checks that an error is a problem."""
        if self._login is not None and time.monotonic() - self._taken_s > RENEW_AFTER_S:
            self.login(*self._login)
        headers = self.headers
        if if_match is not None:
            headers["If-Match"] = if_match
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        extra: Json = {}
        if content is not None:
            headers["Content-Type"] = "application/json"
            extra["content"] = content
        elif body is not None:
            extra["json"] = body
        url = path if path.startswith("/") else f"{API}/{path}"
        response = self._http.request(method, url, headers=headers, params=params, **extra)
        if response.status_code >= 400:
            check_problem(response)
        return response

    def ok(self, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        """A request that must succeed; Problem otherwise."""
        response = self.call(method, path, body, **more)
        if response.status_code >= 400:
            raise Problem(response)
        return response

    def problem(
        self, method: str, path: str, body: Any = None, *, status: int | tuple[int, ...], **more: Any
    ) -> Problem:
        """A request that must fail with the status (or one of them)."""
        response = self.call(method, path, body, **more)
        wanted = status if isinstance(status, tuple) else (status,)
        assert response.status_code in wanted, (
            f"{method} {path} → {response.status_code}, wanted {wanted}: {response.text[:400]}"
        )
        return Problem(response)

    def get(self, path: str, **params: Any) -> Json:
        """One object, or one page."""
        return self.ok("GET", path, params=params or None).json()

    def create(self, path: str, body: Json, **more: Any) -> Json:
        """A creation, checked: 201, Location that leads to it, id, version, created_at."""
        response = self.ok("POST", path, body, **more)
        assert response.status_code == 201, f"POST {path} → {response.status_code}"
        made = response.json()
        assert response.headers["location"].rstrip("/").endswith(made["id"])
        assert isinstance(made["version"], int)
        instant(made["created_at"])
        return made

    def post(self, path: str, body: Json | None = None, **more: Any) -> Json:
        """An action; gives the body of the answer."""
        response = self.ok("POST", path, {} if body is None else body, **more)
        return response.json() if response.content else {}

    def put(self, path: str, body: Json, **more: Any) -> Json:
        return self.ok("PUT", path, body, **more).json()

    def patch(self, path: str, body: Json, **more: Any) -> Json:
        return self.ok("PATCH", path, body, **more).json()

    def pages(self, path: str, **params: Any) -> Iterator[list[Json]]:
        """Every page of a list, following next_cursor."""
        cursor: str | None = None
        while True:
            page = self.get(path, **params, **({"cursor": cursor} if cursor else {}))
            assert isinstance(page["items"], list)
            assert "next_cursor" in page
            yield page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def items(self, path: str, **params: Any) -> list[Json]:
        """Every item of a list, over all its pages."""
        return [item for page in self.pages(path, **params) for item in page]

    def wait(self, look: Callable[[], Any], *, what: str, timeout_s: float = 10) -> Any:
        """Polls until look() is truthy and gives that; AssertionError names what did not come."""
        deadline = time.monotonic() + timeout_s
        last: Any = None
        while time.monotonic() < deadline:
            last = look()
            if last:
                return last
            time.sleep(0.05)
        raise AssertionError(f"did not come in {timeout_s} s: {what}; last seen: {last}")

    def stream(self, *, last_event_id: str | None = None) -> Stream:
        """The live stream, opened."""
        headers = dict(self.headers)
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        return Stream(self.base_url, headers)


@dataclass(frozen=True, slots=True)
class Told:
    """One server-sent event."""

    id: str
    event: str
    data: Json


class Stream:
    """A reader of server-sent events in its own thread; use as a context manager."""

    def __init__(self, base_url: str, headers: dict[str, str]) -> None:
        self._http = httpx2.Client(base_url=base_url, timeout=httpx2.Timeout(10, read=60))
        self._headers = {**headers, "Accept": "text/event-stream"}
        self._turn = threading.Condition()
        self._told: list[Told] = []
        self._opened = threading.Event()
        self.status = 0
        self.content_type = ""
        self._ended = False
        self._response: httpx2.Response | None = None
        self._thread = threading.Thread(target=self._run, name="sse", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._opened.wait(10), "the stream did not open"
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended = True

    @property
    def told(self) -> list[Told]:
        with self._turn:
            return list(self._told)

    def wait(self, wanted: Callable[[Told], bool], *, what: str, timeout_s: float = 10) -> Told:
        """The first event that is wanted, past or coming."""
        hit: list[Told] = []

        def look() -> bool:
            hit[:] = [told for told in self._told if wanted(told)][:1]
            return bool(hit)

        with self._turn:
            assert self._turn.wait_for(look, timeout_s), f"not told in {timeout_s} s: {what}; told: {self._told[-5:]}"
        return hit[0]

    def _run(self) -> None:
        try:
            with self._http.stream("GET", f"{API}/stream", headers=self._headers) as response:
                self.status = response.status_code
                self.content_type = response.headers.get("content-type", "")
                self._opened.set()
                self._read(response)
        except httpx2.HTTPError:
            if not self._ended:
                self._opened.set()
        finally:
            self._http.close()

    def _read(self, response: httpx2.Response) -> None:
        fields: dict[str, list[str]] = {}
        for line in response.iter_lines():
            if self._ended:
                return
            if line == "":
                self._take(fields)
                fields = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(":")
                fields.setdefault(name, []).append(value.removeprefix(" "))

    def _take(self, fields: dict[str, list[str]]) -> None:
        if "data" not in fields:
            return
        told = Told(
            id="".join(fields.get("id", [])),
            event="".join(fields.get("event", ["message"])),
            data=json.loads("\n".join(fields["data"])),
        )
        with self._turn:
            self._told.append(told)
            self._turn.notify_all()


def metrics(base_url: str, *, timeout_s: float = 10) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """`/metrics`, parsed: (name, sorted labels) → value."""
    return _values(_scrape(base_url, timeout_s))


def _scrape(base_url: str, timeout_s: float) -> str:
    return httpx2.get(f"{base_url}/metrics", timeout=timeout_s).raise_for_status().text


def _values(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        series, _, value = line.rpartition(" ")
        name, _, rest = series.partition("{")
        labels: list[tuple[str, str]] = []
        for pair in rest.rstrip("}").split(","):
            if pair:
                key, _, text_value = pair.partition("=")
                labels.append((key, text_value.strip('"')))
        values[name, tuple(sorted(labels))] = float(value)
    return values


def metric(base_url: str, name: str, **labels: str) -> float:
    """The sum of a metric over every series that carries the labels; 0 where none exists yet.

    AssertionError where the hub knows no such metric.
    """
    text = _scrape(base_url, 10)
    assert f"\n# TYPE {name} " in f"\n{text}", f"the hub has no metric {name}"
    wanted = set(labels.items())
    return sum(value for (found, pairs), value in _values(text).items() if found == name and wanted <= set(pairs))


def raw_of(row: Json) -> bytes:
    """The bytes of a quarantined record or message."""
    return base64.b64decode(row["raw_base64"], validate=True)
