"""A GSM modem of ours on a pseudo-terminal: it answers AT commands and takes texts as SMS-SUBMIT in UCS2."""

import os
import select
import tty
from dataclasses import dataclass
from threading import Event, Thread

END, LEAVE = 0x1A, 0x1B


@dataclass(frozen=True, slots=True)
class TakenText:
    """A text that the network took: who gets it, what it says, and its place among the parts of one text."""

    number: str
    text: str
    parts: int = 1
    place: int = 1
    reference: int | None = None


class FakeModem:
    """Plays a modem until `stop`; what it says can be changed at any time."""

    def __init__(self) -> None:
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)
        self.sim = "+CPIN: READY"
        self.registration = {"AT+CREG?": "+CREG: 0,1", "AT+CEREG?": "+CEREG: 0,1"}
        self.verdicts: list[str] = []
        """What the next texts are answered with instead of being taken; "" says nothing at all."""
        self.echoes = True
        self.is_mute = False
        self.noise = b""
        """Said before each answer: what a modem tells without being asked."""
        self.taken: list[TakenText] = []
        self.commands: list[str] = []
        self._stopped = Event()
        self._thread = Thread(target=self._talk, name="fake-modem", daemon=True)
        self._thread.start()

    @property
    def told(self) -> list[tuple[str, str]]:
        """Whole texts by number, their parts joined as a phone joins them."""
        joined: dict[tuple[str, int | None, int], list[TakenText]] = {}
        for number, part in enumerate(self.taken):
            key = (part.number, part.reference, number if part.reference is None else -1)
            joined.setdefault(key, []).append(part)
        return [
            (parts[0].number, "".join(part.text for part in sorted(parts, key=lambda part: part.place)))
            for parts in joined.values()
            if len(parts) == parts[0].parts
        ]

    def stop(self) -> None:
        """Fall silent and let go of the terminal."""
        self._stopped.set()
        self._thread.join()
        os.close(self._far)
        os.close(self._near)

    def _talk(self) -> None:
        line = b""
        while not self._stopped.is_set():
            if not select.select([self._far], [], [], 0.02)[0]:
                continue
            for byte in os.read(self._far, 4_096):
                if self.is_mute:
                    continue
                if byte == LEAVE:
                    line = b""
                elif byte == END:
                    self._take(line.rpartition(b"\r")[2])
                    line = b""
                elif byte == 0x0D and not line.startswith(b"AT+CMGS="):
                    self._command(line.decode("ascii").strip())
                    line = b""
                elif byte == 0x0D:
                    self.commands.append(line.decode("ascii"))
                    self._say(b"\r\n> ")
                    line += b"\r"
                else:
                    line += bytes((byte,))

    def _command(self, command: str) -> None:
        if not command:
            return
        self.commands.append(command)
        if self.echoes:
            self._say(command.encode() + b"\r")
        if command == "ATE0":
            self.echoes = False
        said = {"AT+CPIN?": self.sim, "AT+CGMM": "FAKE-7600", "AT+CSQ": "+CSQ: 17,99", **self.registration}.get(command)
        if said is not None and said.startswith(("ERROR", "+CME ERROR")):
            self._line(said)
            return
        if said is not None:
            self._line(said)
        self._line("OK")

    def _take(self, digits: bytes) -> None:
        verdict = self.verdicts.pop(0) if self.verdicts else None
        if verdict == "":
            return
        if verdict is not None:
            self._line(verdict)
            return
        self.taken.append(decoded(digits.decode("ascii")))
        self._line(f"+CMGS: {len(self.taken)}")
        self._line("OK")

    def _line(self, text: str) -> None:
        self._say(self.noise + b"\r\n" + text.encode("ascii") + b"\r\n")

    def _say(self, data: bytes) -> None:
        os.write(self._far, data)


def decoded(digits: str) -> TakenText:
    """Read an SMS-SUBMIT as a network does (3GPP TS 23.040, 9.2.2.2)."""
    data = bytes.fromhex(digits)
    rest = data[1 + data[0] :]
    first, size, kind = rest[0], rest[2], rest[3]
    octets = (size + 1) // 2
    number = "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in rest[4 : 4 + octets])[:size]
    protocol, coding, _valid, length = rest[4 + octets : 8 + octets]
    body = rest[8 + octets :]
    assert first & 3 == 1, "SMS-SUBMIT"
    assert (protocol, coding, length) == (0, 8, len(body)), "UCS2, and as long as it says"
    assert len(body) <= 140, "what one message holds"
    parts, place, reference = 1, 1, None
    if first & 0x40:
        assert body[:3] == b"\x05\x00\x03", "parts of one text, 8-bit reference"
        reference, parts, place = body[3], body[4], body[5]
        body = body[6:]
    prefix = "+" if kind == 0x91 else ""
    return TakenText(prefix + number, body.decode("utf-16-be"), parts, place, reference)
