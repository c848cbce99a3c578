"""The conservation equation of what this run produced, read from the hub."""

from collections.abc import Mapping
from dataclasses import dataclass

from simulators.rest import HubClient


@dataclass(frozen=True, slots=True)
class Conservation:
    """produced = stored + quarantined + gaps + loss; a duplicate was sent again and counts once."""

    produced: int = 0
    stored: int = 0
    quarantined: int = 0
    gaps: int = 0
    loss: int = 0
    duplicates: int = 0

    @property
    def holds(self) -> bool:
        """Whether every seq is accounted for."""
        return self.produced == self.stored + self.quarantined + self.gaps + self.loss

    def __str__(self) -> str:
        """The equation as a sentence for people."""
        sign = "=" if self.holds else "≠"
        parts = f"stored {self.stored} + quarantined {self.quarantined} + gaps {self.gaps} + loss {self.loss}"
        return f"produced {self.produced} {sign} {parts} (duplicates {self.duplicates})"


async def read_conservation(hub: HubClient, *, site: str, epochs: Mapping[str, str]) -> Conservation:
    """Add up the lanes of each node's epoch of this run."""
    total = Conservation()
    for node, epoch in epochs.items():
        for lane in await hub.items(f"nodes/{site}.{node}/lanes"):
            if lane["epoch"] != epoch:
                continue
            total = Conservation(
                produced=total.produced + lane["produced"],
                stored=total.stored + lane["stored"],
                quarantined=total.quarantined + lane["quarantined"],
                gaps=total.gaps + lane["gaps"],
                loss=total.loss + (lane.get("loss") or 0),
                duplicates=total.duplicates + lane["duplicates"],
            )
    return total
