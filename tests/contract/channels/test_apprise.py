"""What apprise does differently from what one expects, pinned on a real server and the json:// service."""

import json
import logging
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

from hub.channels.apprise import BUDGET_S, check_address
from hub.notification.outbox import LEASE_S, Outcome
from tests.contract.channels.bench import SECRET, AppriseBench

Make = Callable[..., AppriseBench]


@pytest.fixture
def make() -> Generator[Make]:
    made: list[AppriseBench] = []

    def bench(**known: Any) -> AppriseBench:
        made.append(AppriseBench(**known))
        return made[-1]

    yield bench
    for one in made:
        one.close()


def test_what_waits_goes_as_one_message_with_a_title(make: Make) -> None:
    bench = make()
    bench.send("东门垃圾桶已满", "西门垃圾桶已满")
    (body,) = bench.receiver.bodies
    message = json.loads(body)
    assert message["title"] == "邻里 · 示范小区 · 2 条"
    assert message["message"] == "· 08:05 东门垃圾桶已满\n· 08:05 西门垃圾桶已满"


@pytest.mark.parametrize("query", ["?retry=5&wait=0", "?optional=yes", "?redirect=yes", "?overflow=split"])
def test_what_an_address_asks_of_apprise_itself_is_not_done(make: Make, query: str) -> None:
    bench = make(query=query)
    bench.receiver.status = 302 if "redirect" in query else 503
    (delivery,) = bench.send("a")
    assert delivery.outcome is Outcome.RETRY
    assert bench.receiver.paths == [f"/{SECRET}"]


def test_text_is_not_interpreted(make: Make) -> None:
    bench = make()
    bench.send("{{name}} ${name} \\n <b>粗</b>")
    assert "{{name}} ${name} \\n <b>粗</b>" in json.loads(bench.receiver.bodies[0])["message"]


def test_an_address_that_apprise_leaves_out_silently_is_gone(make: Make) -> None:
    bench = make().with_url(f"unheardof://{SECRET}")
    (delivery,) = bench.send("a")
    assert (delivery.outcome, delivery.error) == (Outcome.GONE, "unheardof://**** is no address of a service")


@pytest.mark.parametrize(
    ("url", "usable"),
    [
        ("json://127.0.0.1:9/x", True),
        ("wecombot://693a91f6-7a0c-4bc4-97a0-0ec2c1fa5aaa", True),
        ("tgram://x", False),
        ("nonsense", False),
        ("unheardof://x", False),
        ("json://127.0.0.1/a, json://127.0.0.1/b", False),
    ],
)
def test_an_address_can_be_checked_beforehand(url: str, usable: bool) -> None:
    assert (check_address(url) is None) is usable


def test_an_attempt_ends_within_its_budget_and_its_budget_within_its_lease(make: Make) -> None:
    assert BUDGET_S + 10 < LEASE_S
    bench = make(budget_s=0.2)
    bench.receiver.released.clear()
    (delivery,) = bench.send("a")
    assert delivery.outcome is Outcome.RETRY
    assert "no end within" in (delivery.error or "")


def test_what_hangs_is_not_started_a_second_time(make: Make) -> None:
    bench = make(budget_s=0.2)
    bench.receiver.released.clear()
    bench.send("a")
    (again,) = bench.send("b")
    assert "has not ended" in (again.error or "")
    assert len(bench.receiver.bodies) == 1
    bench.receiver.released.set()
    for thread in threading.enumerate():
        if thread.name == f"apprise-{bench.target.id}":
            thread.join(5)
    (later,) = bench.send("c")
    assert later.outcome is Outcome.SENT


def test_news_that_hang_do_not_keep_an_sos_from_the_same_channel(make: Make) -> None:
    bench = make(budget_s=0.2)
    bench.receiver.released.clear()
    bench.send("news")
    bench.send("SOS", life_safety=True)
    assert ["SOS" in body for body in bench.receiver.bodies] == [False, True]


def test_many_that_hang_delay_no_other(make: Make) -> None:
    """Apprise's own pool has a few threads: what hangs there would keep everybody waiting."""
    hanging = [make(budget_s=5) for _ in range(12)]
    for bench in hanging:
        bench.receiver.released.clear()
    threads = [threading.Thread(target=bench.send, args=("a",)) for bench in hanging]
    for thread in threads:
        thread.start()
    for bench in hanging:
        assert bench.receiver.entered.acquire(timeout=5)
    quick = make(budget_s=2)
    (delivery,) = quick.send("SOS")
    assert delivery.outcome is Outcome.SENT
    assert all(thread.is_alive() for thread in threads)
    for bench in hanging:
        bench.receiver.released.set()
    for thread in threads:
        thread.join(5)


def test_no_address_reaches_the_logs(
    make: Make, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = make()
    bench.refuse()
    bench.send("a")
    bench.receiver.stop()
    bench.send("b")
    check_address(f"unheardof://{SECRET}")
    assert not logging.getLogger("apprise").propagate
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    captured = capsys.readouterr()
    assert SECRET not in "\n".join((*said, captured.out, captured.err))
