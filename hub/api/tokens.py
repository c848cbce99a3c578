"""`/auth/token`."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response

from hub.access.tokens import LIFETIME_S
from hub.api.answers import JSON, encode
from hub.api.documents import problems
from hub.api.items import Item
from hub.api.requests import JsonRoute
from hub.api.services import Given

router: Final = APIRouter(prefix="/auth", tags=["access"], route_class=JsonRoute)


class TokenItem(Item):
    """A bearer token for scripts."""

    access_token: str
    token_type: str
    expires_in: int


@router.post("/token", response_model=TokenItem, responses=problems(400, 401, 413, 422, 429, 503))
def create_token(
    request: Request,
    services: Given,
    username: Annotated[str, Form(max_length=64, examples=["admin"])],
    password: Annotated[str, Form(max_length=256, json_schema_extra={"format": "password"})],
) -> Response:
    """Sign in for 15 minutes."""
    address = "" if request.client is None else request.client.host
    account = services.access.sign_in(username, password, address=address)
    body: dict[str, Any] = {
        "access_token": services.access.issue_token(account),
        "token_type": "bearer",
        "expires_in": LIFETIME_S,
    }
    return Response(encode(body), media_type=JSON, headers={"Cache-Control": "no-store"})
