"""Whom a message concerns: roles at its site, and the crew of its order; pure."""

from dataclasses import dataclass
from typing import Final

from hub.notification.messages import Message
from hub.vocabulary import FAULTS, FaultCode, Role

_WATCHES: Final = (Role.ADMIN, Role.OPERATOR)
_DISPATCHES: Final = (Role.ADMIN, Role.DISPATCHER)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who holds one of the roles for the site, and who is in the crew."""

    roles: tuple[Role, ...]
    crew: str | None = None


def audience_of(message: Message) -> Audience:
    """Return whom the message concerns.

    An alert: who watches the site, and carers where it is about life safety. An order: its crew; and who dispatches,
    where it has no crew, is doubted by the sensors, or is over.
    """
    noun = message.kind.partition(".")[0]
    if noun == "alert":
        about_life = FAULTS[FaultCode(message.item["fault_code"])].life_safety
        return Audience((*_WATCHES, Role.CARER) if about_life else _WATCHES)
    if message.step in {"assigned", "reopened"} and message.crew is not None:
        return Audience((), message.crew)
    return Audience(_DISPATCHES, message.crew)
