"""Parameters that people set for a scope, and what they come to: effective at once, each checked before it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from hub.errors import ConflictError, NotFoundError, StaleVersionError
from hub.rules.parameters import PARAMETERS, merge, parse_parameters
from hub.rules.scopes import Scope, candidates
from hub.vocabulary import FaultCode


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """What was set for one scope and fault code; version 0: nothing yet."""

    scope: Scope
    fault_code: FaultCode
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: int = 0
    updated_at_ms: int | None = None


class OverrideRepository(Protocol):
    """The overrides in the state database."""

    def chain(self, scope: Scope, /) -> Sequence[Scope] | None:
        """Return the scope with those around it, widest first; None where it is nothing registered."""
        ...

    def get(self, scope: Scope, fault_code: FaultCode, /) -> StoredOverride:
        """Return what was set for the scope, version 0 where nothing was."""
        ...

    def keep(self, override: StoredOverride, /) -> None:
        """Store an override; noted in the registry's log, which ingest reads."""
        ...


def known_fault(text: str) -> FaultCode:
    """Return the fault code; raises NotFoundError for what is none."""
    try:
        return FaultCode(text)
    except ValueError:
        message = f"there is no rule {text}"
        raise NotFoundError(message) from None


def find_scope(overrides: OverrideRepository, text: str) -> tuple[Scope, ...] | None:
    """Return the scope that a text names with those around it, widest first; None where it names nothing."""
    for candidate in candidates(text):
        chain = overrides.chain(candidate)
        if chain is not None:
            return tuple(chain)
    return None


def effective(overrides: OverrideRepository, chain: Sequence[Scope], fault_code: FaultCode) -> dict[str, Any]:
    """Return the parameters in force at the last scope of the chain; of an empty one the defaults.

    Life safety has none.
    """
    if fault_code not in PARAMETERS:
        return {}
    set_for = [overrides.get(scope, fault_code).parameters for scope in chain]
    return asdict(merge(PARAMETERS[fault_code], *set_for))


def set_parameters(
    overrides: OverrideRepository,
    chain: Sequence[Scope],
    fault_code: FaultCode,
    *,
    parameters: Mapping[str, Any],
    at_ms: int,
    expected_version: int | None = None,
) -> StoredOverride:
    """Set the parameters of the last scope of the chain, in place of what was set there.

    Raises ParameterError naming every fault; StaleVersionError where somebody else was first; ConflictError for a fault
    code without parameters: nobody can make an SOS less urgent.
    """
    if fault_code not in PARAMETERS:
        message = f"{fault_code} has no parameters"
        raise ConflictError(message)
    *around, scope = chain
    former = overrides.get(scope, fault_code)
    if expected_version is not None and former.version != expected_version:
        message = f"the parameters are at version {former.version}, not {expected_version}"
        raise StaleVersionError(message)
    parse_parameters(fault_code, parameters, *(overrides.get(wider, fault_code).parameters for wider in around))
    override = StoredOverride(scope, fault_code, dict(parameters), former.version + 1, at_ms)
    overrides.keep(override)
    return override
