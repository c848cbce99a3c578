"""Every test that stops a hub asks it first whether its books balance; here by a hub that only says what it is told."""

import sys
from pathlib import Path

import pytest

from tests.acceptance.outside.hub_process import Hub

SAYS = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if sys.argv[2] == "broken" and self.path == "/metrics" else 200)
        self.end_headers()
        if sys.argv[2] != "silent":
            self.wfile.write(b"linli_conservation_residual %s\\n" % sys.argv[2].encode())

HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


def hub_that_says(residual: str, folder: Path) -> Hub:
    hub = Hub(folder / "data", "mqtt://127.0.0.1:1")
    hub.command = (sys.executable, "-c", SAYS, str(hub.http_port), residual)
    return hub.start()


@pytest.mark.parametrize(
    ("says", "wrong"),
    [
        ("3.0", "linli_conservation_residual is 3"),
        ("NaN", "linli_conservation_residual is nan"),
        ("silent", "linli_conservation_residual is missing"),
        ("broken", "are not told.*500"),
    ],
)
def test_a_hub_whose_books_do_not_balance_or_are_not_told_fails_the_test_that_stops_it(
    says: str, wrong: str, tmp_path: Path
) -> None:
    hub = hub_that_says(says, tmp_path)
    with pytest.raises(AssertionError, match=wrong):
        hub.stop()
    assert not hub.running()


def test_a_hub_that_has_ended_is_not_asked(tmp_path: Path) -> None:
    hub = hub_that_says("3.0", tmp_path)
    hub.kill()
    assert hub.stop() != 0


def test_a_hub_whose_books_balance_is_stopped_and_so_is_one_that_a_test_has_spoilt(tmp_path: Path) -> None:
    assert hub_that_says("0.0", tmp_path).stop() != 0
    spoilt = hub_that_says("3.0", tmp_path)
    spoilt.unbalanced_because = "this test says so"
    assert spoilt.stop() != 0
