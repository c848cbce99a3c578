"""The hub itself: whether a process holds the data directory, and whether it answers."""

import fcntl
from pathlib import Path
from typing import Any, Final, cast

import httpx2

from hub.settings import Settings
from hub.upkeep.doctor.finding import Finding, Verdict

ANSWER_WITHIN_S: Final = 5.0
_HUB: Final = "hub"
_VERDICTS: Final = {"ok": Verdict.OK, "degraded": Verdict.WARN}


def holder(data_dir: Path) -> str | None:
    """Return the process that holds the data directory, None where none does."""
    try:
        with (data_dir / "lock").open(encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read().strip() or "of an unknown number"
    except OSError:
        return None
    return None


def local_url(settings: Settings) -> str | None:
    """Return where the running hub is reached from this machine, None where its port is not known."""
    if settings.http_port == 0:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.http_host, settings.http_host)  # noqa: S104 read, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}"


def check_process(settings: Settings) -> list[Finding]:
    """Ask the running hub how it is, part by part."""
    process = holder(settings.data_dir)
    if process is None:
        remedy = "systemctl start linli-hub (journalctl -u linli-hub says why it ended), or linli-hub serve"
        return [Finding(_HUB, Verdict.WARN, "does not run", remedy)]
    url = local_url(settings)
    if url is None:
        return [Finding(_HUB, Verdict.SKIP, f"process {process} runs; LINLI_HTTP_PORT=0 hides where it answers")]
    try:
        answer = httpx2.get(f"{url}/readyz", timeout=ANSWER_WITHIN_S, trust_env=False)
        parts = cast("dict[str, dict[str, Any]]", answer.json()["parts"])
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        detail = f"process {process} runs but {url} does not answer: {str(error) or type(error).__name__}"
        remedy = "it starts (the log says what it waits for) or hangs: systemctl restart linli-hub"
        return [Finding(_HUB, Verdict.FAIL, detail, remedy)]
    except (ValueError, LookupError, TypeError):
        remedy = "another program has its port: correct LINLI_HTTP_PORT"
        return [Finding(_HUB, Verdict.FAIL, f"{url} is no Linli hub", remedy)]
    return [Finding(_HUB, Verdict.OK, f"process {process} answers at {url}"), *judge_parts(parts)]


def judge_parts(parts: dict[str, dict[str, Any]]) -> list[Finding]:
    """Judge what the running hub says of its parts; those that are well need no line."""
    found: list[Finding] = []
    for name, part in parts.items():
        verdict = _VERDICTS.get(str(part.get("status")), Verdict.FAIL)
        if verdict is not Verdict.OK:
            detail = str(part.get("detail") or part.get("status"))
            found.append(Finding(f"hub's {name}", verdict, detail, "see the line of that part; the hub tries again"))
    return found
