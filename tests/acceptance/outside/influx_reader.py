"""Reads InfluxDB 1.8 by InfluxQL, past the hub, so that what it says of its points can be checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2


@dataclass(frozen=True, slots=True)
class InfluxReader:
    """One database of one server."""

    url: str
    database: str

    def query(self, statement: str) -> list[dict[str, Any]]:
        """The rows of one statement, times as integers in nanoseconds."""
        response = httpx2.get(
            f"{self.url}/query", params={"db": self.database, "q": statement, "epoch": "ns"}, timeout=10
        )
        body = response.raise_for_status().json()["results"][0]
        assert "error" not in body, body
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
            for series in body.get("series", [])
            for row in series["values"]
        ]

    def points(self, kind: str, site: str) -> list[dict[str, Any]]:
        """Every point of a measurement at a site; both are slugs of this test's own."""
        return self.query(f"SELECT * FROM {kind} WHERE site = '{site}'")  # noqa: S608 - our own names
