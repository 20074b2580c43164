"""A headless Chromium that keeps note of what pages do; without one, these tests are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")


@dataclass
class Watched:
    """A page with what it asked for, complained of, and tried to pop up."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    visited: list[str] = field(default_factory=list)

    def open(self, folder: Path) -> Page:
        self.page.goto((folder / "index.html").as_uri())
        self.page.wait_for_selector("#answers-list article")
        self.page.wait_for_selector("#trajectory-charts .chart")
        return self.page

    def assert_sealed(self, folder: Path) -> None:
        """Only files of the report were asked for, nothing was complained of, and the page is where it was."""
        assert [url for url in self.requests if not url.startswith(folder.as_uri() + "/")] == []
        assert (self.complaints, self.dialogs) == ([], [])
        visited = {url.partition("#")[0] for url in self.visited} - {"about:blank"}
        assert visited == {(folder / "index.html").as_uri()}


@pytest.fixture(
    scope="module"
)  # no longer: Playwright keeps an event loop running in this thread, which others can't have
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no `chromium` on PATH (Debian: apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: ./scripts/setup dev")
    # Chromium's sandbox can't be used by root, as whom containers run.
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=as_root)
        yield opened
        opened.close()


@pytest.fixture
def watched(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A fresh page at desktop width, or of the options that a test gives as its parameter."""
    options: dict[str, Any] = getattr(request, "param", {"viewport": {"width": 1440, "height": 900}})
    page = browser.new_page(**options)
    page.set_default_timeout(10_000)
    seen = Watched(page)
    page.on("request", lambda asked: seen.requests.append(asked.url))
    page.on("console", lambda said: seen.complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
    page.on("framenavigated", lambda frame: seen.visited.append(frame.url))
    yield seen
    page.close()
