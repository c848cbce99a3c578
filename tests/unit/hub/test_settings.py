"""Settings: environment over file over TOML; every wrong key is named with its reason."""

from pathlib import Path

import pytest

from hub.errors import InvalidError
from hub.settings import ClockKind, load_settings, masked


def faults(**environment: str) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(f"LINLI_{name}", value)
        with pytest.raises(InvalidError) as caught:
            load_settings()
    return dict(caught.value.errors)


def test_the_defaults_serve_on_loopback_alone() -> None:
    settings = load_settings()
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8080)
    assert (settings.database_url, settings.influx_url) == (None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "abc"),
        ("HTTP_PORT", "70000"),
        ("BROKER_ADMIN", "magic"),
        ("CLOCK", "sundial"),
        ("MQTT_URL", "http://broker"),
        ("DATABASE_URL", "mysql://host/db"),
        ("ENVIRONMENT", "moon"),
        ("HUB_ID", "a b"),
        ("DATA_DIR", ""),
        ("MQTT_CA", ""),
    ],
)
def test_a_wrong_value_names_its_key(name: str, value: str) -> None:
    assert list(faults(**{name: value})) == [f"LINLI_{name}"]


def test_all_wrong_keys_are_named_at_once() -> None:
    wrong = faults(HTTP_PORT="x", CLOCK="y", MQTT_URL="z", DATABASE_URL="?")
    assert set(wrong) == {"LINLI_HTTP_PORT", "LINLI_CLOCK", "LINLI_MQTT_URL", "LINLI_DATABASE_URL"}


def test_simulated_time_is_refused_outside_simulation() -> None:
    assert faults(CLOCK="messages") == {"LINLI_CLOCK": "messages is refused unless environment is simulation"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINLI_CLOCK", "messages")
        patch.setenv("LINLI_ENVIRONMENT", "simulation")
        assert load_settings().clock is ClockKind.MESSAGES


def test_an_authority_for_a_broker_without_tls_is_a_contradiction() -> None:
    assert faults(MQTT_URL="mqtt://broker", MQTT_CA="/etc/linli/ca.crt") == {
        "LINLI_MQTT_CA": "needs an mqtts:// address in mqtt_url"
    }


def test_a_second_broker_is_checked_like_the_first() -> None:
    assert faults(MQTT_URL_2="amqp://broker") == {
        "LINLI_MQTT_URL_2": "must be mqtt://[user:password@]host[:port] or mqtts://…"
    }
    assert faults(MQTT_URL_2="mqtt://broker", MQTT_CA_2="ca.pem") == {
        "LINLI_MQTT_CA_2": "needs an mqtts:// address in mqtt_url_2"
    }


def test_the_environment_wins_over_a_secret_file_and_that_over_toml(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('hub_id = "from-toml"\ninflux_token = "toml"\nhttp_port = 1\n', encoding="utf-8")
    (tmp_path / "token").write_text("file\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINLI_CONFIG", str(tmp_path / "hub.toml"))
        patch.setenv("LINLI_INFLUX_TOKEN_FILE", str(tmp_path / "token"))
        patch.setenv("LINLI_HTTP_PORT", "2")
        settings = load_settings()
    assert settings.hub_id == "from-toml"
    assert settings.influx_token is not None
    assert settings.influx_token.get_secret_value() == "file"
    assert settings.http_port == 2


@pytest.mark.parametrize(
    ("toml", "key"),
    [("http_prt = 1", "LINLI_HTTP_PRT"), ("http_port = [", "LINLI_CONFIG"), ('http_port = "x"', "LINLI_HTTP_PORT")],
)
def test_a_wrong_file_names_its_key(tmp_path: Path, toml: str, key: str) -> None:
    (tmp_path / "hub.toml").write_text(toml, encoding="utf-8")
    assert list(faults(CONFIG=str(tmp_path / "hub.toml"))) == [key]


def test_a_file_that_cannot_be_read_names_its_variable(tmp_path: Path) -> None:
    assert list(faults(CONFIG=str(tmp_path / "none.toml"))) == ["LINLI_CONFIG"]
    assert list(faults(ADMIN_PASSWORD_FILE=str(tmp_path / "none"))) == ["LINLI_ADMIN_PASSWORD_FILE"]


def test_secrets_are_shown_as_stars() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINLI_MQTT_URL", "mqtt://admin:hunter2@localhost")
        patch.setenv("LINLI_ADMIN_PASSWORD", "hunter2")
        assert "hunter2" not in str(masked(load_settings()))
