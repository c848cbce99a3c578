"""One visit of a browser: who it is, in which language, and the answers it gets, each under a strict policy."""

import hashlib
import hmac
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import Annotated, Any, Final, cast
from urllib.parse import urlencode, urlsplit

import structlog
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from hub.access.account import Account
from hub.access.service import SESSION_S
from hub.dashboard.language import CHOSEN, Words, choose, words
from hub.dashboard.ports import Pages
from hub.errors import ForbiddenError, HubError, NotFoundError, StorageError

log = structlog.get_logger("hub.dashboard")

SESSION: Final = "linli_session"
"""The cookie of a browser session; the REST API takes it too."""
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""`same-origin`, for without a referrer a browser sends the origin `null` with a form."""
_YEAR_S: Final = 365 * 86_400


class SignInFirst(Exception):
    """Nobody is signed in."""


class Assets:
    """The files that pages refer to, each under a name that changes with its content."""

    def __init__(self) -> None:
        """Read them."""
        folder = resources.files("hub.dashboard") / "static"
        self.contents: Mapping[str, bytes] = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
        self._marks = {name: hashlib.sha256(content).hexdigest()[:12] for name, content in self.contents.items()}

    def address(self, name: str) -> str:
        """Return the address of a file."""
        return f"/static/{name}?v={self._marks[name]}"


@dataclass(frozen=True, slots=True)
class Look:
    """How pages are laid out."""

    environment: Environment
    assets: Assets


@cache
def open_look() -> Look:
    """Read the templates and what they refer to, once."""
    environment = Environment(
        loader=PackageLoader("hub.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return Look(environment, Assets())


class Visit:
    """One request of a browser."""

    def __init__(self, request: Request, known: Account | None, look: Look) -> None:
        """Belong to one request of `known`, None: of nobody who is signed in."""
        self._request = request
        self._look = look
        self.cookie = request.cookies.get(SESSION)
        self.known = known
        self.asked = request.query_params.get("lang")
        self.words: Words = words(
            choose(
                asked=self.asked,
                chosen=request.cookies.get(CHOSEN),
                person=None if self.known is None else self.known.locale,
                accepted=request.headers.get("accept-language"),
            )
        )
        self.here = request.url.path if request.method == "GET" else "/"
        """Where a link leads that shows the same page again."""

    @property
    def account(self) -> Account:
        """Who is signed in; raises SignInFirst."""
        if self.known is None:
            raise SignInFirst
        return self.known

    @property
    def form_token(self) -> str:
        """What every form of this session carries: only who holds the cookie can know it."""
        return hashlib.sha256(b"form:" + (self.cookie or "").encode("utf-8", "replace")).hexdigest()[:32]

    @property
    def address(self) -> str:
        """Where the browser comes from."""
        return "" if self._request.client is None else self._request.client.host

    def check_form(self, token: str) -> None:
        """Raise SignInFirst without a session, ForbiddenError for a form that is not of this session's own pages."""
        self.check_origin()
        _ = self.account
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.form_token.encode()):
            raise ForbiddenError("problem.foreign_page")

    def check_origin(self) -> None:
        """Raise ForbiddenError where the browser does not say that one of our own pages sent it."""
        site = self._request.headers.get("sec-fetch-site")
        if site is not None:
            own = site in {"same-origin", "none"}
        else:
            origin = self._request.headers.get("origin")
            own = origin is not None and urlsplit(origin).netloc == self._request.url.netloc
        if not own:
            raise ForbiddenError("problem.foreign_page")

    def page(self, template: str, /, *, status: int = HTTPStatus.OK, **shown: Any) -> Response:
        """Return a page in the visitor's language."""
        said = f"said.{self._request.query_params.get('said', '')}"
        html = self._look.environment.get_template(template).render(
            {
                "w": self.words,
                "account": self.known,
                "asset": self._look.assets.address,
                "form_token": self.form_token,
                "here": self.here,
                "other_language": f"{self.here}?{self._with(lang=self.words('lang.other_code'))}",
                "said": self.words(said) if self.words.knows(said) else None,
                "refused": None,
                "refresh": None,
                **shown,
            }
        )
        response = HTMLResponse(html, status_code=status, headers={**HEADERS, "Content-Language": self.words.locale})
        if self.asked is not None and self.asked == self.words.locale:
            self._set(response, CHOSEN, self.asked, max_age_s=_YEAR_S)
        return response

    def problem(self, what: str, *, status: int, next_text: str | None = None) -> Response:
        """Return a page that says what went wrong and what to do."""
        following = self.words(next_text or f"problem.{what}_next")
        return self.page("problem.html", status=status, title=self.words(f"problem.{what}"), following=following)

    def go(self, address: str, /, **query: str) -> RedirectResponse:
        """Send the browser on; what was posted is not posted again."""
        target = f"{address}?{urlencode(query)}" if query else address
        return RedirectResponse(target, status_code=HTTPStatus.SEE_OTHER, headers=HEADERS)

    def go_sign_in(self) -> Response:
        """Send the browser to the sign-in, and back to where it was afterwards."""
        query = self._request.url.query
        wanted = f"{self._request.url.path}?{query}" if query else self._request.url.path
        over = {} if self.cookie is None else {"over": "1"}
        return self.go("/sign-in", **({"next": wanted} if self._request.method == "GET" else {}), **over)

    def signed_in(self, cookie: str, address: str) -> Response:
        """Give the browser its session and send it on."""
        response = self.go(address)
        self._set(response, SESSION, cookie, max_age_s=SESSION_S)
        return response

    def signed_out(self) -> Response:
        """Take the session from the browser."""
        response = self.go("/sign-in", said="signed_out")
        response.delete_cookie(SESSION, path="/", httponly=True, samesite="lax", secure=self._secure)
        return response

    @property
    def _secure(self) -> bool:
        return self._request.url.scheme == "https"

    def _set(self, response: Response, name: str, value: str, *, max_age_s: int) -> None:
        response.set_cookie(
            name, value, max_age=max_age_s, path="/", httponly=True, samesite="lax", secure=self._secure
        )

    def _with(self, **changes: str) -> str:
        """Return the query of this page with some values changed; what was said once is not said again."""
        kept = {name: value for name, value in self._request.query_params.items() if name not in {"said", *changes}}
        return urlencode({**(kept if self._request.method == "GET" else {}), **changes})


def local(address: str) -> str:
    """Return an address of our own pages, the first one where it is none: nobody is sent elsewhere."""
    parts = urlsplit(address)
    own = address.startswith("/") and not address.startswith("//") and not (parts.scheme or parts.netloc)
    return address if own and "\\" not in address and address.isprintable() else "/"


def page_route(pages: Pages, look: Look) -> type[APIRoute]:
    """Return the routes whose handlers find a visit with their request, and whose errors are pages."""

    class PageRoute(APIRoute):
        """A route of the pages."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def handler(request: Request) -> Response:
                cookie = request.cookies.get(SESSION)
                try:
                    known = None if cookie is None else await run_in_threadpool(pages.access.by_session, cookie)
                except HubError as error:
                    return _answer(error, Visit(request, None, look))
                visit = request.state.visit = Visit(request, known, look)
                try:
                    return await handle(request)
                except Exception as error:  # noqa: BLE001 whatever it is, a person gets a page
                    return _answer(error, visit)

            return handler

    return PageRoute


async def _visit(request: Request) -> Visit:
    return cast("Visit", request.state.visit)


Visiting = Annotated[Visit, Depends(_visit)]
"""Every handler starts here."""


def _answer(error: Exception, visit: Visit) -> Response:
    match error:
        case SignInFirst():
            return visit.go_sign_in()
        case ForbiddenError():
            known = visit.words.knows(str(error))
            return visit.problem("forbidden", status=403, next_text=str(error) if known else None)
        case NotFoundError():
            return visit.problem("not_found", status=404)
        case RequestValidationError():
            unknown = any(part["loc"][0] == "path" for part in error.errors())
            return visit.problem("not_found", status=404) if unknown else visit.problem("invalid", status=422)
        case HTTPException():
            return visit.problem("invalid", status=error.status_code)
        case StorageError():
            log.error("dashboard.unavailable", reason=str(error))
            return visit.problem("unavailable", status=503)
        case _:
            log.error("dashboard.failed", reason=repr(error), exc_info=error)
            return visit.problem("failed", status=500)
