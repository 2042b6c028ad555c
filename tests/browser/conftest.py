# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of tests in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.simulator.fixtures import running_simulator, simulator
from tests.simulator.harness import Simulator
from tests.tools import needs
from tests.tools.lock_manager_page import running_page
from tests.tools.pictures import SCREENSHOTS

__all__ = ["running_simulator", "simulator"]

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
#: Milliseconds that a step of a test may take, on a machine with more to do than it has cores.
TIMEOUT = 120_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    absent = needs.lacking(needs.BROWSER)
    if absent:
        pytest.fail(needs.sentence("A test with a browser", absent))
    with sync_playwright() as playwright:
        # CI runs as root, for which Chromium has no sandbox.
        browser = playwright.chromium.launch(
            executable_path=needs.find("chromium"), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def patience() -> None:
    """Give expectations as much time to come true as steps have."""
    expect.set_options(timeout=TIMEOUT)


@pytest.fixture
def office(simulator: Simulator) -> Simulator:
    """Some people at work, Jane and Omar on the same spreadsheet."""
    budget = "/finance/Budget 2026.xlsx"
    for path in (budget, "/finance/Forecast.xlsx", "/projects/apollo/Plan (final) v7.docx"):
        simulator.control("files/put", path=path, content="x")
    opened: Callable[..., Any] = simulator.control
    opened("smb/open", user="CORP\\jane", path=budget, address="10.1.2.3", count=2)
    opened("smb/open", user="CORP\\omar", path=budget, address="10.1.2.9", access=["read"], deny=[])
    opened("smb/open", user="CORP\\omar", path="/finance/Forecast.xlsx", address="10.1.2.9")
    opened(
        "smb/open",
        user="CORP\\ana",
        path="/projects/apollo/Plan (final) v7.docx",
        address="10.1.7.20",
        byte_ranges=[{"offset": 0, "size": 10}],
    )
    opened("smb/crowd", directory="/people", handles=400, files=150, users=60)
    return simulator


@pytest.fixture
def url(office: Simulator, tmp_path: Path) -> Iterator[str]:
    """Address of the page."""
    with running_page(office, tmp_path) as page:
        yield page.url


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens tabs, each in a browser profile of its own; an error of a script fails the test."""
    contexts = []
    errors: list[str] = []

    def make(**options: Any) -> Page:
        options = {"viewport": DESKTOP, "ignore_https_errors": True, **options}
        context = browser.new_context(**options)
        context.set_default_timeout(TIMEOUT)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: (errors.append("a dialog"), dialog.dismiss()))
        page.on(
            "console",
            lambda message: (
                errors.append(message.text) if "Content Security Policy" in message.text else None
            ),
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def log_in(url: str, office: Simulator) -> Callable[..., Page]:
    """Logs somebody in, on a tab."""

    def go(page: Page, user: str = "admin", path: str = "/") -> Page:
        page.goto(url + path)
        page.get_by_label("User name").fill(user)
        page.get_by_label("Password").fill(office.password(user))
        page.get_by_role("button", name="Log in", exact=True).click()
        page.wait_for_url(url + path)
        return page

    return go


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Keeps a screenshot."""

    def shoot(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")

    return shoot
