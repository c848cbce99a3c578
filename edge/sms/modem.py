"""A GSM modem by AT commands (3GPP TS 27.005, 27.007) in PDU mode, and what anything must do that sends texts."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from edge.errors import DriverError
from edge.sms.pdu import encode

ANSWER_S: Final = 5.0
"""Longest wait for the answer to a short command."""
NETWORK_S: Final = 60.0
"""Longest wait for the network to take a text."""
_WAKE_TRIES: Final = 3
"""A modem that slept, or stood in the middle of a text, answers the second or third time."""
_END: Final = b"\x1a"
_LEAVE: Final = b"\x1b"
_FINAL: Final = re.compile(r"OK|ERROR|\+CM[ES] ERROR:.*|NO CARRIER")
_REGISTERED: Final = frozenset({"1", "5"})
"""At home, roaming."""
_WAITS: Final = {"0": "it does not look for one", "2": "it looks for one", "3": "the network refuses it"}


class TextTrouble(StrEnum):
    """Why a text was not taken."""

    PORT = "port"
    SILENT = "silent"
    """The modem does not answer."""
    SIM = "sim"
    NO_NETWORK = "no_network"
    REFUSED = "refused"
    """The modem or the network said so, with a code."""
    IN_DOUBT = "in_doubt"
    """No answer in time: it may have gone out or not."""


class TextRefusedError(Exception):
    """A text was not taken, or nobody knows; it may be tried again."""

    def __init__(self, trouble: TextTrouble, detail: str) -> None:
        self.trouble = trouble
        self.detail = detail
        super().__init__(f"{trouble.value}: {detail}")


class TextSender(Protocol):
    """Something that sends texts; used from one thread."""

    def send(self, number: str, text: str) -> None:
        """Return when the network has the text; raises TextRefusedError."""
        ...

    def close(self) -> None:
        """Let go of what is held; idempotent."""
        ...


class Line(Protocol):
    """A serial port; raises DriverError where it is gone."""

    def open(self) -> None: ...
    def forget(self) -> None: ...
    def receive(self) -> bytes: ...
    def send(self, data: bytes) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ModemStanding:
    """What a modem says of itself; `signal` is 0..31, None where it does not know."""

    model: str
    network: str
    signal: int | None


class AtModem:
    """Sends each text anew from the first command on: a modem may have been off since the last one."""

    def __init__(
        self,
        line: Line,
        *,
        now_s: Callable[[], float],
        answer_s: float = ANSWER_S,
        network_s: float = NETWORK_S,
    ) -> None:
        """Take the port; it is opened by the first use."""
        self._line = line
        self._now_s = now_s
        self._answer_s = answer_s
        self._network_s = network_s
        self._buffer = b""
        self._reference = 0

    def send(self, number: str, text: str) -> None:
        """Return when the network has every part of the text; raises TextRefusedError."""
        self._ready()
        self._reference = (self._reference + 1) % 256
        for part in encode(number, text, reference=self._reference):
            self._submit(part.hex, part.length)

    def look(self) -> ModemStanding:
        """Return what the modem says of itself; raises TextRefusedError where it could not send now."""
        network = self._ready()
        model = next((line for line in self._ask("AT+CGMM") if line), "modem")
        quality = next((line for line in self._ask("AT+CSQ") if line.startswith("+CSQ:")), "+CSQ: 99,99")
        level = quality.partition(":")[2].partition(",")[0].strip()
        return ModemStanding(model, network, int(level) if level.isdigit() and int(level) <= 31 else None)

    def close(self) -> None:
        """Let go of the port; idempotent."""
        self._line.close()

    def _ready(self) -> str:
        """Wake the modem and see that it could send; return how it is registered."""
        try:
            self._line.open()
            self._line.forget()
        except DriverError as error:
            self._line.close()
            raise TextRefusedError(TextTrouble.PORT, str(error)) from error
        self._buffer = b""
        self._wake()
        for setting in ("ATE0", "AT+CMEE=1", "AT+CMGF=0"):
            self._ask(setting)
        self._check_sim()
        return self._network()

    def _wake(self) -> None:
        for attempt in range(_WAKE_TRIES):
            try:
                if attempt:
                    self._write(_LEAVE + b"\r")
                self._ask("AT", within_s=self._answer_s / _WAKE_TRIES)
            except TextRefusedError:
                if attempt == _WAKE_TRIES - 1:
                    raise
            else:
                return

    def _check_sim(self) -> None:
        try:
            answer = " ".join(self._ask("AT+CPIN?"))
        except TextRefusedError as error:
            if error.trouble is TextTrouble.REFUSED:
                raise TextRefusedError(TextTrouble.SIM, error.detail) from error
            raise
        if "READY" not in answer:
            raise TextRefusedError(TextTrouble.SIM, f"it is locked: {answer.partition(':')[2].strip() or answer}")

    def _network(self) -> str:
        """Registered for calls and texts, or, on modems that know LTE only, for that."""
        said = ""
        for command in ("AT+CREG?", "AT+CEREG?"):
            try:
                lines = self._ask(command)
            except TextRefusedError as error:
                if error.trouble is not TextTrouble.REFUSED:
                    raise
                continue
            said_so = next((line for line in lines if "REG:" in line), "")
            fields = said_so.partition(":")[2].split(",")
            state = fields[1].strip() if len(fields) > 1 else ""
            if state in _REGISTERED:
                return "at home" if state == "1" else "roaming"
            said = said or _WAITS.get(state, f"state {state or 'unknown'}")
        raise TextRefusedError(TextTrouble.NO_NETWORK, said or "it does not tell")

    def _submit(self, pdu: str, length: int) -> None:
        self._write(f"AT+CMGS={length}\r".encode("ascii"))
        self._await_prompt()
        self._write(pdu.encode("ascii") + _END)
        try:
            lines = self._answer("", within_s=self._network_s)
        except TextRefusedError as error:
            if error.trouble is TextTrouble.SILENT:
                self._write(_LEAVE)
                detail = f"no answer within {self._network_s:g} s: it may have gone out"
                raise TextRefusedError(TextTrouble.IN_DOUBT, detail) from error
            raise
        if not any(line.startswith("+CMGS:") for line in lines):
            raise TextRefusedError(TextTrouble.IN_DOUBT, f"it said {' '.join(lines)!r} and no +CMGS")

    def _await_prompt(self) -> None:
        until_s = self._now_s() + self._answer_s
        while not self._buffer.lstrip(b"\r\n").startswith(b">"):
            line = self._next_line()
            if line is not None and _FINAL.fullmatch(line):
                raise TextRefusedError(TextTrouble.REFUSED, line)
            if line is None:
                self._read(until_s, "it does not ask for the text")
        self._buffer = self._buffer.lstrip(b"\r\n")[1:].lstrip(b" ")

    def _ask(self, command: str, *, within_s: float | None = None) -> list[str]:
        self._write(f"{command}\r".encode("ascii"))
        return self._answer(command, within_s=self._answer_s if within_s is None else within_s)

    def _answer(self, command: str, *, within_s: float) -> list[str]:
        """Return the lines before the final OK, without the command's echo; raises TextRefusedError."""
        until_s = self._now_s() + within_s
        lines: list[str] = []
        while True:
            line = self._next_line()
            if line is None:
                self._read(until_s, f"no answer to {command or 'the text'}")
            elif line == "OK":
                return lines
            elif _FINAL.fullmatch(line):
                raise TextRefusedError(TextTrouble.REFUSED, f"{line} to {command or 'the text'}")
            elif line and line != command:
                lines.append(line)

    def _next_line(self) -> str | None:
        """Return the next whole line that has come, None where there is none."""
        line, ending, rest = self._buffer.replace(b"\r", b"\n").partition(b"\n")
        if not ending:
            return None
        self._buffer = rest
        return line.decode("ascii", errors="replace").strip()

    def _read(self, until_s: float, what: str) -> None:
        if self._now_s() >= until_s:
            raise TextRefusedError(TextTrouble.SILENT, what)
        try:
            self._buffer += self._line.receive()
        except DriverError as error:
            self._line.close()
            raise TextRefusedError(TextTrouble.PORT, str(error)) from error

    def _write(self, data: bytes) -> None:
        try:
            self._line.send(data)
        except DriverError as error:
            self._line.close()
            raise TextRefusedError(TextTrouble.PORT, str(error)) from error
