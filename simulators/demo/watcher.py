"""Watches the hub through its stream and says each step of an alert or a work order as it happens, never before."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

from simulators.errors import HubRefused, HubUnreachable, StoryStuck
from simulators.rest import HubClient

Item = dict[str, Any]
T = TypeVar("T")
_UNAUTHORIZED: Final = 401
_FROM_THE_BEGINNING: Final = "0"


def print_line(line: str) -> None:
    """Print one line at once, so that who reads along sees it."""
    print(line, flush=True)


class Watcher:
    """What the hub has said of its alerts and orders, by id."""

    def __init__(self, hub: HubClient, *, say: Callable[[str], None] = print_line, again_s: float = 0.5) -> None:
        self.alerts: dict[str, Item] = {}
        self.orders: dict[str, Item] = {}
        self._hub = hub
        self._say = say
        self._again_s = again_s
        self._changed = asyncio.Event()
        self._last_id = _FROM_THE_BEGINNING
        self._passed: set[tuple[str, str]] = set()

    async def watch(self) -> None:
        """Follow the stream until cancelled; a broken stream is taken up where it broke."""
        while True:
            try:
                async for event in self._hub.stream(after=self._last_id):
                    self._last_id = event.id or self._last_id
                    if event.name in {"alert", "work_order"}:
                        self._take(event.name, json.loads(event.data))
            except HubUnreachable:
                pass
            except HubRefused as refused:
                if refused.status != _UNAUTHORIZED:
                    raise
                await self._hub.get("alerts", limit=1)  # renews the token that ran out
            await asyncio.sleep(self._again_s)

    async def alert(self, fault_code: str, *, state: str, within_s: float, facility: str = "", node: str = "") -> Item:
        """Return the alert of that place once it has been in that state."""

        def found() -> Item | None:
            for alert in self.alerts.values():
                if alert["fault_code"] == fault_code and _is_at(alert, facility, node) and self._was(alert, state):
                    return alert
            return None

        return await self._until(found, f"alert {fault_code} {state} at {facility or node}", within_s)

    async def order(self, order_id: str, *, state: str, within_s: float) -> Item:
        """Return the order once it has been in that state."""

        def found() -> Item | None:
            order = self.orders.get(order_id)
            return order if order is not None and self._was(order, state) else None

        return await self._until(found, f"work order {order_id} {state}", within_s)

    async def order_of(self, alert_id: str, *, within_s: float) -> Item:
        """Return the order that was opened for an alert."""

        def found() -> Item | None:
            return next((order for order in self.orders.values() if alert_id in order["alerts"]), None)

        return await self._until(found, f"a work order for alert {alert_id}", within_s)

    async def suppressed(self, parent_id: str, *, count: int, within_s: float) -> list[Item]:
        """Return the alerts that are held back because that one explains them, once there are so many."""

        def found() -> list[Item] | None:
            children = [alert for alert in self.alerts.values() if alert.get("suppressed_by") == parent_id]
            return children if len(children) >= count else None

        return await self._until(found, f"{count} alerts that {parent_id} explains", within_s)

    def _take(self, name: str, item: Item) -> None:
        known = self.alerts if name == "alert" else self.orders
        before = known.get(item["id"])
        known[item["id"]] = item
        self._passed.add((item["id"], item["state"]))
        if before is None or before["state"] != item["state"]:
            self._say(_step(name, item))
        self._changed.set()

    def _was(self, item: Item, state: str) -> bool:
        return (item["id"], state) in self._passed

    async def _until(self, found: Callable[[], T | None], what: str, within_s: float) -> T:
        try:
            async with asyncio.timeout(within_s):
                while (result := found()) is None:
                    self._changed.clear()
                    await self._changed.wait()
                return result
        except TimeoutError:
            raise StoryStuck(f"{what} did not come within {within_s:g} s") from None


def _is_at(alert: Item, facility: str, node: str) -> bool:
    return alert["facility"] == facility if facility else alert["facility"] is None and alert["node"] == node


def _step(name: str, item: Item) -> str:
    if name == "work_order":
        return f"STEP work-order {item['state']} {item['id']}"
    if item.get("suppressed_by"):
        place = item["facility"] or item["node"]
        return f"#    held back: {item['fault_code']} {item['state']} at {place}, explained by {item['suppressed_by']}"
    return f"STEP alert {item['fault_code']} {item['state']} {item['id']}"
