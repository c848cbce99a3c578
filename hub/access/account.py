"""An account: what access needs to know of a person."""

from dataclasses import dataclass

from hub.access.roles import Rights


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may sign in while `active`."""

    id: str
    username: str
    display_name: str
    locale: str
    password_hash: str
    active: bool
    rights: Rights
