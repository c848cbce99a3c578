"""A furnished hub behind a real server, and a real browser without JavaScript."""

import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.integration.dashboard.stage import PASSWORD, Stage, furnish, open_stage

CHROMIUM = Path("/usr/bin/chromium")
PHONE = (360, 740)
DESKTOP = (1280, 800)


@dataclass
class Community:
    """The stage, and what is on it by name."""

    stage: Stage
    ids: dict[str, str]


@pytest.fixture
def empty_stage(tmp_path: Path) -> Generator[Stage]:
    """A hub without any site."""
    with open_stage(tmp_path) as stage:
        yield stage


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The state of a furnished hub that has stopped, to be copied, and what is on it by name."""
    folder = tmp_path_factory.mktemp("furnished")
    with open_stage(folder) as stage:
        ids = furnish(stage)
    return folder, ids


@pytest.fixture
def community(furnished: tuple[Path, dict[str, str]], tmp_path: Path) -> Generator[Community]:
    """An evening of a community."""
    folder, ids = furnished
    shutil.copytree(folder, tmp_path / "copy")
    with open_stage(tmp_path / "copy") as stage:
        yield Community(stage, ids)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium, for a module only: while it lives, its event loop runs in this thread and no other can."""
    if not CHROMIUM.exists():
        pytest.skip("chromium is absent")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


class Visitor:
    """A person at a browser, who notes every complaint of the browser and every request that leaves the hub."""

    def __init__(self, browser: Browser, stage: Stage, *, size: tuple[int, int] = PHONE, locale: str = "zh-CN") -> None:
        self.stage = stage
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.context: BrowserContext = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale=locale, java_script_enabled=False
        )
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith(self.stage.url):
            self.strangers.append(url)

    def sign_in(self, username: str, *, to: str = "/") -> Page:
        """Sign in by the form, and go on to a page."""
        self.page.goto(f"{self.stage.url}{to}")
        self.page.fill("#username", username)
        self.page.fill("#password", PASSWORD)
        self.page.click("main button")
        return self.page


@pytest.fixture
def visitors(browser: Browser) -> Iterator[list[Visitor]]:
    """Visitors of the test, who leave with it."""
    made: list[Visitor] = []
    yield made
    for visitor in made:
        visitor.context.close()
