# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page for everybody: screen readers, dark rooms, phones, and eyes that dislike jumps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.simulator.harness import Simulator
from tests.tools import axe

from .conftest import DESKTOP, PHONE

Tab = Callable[..., Page]
LogIn = Callable[..., Page]
Keep = Callable[[Page, str], None]

#: What a screenshot is kept of: how to get there, once logged in.
STATIONS: dict[str, Callable[[Page], None]] = {}


def station(function: Callable[[Page], None]) -> Callable[[Page], None]:
    """Note a way to a page."""
    STATIONS[function.__name__] = function
    return function


@station
def everything(page: Page) -> None:
    expect(page.locator("#count")).to_contain_text("405 open handles")


@station
def opened(page: Page) -> None:
    page.get_by_role("searchbox").fill("budget")
    expect(page.locator("tr.handle")).to_have_count(3)
    page.get_by_role("checkbox").nth(1).check()


@station
def nobody(page: Page) -> None:
    page.get_by_role("searchbox").fill("nobody has this")
    expect(page.locator(".none")).to_be_visible()


@station
def one_user(page: Page) -> None:
    page.get_by_role("searchbox").fill("forecast")
    expect(page.locator(".list tbody tr")).to_have_count(1)
    page.get_by_role("link", name="CORP\\omar").click()
    expect(page.locator(".scopes li")).to_have_count(1)


@station
def confirmation(page: Page) -> None:
    opened(page)
    page.get_by_role("button", name="Close all 3 handles").click()
    expect(page.get_by_label("Reason")).to_be_visible()


@station
def outcome(page: Page) -> None:
    confirmation(page)
    page.get_by_role("button", name="Close 3 handles").click()
    expect(page.locator(".outcome")).to_have_count(3)


@station
def record(page: Page) -> None:
    outcome(page)
    page.get_by_role("link", name="Closed files").click()
    expect(page.locator(".record tbody tr")).to_have_count(3)


LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": DESKTOP, "color_scheme": "light"},
    "dark": {"viewport": DESKTOP, "color_scheme": "dark"},
    "phone": {
        "viewport": PHONE,
        "color_scheme": "light",
        "is_mobile": True,
        "has_touch": True,
        "device_scale_factor": 2,
    },
    "phone-dark": {
        "viewport": PHONE,
        "color_scheme": "dark",
        "is_mobile": True,
        "has_touch": True,
        "device_scale_factor": 2,
    },
}


def faults(page: Page) -> list[str]:
    """What axe-core finds, of any weight."""
    page.evaluate(axe.source())
    found = page.evaluate("() => axe.run()")
    return [
        f"{violation['impact']}: {violation['help']}: {node['html']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(
        page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
    )


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_in_every_look(tab: Tab, log_in: LogIn, url: str, keep: Keep, look: str) -> None:
    # The policy of the page would not let the test look into it.
    page = tab(bypass_csp=True, **LOOKS[look])
    page.goto(url + "/login")
    assert faults(page) == []
    keep(page, f"login-{look}")
    log_in(page)
    for name in ("everything", "opened", "nobody", "one_user", "record"):
        page.goto(url)
        STATIONS[name](page)
        page.mouse.move(0, 0)
        assert faults(page) == [], name
        assert overflow(page) <= 0, name
        keep(page, f"{name}-{look}")


@pytest.mark.parametrize("name", ["confirmation", "outcome"])
@pytest.mark.parametrize("look", LOOKS)
def test_closing_in_every_look(tab: Tab, log_in: LogIn, keep: Keep, look: str, name: str) -> None:
    page = log_in(tab(bypass_csp=True, **LOOKS[look]))
    STATIONS[name](page)
    assert faults(page) == []
    assert overflow(page) <= 0
    keep(page, f"{name}-{look}")


#: Of the row with a button. All at once: a fresh list may replace the one that was found before.
MEASURE = """
label => {
  const button = document.querySelector(`tr .act button[aria-label^="${label}"]`);
  return {
    button: button.getBoundingClientRect().right,
    table: button.closest("table").getBoundingClientRect().right,
    head: button.closest("tr").querySelector("th").clientWidth,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
}
"""


@pytest.mark.parametrize("width", [320, 390, 840, 961, 1280])
def test_long_names_fit(tab: Tab, log_in: LogIn, office: Simulator, url: str, width: int) -> None:
    path = f"/finance/{'Depreciation_and_amortisation' * 6}.xlsx"
    office.control("files/put", path=path, content="x")
    client = "fd00:1234:5678:9abc:def0:1234:5678:9abc"
    somebody = "CORP\\somebody.with.a.long.name@storage.department.example.com"
    office.control("smb/open", user=somebody, path=path, address=client, count=1234)
    page = log_in(tab(viewport={"width": width, "height": 800}, bypass_csp=True))
    page.goto(url + "/?q=Depreciation")
    expect(page.get_by_role("button", name="Close all 1234 handles")).to_be_visible()
    measured = page.evaluate(MEASURE, "Close all 1234 handles")
    assert measured["button"] < measured["table"]
    # Where there is no room for names, files are cards.
    assert measured["head"] > 140
    assert measured["overflow"] <= 0
    page.get_by_role("button", name="Close the handle of").first.click()
    expect(page.get_by_label("Reason")).to_be_visible()
    page.wait_for_load_state()  # with its style
    assert overflow(page) <= 0
    page.get_by_role("button", name="Close 1 handle").click()
    expect(page.locator(".outcome")).to_have_count(1)
    page.wait_for_load_state()  # with its style
    assert overflow(page) <= 0
    page.goto(url + "/closings")
    assert overflow(page) <= 0


def test_pages_of_refusals(tab: Tab, log_in: LogIn, url: str) -> None:
    page = log_in(tab(bypass_csp=True), "backup", path="/login")
    expect(page.get_by_role("heading", level=1)).to_contain_text("may not see open files")
    assert faults(page) == []
    page.goto(url + "/nothing")
    assert faults(page) == []


def test_nothing_jumps(tab: Tab, log_in: LogIn, office: Simulator) -> None:
    page = tab(bypass_csp=True)
    page.add_init_script(
        "window.jumps = 0; new PerformanceObserver((list) => {"
        " for (const entry of list.getEntries()) window.jumps += entry.value;"
        "}).observe({type: 'layout-shift', buffered: true});"
    )
    log_in(page)
    everything(page)
    generation = page.locator("#results").get_attribute("data-generation")
    expect(page.locator("#results")).not_to_have_attribute("data-generation", generation or "")
    page.get_by_role("searchbox").press_sequentially("budget", delay=10)
    expect(page.locator("tr.handle")).to_have_count(3)
    page.get_by_role("checkbox").first.check()
    # 0.1 is what Core Web Vitals call good; the pages of the list itself are replaced in place.
    assert page.evaluate("() => window.jumps") < 0.05


def test_the_keyboard_reaches_everything(tab: Tab, log_in: LogIn) -> None:
    page = log_in(tab())
    opened(page)
    page.get_by_role("link", name="Skip to the content").focus()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() == 0:
            break
        reached.add(focused.get_attribute("aria-label") or " ".join(focused.inner_text().split()))
    for name in (
        "File ↑",
        "Seen for",
        "Budget 2026.xlsx",
        "Select the handle of CORP\\omar",
        "Close all 3 handles of Budget 2026.xlsx…",
        "Close selected…",
        "Export CSV",
        "Log out",
        "Closed files",
    ):
        assert name in reached, reached


def test_a_screen_reader_is_told_what_was_found(tab: Tab, log_in: LogIn) -> None:
    page = log_in(tab())
    page.get_by_role("searchbox").fill("budget")
    expect(page.get_by_role("status")).to_have_text("3 open handles on 1 file")
