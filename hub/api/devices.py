"""`/devices`."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from hub.access.roles import Action
from hub.api.caller import Creator, Editor, Reader, Stepper
from hub.api.cursors import Paged
from hub.api.documents import CHANGE, CREATE, DELETE, LIST, SHOW
from hub.api.entities import Kind
from hub.api.fields import NOTHING, Body, IntervalS, Nothing, RestId, ShortSlug, Slug, Word
from hub.api.filters import OfFacility, OfSite, Retired
from hub.api.items import DeviceItem, Page
from hub.api.requests import JsonRoute
from hub.devices.presenter import present_device
from hub.devices.registry import Device
from hub.vocabulary import rest_id

router: Final = APIRouter(prefix="/devices", tags=["registry"], route_class=JsonRoute)
DEVICES: Final = Kind(
    "devices", rows=lambda registry: registry.devices, present=lambda _registry, device: present_device(device)
)


class NewDevice(Body):
    """A device to be registered."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "site": "demo",
                    "slug": "bin-42-us",
                    "kind": "fill_level",
                    "facility": "demo.bin-42",
                    "node": "demo.pi-1",
                    "expected_interval_s": 3600,
                }
            ]
        }
    )

    site: ShortSlug
    slug: Slug
    kind: Word = Field(description="What its readings are: fill_level, lamp, vitals, …")
    facility: RestId
    node: RestId | None = Field(default=None, description="null: a radio device, heard by any node of the site.")
    expected_interval_s: IntervalS | None = None


class DeviceChange(Body):
    """What changes of a device."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"expected_interval_s": 600}]})

    kind: Word = Field(default_factory=str)
    facility: RestId = Field(default_factory=str)
    node: RestId | None = None
    expected_interval_s: IntervalS | None = None


@router.get("", response_model=Page[DeviceItem], responses=LIST)
def list_devices(
    caller: Reader,
    listing: Paged,
    *,
    site: OfSite = None,
    facility: OfFacility = None,
    node: Annotated[str | None, Query(max_length=128, description="REST id of a node.")] = None,
    kind: Annotated[str | None, Query(max_length=64)] = None,
    retired: Retired = False,
) -> Response:
    """List devices."""
    where = {"site": site, "facility": facility, "node": node, "kind": kind}
    return DEVICES.list(caller, listing, where=where, retired=retired)


@router.post("", status_code=201, response_model=DeviceItem, responses=CREATE)
def create_device(body: NewDevice, change: Creator) -> Response:
    """Register a device."""
    change.require_new(Action.WRITE_REGISTRY, body.site)
    device = Device(
        id=rest_id(body.site, body.slug),
        site=body.site,
        slug=body.slug,
        kind=body.kind,
        facility=body.facility,
        node=body.node,
        expected_interval_s=body.expected_interval_s,
        created_at_ms=change.now_ms,
    )
    return DEVICES.register(change, device)


@router.get("/{device_id}", response_model=DeviceItem, responses=SHOW)
def get_device(device_id: str, caller: Reader) -> Response:
    """Show a device."""
    return DEVICES.show(caller, device_id)


@router.patch("/{device_id}", response_model=DeviceItem, responses=CHANGE)
def change_device(device_id: str, body: DeviceChange, change: Editor) -> Response:
    """Change a device, or attach it elsewhere in its site."""
    return DEVICES.change(change, device_id, body.changes())


@router.delete("/{device_id}", status_code=204, response_class=Response, responses=DELETE)
def delete_device(device_id: str, change: Editor) -> Response:
    """Delete a device that was never heard."""
    return DEVICES.delete(change, device_id)


@router.post("/{device_id}/retire", response_model=DeviceItem, responses=CHANGE)
def retire_device(device_id: str, change: Stepper, _body: Nothing = NOTHING) -> Response:
    """Take a device out of service."""
    return DEVICES.retire(change, device_id)
