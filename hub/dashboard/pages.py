"""The pages: what a browser is answered. Nothing is decided here."""

from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Path, Query, Response

from hub.access.roles import Action
from hub.alerts.alert import SosOutcome
from hub.dashboard.facilities import kind_word
from hub.dashboard.ports import Pages
from hub.dashboard.presenters import Scene
from hub.dashboard.reading import NamesRead, Reading
from hub.dashboard.steps import LONGEST, Actor, Said, step_alert, step_order
from hub.dashboard.visit import HEADERS, Look, Visit, Visiting, local, open_look, page_route
from hub.errors import (
    ForbiddenError,
    HubError,
    IllegalTransitionError,
    InvalidError,
    NotFoundError,
    StaleVersionError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from hub.vocabulary import FacilityKind

__all__ = ["Pages", "router"]

REFRESH_S: Final = 30
_MEDIA_TYPES: Final = {"css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
_FAULTS: Final = {
    "reason": "fault.empty",
    "comment": "fault.empty",
    "crew": "fault.crew",
    "resume_at": "fault.resume_at",
    "outcome": "fault.outcome",
}
_REFUSALS: Final = (ForbiddenError, IllegalTransitionError, InvalidError, StaleVersionError)

RowId = Annotated[str, Path(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]
PageNumber = Annotated[int, Query(ge=1, le=10_000)]
Text = Annotated[str, Form(max_length=2 * LONGEST)]
Short = Annotated[str, Form(max_length=256)]


def router(pages: Pages) -> APIRouter:
    """Return the pages, to be mounted at `/`."""
    look = open_look()
    made = APIRouter(route_class=page_route(pages, look), include_in_schema=False)
    handlers = _Handlers(pages, look)
    for path, handler in (
        ("/", handlers.overview),
        ("/alerts", handlers.alerts),
        ("/alerts/{alert_id}", handlers.alert),
        ("/work-orders", handlers.work_orders),
        ("/work-orders/{order_id}", handlers.work_order),
        ("/facilities", handlers.facilities),
        ("/sign-in", handlers.sign_in_form),
        ("/static/{name}", handlers.static),
    ):
        made.add_api_route(path, handler, methods=["GET"], response_model=None)
    for path, handler in (
        ("/alerts/{alert_id}/{step}", handlers.step_alert),
        ("/work-orders/{order_id}/{step}", handlers.step_work_order),
        ("/sign-in", handlers.sign_in),
        ("/sign-out", handlers.sign_out),
    ):
        made.add_api_route(path, handler, methods=["POST"], response_model=None)
    return made


class _Handlers:
    """One handler a page; each runs in a thread of its own."""

    def __init__(self, pages: Pages, look: Look) -> None:
        self._pages = pages
        self._look = look

    def overview(self, visit: Visiting, refresh: Annotated[str, Query(max_length=8)] = "on") -> Response:
        """Show what is urgent, what is to be done, and how the facilities are."""
        with self._reading(visit) as (reading, scene):
            shown = reading.overview()
        account = visit.account
        return visit.page(
            "overview.html",
            shown=shown,
            now=scene.now_ms,
            may_register=account.rights.may_everywhere(Action.WRITE_REGISTRY),
            refresh=REFRESH_S if refresh != "off" else None,
            tab="overview",
        )

    def alerts(
        self, visit: Visiting, page: PageNumber = 1, show: Annotated[str, Query(max_length=8)] = "open"
    ) -> Response:
        """List alerts."""
        closed = show == "closed"
        with self._reading(visit) as (reading, _):
            listed = reading.alerts(closed=closed, page=page)
        return visit.page("alerts.html", listed=listed, closed=closed, number=page, tab="alerts")

    def work_orders(
        self, visit: Visiting, page: PageNumber = 1, show: Annotated[str, Query(max_length=8)] = "open"
    ) -> Response:
        """List work orders."""
        closed = show == "closed"
        with self._reading(visit) as (reading, _):
            listed = reading.work_orders(closed=closed, page=page)
        return visit.page("orders.html", listed=listed, closed=closed, number=page, tab="work_orders")

    def facilities(
        self,
        visit: Visiting,
        page: PageNumber = 1,
        kind: Annotated[str, Query(pattern=r"^[a-z0-9_-]{1,64}$")] = FacilityKind.BIN,
    ) -> Response:
        """List the facilities of one kind, the worst first."""
        with self._reading(visit) as (reading, _):
            kinds = reading.kinds(first=0)
            listed = reading.facilities(kind, page=page)
        counts = next((view.counts for view in kinds if view.kind == kind), ())
        return visit.page(
            "facilities.html",
            listed=listed,
            kinds=kinds,
            kind=kind,
            title=kind_word(kind, visit.words),
            counts=counts,
            number=page,
            tab="facilities",
        )

    def alert(self, visit: Visiting, alert_id: RowId) -> Response:
        """Show an alert with its history and what can be done."""
        return self._alert_page(visit, alert_id)

    def work_order(self, visit: Visiting, order_id: RowId) -> Response:
        """Show a work order with its history and what can be done."""
        return self._order_page(visit, order_id)

    def step_alert(
        self,
        visit: Visiting,
        alert_id: RowId,
        step: str,
        *,
        form_token: Short = "",
        back: Short = "",
        comment: Text = "",
        outcome: Short = "",
    ) -> Response:
        """Take a step of an alert, then show it, or what stood in the way."""
        visit.check_form(form_token)
        said = Said(comment=_clean(comment), outcome=outcome)
        try:
            with self._pages.transactions.begin() as unit:
                step_alert(unit, alert_id, step, said, self._actor(visit))
        except _REFUSALS as error:
            return self._alert_page(visit, alert_id, refused=(step, error))
        return visit.go("/" if back == "overview" else f"/alerts/{alert_id}", said=step)

    def step_work_order(
        self,
        visit: Visiting,
        order_id: RowId,
        step: str,
        *,
        form_token: Short = "",
        back: Short = "",
        comment: Text = "",
        reason: Text = "",
        resume_at: Short = "",
        crew: Short = "",
    ) -> Response:
        """Take a step of a work order, then show it, or what stood in the way."""
        visit.check_form(form_token)
        said = Said(comment=_clean(comment), reason=_clean(reason), resume_at=resume_at, crew=_clean(crew))
        try:
            with self._pages.transactions.begin() as unit:
                step_order(unit, order_id, step, said, self._actor(visit))
        except _REFUSALS as error:
            return self._order_page(visit, order_id, refused=(step, error))
        return visit.go("/" if back == "overview" else f"/work-orders/{order_id}", said=step)

    def sign_in_form(
        self,
        visit: Visiting,
        to: Annotated[str, Query(alias="next", max_length=2_000)] = "/",
        over: str = "",
    ) -> Response:
        """Ask who it is."""
        if visit.known is not None:
            return visit.go(local(to))
        return _sign_in_page(visit, to, refused=visit.words("sign_in.over") if over else None)

    def sign_in(
        self,
        visit: Visiting,
        username: Short,
        password: Short,
        to: Annotated[str, Form(alias="next", max_length=2_000)] = "/",
    ) -> Response:
        """Begin a session: a new one, whatever the browser had before."""
        visit.check_origin()
        access, words = self._pages.access, visit.words
        try:
            account = access.sign_in(_clean(username), password, address=visit.address)
        except UnauthenticatedError:
            return _sign_in_page(visit, to, status=HTTPStatus.UNAUTHORIZED, refused=words("sign_in.wrong"))
        except TooManyRequestsError as error:
            refused = words("sign_in.too_many", seconds=error.retry_after_s)
            response = _sign_in_page(visit, to, status=HTTPStatus.TOO_MANY_REQUESTS, refused=refused)
            response.headers["Retry-After"] = str(error.retry_after_s)
            return response
        if visit.cookie is not None:
            access.close_session(visit.cookie)
        return visit.signed_in(access.open_session(account), local(to))

    def sign_out(self, visit: Visiting, form_token: Short = "") -> Response:
        """End the session."""
        visit.check_form(form_token)
        if visit.cookie is not None:
            self._pages.access.close_session(visit.cookie)
        return visit.signed_out()

    def static(self, name: str) -> Response:
        """Serve a file that pages refer to."""
        content = self._look.assets.contents.get(name)
        if content is None:
            message = "there is no such file"
            raise NotFoundError(message)
        media_type = _MEDIA_TYPES[name.rpartition(".")[2]]
        headers = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
        return Response(content, media_type=media_type, headers=headers)

    def _alert_page(self, visit: Visit, alert_id: str, *, refused: tuple[str, HubError] | None = None) -> Response:
        with self._reading(visit) as (reading, _):
            _, view, log = reading.alert(alert_id)
        visit.here = view.href
        status, sentence = _refusal(visit, refused, view.state_word)
        return visit.page(
            "alert.html",
            status=status,
            alert=view,
            log=log,
            outcomes=[(outcome.value, visit.words(f"outcome.{outcome}")) for outcome in SosOutcome],
            refused=sentence,
            tab="alerts",
        )

    def _order_page(self, visit: Visit, order_id: str, *, refused: tuple[str, HubError] | None = None) -> Response:
        with self._reading(visit) as (reading, scene):
            order, view, log = reading.work_order(order_id)
            alerts = reading.alerts_of(order)
            crews = reading.crews_for(order) if "assign" in view.steps else ()
            zone = str(scene.names.zone(order.subject.site))
        visit.here = view.href
        status, sentence = _refusal(visit, refused, view.state_word)
        return visit.page(
            "order.html",
            status=status,
            order=view,
            log=log,
            alerts=alerts,
            crews=crews,
            zone=zone,
            refused=sentence,
            tab="work_orders",
        )

    @contextmanager
    def _reading(self, visit: Visit) -> Generator[tuple[Reading, Scene]]:
        rights = visit.account.rights
        with self._pages.transactions.read() as unit:
            scene = Scene(words=visit.words, now_ms=self._pages.now_ms(), names=NamesRead(unit), rights=rights)
            yield Reading(unit, scene, latest=self._pages.latest), scene

    def _actor(self, visit: Visit) -> Actor:
        return Actor(person=visit.account.id, rights=visit.account.rights, at_ms=self._pages.now_ms())


def _sign_in_page(
    visit: Visit, next_address: str, *, status: int = HTTPStatus.OK, refused: str | None = None
) -> Response:
    visit.here = "/sign-in"
    return visit.page("sign_in.html", status=status, next=local(next_address), refused=refused)


def _refusal(visit: Visit, refused: tuple[str, HubError] | None, state_word: str) -> tuple[int, str | None]:
    """Return the status and the plain words for a step that was not taken; (200, None) where none was refused."""
    if refused is None:
        return HTTPStatus.OK, None
    step, error = refused
    words = visit.words
    match error:
        case ForbiddenError():
            return HTTPStatus.FORBIDDEN, words("refused.forbidden", step=words(f"step.{step}"))
        case InvalidError():
            return HTTPStatus.UNPROCESSABLE_ENTITY, words("refused.invalid", fault=_fault(visit, error))
        case StaleVersionError():
            return HTTPStatus.CONFLICT, words("refused.stale")
        case _:
            return HTTPStatus.CONFLICT, words("refused.illegal", step=words(f"step.{step}"), state=state_word)


def _fault(visit: Visit, error: InvalidError) -> str:
    field, message = error.errors[0]
    key = "fault.too_long" if message == "is too long" else _FAULTS.get(field)
    return message if key is None else visit.words(key)


def _clean(text: str) -> str:
    """Return the text without NUL, which no store of text takes."""
    return text.replace("\0", "").strip()
