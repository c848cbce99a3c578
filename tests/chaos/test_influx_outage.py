"""An InfluxDB that is away, hangs, refuses the token or some lines costs no reading; see `make guarantees`."""

import pytest

from tests.chaos.influx_outage import run

pytestmark = pytest.mark.timeout(200)


def test_an_outage_and_every_refusal_lose_no_reading_and_delay_no_call() -> None:
    assert run(1).wrong == []
