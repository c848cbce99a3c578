"""`/nodes`, their credentials, lanes and gaps."""

from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from hub.access.broker import PASSWORD_BYTES, NodeCredential
from hub.access.roles import Action
from hub.api import answers
from hub.api.answers import Answer
from hub.api.caller import Caller, Change, Creator, Editor, Reader, Stepper
from hub.api.cursors import Paged
from hub.api.documents import CHANGE, CREATE, DELETE, LIST, PART, SHOW, problems
from hub.api.entities import Kind
from hub.api.fields import NOTHING, Body, Name, Nothing, ShortSlug
from hub.api.filters import OfSite, Retired
from hub.api.items import At, CredentialsItem, Item, NodeItem, Page
from hub.api.ports import RegistryItems, Unit
from hub.api.requests import JsonRoute
from hub.devices import service
from hub.devices.edge_toml import edge_toml
from hub.devices.registry import Node
from hub.errors import ConflictError
from hub.ids import new_secret
from hub.ingest.ledger import present_gap, present_lane
from hub.vocabulary import rest_id
from protocols.topics import NodeAddress

router: Final = APIRouter(prefix="/nodes", tags=["registry"], route_class=JsonRoute)


def _present(registry: RegistryItems, node: Node) -> dict[str, Any]:
    return registry.node_items([node])[0]


NODES: Final = Kind("nodes", rows=lambda registry: registry.nodes, present=_present)


class NewNode(Body):
    """A node to be registered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"site": "demo", "slug": "pi-1", "name": "东门树莓派"}]})

    site: ShortSlug
    slug: ShortSlug
    name: Name


class NodeChange(Body):
    """What changes of a node."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "西门树莓派"}]})

    name: Name = Field(default_factory=str)


class LaneItem(Item):
    """A lane of an epoch; high_water = stored + quarantined + gaps, always."""

    epoch: str
    lane: str
    high_water: int
    produced: int
    stored: int
    quarantined: int
    gaps: int
    duplicates: int
    closed_at: At | None
    loss: int | None = Field(description="What a closed epoch has lost for ever.")


class GapItem(Item):
    """A loss that an edge has declared."""

    epoch: str
    lane: str
    from_: int = Field(alias="from")
    to: int
    reason: str
    recorded_at: At


class CredentialsFormat(StrEnum):
    """How credentials are given."""

    JSON = "json"
    TOML = "toml"


@router.get("", response_model=Page[NodeItem], responses=LIST)
def list_nodes(caller: Reader, listing: Paged, site: OfSite = None, *, retired: Retired = False) -> Response:
    """List nodes."""
    return NODES.list(caller, listing, where={"site": site}, retired=retired)


@router.post("", status_code=201, response_model=NodeItem, responses=CREATE)
def create_node(body: NewNode, change: Creator) -> Response:
    """Register a node."""
    change.require_new(Action.WRITE_REGISTRY, body.site)
    node = Node(
        id=rest_id(body.site, body.slug), site=body.site, slug=body.slug, name=body.name, created_at_ms=change.now_ms
    )
    return NODES.register(change, node)


@router.get("/{node_id}", response_model=NodeItem, responses=SHOW)
def get_node(node_id: str, caller: Reader) -> Response:
    """Show a node."""
    return NODES.show(caller, node_id)


@router.patch("/{node_id}", response_model=NodeItem, responses=CHANGE)
def change_node(node_id: str, body: NodeChange, change: Editor) -> Response:
    """Change a node."""
    return NODES.change(change, node_id, body.changes())


@router.delete("/{node_id}", status_code=204, response_class=Response, responses=DELETE)
def delete_node(node_id: str, change: Editor) -> Response:
    """Delete a node that was never heard; its credentials are void."""
    _revoke(change, node_id, deleting=True)
    return NODES.delete(change, node_id)


@router.post("/{node_id}/retire", response_model=NodeItem, responses=CHANGE)
def retire_node(node_id: str, change: Stepper, _body: Nothing = NOTHING) -> Response:
    """Take a node and its devices out of service; its credentials are void."""
    kept = change.kept()
    if kept is not None:
        return kept
    _revoke(change, node_id, deleting=False)
    return NODES.retire(change, node_id)


@router.post(
    "/{node_id}/credentials",
    status_code=201,
    response_model=CredentialsItem,
    responses={
        201: {
            "description": "Shown once.",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "The node."}},
            "content": {"application/toml": {"schema": {"type": "string"}}},
        },
        **problems(401, 403, 404, 409, 412, 413, 422, 503),
    },
)
def issue_credentials(
    node_id: str,
    change: Stepper,
    form: Annotated[
        CredentialsFormat, Query(alias="format", description="toml: a ready edge.toml")
    ] = CredentialsFormat.JSON,
    _body: Nothing = NOTHING,
) -> Response:
    """Give a node credentials, in place of those it had; its connections with the former end."""
    kept = change.kept()
    if kept is not None:
        return kept
    with change.services.transactions.read() as unit:
        node = _permitted(unit, change, node_id)
        devices = unit.registry.devices_of_node(node.id)
    address = NodeAddress(node.site, node.slug)
    credential = NodeCredential.of(address, password=new_secret(n_bytes=PASSWORD_BYTES))
    change.services.broker.create_node(credential)

    def work(unit: Unit) -> Answer:
        current = _permitted(unit, change, node_id)
        service.note_credentials(unit.registry, current, at_ms=change.now_ms)
        location = {"Location": f"{answers.API}/nodes/{node.id}"}
        if form is CredentialsFormat.TOML:
            text = edge_toml(
                node,
                devices,
                broker_url=change.services.broker_url,
                password=credential.password,
                private_authority=change.services.private_authority,
            )
            return Answer(
                about=node.id, site=node.site, status=201, text=text, media_type="application/toml", headers=location
            )
        body = {
            "username": credential.username,
            "sos_username": credential.sos_username,
            "password": credential.password,
            "broker_url": change.services.broker_url,
        }
        return Answer(about=node.id, site=node.site, status=201, body=body, headers=location)

    return change.run(work)


@router.get("/{node_id}/lanes", response_model=Page[LaneItem], responses=PART, tags=["ingest"])
def list_lanes(node_id: str, caller: Reader) -> Response:
    """Show every lane of every epoch of a node, newest epoch first, on one page."""
    with caller.services.transactions.read() as unit:
        node = _watched(unit, caller, node_id)
        lanes = unit.lanes.items(node.site, node.slug)
    return answers.paged([present_lane(lane) for lane in lanes], None)


@router.get("/{node_id}/gaps", response_model=Page[GapItem], responses=PART, tags=["ingest"])
def list_gaps(node_id: str, caller: Reader, listing: Paged) -> Response:
    """List what a node has declared lost."""
    with caller.services.transactions.read() as unit:
        node = _watched(unit, caller, node_id)
        gaps = unit.lanes.gap_items(node.site, node.slug, limit=listing.limit + 1, before_id=listing.after_number)
    return answers.page(gaps, listing, place=lambda gap: gap.id, present=present_gap)


def _watched(unit: Unit, caller: Caller, node_id: str) -> Node:
    node = NODES.seen(unit, caller, node_id)
    caller.require(Action.READ_INGEST, node.site)
    return node


def _permitted(unit: Unit, change: Change, node_id: str) -> Node:
    node = NODES.seen(unit, change, node_id)
    change.require(Action.ISSUE_CREDENTIALS, node.site)
    service.expect_version(node, change.expected_version)
    if node.retired_at_ms is not None:
        message = f"{node.id} is retired"
        raise ConflictError(message)
    return node


def _revoke(change: Change, node_id: str, *, deleting: bool) -> None:
    """Make a node's credentials void before it goes: one that is gone must not be let in."""
    with change.services.transactions.read() as unit:
        node = NODES.seen(unit, change, node_id)
        change.require(Action.WRITE_REGISTRY, node.site)
        service.expect_version(node, change.expected_version)
        if deleting:
            service.check_removable(unit.registry, node)
    if node.credentials_issued_at_ms is not None:
        address = NodeAddress(node.site, node.slug)
        change.services.broker.remove_node((address.username, address.sos_username))
