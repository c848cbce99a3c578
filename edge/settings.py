"""The agent's configuration: one TOML file, every key known, every mistake named."""

import os
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta, field, structs

from edge.clock import ClockSource
from edge.errors import InvalidSettings
from edge.tables import Mistakes, Table, read_table
from protocols.readings import KINDS
from protocols.slug import ShortSlug, Slug

_NUMBER: Final = r"^\+?[0-9]{3,15}$"
PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
"""Schemes of a broker's URL and their usual ports."""


class BrokerSettings(Table, frozen=True, kw_only=True):
    """Where the broker is and how the node shows who it is."""

    url: Annotated[str, Meta(description="`mqtt://host[:port]`, or `mqtts://host[:port]` with TLS.")]
    password: Annotated[str | None, Meta(description="The node's password; give this or `password_file`.")] = None
    password_file: Annotated[Path | None, Meta(description="File that holds the password, and nothing else.")] = None
    ca: Annotated[
        Path | None,
        Meta(description="PEM file of the authority behind an `mqtts` broker's certificate; default: the system's."),
    ] = None

    def __post_init__(self) -> None:
        """Refuse an address that is no broker's, and what contradicts itself."""
        fault = _url_fault(self.url)
        if fault is not None:
            raise Mistakes(("url", fault))
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        if self.ca is not None and not self.tls:
            raise ValueError("ca needs an mqtts:// url")

    def __repr__(self) -> str:
        """Everything but the password."""
        return f"BrokerSettings(url={self.url!r}, password_file={self.password_file!r}, ca={self.ca!r})"

    @property
    def host(self) -> str:
        """The broker's host."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port."""
        parts = urlsplit(self.url)
        return parts.port or PORTS[parts.scheme]

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("mqtts:")


class SmsSettings(Table, frozen=True, kw_only=True):
    """Text messages by a GSM modem, and whom they tell."""

    port: Annotated[str, Meta(min_length=1, description="The modem's serial port for AT commands, as `/dev/ttyUSB2`.")]
    numbers: Annotated[
        tuple[Annotated[str, Meta(pattern=_NUMBER)], ...],
        Meta(description="Who is told, in this order: numbers as `+8613800138000`."),
    ]
    baud: Annotated[int, Meta(ge=1_200, le=4_000_000, description="Its speed; USB modems take any.")] = 115_200
    after_s: Annotated[
        Annotated[float, Meta(ge=0, le=60)] | None,
        Meta(description="Age of a call without *sent* from which on texts go; default 3, beside a second broker 6."),
    ] = None
    labels: Annotated[
        dict[str, Annotated[str, Meta(max_length=40)]],
        Meta(description="Device → what texts call it: who wears it, where it hangs; default: its slug."),
    ] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Refuse a modem that has nobody to tell, and somebody twice."""
        if not self.numbers:
            raise Mistakes(("numbers", "names nobody"))
        if len(set(self.numbers)) < len(self.numbers):
            raise Mistakes(("numbers", "names somebody twice"))


class SecondPathSettings(Table, frozen=True, kw_only=True):
    """Where a call for help goes as well while no hub says *sent* of it."""

    broker: BrokerSettings | None = None
    sms: SmsSettings | None = None


class OutboxSettings(Table, frozen=True, kw_only=True):
    """How much room the outbox may take; what is done is kept 72 h within it."""

    limit_mb: Annotated[
        int,
        Meta(
            ge=8,
            le=1_000_000,
            description="Largest size of the outbox; telemetry is thinned from 80 % on and evicted at 95 %.",
        ),
    ] = 512
    min_free_mb: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Room on the disk that the outbox leaves to others;"
            " below it telemetry makes way as at the limit.",
        ),
    ] = 64


class DeviceSettings(Table, frozen=True, kw_only=True):
    """One sensor, button or lamp, and the driver that speaks to it."""

    slug: Annotated[Slug, Meta(description="The device's slug in the hub's registry.")]
    driver: Annotated[str, Meta(min_length=1, description="Name of an installed driver.")]
    kind: Annotated[
        str | None, Meta(description="What its readings are, as `fill_level`; needed where the driver is a sensor.")
    ] = None
    interval_s: Annotated[float, Meta(gt=0, le=86_400, description="Seconds between two readings.")] = 60.0
    dead_band: Annotated[
        dict[str, Annotated[float, Meta(ge=0)]],
        Meta(description="Value → least change worth a record; empty: every reading is one."),
    ] = field(default_factory=dict[str, float])
    max_silence_s: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="With a dead band, longest time without a record.")
    ] = None
    options: Annotated[dict[str, Any], Meta(description="The driver's own options.")] = field(
        default_factory=dict[str, Any]
    )

    def __post_init__(self) -> None:
        """Refuse a kind that the wire does not know, and a dead band that could keep silent for ever."""
        if self.kind is not None and self.kind not in KINDS:
            raise Mistakes(("kind", f"{self.kind!r} is no kind of reading; known: {', '.join(sorted(KINDS))}"))
        if self.dead_band and self.max_silence_s is None:
            raise ValueError("dead_band needs max_silence_s, or a silent sensor looks like a dead one")


class LocalCondition(StrEnum):
    """What a local rule looks for."""

    SOS = "sos"
    BIN_FULL = "bin_full"
    LAMP_FAILURE = "lamp_failure"


_Share = Annotated[float, Meta(ge=0, le=100)]
_Seconds = Annotated[float, Meta(ge=0, le=86_400)]


class LocalRuleSettings(Table, frozen=True, kw_only=True):
    """One thing that is shown on the spot, hub or no hub; what is not given has the rule's own default."""

    when: Annotated[LocalCondition, Meta(description="What is looked for: `sos`, `bin_full` or `lamp_failure`.")]
    output: Annotated[Slug, Meta(description="The device that shows it: an indicator, or what has a relay.")]
    devices: Annotated[
        tuple[Slug, ...], Meta(description="Which devices it looks at; default: all whose readings or calls fit.")
    ] = ()
    after_s: Annotated[
        _Seconds | None, Meta(description="`sos`: sound only for a call that is this old; default 0.")
    ] = None
    until: Annotated[
        Literal["sent", "heard"] | None,
        Meta(description="`sos`: silent once the hub has it (`sent`), or a person (`heard`, the default)."),
    ] = None
    longest_s: Annotated[
        Annotated[float, Meta(gt=0, le=86_400)] | None,
        Meta(description="`sos`: longest sounding for one call; default 300."),
    ] = None
    enter_percent: Annotated[_Share | None, Meta(description="`bin_full`: on from this level up; default 80.")] = None
    leave_percent: Annotated[_Share | None, Meta(description="`bin_full`: off below this level; default 60.")] = None
    hold_s: Annotated[_Seconds | None, Meta(description="`bin_full`: full for this long; default 0.")] = None
    confirm_readings: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        Meta(description="`bin_full`, `lamp_failure`: readings in a row that must agree; default 2."),
    ] = None
    settle_s: Annotated[
        _Seconds | None, Meta(description="`lamp_failure`: no judgement for this long after a switch; default 120.")
    ] = None
    rated_power_w: Annotated[
        Annotated[float, Meta(gt=0, le=10_000)] | None,
        Meta(
            description="`lamp_failure`: dark is below a tenth of this, times the commanded level; default: below 1 W."
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse what belongs to another rule, and thresholds that cross."""
        known = LOCAL_PARAMETERS[self.when]
        others = {name for names in LOCAL_PARAMETERS.values() for name in names} - set(known)
        strangers = [name for name in sorted(others) if getattr(self, name) is not None]
        if strangers:
            raise Mistakes(*((name, f"is nothing that {self.when} knows") for name in strangers))
        if self.when is LocalCondition.BIN_FULL:
            enter = 80.0 if self.enter_percent is None else self.enter_percent
            leave = 60.0 if self.leave_percent is None else self.leave_percent
            if leave > enter:
                raise Mistakes(("leave_percent", f"{leave:g} is above enter_percent {enter:g}"))

    @property
    def parameters(self) -> dict[str, Any]:
        """What was given of the rule's own parameters."""
        names = LOCAL_PARAMETERS[self.when]
        return {name: value for name in names if (value := getattr(self, name)) is not None}


LOCAL_PARAMETERS: Final = {
    LocalCondition.SOS: ("after_s", "until", "longest_s"),
    LocalCondition.BIN_FULL: ("enter_percent", "leave_percent", "confirm_readings", "hold_s"),
    LocalCondition.LAMP_FAILURE: ("confirm_readings", "settle_s", "rated_power_w"),
}
"""Which parameters belong to which rule."""
_KIND_OF: Final = {LocalCondition.BIN_FULL: "fill_level", LocalCondition.LAMP_FAILURE: "lamp"}


class EdgeSettings(Table, frozen=True, kw_only=True):
    """The whole file."""

    site: Annotated[ShortSlug, Meta(description="The site's slug.")]
    node: Annotated[ShortSlug, Meta(description="This node's slug.")]
    data_dir: Annotated[Path, Meta(description="Folder of the outbox; one agent a folder.")]
    broker: BrokerSettings
    hub_id: Annotated[
        Annotated[str, Meta(min_length=1, max_length=128)] | None,
        Meta(description="The home hub's name; without it the first hub that answers is home."),
    ] = None
    clock: Annotated[
        ClockSource,
        Meta(
            description="Whose time counts: `auto` (the system's once it is set, until then the hub's),"
            " `system`, `hub`."
        ),
    ] = ClockSource.AUTO
    self_device: Annotated[
        Slug | None,
        Meta(description="Device under which the agent reports its own trouble; without it that is only logged."),
    ] = None
    second_path: SecondPathSettings = SecondPathSettings()
    outbox: OutboxSettings = OutboxSettings()
    devices: Annotated[tuple[DeviceSettings, ...], Meta(description="What hangs on this node.")] = ()
    local_rules: Annotated[
        tuple[LocalRuleSettings, ...], Meta(description="What is shown on the spot, hub or no hub.")
    ] = ()

    def __post_init__(self) -> None:
        """Refuse two devices of one name, and rules about devices that are not there."""
        seen: set[str] = set()
        for device in self.devices:
            if device.slug in seen:
                raise Mistakes(("devices", f"slug {device.slug!r} stands twice"))
            seen.add(device.slug)
        problems = self._second_path_faults(seen)
        for number, rule in enumerate(self.local_rules):
            problems += [(f"local_rules[{number}].{key}", reason) for key, reason in self._rule_faults(rule)]
        if problems:
            raise Mistakes(*problems)

    def watched(self, rule: LocalRuleSettings) -> tuple[DeviceSettings, ...]:
        """The devices that a rule looks at; an sos rule looks at all that are not left out."""
        kind = _KIND_OF.get(rule.when)
        fitting = [device for device in self.devices if kind in (None, device.kind)]
        return tuple(device for device in fitting if not rule.devices or device.slug in rule.devices)

    def _second_path_faults(self, devices: set[str]) -> list[tuple[str, str]]:
        broker, sms = self.second_path.broker, self.second_path.sms
        faults: list[tuple[str, str]] = []
        if broker is not None and (broker.host, broker.port) == (self.broker.host, self.broker.port):
            # With one client id twice at one broker, each connection would end the other.
            faults.append(("second_path.broker.url", "is the first broker"))
        named = () if sms is None else sms.labels
        unknown = [slug for slug in named if slug not in devices]
        return [*faults, *((f"second_path.sms.labels.{slug}", "no device is called so") for slug in unknown)]

    def _rule_faults(self, rule: LocalRuleSettings) -> list[tuple[str, str]]:
        known = {device.slug for device in self.devices}
        faults = [] if rule.output in known else [("output", f"no device is called {rule.output!r}")]
        fitting = {device.slug for device in self.watched(rule)}
        kind = _KIND_OF.get(rule.when)
        faults += [
            ("devices", f"no device of kind {kind} is called {slug!r}" if kind else f"no device is called {slug!r}")
            for slug in rule.devices
            if slug not in fitting
        ]
        if not fitting and not rule.devices:
            faults.append(("when", f"there is no device of kind {kind}"))
        return faults


def load_settings(path: Path) -> EdgeSettings:
    """Read the file; relative paths in it start at its folder. Raises InvalidSettings with every mistake."""
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise InvalidSettings(str(path), [("", error.strerror or str(error))]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(str(path), [("", f"is no TOML: {error}")]) from error
    return parse_settings(table, source=str(path), base_dir=path.parent)


def parse_settings(table: dict[str, Any], *, source: str, base_dir: Path) -> EdgeSettings:
    """Check a parsed file; raises InvalidSettings with every mistake."""
    try:
        settings = read_table(EdgeSettings, table)
    except Mistakes as error:
        raise InvalidSettings(source, error.problems) from error
    second = settings.second_path
    if second.broker is not None:
        second = structs.replace(second, broker=_placed(second.broker, base_dir))
    return structs.replace(
        settings, data_dir=base_dir / settings.data_dir, broker=_placed(settings.broker, base_dir), second_path=second
    )


def read_password(broker: BrokerSettings, *, source: str, key: str = "broker") -> str | None:
    """Return the node's password, None for a broker without users; raises InvalidSettings for a file it cannot use.

    `key` is the broker's place in the file.
    """
    if broker.password_file is None:
        return broker.password
    try:
        password = broker.password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = f"{broker.password_file}: {getattr(error, 'strerror', None) or error}"
        raise InvalidSettings(source, [(f"{key}.password_file", reason)]) from error
    if not password:
        raise InvalidSettings(source, [(f"{key}.password_file", f"{broker.password_file} is empty")])
    return password


def check_ca(broker: BrokerSettings, *, source: str, key: str = "broker") -> None:
    """Raise InvalidSettings where the authority's file cannot be read; `key` is the broker's place in the file."""
    if broker.ca is not None and not os.access(broker.ca, os.R_OK):
        raise InvalidSettings(source, [(f"{key}.ca", f"{broker.ca} cannot be read")])


def _placed(broker: BrokerSettings, base_dir: Path) -> BrokerSettings:
    return structs.replace(
        broker,
        password_file=broker.password_file and base_dir / broker.password_file,
        ca=broker.ca and base_dir / broker.ca,
    )


def _url_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in PORTS:
        return "must begin with mqtt:// or mqtts://"
    if parts.username is not None or parts.password is not None:
        return "must not carry a user or a password; use password_file"
    if not parts.hostname:
        return "names no host"
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return "must end after the port"
    if port == 0:
        return "port 0 is no port"
    return None
