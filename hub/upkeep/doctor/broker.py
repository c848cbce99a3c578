"""The broker: one attempt to connect as the hub does; with dynsec a question that only its administrator may ask."""

import json
import sys
import threading
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from hub.errors import ConfigurationError
from hub.mqtt.broker_url import BrokerUrl
from hub.mqtt.dynsec import ANSWERS, CONTROL
from hub.mqtt.trouble import HANGS_UP, trouble_of
from hub.settings import BrokerAdminKind, MqttVersion, Settings
from hub.upkeep.doctor.finding import Finding, Verdict

ANSWER_WITHIN_S: Final = 5.0
_BROKER: Final = "broker"
_RIGHTS: Final = "broker rights"
_CREDENTIALS: Final = frozenset({"Bad user name or password", "Not authorized", "Banned"})
_ASK: Final = "getDefaultACLAccess"


def check_broker(settings: Settings) -> list[Finding]:
    """Connect once and disconnect; a running hub may lose its administrator's connection for a second meanwhile."""
    kind = settings.broker_admin
    try:
        broker = BrokerUrl.parse(settings.mqtt_url.get_secret_value(), ca=settings.mqtt_ca)
        mqtt_5 = kind is BrokerAdminKind.DYNSEC or settings.mqtt_version is MqttVersion.V5
        attempt = _Attempt(broker, mqtt_5=mqtt_5, ask=kind is BrokerAdminKind.DYNSEC)
    except ConfigurationError as error:
        return [Finding(_BROKER, Verdict.FAIL, str(error), "linli-hub config show tells what is set")]
    if kind is BrokerAdminKind.DYNSEC and broker.username is None:
        remedy = "LINLI_MQTT_URL=mqtt://user:password@host of the administrator, or LINLI_BROKER_ADMIN=none"
        return [Finding(_BROKER, Verdict.FAIL, "dynsec needs the broker's administrator", remedy)]
    attempt.run()
    findings = [judge_connection(broker, trouble=attempt.trouble, version="5" if mqtt_5 else "3.1.1")]
    if kind is BrokerAdminKind.DYNSEC and attempt.trouble is None:
        findings.append(judge_rights(broker.username or "", refusal=attempt.refusal))
    return findings


def judge_connection(broker: BrokerUrl, *, trouble: str | None, version: str) -> Finding:
    """Return the finding of one attempt; `trouble` is why it failed."""
    user = f"as {broker.username!r}" if broker.username else "without a user"
    where = f"{broker.public} {user}, MQTT {version}"
    if trouble is None:
        if not broker.tls and broker.password is not None and not _is_near(broker.host):
            remedy = "mqtts:// keeps the administrator's password from the network between"
            return Finding(_BROKER, Verdict.WARN, f"{where}: connected, but the password goes in clear", remedy)
        return Finding(_BROKER, Verdict.OK, f"{where}: connected")
    return Finding(_BROKER, Verdict.FAIL, f"{where}: {trouble}", _remedy(trouble))


def judge_rights(username: str, *, refusal: str | None) -> Finding:
    """Return whether the user administers dynamic security."""
    if refusal is None:
        return Finding(_RIGHTS, Verdict.OK, f"{username!r} administers dynamic security")
    remedy = "load mosquitto's dynamic-security plugin, and name its administrator in LINLI_MQTT_URL (role admin)"
    return Finding(_RIGHTS, Verdict.FAIL, f"{username!r} does not administer dynamic security: {refusal}", remedy)


def _remedy(trouble: str) -> str:
    if trouble.startswith("TLS: its certificate"):
        return "set LINLI_MQTT_CA to its authority's PEM file, and name the broker as its certificate does"
    if trouble.startswith("TLS"):
        return "the broker speaks no TLS at that port: mqtt:// and its port, or its TLS port (8883)"
    if trouble.startswith("connection refused"):
        return "start the broker (systemctl status mosquitto), or correct the port in LINLI_MQTT_URL"
    if trouble.startswith("unreachable: no such host"):
        return "correct the host in LINLI_MQTT_URL, or the name server of this machine"
    if trouble.startswith("unreachable"):
        return "look at network and firewall between here and the broker"
    if any(name in trouble for name in _CREDENTIALS):
        return "correct user and password in LINLI_MQTT_URL"
    if trouble == HANGS_UP or "protocol" in trouble.lower():
        return "mqtts:// and its port where it wants TLS; LINLI_MQTT_VERSION=5 where it knows no other"
    return "the broker's log says more"


def _is_near(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


class _Attempt:
    """One connection, from opening it to what was answered."""

    def __init__(self, broker: BrokerUrl, *, mqtt_5: bool, ask: bool) -> None:
        self.trouble: str | None = "no answer in time"
        self.refusal: str | None = "no answer in time"
        self._broker = broker
        self._ask = ask
        self._over = threading.Event()
        protocol = MQTTProtocolVersion.MQTTv5 if mqtt_5 else MQTTProtocolVersion.MQTTv311
        client = Client(CallbackAPIVersion.VERSION2, client_id="", protocol=protocol, reconnect_on_failure=False)
        client.connect_timeout = ANSWER_WITHIN_S
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        broker.secure(client)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        self._client = client

    def run(self) -> None:
        try:
            self._client.connect(self._broker.host, self._broker.port, keepalive=10)
        except (OSError, ValueError):
            self.trouble = trouble_of(sys.exception())
            return
        self._client.loop_start()
        self._over.wait(ANSWER_WITHIN_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: Client, _data: object, _flags: object, reason: ReasonCode, _props: object) -> None:
        if reason.is_failure:
            self.trouble = f"refused: {reason.getName()}"
            self._over.set()
            return
        self.trouble = None
        if self._ask:
            client.subscribe(ANSWERS, qos=1)
        else:
            self._over.set()

    def _subscribed(self, client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _props: object) -> None:
        if any(reason.is_failure for reason in reasons):
            self.refusal = "it may not hear the answers"
            self._over.set()
        else:
            client.publish(CONTROL, json.dumps({"commands": [{"command": _ASK}]}), qos=1)

    def _disconnected(self, _client: Client, _data: object, _flags: object, _reason: object, _props: object) -> None:
        if self.trouble == "no answer in time":
            self.trouble = HANGS_UP
        self._over.set()

    def _received(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        answers: dict[str, list[dict[str, Any]]] = json.loads(message.payload)
        for answer in answers.get("responses", []):
            if answer.get("command") == _ASK:
                error = answer.get("error")
                self.refusal = None if error is None else str(error)
                self._over.set()
