"""Who calls, and what they may: every endpoint starts here."""

import hashlib
import re
from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Header, Request, Response
from fastapi.security import OAuth2PasswordBearer

from hub.access.account import Account
from hub.access.idempotency import KEPT_MS, KeptAnswer
from hub.access.roles import Action, Rights
from hub.api.answers import API, Answer
from hub.api.ports import Unit
from hub.api.services import Given, Services
from hub.errors import ForbiddenError, InvalidError, NotFoundError, UnauthenticatedError

SESSION_COOKIE: Final = "linli_session"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ETAG: Final = re.compile(r'(?:W/)?"?(\d{1,18})"?')
_bearer: Final = OAuth2PasswordBearer(tokenUrl=f"{API}/auth/token", auto_error=False)


class Caller:
    """A person who has shown who they are."""

    def __init__(self, services: Services, account: Account) -> None:
        """Belong to one request."""
        self.services = services
        self.account = account

    @property
    def rights(self) -> Rights:
        """What the caller may do."""
        return self.account.rights

    @property
    def now_ms(self) -> int:
        """The hub's time."""
        return self.services.now_ms()

    def sites(self, action: Action) -> frozenset[str] | None:
        """Return where the caller may; None: everywhere."""
        return self.rights.sites(action)

    def see(self, action: Action, site: str) -> None:
        """Raise NotFoundError where the caller may not even see."""
        if not self.rights.may(action, site):
            message = "there is no such thing, or you may not see it"
            raise NotFoundError(message)

    def require(self, action: Action, site: str) -> None:
        """Raise ForbiddenError where the caller sees, but may not do this."""
        if not self.rights.may(action, site):
            message = f"you may not {action.replace('_', ' ')} at {site}"
            raise ForbiddenError(message)

    def require_everywhere(self, action: Action) -> None:
        """Raise ForbiddenError unless the caller may do this at every site."""
        if not self.rights.may_everywhere(action):
            message = f"you may not {action.replace('_', ' ')} at every site"
            raise ForbiddenError(message)

    def require_new(self, action: Action, site: str, *, see: Action = Action.READ_REGISTRY) -> None:
        """Raise InvalidError for a site the caller may not see, ForbiddenError where they may not create."""
        if not self.rights.may(see, site):
            raise InvalidError(("site", "is no site that is in service"))
        self.require(action, site)


class Change(Caller):
    """A caller who wants something changed."""

    def __init__(
        self,
        services: Services,
        account: Account,
        *,
        what: str,
        request_hash: str,
        expected_version: int | None = None,
        key: str | None = None,
    ) -> None:
        """Belong to one request; `what` names it for the audit log."""
        super().__init__(services, account)
        self.expected_version = expected_version
        self._what = what
        self._hash = request_hash
        self._key = key

    def kept(self) -> Response | None:
        """Return the answer that this request has had before, None where it is new."""
        if self._key is None:
            return None
        with self.services.transactions.read() as unit:
            return self._kept(unit)

    def run(self, work: Callable[[Unit], Answer]) -> Response:
        """Do the work in one transaction with its audit line and, where a key was sent, its answer."""
        at_ms = self.now_ms
        with self.services.transactions.begin() as unit:
            kept = self._kept(unit)
            if kept is not None:
                return kept
            answer = work(unit)
            content = answer.content
            headers = {**answer.headers, "Content-Type": answer.media_type} if content else dict(answer.headers)
            unit.audit.add(self._what, answer.about, person=self.account.id, site=answer.site, at_ms=at_ms, details={})
            if self._key is not None:
                given = KeptAnswer(self._hash, answer.status, headers, content)
                unit.idempotency.keep(self.account.id, self._key, given, at_ms=at_ms)
        return Response(content, status_code=answer.status, headers=headers)

    def _kept(self, unit: Unit) -> Response | None:
        if self._key is None:
            return None
        kept = unit.idempotency.find(self.account.id, self._key, since_ms=self.now_ms - KEPT_MS)
        if kept is None:
            return None
        if kept.request_hash != self._hash:
            raise InvalidError(("Idempotency-Key", "was used for another request"))
        return Response(kept.body, status_code=kept.status, headers=dict(kept.headers))


def _account(request: Request, services: Given, bearer: Annotated[str | None, Depends(_bearer)]) -> Account:
    account: Account | None = None
    if bearer is not None:
        account = services.access.by_token(bearer)
    elif (cookie := request.cookies.get(SESSION_COOKIE)) is not None:
        _refuse_foreign_pages(request)
        account = services.access.by_session(cookie)
    if account is None:
        message = "a valid bearer token or session is needed"
        raise UnauthenticatedError(message)
    return account


def _refuse_foreign_pages(request: Request) -> None:
    """A browser sends the cookie whoever wrote the page: changes are taken from our own pages only."""
    if request.method in _SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = (
        site in {"same-origin", "none"}
        if site
        else origin is not None and urlsplit(origin).netloc == request.url.netloc
    )
    if not own:
        message = "a change by cookie must come from this hub's own pages"
        raise ForbiddenError(message)


def _caller(services: Given, account: Annotated[Account, Depends(_account)]) -> Caller:
    return Caller(services, account)


async def _request_hash(request: Request) -> str:
    said = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return hashlib.sha256(said + await request.body()).hexdigest()


IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match", description="The ETag the change is meant for; another version now is 412.", max_length=100
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", description="The same key and body get the same answer, for a day.", max_length=255
    ),
]
_Hash = Annotated[str, Depends(_request_hash)]
_Who = Annotated[Account, Depends(_account)]


def _creation(
    request: Request, services: Given, account: _Who, request_hash: _Hash, idempotency_key: IdempotencyKey = None
) -> Change:
    return Change(services, account, what=_what(request), request_hash=request_hash, key=idempotency_key)


def _step(
    request: Request,
    services: Given,
    account: _Who,
    request_hash: _Hash,
    *,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Change:
    return Change(
        services,
        account,
        what=_what(request),
        request_hash=request_hash,
        expected_version=_version(if_match),
        key=idempotency_key,
    )


def _edit(request: Request, services: Given, account: _Who, request_hash: _Hash, if_match: IfMatch = None) -> Change:
    return Change(
        services, account, what=_what(request), request_hash=request_hash, expected_version=_version(if_match)
    )


def _what(request: Request) -> str:
    path = getattr(request.scope.get("route"), "path", request.url.path)
    return f"{request.method} {str(path).removeprefix(API)}"[:64]


def _version(if_match: str | None) -> int | None:
    """Return the version an If-Match header names, None for `*` or none; raises InvalidError for another tag."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = _ETAG.fullmatch(if_match.strip())
    if tag is None:
        raise InvalidError(("If-Match", "is no ETag of this API"))
    return int(tag[1])


Reader = Annotated[Caller, Depends(_caller)]
"""GET."""
Creator = Annotated[Change, Depends(_creation)]
"""POST of something new."""
Stepper = Annotated[Change, Depends(_step)]
"""POST of a step."""
Editor = Annotated[Change, Depends(_edit)]
"""PATCH, PUT and DELETE."""
