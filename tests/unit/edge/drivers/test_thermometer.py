from pathlib import Path

import pytest

from edge.drivers.thermometer import read_temperature_c


@pytest.mark.parametrize(("text", "temperature_c"), [("21437\n", 21.437), ("-10000", -10.0), ("0\n", 0.0)])
def test_thousandths_of_a_degree_are_read(tmp_path: Path, text: str, temperature_c: float) -> None:
    (tmp_path / "temperature").write_text(text, encoding="ascii")
    assert read_temperature_c(tmp_path / "temperature") == temperature_c


@pytest.mark.parametrize("text", ["85000\n", "warm\n", "", "999999\n", "-60001"])
def test_nonsense_is_no_temperature(tmp_path: Path, text: str) -> None:
    (tmp_path / "temperature").write_text(text, encoding="ascii")
    assert read_temperature_c(tmp_path / "temperature") is None


def test_a_missing_thermometer_has_no_temperature(tmp_path: Path) -> None:
    assert read_temperature_c(tmp_path / "temperature") is None
