"""A fresh world behind the API for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hub.api.application import application
from tests.integration.api.client import Client, World, build_world, dispose, found_state


@pytest.fixture(scope="session")
def web() -> Iterator[TestClient]:
    """The application, built once: each world puts its own services behind it."""
    with TestClient(application(), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state database with the administrator alone in it, to be copied."""
    path = tmp_path_factory.mktemp("founded") / "state.db"
    found_state(f"sqlite:///{path}")
    return path


@pytest.fixture
def world(tmp_path: Path, founded: Path, web: TestClient) -> Iterator[World]:
    """Everything behind the API, with the administrator alone in it."""
    path = tmp_path / "state.db"
    shutil.copy(founded, path)
    made = build_world(f"sqlite:///{path}", web)
    yield made
    dispose(made)


@pytest.fixture
def admin(world: World) -> Client:
    """The administrator of every site."""
    return world.admin


@pytest.fixture
def demo(admin: Client) -> Client:
    """The administrator, with a site `demo` that has a grid, a bin with its sensor, and a node."""
    admin.post(
        "sites",
        {
            "slug": "demo",
            "name": "示范小区",
            "time_zone": "Asia/Shanghai",
            "location": {"lat": 31.2, "lon": 121.5},
        },
    )
    admin.post("grids", {"site": "demo", "slug": "g1", "name": "一号网格"})
    admin.post("facilities", {"site": "demo", "slug": "bin-42", "kind": "bin", "name": "Bin", "grid": "demo.g1"})
    admin.post("nodes", {"site": "demo", "slug": "pi-1", "name": "Pi"})
    admin.post(
        "devices",
        {
            "site": "demo",
            "slug": "bin-42-us",
            "kind": "fill_level",
            "facility": "demo.bin-42",
            "node": "demo.pi-1",
            "expected_interval_s": 3600,
        },
    )
    return admin


@pytest.fixture
def other(admin: Client) -> Client:
    """The administrator, with a site `other` that has a bin and a node."""
    admin.post("sites", {"slug": "other", "name": "Other", "time_zone": "UTC"})
    admin.post("facilities", {"site": "other", "slug": "bin-1", "kind": "bin", "name": "Bin"})
    admin.post("nodes", {"site": "other", "slug": "pi-1", "name": "Pi"})
    return admin
