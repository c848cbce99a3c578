"""compose.yaml against what it names: settings, ports, secrets, volumes, files. There is no engine here to run it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from edge.settings import load_settings as load_edge_settings
from hub.settings import WATCHDOG_PREFIX, BrokerAdminKind, Settings, WatchdogSettings, load_settings
from simulators.cli import app
from tests.integration.docker.dockerfile import parse_dockerfile
from tests.integration.docker.shipped import (
    COMPOSE,
    DOCKER,
    SECRETS_IN_CONTAINER,
    compose,
    example_environment,
    hub_environment,
    make_secrets,
    services,
    top_level,
    variables,
)

SERVER = compose(COMPOSE[0], example_environment())["services"]
ALL = dict(services())
DATASOURCES = DOCKER / "grafana" / "provisioning" / "datasources" / "linli.yaml"
PROVIDERS = DOCKER / "grafana" / "provisioning" / "dashboards" / "linli.yaml"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The hub's settings as compose gives them."""
    folder = tmp_path_factory.mktemp("secrets")
    assert make_secrets(folder, "linli.example.org").returncode == 0
    with pytest.MonkeyPatch.context() as patch:
        for name, value in hub_environment(folder).items():
            patch.setenv(name, value)
        return load_settings()


def test_every_variable_of_the_hub_is_a_setting() -> None:
    known = {f"LINLI_{name.upper()}" for name in Settings.model_fields}
    given = {name for name in SERVER["hub"]["environment"] if name.startswith("LINLI_")}
    assert {name.removesuffix("_FILE") for name in given} <= known
    assert len({name.removesuffix("_FILE") for name in given}) == len(given)


def test_every_variable_of_the_watchdog_is_a_setting_and_every_secret_comes_by_file() -> None:
    given = set(SERVER["watchdog"]["environment"])
    fields = {f"{WATCHDOG_PREFIX}{name.upper()}": field for name, field in WatchdogSettings.model_fields.items()}
    assert {name.removesuffix("_FILE") for name in given} <= set(fields)
    secret = {name for name, field in fields.items() if "SecretStr" in str(field.annotation)}
    assert {f"{name}_FILE" for name in secret} <= given
    assert secret & given == set()


def test_the_watchdog_waits_for_nobody() -> None:
    assert "depends_on" not in SERVER["watchdog"]
    assert SERVER["watchdog"]["command"] == ["watchdog"]


def test_secrets_of_the_hub_come_by_file_alone() -> None:
    """The address of a second broker is left out: it stands on another machine than these containers."""
    secret = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    secret -= {"mqtt_url_2"}
    given = set(SERVER["hub"]["environment"])
    assert {f"LINLI_{name.upper()}" for name in secret} & given == set()
    assert {f"LINLI_{name.upper()}_FILE" for name in secret} <= given


def test_the_hub_finds_the_broker(settings: Settings) -> None:
    url = urlsplit(settings.mqtt_url.get_secret_value())
    assert (url.scheme, url.hostname) == ("mqtts", "mosquitto")
    assert f"listener {url.port}\n" in (DOCKER / "mosquitto" / "tls.conf").read_text(encoding="utf-8")
    assert settings.broker_admin is BrokerAdminKind.DYNSEC
    public = urlsplit(settings.broker_url or "")
    example = example_environment()
    assert (public.scheme, public.hostname) == ("mqtts", example["LINLI_PUBLIC_HOST"])
    assert SERVER["mosquitto"]["ports"] == [f"{public.port}:{url.port}"]
    assert f":{url.port:X} " in SERVER["mosquitto"]["healthcheck"]["test"][3]


def test_the_hub_finds_postgres_as_its_user(settings: Settings, tmp_path: Path) -> None:
    assert settings.database_url is not None
    url = urlsplit(settings.database_url.get_secret_value())
    environment = SERVER["postgres"]["environment"]
    assert (url.scheme, url.hostname, url.port) == ("postgresql", "postgres", 5432)
    assert (url.username, url.path) == (environment["POSTGRES_USER"], f"/{environment['POSTGRES_DB']}")
    assert make_secrets(tmp_path, "linli.example.org").returncode == 0
    written = (tmp_path / "database_url").read_text(encoding="utf-8")
    assert (tmp_path / "postgres_password").read_text(encoding="utf-8").strip() in written


def test_the_hub_finds_influxdb_with_its_bucket_and_token(settings: Settings) -> None:
    environment = SERVER["influxdb"]["environment"]
    assert settings.influx_url == "http://influxdb:8086"
    assert settings.influx_org == environment["DOCKER_INFLUXDB_INIT_ORG"]
    assert settings.influx_bucket == environment["DOCKER_INFLUXDB_INIT_BUCKET"]
    token = environment["DOCKER_INFLUXDB_INIT_ADMIN_TOKEN_FILE"]
    assert token == SERVER["hub"]["environment"]["LINLI_INFLUX_TOKEN_FILE"]


def test_the_hub_serves_where_its_image_says_and_on_loopback_outside(settings: Settings) -> None:
    stage = parse_dockerfile(DOCKER / "hub.Dockerfile")["hub"]
    exposed = stage.last("EXPOSE")
    assert exposed is not None
    assert str(settings.http_port) == exposed.arguments
    assert SERVER["hub"]["ports"] == [f"127.0.0.1:{example_environment()['HUB_PORT']}:{exposed.arguments}"]
    assert SERVER["hub"]["volumes"] == [f"hub-data:{settings.data_dir}"]


def test_only_the_broker_is_open_to_the_street() -> None:
    published = {name: port for name, service in ALL.items() for port in service.get("ports", [])}
    outside = {name for name, port in published.items() if not port.startswith("127.0.0.1:")}
    assert outside == {"mosquitto"}
    internal = {name for name, network in top_level("networks").items() if (network or {}).get("internal")}
    for name in ("postgres", "influxdb"):
        assert set(SERVER[name]["networks"]) <= internal
        assert "ports" not in SERVER[name]


def test_the_proxy_that_is_believed_is_this_machine() -> None:
    (address,) = top_level("networks")["front"]["ipam"]["config"]
    assert SERVER["hub"]["environment"]["FORWARDED_ALLOW_IPS"] == address["gateway"]
    assert address["gateway"].rpartition(".")[0] == address["subnet"].rpartition(".")[0]


@pytest.mark.parametrize("name", sorted(ALL))
def test_what_a_service_names_exists(name: str) -> None:
    service = ALL[name]
    assert set(service.get("networks", [])) <= set(top_level("networks"))
    assert set(service.get("secrets", [])) <= set(top_level("secrets"))
    for volume in service.get("volumes", []):
        source, target, *mode = volume.split(":")
        if source.startswith("./"):
            assert (DOCKER / source).exists(), source
            assert mode == ["ro"]
        else:
            assert source in top_level("volumes")
        assert target.startswith("/")
    if "build" in service:
        build = service["build"]
        assert (COMPOSE[0].parent / build["context"]).resolve() == DOCKER.parent
        dockerfile = DOCKER.parent / build["dockerfile"]
        assert build.get("target", "hub") in parse_dockerfile(dockerfile)


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_secret_a_service_reads_is_given_to_it_and_no_other(name: str) -> None:
    service = ALL[name]
    texts = [str(service.get("environment", {})), *(path.read_text(encoding="utf-8") for path in read_by(service))]
    read = set(re.findall(rf"{SECRETS_IN_CONTAINER}(\w+)", " ".join(texts)))
    assert read == set(service.get("secrets", []))


def read_by(service: dict[str, Any]) -> Iterator[Path]:
    """The files of the repository that a service reads."""
    for volume in service.get("volumes", []):
        source = DOCKER / volume.split(":")[0]
        yield from [source] if source.is_file() else [path for path in source.glob("**/*") if path.is_file()]
    if service.get("image") == "linli-edge":
        yield DOCKER / "simulation" / "edge.toml"


def test_nothing_is_defined_that_nobody_uses() -> None:
    used_secrets = {secret for service in ALL.values() for secret in service.get("secrets", [])}
    assert used_secrets == set(top_level("secrets"))
    used_volumes = {volume.split(":")[0] for service in ALL.values() for volume in service.get("volumes", [])}
    assert {volume for volume in used_volumes if not volume.startswith("./")} == set(top_level("volumes"))
    used_networks = {network for service in ALL.values() for network in service.get("networks", [])}
    assert used_networks == set(top_level("networks"))


@pytest.mark.parametrize("name", sorted(ALL))
def test_whoever_waits_waits_for_something_that_tells_its_health(name: str) -> None:
    for other, condition in ALL[name].get("depends_on", {}).items():
        assert condition == {"condition": "service_healthy"}
        if "healthcheck" not in ALL[other]:
            health = parse_dockerfile(DOCKER.parent / ALL[other]["build"]["dockerfile"])[other].last("HEALTHCHECK")
            assert health is not None
            assert health.arguments != "NONE"


@pytest.mark.parametrize("name", sorted(SERVER))
def test_the_server_comes_back_by_itself_and_gains_no_privileges(name: str) -> None:
    service = SERVER[name]
    assert service["restart"] == "unless-stopped"
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    assert "max-size" in service["logging"]["options"]


@pytest.mark.parametrize("name", sorted(ALL))
def test_images_come_by_plain_names_with_a_version(name: str) -> None:
    service = ALL[name]
    if "build" not in service:
        repository, _, tag = service["image"].partition(":")
        assert re.match(r"\d", tag), service["image"]
        assert not re.search(r"[.:]|localhost", repository.split("/")[0])


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_every_variable_stands_in_the_example(path: Path) -> None:
    assert variables(path) - {"LINLI_TOKEN"} <= set(example_environment())


def test_every_variable_of_the_example_is_asked_for_and_none_is_a_secret() -> None:
    assert set(example_environment()) == {name for path in COMPOSE for name in variables(path)} - {"LINLI_TOKEN"}


def test_the_defaults_are_those_of_the_example() -> None:
    for path in COMPOSE:
        named = {"LINLI_PUBLIC_HOST": example_environment()["LINLI_PUBLIC_HOST"]}
        assert compose(path, named) == compose(path, example_environment())


def test_without_a_public_name_compose_says_what_to_run() -> None:
    with pytest.raises(KeyError, match=r"run docker/init\.sh first"):
        compose(COMPOSE[0], {})


def test_the_start_script_of_the_broker_finds_what_is_mounted() -> None:
    script = (DOCKER / "mosquitto" / "start.sh").read_text(encoding="utf-8")
    targets = {volume.split(":")[1] for volume in SERVER["mosquitto"]["volumes"]}
    assert set(re.findall(r":-(/mosquitto/\S+?)\}", script)) <= targets
    assert SERVER["mosquitto"]["entrypoint"][-1] in targets
    kept = re.search(r"plugin_opt_config_file (\S+)", (DOCKER / "mosquitto" / "tls.conf").read_text(encoding="utf-8"))
    assert kept is not None
    assert str(Path(kept[1]).parent) in targets


def test_grafana_finds_influxdb_as_the_user_that_was_made_for_it() -> None:
    (source,) = yaml.safe_load(DATASOURCES.read_text(encoding="utf-8"))["datasources"]
    assert source["url"] == SERVER["hub"]["environment"]["LINLI_INFLUX_URL"]
    assert source["jsonData"]["dbName"] == SERVER["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_BUCKET"]
    made = (DOCKER / "influxdb" / "grafana-reader.sh").read_text(encoding="utf-8")
    assert f"--username {source['basicAuthUser']} " in made
    assert source["secureJsonData"] == {"basicAuthPassword": "$__file{/run/secrets/grafana_influx_password}"}
    assert "cat /run/secrets/grafana_influx_password" in made
    (provider,) = yaml.safe_load(PROVIDERS.read_text(encoding="utf-8"))["providers"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in SERVER["grafana"]["volumes"]


def test_the_simulated_edge_is_configured_for_what_it_is_given() -> None:
    settings = load_edge_settings(DOCKER / "simulation" / "edge.toml")
    assert (settings.broker.host, settings.broker.port, settings.broker.tls) == ("mosquitto", 8883, True)
    assert ALL["edge"]["volumes"] == [f"edge-data:{settings.data_dir}"]
    for device in settings.devices:
        assert (DOCKER / "simulation" / str(device.options["script"])).is_file()


def test_the_simulated_fleet_is_started_with_options_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "LINLI_TOKEN" in ALL["fleet"]["environment"]
    monkeypatch.setenv("LINLI_TOKEN", "given")
    command, *words = ALL["fleet"]["command"]
    simulators = get_command(app)
    assert isinstance(simulators, TyperGroup)
    with simulators.commands[command].make_context(command, words) as asked:
        assert asked.params["hub"] == f"http://hub:{SERVER['hub']['environment']['LINLI_HTTP_PORT']}"
        assert asked.params["broker"] == "mqtts://mosquitto:8883"


def test_scripts_are_runnable_files() -> None:
    for path in DOCKER.glob("**/*.sh"):
        assert path.stat().st_mode & 0o111, path
        assert path.read_text(encoding="utf-8").startswith("#!/bin/")
