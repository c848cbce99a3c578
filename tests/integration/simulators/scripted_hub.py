"""A hub of a few lines: takes lanes in order, commits to memory, acknowledges. Written from the contract alone."""

import asyncio
import hashlib
import json
from collections import defaultdict
from typing import Any

import aiomqtt

Key = tuple[str, str, str]
"""Node, epoch, lane."""


class ScriptedHub:
    """Commits what nodes send and remembers it by (node, epoch, lane, seq)."""

    def __init__(self, host: str, port: int, *, hub_id: str = "scripted") -> None:
        self.high_water: dict[Key, int] = defaultdict(int)
        self.records: dict[Key, dict[int, dict[str, Any]]] = defaultdict(dict)
        self.gaps: dict[Key, list[tuple[int, int, str]]] = defaultdict(list)
        self.announced: dict[Key, int] = {}
        self.duplicates = 0
        self.hellos = 0
        self.listening = asyncio.Event()
        self.refuse: set[str] = set()
        """Devices whose records make their message undecodable to this hub."""
        self._host, self._port, self._hub_id = host, port, hub_id

    async def serve(self) -> None:
        async with aiomqtt.Client(
            self._host,
            self._port,
            identifier="scripted-hub",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,
        ) as client:
            await client.subscribe("linli/v1/+/+/up/#", qos=1)
            self.listening.set()
            async for message in client.messages:
                topic = message.topic.value.split("/")
                await self._take(client, topic[2], topic[3], topic[5:], bytes(message.payload))

    async def _take(self, client: aiomqtt.Client, site: str, node: str, channel: list[str], payload: bytes) -> None:
        body = json.loads(payload)
        if channel[0] == "hello":
            lane = channel[1]
            self.hellos += 1
            self.announced[(node, body["epoch"], lane)] = body["next"]
            await self._acknowledge(client, site, node, body["epoch"], lane, uptime_ms=body["uptime_ms"])
        elif channel[0] in {"sos", "event", "telemetry"}:
            if any(record.get("device") in self.refuse for record in body["records"]):
                refusal = {
                    "lane": channel[0],
                    "refused": "malformed_json",
                    "hash": hashlib.sha256(payload).hexdigest(),
                }
                await client.publish(f"linli/v1/{site}/{node}/down/ack/{channel[0]}", json.dumps(refusal))
                return
            self._commit((node, body["epoch"], channel[0]), body)
            await self._acknowledge(client, site, node, body["epoch"], channel[0])

    def _commit(self, key: Key, body: dict[str, Any]) -> None:
        seq = body["first"]
        for record in body["records"]:
            last = record["gap"]["to"] if "gap" in record else seq
            if seq > self.high_water[key] + 1:
                return
            if last <= self.high_water[key]:
                self.duplicates += 1
            elif "gap" in record:
                if last >= self.announced.get(key, 0):
                    return
                self.gaps[key].append((self.high_water[key] + 1, last, record["gap"]["reason"]))
                self.high_water[key] = last
            else:
                self.records[key][seq] = record
                self.high_water[key] = seq
            seq = last + 1

    async def _acknowledge(
        self, client: aiomqtt.Client, site: str, node: str, epoch: str, lane: str, *, uptime_ms: int | None = None
    ) -> None:
        ack: dict[str, Any] = {
            "schema": 1,
            "lane": lane,
            "epoch": epoch,
            "hw": self.high_water[(node, epoch, lane)],
            "hub_id": self._hub_id,
            "hub_gen": "generation",
            "hub_time": "2026-11-21T08:00:00.000Z",
        }
        if uptime_ms is not None:
            ack["uptime_ms"] = uptime_ms
        await client.publish(f"linli/v1/{site}/{node}/down/ack/{lane}", json.dumps(ack))
