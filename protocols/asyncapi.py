"""The wire contract as an AsyncAPI 3.0 document, from a node's side.

`python -m protocols.asyncapi docs/asyncapi.json` writes it.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from protocols import schemas
from protocols.envelope import SCHEMA
from protocols.readings import KINDS
from protocols.slug import SHORT_SLUG_LENGTH, SLUG_PATTERN
from protocols.topics import Channel, address_template

_EPOCH: Final = "9f2c4be07a1d3355"
_BOOT: Final = "b81e63a0c2d94f17"
_AT: Final = "2026-11-21T08:00:00.000Z"
_LANE_MESSAGE: Final = {"schema": SCHEMA, "epoch": _EPOCH, "first": 412, "boot": _BOOT, "clock": "synced"}
_READING: Final = {
    "device": "bin-42-us",
    "kind": "fill_level",
    "at": _AT,
    "uptime_ms": 86_400_123,
    "quality": 95,
    "values": {"fill_percent": 81.0, "distance_mm": 412.0},
}
_PRESS: Final[Mapping[str, Any]] = {
    "device": "band-7",
    "event": "sos_pressed",
    "ref": "band-7:1187",
    "at": _AT,
    "uptime_ms": 86_401_123,
    "quality": 100,
    "details": {},
}
_ACK: Final = {
    "schema": SCHEMA,
    "lane": "sos",
    "epoch": _EPOCH,
    "hw": 12,
    "hub_id": "hub-a",
    "hub_gen": "5c0f",
    "hub_time": _AT,
}
EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "lane-message": {
        "readings": _LANE_MESSAGE | {"records": [_READING, {"gap": {"to": 5000, "reason": "evicted"}}]},
        "press": _LANE_MESSAGE | {"records": [_PRESS]},
    },
    "hello": {
        "connected": {
            "schema": SCHEMA,
            "lane": "telemetry",
            "epoch": _EPOCH,
            "boot": _BOOT,
            "min_retained": 101,
            "next": 5213,
            "at": _AT,
            "uptime_ms": 86_402_000,
            "clock": "synced",
        }
    },
    "ack": {
        "committed": _ACK,
        "heard": _ACK | {"sos": [{"ref": "band-7:1187", "seq": 12, "stage": "heard", "by": "Duty desk", "at": _AT}]},
    },
    "refusal": {"undecodable": {"lane": "event", "refused": "malformed_json", "hash": "0" * 64}},
    "status": {
        "birth": {"state": "online", "boot": _BOOT, "version": "0.1.0"},
        "silence": {"state": "sleeping", "boot": _BOOT, "version": "0.1.0", "until": _AT},
    },
}
"""Of each message: names → payloads."""
_TEXTS: Final[Mapping[str, str]] = {
    "lane-message": "Records of one lane in seq order; what the `values` of a reading hold, its kind's schema says.",
    "hello": "Where a lane stands: on connect and every 20 s (sos) or 60 s (others); answered by an ack.",
    "ack": "All of a lane up to `hw` is committed at the hub.",
    "refusal": "The hub cannot decode a message of this lane: send one record a message.",
    "status": "Birth, will and planned silence, retained.",
}
_UNUSED: Final = "Reserved: credentials reach it, and version 1 of this contract sends nothing there yet."


def document() -> dict[str, Any]:
    """Return the document."""
    parts: dict[str, Any] = {}
    messages = {name: _message(name, parts) for name in schemas.MODELS}
    for kind in KINDS:
        parts[f"values_{kind}"] = _hoisted(schemas.schema(kind), parts)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Linli wire contract",
            "version": f"{SCHEMA}.0.0",
            "description": "What a node says to a hub and hears of it over MQTT 5, from the node's side.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "{broker}",
                "protocol": "mqtt",
                "protocolVersion": "5",
                "variables": {"broker": {"default": "localhost:1883", "description": "Host and port; 8883 with TLS."}},
                "description": (
                    "A node holds two connections, each with user name = client id: "
                    "`{site}.{node}.sos` for the sos lane, `{site}.{node}` for the rest; "
                    "one password, clean start, keepalive 10 s."
                ),
                "security": [{"$ref": "#/components/securitySchemes/credentials"}],
            }
        },
        "channels": {_key(channel): _channel(channel) for channel in Channel},
        "operations": {_key(channel): _operation(channel) for channel in Channel if _carried(channel)},
        "components": {
            "messages": messages,
            "schemas": dict(sorted(parts.items())),
            "parameters": {
                name: {"description": f"The {name}'s slug: {SLUG_PATTERN}, at most {SHORT_SLUG_LENGTH} characters."}
                for name in ("site", "node")
            },
            "securitySchemes": {"credentials": {"type": "userPassword", "description": "Given once by the hub's API."}},
        },
    }


def rendered() -> str:
    """Return the document as it is kept under docs/."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


def _key(channel: Channel) -> str:
    return channel.replace("/", "_")


def _carried(channel: Channel) -> tuple[str, ...]:
    """Return the names of the messages of a channel."""
    if channel.is_hello:
        return ("hello",)
    if channel.lane is not None:
        return ("lane-message",) if _is_up(channel) else ("ack", "refusal")
    return ("status",) if channel is Channel.STATUS else ()


def _is_up(channel: Channel) -> bool:
    return channel.startswith("up/")


def _channel(channel: Channel) -> dict[str, Any]:
    carried = _carried(channel)
    body: dict[str, Any] = {
        "address": address_template(channel),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in carried},
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in ("site", "node")},
    }
    return body if carried else {**body, "description": _UNUSED}


def _operation(channel: Channel) -> dict[str, Any]:
    body: dict[str, Any] = {
        "action": "send" if _is_up(channel) else "receive",
        "channel": {"$ref": f"#/channels/{_key(channel)}"},
        "messages": _references(channel, *_carried(channel)),
        "bindings": {
            "mqtt": {"qos": int(_is_up(channel)), "retain": channel is Channel.STATUS, "bindingVersion": "0.2.0"}
        },
    }
    if channel.is_hello and channel.lane is not None:
        answer = Channel.ack(channel.lane)
        body["reply"] = {"channel": {"$ref": f"#/channels/{_key(answer)}"}, "messages": _references(answer, "ack")}
    return body


def _references(channel: Channel, *names: str) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{_key(channel)}/messages/{name}"} for name in names]


def _message(name: str, parts: dict[str, Any]) -> dict[str, Any]:
    parts[name] = _hoisted(schemas.schema(name), parts)
    return {
        "name": name,
        "summary": _TEXTS[name],
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "examples": [{"name": key, "payload": payload} for key, payload in EXAMPLES[name].items()],
    }


def _hoisted(schema: Mapping[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose own parts have moved into `parts`, where it refers to them."""
    moved = json.loads(json.dumps(schema).replace('"#/$defs/', '"#/components/schemas/'))
    parts.update(moved.pop("$defs", {}))
    moved.pop("$schema")
    return moved


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(rendered(), encoding="utf-8")
