"""Pure: the frames of UART distance sensors (A02YYUW and kin) out of a stream of bytes.

A frame is 0xFF, the distance in mm (high byte, low byte), and the low byte of the sum of these three.
"""

from typing import Final

HEADER: Final = 0xFF
FRAME_BYTES: Final = 4
NO_OBJECT: Final = 0xFFFD
"""What newer modules say when nothing came back; older ones say 0."""
INTERFERENCE: Final = 0xFFFE
"""What newer modules say when they hear another one."""
CODES: Final = frozenset({NO_OBJECT, INTERFERENCE})


class FrameReader:
    """Takes bytes as they come, gives the words of whole frames; the same for every split of the stream.

    A frame counts when its sum is right and its word can be a distance or is a code: a distance never begins with 0xFF,
    so a stray header before a frame is not taken for one. A wrong frame costs its header only, so that a right one that
    begins inside it is found.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self.errors = 0
        """Frames that were refused so far."""

    def feed(self, data: bytes) -> list[int]:
        """Take bytes and return the words that have become complete."""
        words: list[int] = []
        rest = self._rest
        rest += data
        while True:
            start = rest.find(HEADER)
            if start < 0:
                rest.clear()
                return words
            del rest[:start]
            if len(rest) < FRAME_BYTES:
                return words
            word = _word(rest)
            if word is None:
                self.errors += 1
                del rest[0]
            else:
                words.append(word)
                del rest[:FRAME_BYTES]


def _word(frame: bytearray) -> int | None:
    """Return the word of the frame at the beginning, None where it is none."""
    if sum(frame[: FRAME_BYTES - 1]) & 0xFF != frame[FRAME_BYTES - 1]:
        return None
    word = frame[1] << 8 | frame[2]
    return word if frame[1] != HEADER or word in CODES else None
