"""Signing in and being known: passwords, tokens for scripts, sessions for browsers."""

import hashlib
from collections.abc import Callable
from threading import BoundedSemaphore, Lock
from typing import Final

from hub.access.account import Account
from hub.access.passwords import AT_A_TIME, Passwords
from hub.access.ports import MarkRepository, Transactions
from hub.access.rate_limit import Buckets, Rate
from hub.access.tokens import SECRET_BYTES, Claims, Tokens, password_mark
from hub.errors import TooManyRequestsError, UnauthenticatedError

SESSION_S: Final = 12 * 3600
"""How long a browser stays signed in: a shift."""
PER_ACCOUNT_AND_ADDRESS: Final = Rate(burst=10, every_s=6)
"""Failed sign-ins of one account from one address: ten, then one every six seconds."""
PER_ADDRESS: Final = Rate(burst=60, every_s=1)
"""Failed sign-ins from one address, whatever the account."""
_SECRET_MARK: Final = "token_secret"  # noqa: S105 the name of the row


def new_passwords() -> Passwords:
    """Return what hashes passwords, two at a time."""
    return Passwords(BoundedSemaphore(AT_A_TIME))


def token_secret(marks: MarkRepository, *, new_hex: Callable[[int], str]) -> bytes:
    """Return the key of the tokens, made at the first call and kept in the database."""
    known = marks.get(_SECRET_MARK)
    if known is None:
        known = new_hex(SECRET_BYTES)
        marks.set(_SECRET_MARK, known)
    return bytes.fromhex(known)


class Access:
    """Who is asking. Time is the machine's: a simulated year must not end a sign-in."""

    def __init__(
        self,
        transactions: Transactions,
        *,
        tokens: Tokens,
        passwords: Passwords,
        wall_ms: Callable[[], int],
        new_secret: Callable[[], str],
    ) -> None:
        """Wire it."""
        self._transactions = transactions
        self._tokens = tokens
        self._passwords = passwords
        self._wall_ms = wall_ms
        self._new_secret = new_secret
        self._lock = Lock()
        self._pairs = Buckets(PER_ACCOUNT_AND_ADDRESS)
        self._addresses = Buckets(PER_ADDRESS)

    def sign_in(self, username: str, password: str, *, address: str) -> Account:
        """Return the account; raises UnauthenticatedError, or TooManyRequestsError before anything is hashed."""
        pair = (username, address)
        self._admit(pair, address)
        with self._transactions.read() as unit:
            account = unit.access.named(username)
        if account is None:
            known = self._passwords.refuse(password)
        else:
            known = self._passwords.verify(password, account.password_hash) and account.active
        if account is None or not known:
            message = "the user name or the password is wrong"
            raise UnauthenticatedError(message)
        with self._lock:
            self._pairs.refill(pair)
            self._addresses.give_back(address, at_s=self._wall_ms() / 1000)
        return account

    def issue_token(self, account: Account) -> str:
        """Return a bearer token for scripts."""
        claims = Claims(account.id, password_mark(account.password_hash))
        return self._tokens.issue(claims, at_s=self._wall_ms() // 1000)

    def by_token(self, token: str) -> Account | None:
        """Return who holds the token: an active account whose password is still the one it was issued under."""
        claims = self._tokens.read(token, at_s=self._wall_ms() // 1000)
        if claims is None:
            return None
        with self._transactions.read() as unit:
            account = unit.access.get(claims.person)
        if account is None or not account.active or password_mark(account.password_hash) != claims.password_mark:
            return None
        return account

    def open_session(self, account: Account) -> str:
        """Return the opaque value of a browser's cookie, good for `SESSION_S`."""
        cookie = self._new_secret()
        at_ms = self._wall_ms()
        with self._transactions.begin() as unit:
            unit.access.open_session(_hash(cookie), account.id, at_ms=at_ms, expires_at_ms=at_ms + SESSION_S * 1000)
        return cookie

    def by_session(self, cookie: str) -> Account | None:
        """Return who holds the cookie, None where it is over."""
        with self._transactions.read() as unit:
            account = unit.access.session(_hash(cookie), at_ms=self._wall_ms())
        return account if account is not None and account.active else None

    def close_session(self, cookie: str) -> None:
        """Sign a browser out."""
        with self._transactions.begin() as unit:
            unit.access.close_session(_hash(cookie))

    def _admit(self, pair: tuple[str, str], address: str) -> None:
        at_s = self._wall_ms() / 1000
        with self._lock:
            wait_s = max(self._pairs.wait_s(pair, at_s=at_s), self._addresses.wait_s(address, at_s=at_s))
            if not wait_s:
                self._pairs.spend(pair, at_s=at_s)
                self._addresses.spend(address, at_s=at_s)
        if wait_s:
            message = "too many failed sign-ins"
            raise TooManyRequestsError(message, retry_after_s=wait_s)


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()
