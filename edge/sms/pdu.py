"""Pure: a text as SMS-SUBMIT (3GPP TS 23.040), in UCS2 because it is Chinese, in parts that a phone joins again."""

from dataclasses import dataclass
from typing import Final

_UNITS_ALONE: Final = 70
UNITS_JOINED: Final = 67
"""With the header that tells the parts apart."""
_SUBMIT: Final = 0x11
"""SMS-SUBMIT with a relative validity period."""
_HAS_HEADER: Final = 0x40
_UCS2: Final = 0x08
_ONE_DAY: Final = 0xA7
"""Validity: a call for help that is older than this when the phone comes back is no news."""
_INTERNATIONAL: Final = 0x91
_NATIONAL: Final = 0x81


@dataclass(frozen=True, slots=True)
class Pdu:
    """One message for AT+CMGS: its digits, and the length that the command names (without the centre's address)."""

    hex: str
    length: int


def encode(number: str, text: str, *, reference: int) -> list[Pdu]:
    """Return the parts of a text; `reference` (0..255) is the same in all of them and another in the next text."""
    parts = split(text)
    address = _address(number)
    found: list[Pdu] = []
    for place, part in enumerate(parts, start=1):
        header = b"" if len(parts) == 1 else bytes((5, 0, 3, reference & 0xFF, len(parts), place))
        data = header + part.encode("utf-16-be")
        first = _SUBMIT | (_HAS_HEADER if header else 0)
        body = bytes((first, 0)) + address + bytes((0, _UCS2, _ONE_DAY, len(data))) + data
        found.append(Pdu(f"00{body.hex()}".upper(), len(body)))
    return found


def split(text: str) -> list[str]:
    """Cut a text into parts; a sign of two units stays whole."""
    if units(text) <= _UNITS_ALONE:
        return [text]
    parts: list[str] = []
    part, size = "", 0
    for sign in text:
        more = units(sign)
        if size + more > UNITS_JOINED:
            parts.append(part)
            part, size = "", 0
        part, size = part + sign, size + more
    return [*parts, part]


def units(text: str) -> int:
    """How many UTF-16 units a text takes on the air."""
    return len(text.encode("utf-16-be")) // 2


def _address(number: str) -> bytes:
    digits = number.removeprefix("+")
    padded = digits + "F" * (len(digits) % 2)
    swapped = "".join(padded[place + 1] + padded[place] for place in range(0, len(padded), 2))
    kind = _INTERNATIONAL if number.startswith("+") else _NATIONAL
    return bytes((len(digits), kind)) + bytes.fromhex(swapped)
