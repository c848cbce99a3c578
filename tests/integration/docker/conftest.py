"""Secrets and the broker as `docker/` ships them."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.integration.docker.shipped import make_secrets
from tests.integration.docker.shipped_broker import ShippedBroker


@pytest.fixture
def secrets_folder(tmp_path: Path) -> Path:
    """The folder that `init.sh` filled."""
    folder = tmp_path / "secrets"
    done = make_secrets(folder, "linli.example.org")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def shipped_broker(tmp_path: Path, secrets_folder: Path) -> Generator[ShippedBroker]:
    """A real mosquitto by the shipped start script, configuration and certificates, on loopback."""
    with ShippedBroker(tmp_path / "broker", secrets_folder).launch() as broker:
        yield broker
