"""`/rules`: the parameters of each fault code, by scope."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field, StringConstraints

from hub.access.roles import Action
from hub.api import answers
from hub.api.answers import Answer
from hub.api.caller import Caller, Editor, Reader
from hub.api.documents import CHANGE, LIST, PART
from hub.api.fields import Body
from hub.api.items import At, Item, Page
from hub.api.ports import Unit
from hub.api.requests import JsonRoute
from hub.errors import InvalidError
from hub.rules.overrides import StoredOverride, effective, find_scope, known_fault, set_parameters
from hub.rules.parameters import PARAMETERS, ParameterError
from hub.rules.scopes import Scope, ScopeKind
from hub.vocabulary import FAULTS, Colour, FaultCode, Severity, Skill
from protocols.instant import format_known_ms

router: Final = APIRouter(prefix="/rules", tags=["rules"], route_class=JsonRoute)

ScopeText = Annotated[str, StringConstraints(min_length=1, max_length=128)]
_SCOPE: Final = (
    "A site's slug, or the REST id of a facility or grid; `grid:demo.g1` and `facility:demo.g1` tell apart what shares "
    "an id."
)


class RuleSetting(Body):
    """Parameters for a scope, in place of those set there before; what is left out comes from wider scopes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "scope": "demo",
                    "parameters": {
                        "enter_percent": 80,
                        "leave_percent": 60,
                        "confirm_readings": 2,
                        "hold_s": 0,
                        "verify_window_s": 3600,
                        "review_s": 0,
                    },
                }
            ]
        }
    )

    scope: ScopeText = Field(description=_SCOPE)
    parameters: dict[str, Any] = Field(max_length=50)


class RuleItem(Item):
    """The parameters in force for a fault code at a scope."""

    id: FaultCode
    version: int = Field(description="Of what was set for this very scope; 0: nothing.")
    fault_code: FaultCode
    scope: str | None
    severity: Severity
    colour: Colour
    skill: Skill | None
    parameters: dict[str, float] = Field(description="In force.")
    overrides: dict[str, float] = Field(description="Set for this very scope.")
    updated_at: At | None


@router.get("", response_model=Page[RuleItem], responses=LIST)
def list_rules(
    caller: Reader, scope: Annotated[ScopeText | None, Query(description=_SCOPE, examples=["demo"])] = None
) -> Response:
    """Show the parameters of every fault code that has some, on one page; without a scope the defaults."""
    with caller.services.transactions.read() as unit:
        chain = _chain(unit, caller, scope)
        return answers.paged([_item(unit, chain, fault_code) for fault_code in PARAMETERS], None)


@router.get("/{fault_code}", response_model=RuleItem, responses=PART)
def get_rule(
    fault_code: str,
    caller: Reader,
    scope: Annotated[ScopeText | None, Query(description=_SCOPE, examples=["demo"])] = None,
) -> Response:
    """Show the parameters of a fault code; without a scope the defaults. Those of life safety have none."""
    code = known_fault(fault_code)
    with caller.services.transactions.read() as unit:
        return answers.shown(_item(unit, _chain(unit, caller, scope), code))


@router.put("/{fault_code}", response_model=RuleItem, responses=CHANGE)
def set_rule(fault_code: str, body: RuleSetting, change: Editor) -> Response:
    """Set the parameters of a fault code for a scope; effective at once. Those of life safety have none: 409."""
    code = known_fault(fault_code)

    def work(unit: Unit) -> Answer:
        chain = _chain(unit, change, body.scope)
        change.require(Action.WRITE_RULES, chain[-1].site)
        try:
            set_parameters(
                unit.rule_parameters,
                chain,
                code,
                parameters=body.parameters,
                at_ms=change.now_ms,
                expected_version=change.expected_version,
            )
        except ParameterError as error:
            raise InvalidError(*((f"parameters.{name}", message) for name, message in error.errors)) from None
        return answers.changed(_item(unit, chain, code), site=chain[-1].site)

    return change.run(work)


def _chain(unit: Unit, caller: Caller, text: str | None) -> Sequence[Scope]:
    """Return the scope with those around it; none for none. One that may not be seen is none that is known."""
    if text is None:
        return ()
    chain = find_scope(unit.rule_parameters, text)
    if chain is None or not caller.rights.may(Action.READ_REGISTRY, chain[-1].site):
        raise InvalidError(("scope", "is no site, grid or facility"))
    return chain


def _item(unit: Unit, chain: Sequence[Scope], code: FaultCode) -> dict[str, Any]:
    fault = FAULTS[code]
    own = unit.rule_parameters.get(chain[-1], code) if chain else StoredOverride(Scope(ScopeKind.SITE, ""), code)
    return {
        "id": code.value,
        "version": own.version,
        "fault_code": code.value,
        "scope": chain[-1].key if chain else None,
        "severity": fault.severity.value,
        "colour": fault.colour.value,
        "skill": None if fault.skill is None else fault.skill.value,
        "parameters": effective(unit.rule_parameters, chain, code),
        "overrides": dict(own.parameters),
        "updated_at": format_known_ms(own.updated_at_ms),
    }
