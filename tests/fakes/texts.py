"""Something that sends texts to nowhere: remembers what it took, refuses what it is told to."""

from edge.sms.modem import TextRefusedError, TextTrouble


class RememberingSender:
    """A sender in memory, under the same contract as the modem."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.refusals: list[TextTrouble] = []
        self.is_closed = False

    def send(self, number: str, text: str) -> None:
        if self.refusals:
            raise TextRefusedError(self.refusals.pop(0), "as it was told to")
        self.told.append((number, text))

    def close(self) -> None:
        self.is_closed = True
