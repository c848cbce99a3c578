"""Bearer tokens: JWT of 15 minutes, HS256 and nothing else, with `kid` and `aud`; who it is stands in `sub`."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import jwt

ALGORITHM: Final = "HS256"
AUDIENCE: Final = "linli-api"
LIFETIME_S: Final = 900
SECRET_BYTES: Final = 32
_LEEWAY_S: Final = 5


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says: who, and the mark of the password it was issued under."""

    person: str
    password_mark: str


class Tokens:
    """Issues and reads tokens with one secret key."""

    def __init__(self, secret_key: bytes) -> None:
        """Take a secret of at least `SECRET_BYTES`."""
        self._secret = secret_key
        self._kid = hashlib.sha256(b"kid:" + secret_key).hexdigest()[:16]

    def issue(self, claims: Claims, *, at_s: int) -> str:
        """Return a token that is good for `LIFETIME_S`."""
        payload = {
            "sub": claims.person,
            "pwd": claims.password_mark,
            "aud": AUDIENCE,
            "iat": at_s,
            "exp": at_s + LIFETIME_S,
        }
        return jwt.encode(  # pyright: ignore[reportUnknownMemberType] its key may be of a library we lack
            payload, self._secret, algorithm=ALGORITHM, headers={"kid": self._kid}
        )

    def read(self, token: str, *, at_s: int) -> Claims | None:
        """Return what the token says, None where it is not ours, altered or over."""
        try:
            if jwt.get_unverified_header(token).get("kid") != self._kid:
                return None
            payload: dict[str, Any] = jwt.decode(  # pyright: ignore[reportUnknownMemberType] as above
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["sub", "exp", "iat", "aud"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError):
            return None
        expires, issued, mark = payload["exp"], payload["iat"], payload.get("pwd")
        if not isinstance(expires, int) or not isinstance(issued, int) or not isinstance(mark, str):
            return None
        if at_s >= expires or issued > at_s + _LEEWAY_S:
            return None
        return Claims(str(payload["sub"]), mark)


def password_mark(password_hash: str) -> str:
    """Return what ties a token to the password it was issued under: a new password ends it."""
    return hashlib.sha256(b"mark:" + password_hash.encode()).hexdigest()[:16]
