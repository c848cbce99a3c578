"""Broker users by mosquitto's dynamic security, over MQTT: added, replaced and cut off live."""

import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import structlog
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from hub.access.broker import PASSWORD_BYTES, NodeCredential
from hub.errors import BrokerUnavailableError, ConfigurationError
from hub.mqtt.broker_url import BrokerUrl
from hub.mqtt.connection import REFUSED
from hub.mqtt.trouble import HANGS_UP, Complaint, trouble_of

log = structlog.get_logger("hub.mqtt")

CONTROL: Final = "$CONTROL/dynamic-security/v1"
ANSWERS: Final = "$CONTROL/dynamic-security/v1/response"
ANSWER_WITHIN_S: Final = 10.0
HUB_ROLE: Final = "linli-hub"
_PRIORITY: Final = 0
_MISSING: Final = ("not found", "does not exist")

Command = dict[str, Any]


class DynsecAdmin:
    """The administrator's own connection; commands are answered one by one, matched by their correlation data."""

    def __init__(
        self, broker: BrokerUrl, *, new_secret: Callable[[int], str], connect_within_s: float = ANSWER_WITHIN_S
    ) -> None:
        """Wire it; `broker` names the administrator. Nothing is opened before `open`."""
        if broker.username is None or broker.password is None:
            message = (
                "LINLI_MQTT_URL: dynsec needs the broker's administrator, mqtt://user:password@host "
                "(or set LINLI_BROKER_ADMIN=none for a broker that somebody else manages)"
            )
            raise ConfigurationError(message)
        self._broker = broker
        self._new_secret = new_secret
        self._connect_within_s = connect_within_s
        self._turn = threading.Lock()
        self._ready = threading.Event()
        self._refusal: str | None = None
        self._complaint = Complaint("dynsec.not_connected", broker=broker.public)
        self._opened = False
        self._in = False
        self._answered = threading.Condition()
        self._answers: dict[str, Mapping[str, Any]] = {}
        client = Client(CallbackAPIVersion.VERSION2, client_id=broker.username, protocol=MQTTv5)
        client.username_pw_set(broker.username, broker.password)
        client.on_connect = self._connected
        client.on_connect_fail = self._unreachable
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._lost
        client.on_message = self._received
        broker.secure(client)
        self._client = client

    def open(self) -> "DynsecAdmin":
        """Connect; an absent broker is tried again, one that refuses the administrator raises ConfigurationError.

        The log names why it waits, as often as the reason changes. What a signal raises here ends the attempt at once.
        """
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=30, clean_start=True)
        self._client.loop_start()
        try:
            while not self._ready.wait(timeout=self._connect_within_s):
                self._refuse_for_good()
                log.warning("dynsec.waiting", broker=self._broker.public, reason=self._complaint.reason or "no answer")
        except BaseException:
            # Nobody waits for an attempt under way: its thread ends by itself, or with the process.
            self._client.disconnect()
            raise
        self._opened = True
        return self

    def _refuse_for_good(self) -> None:
        if self._refusal is not None:
            user = self._broker.username
            message = f"LINLI_MQTT_URL: the broker at {self._broker.public} refuses user {user!r}: {self._refusal}"
            raise ConfigurationError(message)

    def admit_hub(self, names: Sequence[str], *, publish: Sequence[str], subscribe: Sequence[str]) -> Mapping[str, str]:
        """Give the hub a user for each of its connections, with new passwords at every start."""
        passwords = {name: self._new_secret(PASSWORD_BYTES) for name in names}
        acls = [*(_acl("publishClientSend", topic) for topic in publish)]
        for topic in subscribe:
            acls += [_acl("subscribePattern", topic), _acl("publishClientReceive", topic)]
        defaults = [
            {"acltype": "publishClientSend", "allow": False},
            {"acltype": "publishClientReceive", "allow": True},
            {"acltype": "subscribe", "allow": False},
            {"acltype": "unsubscribe", "allow": True},
        ]
        self._run(
            [
                {"command": "setDefaultACLAccess", "acls": defaults},
                *_forget(names, HUB_ROLE),
                {"command": "createRole", "rolename": HUB_ROLE, "acls": acls},
                *(_client(name, password, HUB_ROLE, text="Linli's hub") for name, password in passwords.items()),
            ]
        )
        return passwords

    def create_node(self, credential: NodeCredential) -> None:
        """Let a node in; what it was let in with before is void, and its connections are ended."""
        role = f"node:{credential.username}"
        acls = [
            _acl("publishClientSend", credential.publish),
            _acl("subscribePattern", credential.subscribe),
            _acl("publishClientReceive", credential.subscribe),
        ]
        self._run(
            [
                *_forget(credential.usernames, role),
                {"command": "createRole", "rolename": role, "acls": acls},
                *(_client(name, credential.password, role, text="A node") for name in credential.usernames),
            ]
        )

    def remove_node(self, usernames: Sequence[str]) -> None:
        """Let a node in no more, and end its connections."""
        self._run(_forget(usernames, f"node:{usernames[0]}"))

    def close(self) -> None:
        """Let go of the connection; idempotent."""
        self._client.disconnect()
        self._client.loop_stop()

    def _run(self, commands: Sequence[Command]) -> None:
        with self._turn:
            if not self._ready.wait(timeout=ANSWER_WITHIN_S):
                message = "the broker is away; try again when it is back"
                raise BrokerUnavailableError(message)
            marks = [self._new_secret(8) for _ in commands]
            marked = [{**command, "correlationData": mark} for command, mark in zip(commands, marks, strict=True)]
            with self._answered:
                self._answers.clear()
            self._client.publish(CONTROL, json.dumps({"commands": marked}), qos=1)
            with self._answered:
                complete = self._answered.wait_for(
                    lambda: all(mark in self._answers for mark in marks), timeout=ANSWER_WITHIN_S
                )
                answers = dict(self._answers)
        for command, mark in zip(commands, marks, strict=True):
            error = str(answers.get(mark, {}).get("error", "")) if complete or mark in answers else "no answer in time"
            if error and not (command["command"].startswith("delete") and error.lower().endswith(_MISSING)):
                message = f"the broker refuses {command['command']}: {error}"
                raise BrokerUnavailableError(message)

    def _connected(self, client: Client, _data: object, _flags: object, reason: ReasonCode, _props: object) -> None:
        if reason.is_failure:
            self._refusal = reason.getName() if reason.getName() in REFUSED else None
            trouble = f"refused: {reason.getName()}"
            if self._refusal is not None and not self._opened:
                self._complaint.note(trouble)  # `open` ends with it, in one line
            else:
                self._complaint.tell(trouble)
            return
        self._refusal, self._in = None, True
        client.subscribe(ANSWERS, qos=1)

    def _subscribed(self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _props: object) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refusal = "it is no administrator of dynamic security"
        else:
            self._complaint.over()
            self._ready.set()

    def _lost(self, _client: Client, _data: object, _flags: object, _reason: object, _props: object) -> None:
        self._ready.clear()
        if not self._in and self._complaint.reason is None:
            self._complaint.tell(HANGS_UP)
        self._in = False

    def _unreachable(self, _client: Client, _data: object) -> None:
        self._complaint.tell(trouble_of(sys.exception()))

    def _received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        answers: dict[str, list[Mapping[str, Any]]] = json.loads(message.payload)
        with self._answered:
            for answer in answers.get("responses", []):
                mark = answer.get("correlationData")
                if isinstance(mark, str):
                    self._answers[mark] = answer
            self._answered.notify_all()


def _acl(kind: str, topic: str) -> Command:
    return {"acltype": kind, "topic": topic, "priority": _PRIORITY, "allow": True}


def _client(username: str, password: str, role: str, *, text: str) -> Command:
    return {
        "command": "createClient",
        "username": username,
        "clientid": username,
        "password": password,
        "textname": text,
        "roles": [{"rolename": role, "priority": _PRIORITY}],
    }


def _forget(usernames: Sequence[str], role: str) -> list[Command]:
    clients = [cast("Command", {"command": "deleteClient", "username": name}) for name in usernames]
    return [*clients, {"command": "deleteRole", "rolename": role}]
