"""The images, without an engine to build them: every file exists, every install is pinned, nobody is root."""

import re
import tomllib
from pathlib import Path

import pytest

from hub.settings import PREFIX, Settings
from tests.integration.docker.dockerfile import Stage, parse_dockerfile
from tests.integration.docker.shipped import DOCKER, ROOT

DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SCRIPTS = set(PROJECT["project"]["scripts"])
IMAGES = {("hub.Dockerfile", "hub"), ("simulation.Dockerfile", "edge"), ("simulation.Dockerfile", "fleet")}


def stages(name: str) -> dict[str, Stage]:
    return parse_dockerfile(DOCKER / name)


def allowed(dockerfile: str, path: str) -> bool:
    """Whether the build sees a path of the repository, by the allow-list beside the Dockerfile."""
    rules = (DOCKER / f"{dockerfile}.dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    return any(path == rule or path.startswith(f"{rule}/") for rule in kept)


def test_these_are_all_images() -> None:
    assert {path.name for path in DOCKERFILES} == {name for name, _ in IMAGES}
    for name in {name for name, _ in IMAGES}:
        made = {stage for file, stage in IMAGES if file == name}
        assert set(stages(name)) - made <= {"build", "runtime"}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_come_by_plain_names_with_a_version(path: Path) -> None:
    known: set[str] = set()
    for stage in parse_dockerfile(path).values():
        if stage.image not in known:
            found = re.fullmatch(r"python:3\.(\d+)-slim-(?:bookworm|trixie)", stage.image)
            assert found is not None, stage.image
            assert int(found[1]) >= int(PROJECT["project"]["requires-python"].removeprefix(">=3."))
        known.add(stage.name)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_everything_copied_exists_and_is_let_into_the_build(path: Path) -> None:
    known: set[str] = set()
    for stage in parse_dockerfile(path).values():
        for instruction in stage.own("COPY"):
            *sources, _ = instruction.words()
            if sources[0].startswith("--from="):
                assert sources[0].removeprefix("--from=") in known
                continue
            for source in sources:
                assert (ROOT / source).exists(), source
                assert allowed(path.name, source), source
        known.add(stage.name)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_is_let_into_the_build_is_copied(path: Path) -> None:
    copied = {
        word
        for stage in parse_dockerfile(path).values()
        for instruction in stage.own("COPY")
        for word in instruction.words()
    }
    rules = (DOCKER / f"{path.name}.dockerignore").read_text(encoding="utf-8").splitlines()
    for rule in (rule.removeprefix("!") for rule in rules if rule.startswith("!")):
        assert any(word == rule or word.startswith(f"{rule}/") for word in copied), rule


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_every_install_is_pinned_by_hash_or_is_our_own_wheel(path: Path) -> None:
    build = parse_dockerfile(path)["build"]
    copied = {word for instruction in build.own("COPY") for word in instruction.words()}
    installs = [step for run in build.own("RUN") for step in run.arguments.split("&&") if " install " in step]
    locks: set[str] = set()
    for step in installs:
        named = re.findall(r"-r (\S+)", step)
        locks.update(named)
        if named:
            assert {"--require-hashes", "--only-binary=:all:"} <= set(step.split()), step
        else:
            assert step.split()[-3:] == ["--no-deps", "--no-index", "/wheels/*.whl"], step
    assert locks
    assert locks <= copied
    for stage in parse_dockerfile(path).values():
        assert stage.name == "build" or not [
            run for run in stage.own("RUN") if " install " in run.arguments.replace("install -d", "")
        ]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_the_wheel_is_built_from_all_packages(path: Path) -> None:
    copied = {word for instruction in parse_dockerfile(path)["build"].own("COPY") for word in instruction.words()}
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied
    assert {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]} <= copied


@pytest.mark.parametrize(("name", "target"), sorted(IMAGES))
def test_nobody_is_root_and_the_command_is_ours(name: str, target: str) -> None:
    stage = stages(name)[target]
    user, entry, command = stage.last("USER"), stage.last("ENTRYPOINT"), stage.last("CMD")
    assert user is not None
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user.arguments)
    assert entry is not None
    assert entry.arguments.startswith("[")
    assert entry.words()[0] in SCRIPTS
    assert command is not None
    assert command.arguments.startswith("[")


@pytest.mark.parametrize(("name", "target"), sorted(IMAGES))
def test_health_is_told_or_plainly_not(name: str, target: str) -> None:
    health = stages(name)[target].last("HEALTHCHECK")
    assert health is not None
    if health.arguments != "NONE":
        command = re.sub(r"--\S+ ", "", health.arguments).removeprefix("CMD ").strip()
        assert command.startswith("[")
        assert command.split('"')[1] in {"python", *SCRIPTS}


def test_the_hubs_environment_is_its_settings_and_its_port_is_exposed() -> None:
    stage = stages("hub.Dockerfile")["hub"]
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in stage.environment().items()
        if name.startswith(PREFIX)
    }
    settings = Settings.model_validate(given)
    exposed, volume = stage.last("EXPOSE"), stage.last("VOLUME")
    assert exposed is not None
    assert exposed.arguments == str(settings.http_port)
    assert volume is not None
    assert volume.arguments == str(settings.data_dir)
    made = [run for run in stage.own("RUN") if f"-m 0700 {settings.data_dir}" in run.arguments]
    assert len(made) == 1


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_no_secret_and_no_address_is_baked_in(path: Path) -> None:
    for stage in parse_dockerfile(path).values():
        assert not [name for name in stage.environment() if re.search("PASSWORD|TOKEN|SECRET|KEY", name)]
    assert re.findall(r"\w+://(?!127\.0\.0\.1)", path.read_text(encoding="utf-8")) == []
