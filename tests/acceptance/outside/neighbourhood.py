"""One site of one test, made by REST: facilities, nodes, devices, crews, rules; and its nodes, connected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from tests.acceptance.outside.client_node import LANES, Node
from tests.acceptance.outside.client_rest import Json, Rest

SEVERITY: Final = {
    "binFull": ("major", "yellow", "waste"),
    "lampFailure": ("major", "yellow", "electrical"),
    "lampUnexpectedOn": ("minor", "blue", "electrical"),
    "batteryLow": ("warning", "blue", "electrical"),
    "communicationFailure": ("minor", "blue", "electrical"),
    "nodeOffline": ("major", "yellow", "electrical"),
    "sosPressed": ("critical", "red", "care"),
    "fallDetected": ("critical", "red", "care"),
}
"""Fault code → severity, colour, skill: the table of rest.md §3."""

WHOLE: Final = {"from": "2020-01-01T00:00:00Z", "to": "2110-01-01T00:00:00Z"}
"""A time window that holds every plausible instant."""


@dataclass(slots=True)
class Neighbourhood:
    """Verbs that build a site and look at it; `admin` may do everything."""

    admin: Rest
    slug: str
    nodes: list[Node] = field(default_factory=list[Node])
    callers: list[Rest] = field(default_factory=list[Rest])

    def build(self, **overrides: Any) -> Neighbourhood:
        """Creates the site itself."""
        self.admin.create(
            "sites",
            {
                "slug": self.slug,
                "name": "示范小区",
                "time_zone": "Asia/Shanghai",
                "location": {"lat": 31.2, "lon": 121.5},
                **overrides,
            },
        )
        return self

    def id(self, slug: str) -> str:
        """The REST id of an object of this site."""
        return f"{self.slug}.{slug}"

    def grid(self, slug: str = "g1") -> Json:
        return self.admin.create("grids", {"site": self.slug, "slug": slug, "name": "一号网格"})

    def facility(self, slug: str, kind: str, **more: Any) -> Json:
        return self.admin.create(
            "facilities", {"site": self.slug, "slug": slug, "kind": kind, "name": f"{kind} {slug}", **more}
        )

    def node(self, slug: str = "pi-1") -> Json:
        return self.admin.create("nodes", {"site": self.slug, "slug": slug, "name": f"Node {slug}"})

    def device(
        self, slug: str, kind: str, *, facility: str, node: str | None = "pi-1", expected_interval_s: float = 3600
    ) -> Json:
        """A device of a facility; node None makes it a radio device."""
        return self.admin.create(
            "devices",
            {
                "site": self.slug,
                "slug": slug,
                "kind": kind,
                "facility": self.id(facility),
                "node": None if node is None else self.id(node),
                "expected_interval_s": expected_interval_s,
            },
        )

    def crew(self, skill: str, *, slug: str | None = None, members: list[str] | None = None) -> Json:
        return self.admin.create(
            "crews",
            {
                "site": self.slug,
                "slug": slug or f"{skill}-1",
                "name": f"Crew {skill}",
                "skills": [skill],
                "members": members or [],
            },
        )

    def person(self, username: str, role: str, *, password: str = "a-long-password-7", locale: str = "zh") -> Json:
        """A person with one role at this site; the username is made unique by the site's slug."""
        return self.admin.create(
            "people",
            {
                "username": f"{username}-{self.slug}",
                "display_name": username.title(),
                "password": password,
                "locale": locale,
                "roles": [{"role": role, "site": self.slug}],
            },
        )

    def caller(self, username: str, role: str) -> tuple[Rest, Json]:
        """A person of this site who has logged in."""
        person = self.person(username, role)
        self.callers.append(Rest(self.admin.base_url))
        return self.callers[-1].login(f"{username}-{self.slug}", "a-long-password-7"), person

    def close(self) -> None:
        """Ends every connection that was opened for this site."""
        for client in self.nodes:
            client.close()
        for caller in self.callers:
            caller.close()

    def rule(self, fault_code: str, *, scope: str | None = None, **parameters: float) -> Json:
        """Sets rule parameters for the site, or a narrower scope."""
        return self.admin.put(f"rules/{fault_code}", {"scope": scope or self.slug, "parameters": parameters})

    def credentials(self, node: str = "pi-1") -> Json:
        """New credentials of a node; they replace the former."""
        response = self.admin.ok("POST", f"nodes/{self.id(node)}/credentials", {})
        assert response.status_code == 201
        return response.json()

    def client(self, node: str = "pi-1") -> Node:
        """A node client that holds fresh credentials, not yet connected; closed with the site."""
        given = self.credentials(node)
        assert given["username"] == self.id(node)
        assert given["sos_username"] == f"{self.id(node)}.sos"
        address = urlsplit(given["broker_url"])
        assert address.scheme == "mqtt", given["broker_url"]
        assert address.password is None, "a broker_url must not carry the hub's own password"
        client = Node(
            host=address.hostname or "",
            port=address.port or 1883,
            site=self.slug,
            node=node,
            password=given["password"],
        )
        self.nodes.append(client)
        return client

    def online(self, node: str = "pi-1") -> Node:
        """Registers a node where it is not there yet, gives it credentials and connects it."""
        if self.admin.call("GET", f"nodes/{self.id(node)}").status_code == 404:
            self.node(node)
        return self.client(node).connect()

    def bin(self, slug: str = "bin-42", *, node: str = "pi-1", interval_s: float = 3600) -> tuple[str, str]:
        """A bin with its sensor; gives (REST id of the facility, slug of the device)."""
        self.facility(slug, "bin")
        self.device(f"{slug}-us", "fill_level", facility=slug, node=node, expected_interval_s=interval_s)
        return self.id(slug), f"{slug}-us"

    def lamp(self, slug: str = "lamp-1", *, node: str = "pi-1", rated_power_w: float = 60) -> tuple[str, str]:
        """A streetlight with its meter; gives (REST id of the facility, slug of the device)."""
        self.facility(slug, "streetlight", attributes={"rated_power_w": rated_power_w})
        self.device(f"{slug}-meter", "lamp", facility=slug, node=node)
        return self.id(slug), f"{slug}-meter"

    def band(self, slug: str = "band-07", *, node: str | None = "pi-1") -> tuple[str, str]:
        """A wristband; gives (REST id of the facility, slug of the device)."""
        self.facility(f"wearer-{slug}", "wristband")
        self.device(slug, "vitals", facility=f"wearer-{slug}", node=node)
        return self.id(f"wearer-{slug}"), slug

    def alerts(self, **filters: Any) -> list[Json]:
        return self.admin.items("alerts", site=self.slug, **filters)

    def alert(
        self,
        fault_code: str,
        state: str | None = None,
        *,
        timeout_s: float = 10,
        where: Callable[[Json], bool] | None = None,
    ) -> Json:
        """Waits for the newest alert of a fault code, in a state."""

        def look() -> Json | None:
            for item in self.alerts(fault_code=fault_code):
                if (state is None or item["state"] == state) and (where is None or where(item)):
                    return item
            return None

        return self.admin.wait(look, what=f"alert {fault_code} {state or ''} in {self.slug}", timeout_s=timeout_s)

    def alert_state(self, alert_id: str, state: str, *, timeout_s: float = 10) -> Json:
        """Waits until this alert is in the state."""
        return self._state("alerts", alert_id, state, timeout_s)

    def orders(self, **filters: Any) -> list[Json]:
        return self.admin.items("work-orders", site=self.slug, **filters)

    def order_state(self, order_id: str, state: str, *, timeout_s: float = 10) -> Json:
        """Waits until this work order is in the state."""
        return self._state("work-orders", order_id, state, timeout_s)

    def step(self, order_id: str, action: str, **body: Any) -> Json:
        """A step of a work order."""
        return self.admin.post(f"work-orders/{order_id}/{action}", body)

    def lanes(self, node: str = "pi-1") -> list[Json]:
        return self.admin.items(f"nodes/{self.id(node)}/lanes")

    def lane(self, client: Node, lane: str, *, epoch: str | None = None) -> Json:
        """The row of one lane of one epoch."""
        for row in self.lanes(client.node):
            if row["epoch"] == (epoch or client.epoch) and row["lane"] == lane:
                return row
        raise AssertionError(f"no lane {lane} of {client.node} {epoch or client.epoch}: {self.lanes(client.node)}")

    def quarantine(self, **filters: Any) -> list[Json]:
        return self.admin.items("quarantine", site=self.slug, **filters)

    def quarantined(self, reason: str, *, timeout_s: float = 8, **filters: Any) -> Json:
        """Waits for the newest quarantine row of a reason."""
        rows: list[Json] = self.admin.wait(
            lambda: self.quarantine(reason=reason, **filters),
            what=f"quarantine {reason} in {self.slug}",
            timeout_s=timeout_s,
        )
        return rows[0]

    def incident(self, kind: str, *, timeout_s: float = 8) -> Json:
        """Waits for the newest incident of a kind."""
        rows: list[Json] = self.admin.wait(
            lambda: self.admin.items("incidents", site=self.slug, kind=kind),
            what=f"incident {kind} in {self.slug}",
            timeout_s=timeout_s,
        )
        return rows[0]

    def points(self, facility: str, metric: str, **params: Any) -> list[Json]:
        """Every raw or aggregated point of a metric, over all pages, oldest first; of all times unless told."""
        params = {**WHOLE, **params}
        found: list[Json] = []
        cursor: str | None = None
        while True:
            page = self.admin.get(
                f"facilities/{facility}/telemetry", metric=metric, **params, **({"cursor": cursor} if cursor else {})
            )
            found += page["points"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return sorted(found, key=lambda point: point["at"])

    def wait_points(
        self, facility: str, metric: str, count: int, *, timeout_s: float = 10, **params: Any
    ) -> list[Json]:
        """Waits until a metric has at least so many points."""
        return self.admin.wait(
            lambda: found if len(found := self.points(facility, metric, **params)) >= count else None,
            what=f"{count} points of {metric} at {facility}",
            timeout_s=timeout_s,
        )

    def check_conservation(self) -> None:
        """The equation of wire.md §3 on every lane of every node of the site."""
        for client in self.nodes:
            if self.admin.call("GET", f"nodes/{self.id(client.node)}").is_error:
                continue
            for row in self.lanes(client.node):
                assert row["lane"] in LANES
                assert row["high_water"] == row["stored"] + row["quarantined"] + row["gaps"], row
                if row.get("closed_at"):
                    assert row["produced"] == row["high_water"] + row["loss"], row

    def _state(self, path: str, item_id: str, state: str, timeout_s: float) -> Json:
        def look() -> Json | None:
            item = self.admin.get(f"{path}/{item_id}")
            return item if item["state"] == state else None

        return self.admin.wait(look, what=f"{path}/{item_id} {state}", timeout_s=timeout_s)
