import asyncio
from typing import Any

import httpx2

from simulators.conservation import Conservation, read_conservation
from simulators.rest import HubClient


def lane(**counts: Any) -> dict[str, Any]:
    return {"produced": 0, "stored": 0, "quarantined": 0, "gaps": 0, "duplicates": 0, **counts}


def test_only_this_runs_epochs_are_added_up() -> None:
    lanes = [
        lane(epoch="a", produced=10, stored=7, quarantined=1, gaps=2, duplicates=4),
        lane(epoch="a", produced=2, stored=1, loss=1),
        lane(epoch="former", produced=99, stored=99),
    ]

    async def read() -> Conservation:
        answer = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"items": lanes, "next_cursor": None}))
        async with HubClient("http://hub", token="t", transport=answer) as hub:
            return await read_conservation(hub, site="demo", epochs={"pi": "a"})

    total = asyncio.run(read())
    assert total == Conservation(produced=12, stored=8, quarantined=1, gaps=2, loss=1, duplicates=4)
    assert total.holds
    assert str(total) == "produced 12 = stored 8 + quarantined 1 + gaps 2 + loss 1 (duplicates 4)"


def test_a_missing_record_breaks_the_equation() -> None:
    broken = Conservation(produced=12, stored=11)

    assert not broken.holds
    assert str(broken).startswith("produced 12 ≠ stored 11")
