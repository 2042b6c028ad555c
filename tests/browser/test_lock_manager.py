# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock manager in a real browser, as the help desk uses it."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from playwright.sync_api import Page, Route, expect

from tests.simulator.harness import Simulator
from tests.tools.visitor import Visitor

BUDGET = "/finance/Budget 2026.xlsx"
NAMES = ".list tbody th .name"

Tab = Callable[..., Page]
LogIn = Callable[..., Page]
Keep = Callable[[Page, str], None]


def search(page: Page, text: str, *, answered: bool = True) -> None:
    """Type into the box as somebody does.

    :param answered: wait for the list of the whole text. What is typed slowly is asked for piece
        by piece, and a piece may find the same as the whole.
    """
    box = page.get_by_role("searchbox")
    box.fill("")
    box.press_sequentially(text, delay=5)
    if answered:
        asked = re.escape(f"q={quote_plus(text)}")
        expect(page).to_have_url(re.compile(rf"[?&]{asked}(&|$)"))


# -- login --------------------------------------------------------------------------------------


def test_wrong_password_then_the_right_one(
    tab: Tab, url: str, office: Simulator, keep: Keep
) -> None:
    page = tab()
    page.goto(url)
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(
        "The cluster does not accept this name and password."
    )
    keep(page, "login-refused")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(office.password())
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_contain_text("405 open handles")


def test_missing_privileges(tab: Tab, log_in: LogIn, keep: Keep) -> None:
    page = log_in(tab(), "backup", path="/login")
    expect(page.get_by_role("heading", level=1)).to_contain_text("may not see open files")
    expect(page.get_by_role("list")).to_contain_text("PRIVILEGE_SMB_FILE_HANDLE_READ")
    keep(page, "missing-privileges")
    page.get_by_role("link", name="Log in with another account").click()
    expect(page.get_by_label("User name")).to_be_visible()


def test_a_session_that_made_room_for_another_says_so(
    tab: Tab, log_in: LogIn, office: Simulator, url: str, tmp_path: Path, keep: Keep
) -> None:
    page = log_in(tab())
    expect(page.locator("#count")).to_contain_text("405 open handles")
    for _ in range(5):
        Visitor(url, str(tmp_path / "ca.pem")).log_in("admin", office.password())
    page.wait_for_url(re.compile("/login"))  # by itself
    expect(page.get_by_role("alert")).to_contain_text("has logged in more than 5 times")
    keep(page, "session-made-room")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(office.password())
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_contain_text("405 open handles")


def test_half_open_connections_do_not_keep_a_browser_out(tab: Tab, log_in: LogIn, url: str) -> None:
    port = int(url.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        for _ in range(400):  # from the address of the browser
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=120))
        page = log_in(tab())
        expect(page.locator("#count")).to_contain_text("405 open handles")


def test_a_revoked_role_takes_the_list_off_the_screen(
    tab: Tab, log_in: LogIn, office: Simulator
) -> None:
    page = log_in(tab(), "helpdesk")
    expect(page.locator("#count")).to_contain_text("405 open handles")
    office.control("users/privileges", name="helpdesk", privileges=[])
    expect(page.get_by_role("heading", level=1)).to_contain_text("may not see open files")
    expect(page.locator("#results")).to_have_count(0)


def test_log_out(tab: Tab, log_in: LogIn, url: str) -> None:
    page = log_in(tab())
    told: list[int] = []
    page.on("response", lambda answer: "/status" in answer.url and told.append(answer.status))

    def slowly(route: Route) -> None:
        # The page learns that its session has ended before the answer is here.
        answer = route.fetch(max_redirects=0)
        while 401 not in told:
            page.wait_for_timeout(10)
        route.fulfill(response=answer)

    page.route("**/logout", slowly)
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(url + "/login")
    page.go_back()
    expect(page.get_by_label("User name")).to_be_visible()  # not the list from a cache


def test_an_ended_session_leads_to_the_login_and_back(
    tab: Tab, log_in: LogIn, office: Simulator, url: str
) -> None:
    page = log_in(tab())
    search(page, "budget")
    expect(page.locator("#count")).to_contain_text("3 open handles")
    office.control("tokens/expire")
    page.wait_for_url(re.compile("/login"))  # by itself: no names stay on an abandoned screen
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(office.password())
    page.keyboard.press("Enter")
    page.wait_for_url(url + "/?q=budget")


def test_a_tab_of_an_earlier_login(tab: Tab, log_in: LogIn, office: Simulator, url: str) -> None:
    old = tab()
    old.add_init_script(
        "Object.defineProperty(document, 'hidden', { get: () => window.away === true });"
    )
    log_in(old, "admin")
    expect(old.locator("#count")).to_contain_text("405 open handles")
    told = "window.away = {}; document.dispatchEvent(new Event('visibilitychange'));"
    with old.expect_response(re.compile("/api/v1/status")):
        old.evaluate(told.format("true"))
    old.wait_for_timeout(1000)  # it asks for nothing more until somebody looks at it again
    # It has been open all day, so that its list has a high number.
    old.evaluate("document.getElementById('results').dataset.generation = '5000'")
    new = old.context.new_page()
    new.goto(url)
    new.get_by_role("button", name="Log out").click()
    log_in(new, "helpdesk")
    office.control("smb/open", user="CORP\\late", path="/finance/Forecast.xlsx")
    expect(new.locator("#count")).to_contain_text("406 open handles")
    old.evaluate(told.format("false"))
    expect(old.locator(".who")).to_have_text("helpdesk")
    expect(old.locator("#count")).to_contain_text("406 open handles")
    old.get_by_role("button", name="Log out").click()
    old.wait_for_url(url + "/login")


# -- finding ------------------------------------------------------------------------------------


def test_search_as_one_types(tab: Tab, log_in: LogIn, url: str, keep: Keep) -> None:
    page = log_in(tab())
    expect(page.locator("#count")).to_contain_text("405 open handles")
    keep(page, "list-light")
    search(page, "budget 2026")
    expect(page.locator("#count")).to_have_text("3 open handles on 1 file")
    # The only file is opened out: everybody who has it, in words.
    rows = page.locator("tr.handle")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("reading and writing, nobody else may write")
    expect(rows.last).to_contain_text("CORP\\omar")
    assert page.url == url + "/?q=budget+2026"
    keep(page, "search-light")
    search(page, "10.1.7.20")
    expect(page.locator(NAMES)).to_have_text(["Plan (final) v7.docx"])
    search(page, "nobody has this")
    expect(page.locator(".none")).to_contain_text("Nobody has that open.")


def test_a_search_that_is_not_answered_says_so(tab: Tab, log_in: LogIn, keep: Keep) -> None:
    page = log_in(tab())
    expect(page.locator("#count")).to_contain_text("405 open handles")
    page.route("**/api/v1/files*", lambda route: route.abort())
    search(page, "budget", answered=False)
    expect(page.get_by_role("alert")).to_contain_text("This list is an old one")
    keep(page, "not-answered")
    page.unroute("**/api/v1/files*")
    search(page, "budget 2026")
    expect(page.locator("#count")).to_contain_text("3 open handles")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_sort(tab: Tab, log_in: LogIn) -> None:
    page = log_in(tab())
    search(page, "omar")
    expect(page.locator(NAMES)).to_have_text(["Budget 2026.xlsx", "Forecast.xlsx"])
    head = page.get_by_role("columnheader", name="File")
    expect(head).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("link", name="File", exact=True).click()
    expect(page.locator(NAMES)).to_have_text(["Forecast.xlsx", "Budget 2026.xlsx"])
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(page.locator("#sort-path")).to_be_focused()  # although the table is a new one
    for name in ("User", "Client", "Access", "Byte locks", "Node", "Seen for"):
        page.get_by_role("link", name=name, exact=True).click()
        sorted_by = page.get_by_role("columnheader", name=name)
        expect(sorted_by).to_have_attribute("aria-sort", "ascending")


def test_groups_open_out_and_fold_up(tab: Tab, log_in: LogIn) -> None:
    page = log_in(tab())
    search(page, "finance")
    toggle = page.get_by_role("link", name="Budget 2026.xlsx")
    expect(toggle).to_have_attribute("aria-expanded", "false")
    toggle.click()
    expect(page.locator("tr.handle")).to_have_count(3)
    expect(toggle).to_have_attribute("aria-expanded", "true")
    expect(toggle).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("tr.handle")).to_have_count(0)


def test_a_group_opened_before_the_search_is_answered(tab: Tab, log_in: LogIn) -> None:
    page = log_in(tab())
    expect(page.locator(NAMES).first).to_be_visible()
    toggle = page.get_by_role("link", name="Budget 2026.xlsx")
    toggle.evaluate(
        """link => {
          const box = document.getElementById("q");
          box.value = "finance";
          box.dispatchEvent(new Event("input", { bubbles: true }));
          link.click();
        }"""
    )
    expect(page.locator("tr.handle")).to_have_count(3)
    expect(page).to_have_url(re.compile(r"[?&]q=finance(&|$)"))
    expect(page.locator(NAMES).filter(has_text="Plan")).to_have_count(0)


def test_pages(tab: Tab, log_in: LogIn, url: str) -> None:
    page = log_in(tab())
    expect(page.locator(".pager")).to_contain_text("1–50 of")
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".pager")).to_contain_text("51–100 of")
    page.go_back()
    expect(page.locator(".pager")).to_contain_text("1–50 of")


def test_new_handles_appear_by_themselves(tab: Tab, log_in: LogIn, office: Simulator) -> None:
    page = log_in(tab())
    search(page, "forecast")
    expect(page.locator("#count")).to_contain_text("1 open handle on 1 file")
    office.control("smb/open", user="CORP\\new", path="/finance/Forecast.xlsx")
    expect(page.locator("#count")).to_contain_text("2 open handles on 1 file")


def test_nothing_moves_under_a_hand(tab: Tab, log_in: LogIn, office: Simulator) -> None:
    page = log_in(tab())
    search(page, "forecast")
    expect(page.locator(NAMES)).to_have_count(1)
    page.get_by_role("checkbox").check()
    office.control("smb/open", user="CORP\\new", path="/finance/Forecast.xlsx")
    expect(page.locator("#newer")).to_be_visible()
    expect(page.locator("#count")).to_contain_text("1 open handle")
    page.locator("#newer").click()
    expect(page.locator("#count")).to_contain_text("2 open handles")


def test_a_link_in_a_ticket(tab: Tab, log_in: LogIn, url: str, tmp_path: Path) -> None:
    deep = f"{url}/?path={quote(BUDGET)}"
    page = tab()
    page.goto(deep)  # before the login
    page.wait_for_url(re.compile("/login"))
    log_in(page, path=f"/?path={quote(BUDGET, safe='')}".replace("%20", "+"))
    expect(page.locator(NAMES)).to_have_text(["Budget 2026.xlsx"])
    # And from another site, although that keeps the cookie back at first.
    with ticket_system(tmp_path / "tickets", deep) as tickets:
        page.goto(tickets)
        page.get_by_role("link").click()
        expect(page.locator(NAMES)).to_have_text(["Budget 2026.xlsx"])


class ticket_system:
    """Another site, with a page that links to ours."""

    def __init__(self, directory: Path, link: str) -> None:
        directory.mkdir()
        (directory / "index.html").write_text(f'<a href="{link}">locked</a>', encoding="utf-8")
        handler = partial(_Quiet, directory=str(directory))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://localhost:{self._server.server_port}/"

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


# -- closing ------------------------------------------------------------------------------------


def test_close_one_of_several_with_the_keyboard(
    tab: Tab, log_in: LogIn, office: Simulator, keep: Keep
) -> None:
    page = log_in(tab())
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("budget")
    expect(page.locator("tr.handle")).to_have_count(3)
    button = page.get_by_role("button", name="Close the handle of CORP\\jane on Budget 2026.xlsx…")
    button.first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        f"Close the handle of CORP\\jane on {BUDGET}?"
    )
    expect(page.locator(".warn")).to_contain_text("Unsaved work of 1 person could be lost")
    page.get_by_label("Reason").fill("Ticket 4711")
    keep(page, "confirm-light")
    with office.recorded() as changed:
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Closed the handle")
    assert [entry["uri"] for entry in changed] == ["/v1/smb/files/close"]
    expect(page.locator(".outcome")).to_have_text(["Closed"])
    keep(page, "closed-light")
    page.get_by_role("link", name="Back to the list").click()
    expect(page.locator("#count")).to_contain_text("2 open handles on 1 file")
    page.get_by_role("link", name="Closed files").click()
    expect(page.locator(".record tbody tr")).to_have_count(1)
    expect(page.locator(".record tbody tr")).to_contain_text("Ticket 4711")
    keep(page, "record-light")


def test_close_all_of_a_user(tab: Tab, log_in: LogIn, office: Simulator) -> None:
    page = log_in(tab())
    search(page, "forecast")
    expect(page.locator(NAMES)).to_have_count(1)
    page.get_by_role("link", name="CORP\\omar").click()
    expect(page.locator("#count")).to_contain_text("2 open handles on 2 files")
    page.get_by_role("button", name="Close all of this user…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Close all 2 handles of CORP\\omar?")
    expect(page.locator(".warn")).to_contain_text("/finance/Forecast.xlsx")
    expect(page.locator("main")).to_contain_text("Only reading")
    page.get_by_role("button", name="Close 2 handles").click()
    expect(page.locator(".outcome")).to_have_text(["Closed", "Closed"])
    assert office.control("state")["handles"] == 403


def test_close_selected(tab: Tab, log_in: LogIn, office: Simulator) -> None:
    page = log_in(tab())
    search(page, "finance")
    expect(page.locator(NAMES)).to_have_count(2)
    button = page.get_by_role("button", name="Close selected…")
    expect(button).to_be_disabled()
    for box in page.get_by_role("checkbox").all():
        box.check()
    expect(page.locator("#picked")).to_have_text("2 selected")
    button.click()
    page.get_by_role("button", name="Close 4 handles").click()
    expect(page.locator(".outcome")).to_have_count(4)
    assert office.control("state")["handles"] == 401


def test_cancel_closes_nothing(tab: Tab, log_in: LogIn, office: Simulator, url: str) -> None:
    page = log_in(tab())
    search(page, "forecast")
    expect(page.locator(NAMES)).to_have_count(1)
    with office.recorded() as changed:
        page.get_by_role("button", name="Close Forecast.xlsx of CORP\\omar…").click()
        page.get_by_role("link", name="Cancel").click()
        page.wait_for_url(url + "/?q=forecast")
    assert changed == []


def test_a_close_that_the_cluster_refuses(
    tab: Tab, log_in: LogIn, office: Simulator, keep: Keep
) -> None:
    office.control(
        "smb/open", user="CORP\\stuck", path="/finance/Forecast.xlsx", refuse="the node is leaving"
    )
    office.control("smb/open", user="CORP\\back", path="/finance/Forecast.xlsx", reopen=1)
    page = log_in(tab())
    search(page, "forecast")
    expect(page.locator(NAMES)).to_have_count(1)
    page.get_by_role("button", name="Close all 3 handles of Forecast.xlsx…").click()
    page.get_by_role("button", name="Close 3 handles").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 of 3 closed")
    expect(page.locator(".outcome")).to_have_text(
        ["Still open", "Closed, and opened again by its client", "Closed"]
    )
    expect(page.locator(".why")).to_contain_text("the node is leaving")
    keep(page, "refused-light")


def test_script_in_a_file_name_is_shown_and_not_run(
    tab: Tab, log_in: LogIn, office: Simulator, keep: Keep
) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)<%2Fscript>.txt"
    office.control("files/put", path=f"/{evil}", content="x")
    office.control("smb/open", user="<b onclick=alert(3)>eve</b>", path=f"/{evil}")
    page = log_in(tab())
    search(page, "onerror")
    expect(page.locator(NAMES)).to_have_text([evil])
    page.get_by_role("button", name=f"Close {evil}").click()
    expect(page.locator("h1")).to_contain_text(evil)
    page.get_by_role("button", name="Close 1 handle").click()
    expect(page.locator(".results th[scope=row]")).to_have_text([f"/{evil}"])
    page.get_by_role("link", name="Closed files").click()
    expect(page.locator(".record tbody tr")).to_contain_text("<b onclick=alert(3)>eve</b>")
    # A script that runs opens a dialog, which the fixture takes for an error.


def test_without_scripts_it_works_too(tab: Tab, log_in: LogIn, office: Simulator) -> None:
    page = log_in(tab(java_script_enabled=False))
    page.get_by_role("searchbox").fill("budget")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tr.handle")).to_have_count(3)
    page.get_by_role("button", name="Close all 3 handles of Budget 2026.xlsx…").click()
    page.get_by_role("button", name="Close 3 handles").click()
    expect(page.locator(".outcome")).to_have_text(["Closed", "Closed", "Closed"])  # by itself
    assert office.control("state")["handles"] == 402
