# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock manager's page in a browser, with very many open handles."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.simulator.harness import Simulator
from tests.tools import needs
from tests.tools.lock_manager_page import running_page

TIMEOUT = 300_000  # ms
SEARCHES = ("doc-000123", "user0042", "10.1.0.77", "doc-0004 user01", "people nobody")


@dataclass(frozen=True)
class Times:
    """Seconds from an action until its result is on the screen."""

    login: float
    search: float
    next_page: float
    sort: float
    link: float
    peak_mib: float


def measure(simulator: Simulator, directory: Path, peak_mib: Callable[[], float]) -> Times | None:
    """Log in and use the page; None without a browser."""
    if needs.lacking(needs.BROWSER):
        return None
    # The first list is what is measured, not how the next one gets in the way of a search.
    with (
        running_page(simulator, directory, refresh_interval="10min") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=needs.find("chromium"), args=["--no-sandbox"]
        )
        context = browser.new_context(
            ignore_https_errors=True, viewport={"width": 1280, "height": 800}
        )
        context.set_default_timeout(TIMEOUT)
        page = context.new_page()
        page.goto(server.url)
        page.fill("#username", "admin")
        page.fill("#password", simulator.password())
        login = _time(page, lambda: page.keyboard.press("Enter"), ".list tbody .name")
        searches = []
        for text in SEARCHES:
            done = f"#results[data-search='?q={text.replace(' ', '+')}']"
            searches.append(_time(page, lambda text=text: page.fill("#q", text), done))  # type: ignore[misc]
        _time(page, lambda: page.fill("#q", ""), "#results[data-search='?']")
        following = _time(page, lambda: page.click("#page-next"), "[data-search='?page=2']")
        ordered = _time(page, lambda: page.click("#sort-user"), "th.c-user[aria-sort=ascending]")
        linked = _time(
            page,
            lambda: page.goto(server.url + "/?path=/crowd/doc-000007.xlsx"),
            ".list tbody .name",
        )
        peak = peak_mib()
        browser.close()
    return Times(login, statistics.median(searches), following, ordered, linked, peak)


def _time(page: Page, action: Callable[[], object], selector: str) -> float:
    began = time.perf_counter()
    action()
    page.wait_for_selector(selector)
    return time.perf_counter() - began
