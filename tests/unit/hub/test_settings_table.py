"""The table of settings: current, and complete about secrets and choices."""

from pathlib import Path

import pytest

from hub.settings import Settings
from hub.settings_table import rendered

KEPT = Path(__file__).parents[3] / "docs" / "settings.md"


def row(name: str) -> str:
    return next(line for line in rendered().splitlines() if line.startswith(f"| `{name}` |"))


def test_the_page_under_docs_is_the_one_that_the_model_makes() -> None:
    """Renew it by `make docs`."""
    assert KEPT.read_text("utf-8") == rendered()


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_has_a_row_that_says_what_it_is(name: str) -> None:
    described = row(f"LINLI_{name.upper()}").strip("| ").split(" | ")[-1]
    assert described == Settings.model_fields[name].description


def test_what_may_be_shown_to_nobody_is_marked() -> None:
    marked = {line.split("`")[1] for line in rendered().splitlines() if "**secret**" in line}
    of_the_hub = {"LINLI_DATABASE_URL", "LINLI_INFLUX_TOKEN", "LINLI_ADMIN_PASSWORD"}
    of_brokers = {"LINLI_MQTT_URL", "LINLI_MQTT_URL_2"}
    of_both = {"LINLI_PROBE_PASSWORD", "LINLI_WATCHDOG_PROBE_PASSWORD"}
    assert marked == {*of_the_hub, *of_brokers, *of_both, "LINLI_WATCHDOG_TELL"}


def test_a_choice_names_its_values() -> None:
    assert "| `production`, `development`, `simulation` | `production` |" in row("LINLI_ENVIRONMENT")
