"""Tokens: ours, unaltered, in time, by the one algorithm."""

import base64
import json

import jwt
import pytest

from hub.access.tokens import ALGORITHM, AUDIENCE, LIFETIME_S, Claims, Tokens, password_mark

SECRET = b"k" * 32
CLAIMS = Claims("01J0000000000000000000000A", "mark")
NOW_S = 1_795_000_000


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SECRET)


def test_a_token_is_good_for_fifteen_minutes(tokens: Tokens) -> None:
    token = tokens.issue(CLAIMS, at_s=NOW_S)
    assert tokens.read(token, at_s=NOW_S) == CLAIMS
    assert tokens.read(token, at_s=NOW_S + LIFETIME_S - 1) == CLAIMS
    assert tokens.read(token, at_s=NOW_S + LIFETIME_S) is None


def test_a_token_of_the_future_is_refused(tokens: Tokens) -> None:
    assert tokens.read(tokens.issue(CLAIMS, at_s=NOW_S + 60), at_s=NOW_S) is None


def test_another_key_is_refused(tokens: Tokens) -> None:
    assert tokens.read(Tokens(b"x" * 32).issue(CLAIMS, at_s=NOW_S), at_s=NOW_S) is None


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "é.é.é", "." * 10])
def test_what_is_no_token_is_refused(tokens: Tokens, text: str) -> None:
    assert tokens.read(text, at_s=NOW_S) is None


def parts(token: str) -> list[dict[str, object]]:
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def test_altered_claims_and_algorithms_are_refused(tokens: Tokens) -> None:
    header, payload = parts(tokens.issue(CLAIMS, at_s=NOW_S))
    kid = {"kid": str(header["kid"])}
    assert tokens.read(jwt.encode(payload, SECRET, algorithm=ALGORITHM, headers=kid), at_s=NOW_S) == CLAIMS
    assert tokens.read(jwt.encode(payload, "", algorithm="none", headers=kid), at_s=NOW_S) is None
    assert tokens.read(jwt.encode(payload, SECRET * 2, algorithm="HS512", headers=kid), at_s=NOW_S) is None
    assert tokens.read(jwt.encode(payload, SECRET, algorithm=ALGORITHM), at_s=NOW_S) is None, "no kid"
    for change in ({"aud": "else"}, {"exp": "soon"}, {"pwd": 1}, {"iat": None}):
        altered = jwt.encode({**payload, **change}, SECRET, algorithm=ALGORITHM, headers=kid)
        assert tokens.read(altered, at_s=NOW_S) is None, change
    for name in ("sub", "aud", "exp", "iat", "pwd"):
        less = {key: value for key, value in payload.items() if key != name}
        assert tokens.read(jwt.encode(less, SECRET, algorithm=ALGORITHM, headers=kid), at_s=NOW_S) is None, name


def test_a_token_names_its_audience_and_key(tokens: Tokens) -> None:
    header, payload = parts(tokens.issue(CLAIMS, at_s=NOW_S))
    assert (header["alg"], payload["aud"]) == (ALGORITHM, AUDIENCE)
    assert header["kid"]


def test_another_password_has_another_mark() -> None:
    assert password_mark("hash-1") == password_mark("hash-1") != password_mark("hash-2")
