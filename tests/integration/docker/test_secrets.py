"""`init.sh` and `certificates.sh`: everything made once, kept for ever, and read by nobody else."""

import subprocess
from pathlib import Path

import pytest

from tests.integration.docker.shipped import DOCKER, make_certificates, make_secrets, secret_files

BY_HAND = {"edge_password", "watchdog_tell"}
"""The hub makes it with the credentials of the simulated node; somebody says whom the watchdog tells."""


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_every_secret_that_compose_names_is_made(secrets_folder: Path) -> None:
    missing = {name for name, path in secret_files(secrets_folder).items() if not path.is_file()}
    assert missing == BY_HAND


def test_no_two_secrets_are_equal(secrets_folder: Path) -> None:
    drawn = [text for text in contents(secrets_folder).values() if "://" not in text]
    assert len(set(drawn)) == len(drawn)
    assert min(len(text) for text in drawn) > 60


def test_a_second_run_changes_nothing(secrets_folder: Path) -> None:
    before = contents(secrets_folder)
    assert make_secrets(secrets_folder, "other.example.org").returncode == 0
    assert contents(secrets_folder) == before


def test_only_the_owner_enters_and_only_the_owner_signs(secrets_folder: Path) -> None:
    assert secrets_folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in secrets_folder.iterdir()}
    assert modes.pop("ca.key") == 0o600
    assert set(modes.values()) == {0o644}


def test_a_renewal_keeps_the_authority_that_nodes_trust(secrets_folder: Path) -> None:
    before = contents(secrets_folder)
    assert make_certificates(secrets_folder, "renewed.example.org").returncode == 0
    after = contents(secrets_folder)
    assert {name for name in before if before[name] != after[name]} == {"broker.crt", "broker.key"}
    check = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.crt", "broker.crt"]
    assert subprocess.run(check, cwd=secrets_folder, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("names", [(), ("good.example.org", "bad name"), ("a,IP:10.0.0.1",)])
def test_what_is_no_name_is_refused_before_anything_is_made(tmp_path: Path, names: tuple[str, ...]) -> None:
    done = make_certificates(tmp_path / "new", *names)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_git_and_the_images_never_see_them() -> None:
    private = ["docker/secrets/ca.key", "docker/.env"]
    command = ["git", "check-ignore", "--no-index", *private]
    said = subprocess.run(command, cwd=DOCKER.parent, check=False, capture_output=True, text=True).stdout
    assert said.split() == private
    for rules in DOCKER.glob("*.dockerignore"):
        lines = [line for line in rules.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        assert lines[0] == "*", rules
        assert not [line for line in lines if line in {"!docker", "!docker/secrets", "!**"}], rules
