"""Local outputs: sirens and lights that the node itself turns on, offline and after a restart as well."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Protocol, cast

from edge.clock import Moment
from edge.errors import OutboxError
from edge.local_rules import (
    BinFullRule,
    BinState,
    LampFailureRule,
    LampState,
    LocalReason,
    LocalRule,
    SosRule,
    Verdict,
    judge_bin,
    judge_call,
    judge_lamp,
    recheck_bin,
)
from edge.outbox import Call
from protocols.instant import format_instant

FACT: Final = "local_outputs"
"""Under this name the outbox keeps which outputs are on, and why."""
_NAMES: Final[Mapping[type[LocalRule], str]] = {
    SosRule: "sos",
    BinFullRule: "bin_full",
    LampFailureRule: "lamp_failure",
}
_AGAIN_MS: Final = 1_000
_log = logging.getLogger(__name__)


class Signal(StrEnum):
    """What an output shows."""

    OFF = "off"
    LIGHT = "light"
    SIREN = "siren"


class Output(Protocol):
    """A device that can show something."""

    slug: str

    def signal(self, signal: Signal) -> None: ...


class Facts(Protocol):
    """What is needed of the outbox."""

    def fact(self, name: str) -> str | None: ...
    def set_fact(self, name: str, value: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Bound:
    """A rule with its output and the devices that it looks at, each with the longest time between its readings."""

    rule: LocalRule
    output: str
    devices: Mapping[str, float]

    @property
    def name(self) -> str:
        """What the rule looks for, as the configuration says it."""
        return _NAMES[type(self.rule)]


_State = BinState | LampState | Verdict
_Key = tuple[int, str]
"""A rule by its place, and a device."""


class Outputs:
    """Judges readings and calls by the local rules and turns outputs on and off; called by the loop alone."""

    def __init__(self, bound: Sequence[Bound], outputs: Iterable[Output], *, facts: Facts, boot: str) -> None:
        """Take up what was on before the agent was restarted."""
        self._bound = tuple(bound)
        self._outputs = {output.slug: output for output in outputs}
        self._facts = facts
        self._boot = boot
        self._states: dict[_Key, _State] = {}
        self._since: dict[_Key, str] = {}
        self._shown = dict.fromkeys((one.output for one in bound), Signal.OFF)
        self._first_seen_ms: dict[str, int] = {}
        self._dirty = False
        self._again_ms = 0
        self._recall()

    def sampled(self, device: str, values: Mapping[str, float | bool], *, uptime_ms: int, moment: Moment) -> None:
        """A sensor's values are worth a record."""
        for number, one in enumerate(self._bound):
            if device in one.devices and (after := self._judged(number, one, device, values, uptime_ms)) is not None:
                self._take((number, device), after, moment)

    def tick(self, calls: Sequence[Call], unstored: Iterable[str], moment: Moment) -> None:
        """Judge open calls, those that could not be stored (by device), and what time alone decides."""
        if not self._bound:
            return
        for number, one in enumerate(self._bound):
            if isinstance(one.rule, SosRule):
                self._judge_calls((number, one.rule), one, calls, unstored, moment)
            elif isinstance(one.rule, BinFullRule):
                for device, interval_s in one.devices.items():
                    state = self._states.get((number, device))
                    if isinstance(state, BinState):
                        after = recheck_bin(one.rule, state, at_ms=moment.uptime_ms, interval_s=interval_s)
                        self._take((number, device), after, moment)
        self._forget(calls, unstored)
        self._show()
        self._remember(moment)

    def _judged(
        self, number: int, one: Bound, device: str, values: Mapping[str, float | bool], uptime_ms: int
    ) -> _State | None:
        state = self._states.get((number, device))
        match one.rule:
            case BinFullRule() if "fill_percent" in values:
                before = state if isinstance(state, BinState) else BinState()
                return judge_bin(
                    one.rule, before, float(values["fill_percent"]), at_ms=uptime_ms, interval_s=one.devices[device]
                )
            case LampFailureRule() if "power_w" in values:
                before = state if isinstance(state, LampState) else LampState()
                commanded = values.get("commanded_percent")
                return judge_lamp(
                    one.rule,
                    before,
                    float(values["power_w"]),
                    commanded_percent=None if commanded is None else float(commanded),
                    at_ms=uptime_ms,
                )
            case _:
                return None

    def _judge_calls(
        self, rule: tuple[int, SosRule], one: Bound, calls: Sequence[Call], unstored: Iterable[str], moment: Moment
    ) -> None:
        """One verdict a device: any call of it that sounds, else why its newest does not."""
        number, sos = rule
        verdicts: dict[str, Verdict] = {}
        for call in calls:
            waited_ms = self._waited_ms(call, moment)
            answered = call.heard_at is not None or call.coming_at is not None
            verdict = judge_call(sos, sent=call.sent_at is not None, heard=answered, waited_ms=waited_ms)
            if call.device in one.devices and not verdicts.get(call.device, Verdict()).on:
                verdicts[call.device] = verdict
        for device in unstored:
            since_ms = self._first_seen_ms.setdefault(f"unstored {device}", moment.uptime_ms)
            if device in one.devices:
                verdicts[device] = judge_call(sos, sent=False, heard=False, waited_ms=moment.uptime_ms - since_ms)
        for device in one.devices:
            before = self._verdict((number, device))
            closed = Verdict(on=False, reason=LocalReason.CALL_CLOSED) if before.on else before
            self._take((number, device), verdicts.get(device, closed), moment)

    def _waited_ms(self, call: Call, moment: Moment) -> int:
        """How long a call has waited; one of an earlier boot has waited since the agent saw it again."""
        if call.boot == self._boot:
            return moment.uptime_ms - call.stored_ms
        return moment.uptime_ms - self._first_seen_ms.setdefault(call.ref, moment.uptime_ms)

    def _forget(self, calls: Sequence[Call], unstored: Iterable[str]) -> None:
        known = {call.ref for call in calls} | {f"unstored {device}" for device in unstored}
        for name in self._first_seen_ms.keys() - known:
            del self._first_seen_ms[name]

    def _verdict(self, key: _Key) -> Verdict:
        state = self._states.get(key, Verdict())
        return state if isinstance(state, Verdict) else state.verdict

    def _take(self, key: _Key, after: _State, moment: Moment) -> None:
        before = self._verdict(key)
        self._states[key] = after
        now = self._verdict(key)
        if now == before:
            return
        if now.on != before.on:
            self._since[key] = format_instant(moment.at)
            self._dirty = True
            one = self._bound[key[0]]
            _log.warning(
                "local.on" if now.on else "local.off",
                extra={"rule": one.name, "device": key[1], "output": one.output, "reason": now.reason},
            )

    def _show(self) -> None:
        for slug, before in self._shown.items():
            on = [
                Signal.SIREN if isinstance(one.rule, SosRule) else Signal.LIGHT
                for number, one in enumerate(self._bound)
                if one.output == slug and any(self._verdict((number, device)).on for device in one.devices)
            ]
            signal = Signal.SIREN if Signal.SIREN in on else Signal.LIGHT if on else Signal.OFF
            if signal is not before:
                self._shown[slug] = signal
                self._outputs[slug].signal(signal)

    def _remember(self, moment: Moment) -> None:
        """Commit what is on when that has changed: a restart must not put out the light of a full bin."""
        if not self._dirty or moment.uptime_ms < self._again_ms:
            return
        entries = [
            {
                "when": self._bound[number].name,
                "device": device,
                "output": self._bound[number].output,
                "on": (verdict := self._verdict((number, device))).on,
                "reason": verdict.reason.value,
                "value": verdict.value,
                "since": since,
            }
            for (number, device), since in self._since.items()
        ]
        try:
            self._facts.set_fact(FACT, json.dumps(entries))
        except OutboxError as error:
            self._again_ms = moment.uptime_ms + _AGAIN_MS
            _log.error("local.unstored", extra={"why": str(error)})
            return
        self._dirty = False

    def _recall(self) -> None:
        """Take up verdicts of rules that are still configured; those of calls are judged anew."""
        for entry in stored_outputs(self._facts.fact(FACT)):
            for number, one in enumerate(self._bound):
                device = str(entry.get("device"))
                if (one.name, one.output) != (entry.get("when"), entry.get("output")) or device not in one.devices:
                    continue
                self._since[number, device] = str(entry.get("since"))
                verdict = _verdict_of(entry)
                match one.rule:
                    case BinFullRule():
                        self._states[number, device] = replace(BinState(), verdict=verdict)
                    case LampFailureRule():
                        self._states[number, device] = replace(LampState(), verdict=verdict)
                    case SosRule():
                        self._states[number, device] = verdict


def stored_outputs(text: str | None) -> list[dict[str, Any]]:
    """What the outbox holds of local outputs; nothing where it holds nothing that can be read."""
    try:
        entries: Any = json.loads(text or "[]")
    except ValueError:
        return []
    rows: list[Any] = cast("list[Any]", entries) if isinstance(entries, list) else []
    return [cast("dict[str, Any]", row) for row in rows if isinstance(row, dict)]


def _verdict_of(entry: Mapping[str, Any]) -> Verdict:
    try:
        reason = LocalReason(entry.get("reason"))
    except ValueError:
        return Verdict()
    value = entry.get("value")
    return Verdict(on=entry.get("on") is True, reason=reason, value=value if isinstance(value, float) else None)
