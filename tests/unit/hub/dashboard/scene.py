"""Names and scenes for presenters, without a database."""

from dataclasses import dataclass, field
from datetime import tzinfo
from zoneinfo import ZoneInfo

from hub.access.roles import Rights
from hub.dashboard.language import words
from hub.dashboard.presenters import Scene
from hub.vocabulary import Role, Subject
from protocols.instant import parse_instant_ms

NOW_MS = parse_instant_ms("2026-11-25T11:03:00Z") or 0
MINUTE_MS = 60_000
SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass
class FewNames:
    people: dict[str, str] = field(default_factory=lambda: {"p-li": "李师傅", "p-zhou": "周调度"})

    def subject(self, subject: Subject, /) -> str:
        return {"demo.bin-1": "东门的桶", "demo.band-1": "王奶奶的手环"}.get(subject.facility or "", subject.key)

    def site(self, site: str, /) -> str:
        return {"demo": "示范小区"}.get(site, site)

    def zone(self, site: str, /) -> tzinfo:
        return SHANGHAI

    def person(self, person: str, /) -> str | None:
        return self.people.get(person)

    def crew(self, crew: str, /) -> str:
        return {"demo.waste-1": "环卫一班", "demo.waste-2": "环卫二班"}.get(crew, crew)

    def grid(self, grid: str, /) -> str:
        return "一号网格"


def rights(*roles: Role, site: str = "demo", crews: tuple[str, ...] = ()) -> Rights:
    return Rights(tuple((role, site) for role in roles), frozenset(crews))


def scene(*roles: Role, locale: str = "zh", crews: tuple[str, ...] = (), now_ms: int = NOW_MS) -> Scene:
    return Scene(words=words(locale), now_ms=now_ms, names=FewNames(), rights=rights(*roles, crews=crews))
