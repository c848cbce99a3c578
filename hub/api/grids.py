"""`/grids`."""

from typing import Final

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from hub.access.roles import Action
from hub.api.caller import Creator, Editor, Reader, Stepper
from hub.api.cursors import Paged
from hub.api.documents import CHANGE, CREATE, DELETE, LIST, SHOW
from hub.api.entities import Kind
from hub.api.fields import NOTHING, Body, Name, Nothing, ShortSlug, Slug
from hub.api.filters import OfSite, Retired
from hub.api.items import GridItem, Page
from hub.api.requests import JsonRoute
from hub.devices.presenter import present_grid
from hub.devices.registry import Grid
from hub.vocabulary import rest_id

router: Final = APIRouter(prefix="/grids", tags=["registry"], route_class=JsonRoute)
GRIDS: Final = Kind("grids", rows=lambda registry: registry.grids, present=lambda _registry, grid: present_grid(grid))


class NewGrid(Body):
    """A grid to be registered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"site": "demo", "slug": "g1", "name": "一号网格"}]})

    site: ShortSlug
    slug: Slug
    name: Name


class GridChange(Body):
    """What changes of a grid."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "二号网格"}]})

    name: Name = Field(default_factory=str)


@router.get("", response_model=Page[GridItem], responses=LIST)
def list_grids(caller: Reader, listing: Paged, site: OfSite = None, *, retired: Retired = False) -> Response:
    """List grids."""
    return GRIDS.list(caller, listing, where={"site": site}, retired=retired)


@router.post("", status_code=201, response_model=GridItem, responses=CREATE)
def create_grid(body: NewGrid, change: Creator) -> Response:
    """Register a grid."""
    change.require_new(Action.WRITE_REGISTRY, body.site)
    grid = Grid(
        id=rest_id(body.site, body.slug), site=body.site, slug=body.slug, name=body.name, created_at_ms=change.now_ms
    )
    return GRIDS.register(change, grid)


@router.get("/{grid_id}", response_model=GridItem, responses=SHOW)
def get_grid(grid_id: str, caller: Reader) -> Response:
    """Show a grid."""
    return GRIDS.show(caller, grid_id)


@router.patch("/{grid_id}", response_model=GridItem, responses=CHANGE)
def change_grid(grid_id: str, body: GridChange, change: Editor) -> Response:
    """Change a grid."""
    return GRIDS.change(change, grid_id, body.changes())


@router.delete("/{grid_id}", status_code=204, response_class=Response, responses=DELETE)
def delete_grid(grid_id: str, change: Editor) -> Response:
    """Delete a grid without facilities."""
    return GRIDS.delete(change, grid_id)


@router.post("/{grid_id}/retire", response_model=GridItem, responses=CHANGE)
def retire_grid(grid_id: str, change: Stepper, _body: Nothing = NOTHING) -> Response:
    """Take a grid out of service."""
    return GRIDS.retire(change, grid_id)
