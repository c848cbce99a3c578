"""Speaks mosquitto's dynamic-security topic as the broker's admin: makes users that the hub does not know."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.acceptance.outside.client_node import Link

CONTROL: Final = "$CONTROL/dynamic-security/v1"


class Dynsec:
    """The broker's own administrator on its own connection."""

    def __init__(self, *, host: str, port: int, user: str, password: str) -> None:
        self._link = Link(host=host, port=port, user=user, password=password, client_id=f"outside-admin-{user}")
        self._link.open()
        self._link.subscribe(f"{CONTROL}/response")

    def close(self) -> None:
        self._link.close()

    def ghost(self, *, username: str, password: str, prefix: str) -> None:
        """A user who may publish and subscribe under one topic prefix, unknown to the hub."""
        role = f"role-{username}"
        rights = ("publishClientSend", "publishClientReceive", "subscribePattern", "unsubscribePattern")
        acls = [{"acltype": kind, "topic": f"{prefix}/#", "priority": 1, "allow": True} for kind in rights]
        self.command({"command": "createRole", "rolename": role, "acls": acls})
        self.command(
            {"command": "createClient", "username": username, "password": password, "roles": [{"rolename": role}]}
        )

    def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """One command; gives its answer, AssertionError when the broker refuses it."""
        mark = len(self._link.downs)
        self._link.publish(CONTROL, json.dumps({"commands": [command]}).encode())

        def found(downs: list[Any]) -> dict[str, Any] | None:
            for down in downs[mark:]:
                for response in down.body.get("responses", []):
                    if response["command"] == command["command"]:
                        return response
            return None

        response = self._link.wait(found, timeout_s=5)
        assert response is not None, f"no answer to {command['command']}"
        assert "error" not in response, response
        return response
