"""A page in headless Chromium: what it logs, what it asks for, and what axe finds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
#: The rules of WCAG 2.1, levels A and AA.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


@dataclass
class Opened:
    """What happened on a page."""

    page: Any
    logged: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def violations(self) -> list[str]:
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, options={"runOnly": RULES}).response
        assert found["passes"], "axe has looked at something"
        return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found["violations"]]


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium as the system installed it; nothing is downloaded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Containers run as root, where Chromium has no sandbox.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


@contextmanager
def opened(started: Any, file: Path, width: int, scheme: str, *, script: bool = True) -> Iterator[Opened]:
    """Open a file in a window of this width."""
    context = started.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script, offline=True
    )
    seen = Opened(context.new_page())
    seen.page.on("console", lambda message: seen.logged.append(message.text))
    seen.page.on("pageerror", lambda error: seen.logged.append(str(error)))
    seen.page.on("request", lambda request: seen.asked.append(request.url))
    seen.page.goto(file.absolute().as_uri())
    try:
        yield seen
    finally:
        context.close()
