# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock manager's routes: who may, what is refused, and what reaches the cluster."""

from __future__ import annotations

import contextlib
import csv
import http.client
import io
import json
import signal
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager import (
    jobs,
    pages,
)
from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import configuration, running_page
from tests.tools.services import free_port, start_service
from tests.tools.visitor import Visitor, until

JANE, OMAR = "CORP\\jane", "CORP\\omar"
BUDGET = "/finance/Budget 2026.xlsx"
EVIL = "/finance/<img src=x onerror=alert(1)>\"'.xlsx"


@pytest.fixture
def office(simulator: Simulator) -> Simulator:
    """Jane writes a spreadsheet, twice; Omar reads it, and something else."""
    for path in (BUDGET, EVIL):
        simulator.control("files/put", path=path, content="x")
    opened: Callable[..., Any] = simulator.control
    opened("smb/open", user=JANE, path=BUDGET, address="10.1.2.3", count=2)
    opened("smb/open", user=OMAR, path=BUDGET, address="10.1.2.9", access=["read"], deny=[])
    opened("smb/open", user=OMAR, path=EVIL, address="10.1.2.9", access=["read"], deny=[])
    return simulator


@pytest.fixture
def page(office: Simulator, tmp_path: Path) -> Iterator[Any]:
    """The page on the office's cluster."""
    with running_page(office, tmp_path) as made:
        made.ca_file = str(tmp_path / "ca.pem")
        yield made


@pytest.fixture
def visit(page: Any, office: Simulator) -> Callable[..., Visitor]:
    """Makes visitors; without a name, one that is not logged in."""

    def make(user: str = "") -> Visitor:
        visitor = Visitor(page.url, page.ca_file)
        return visitor.log_in(user, office.password(user)) if user else visitor

    return make


def locations(visitor: Visitor, query: str = "") -> list[str]:
    """Locations of the handles that a query finds."""
    found = visitor.json(f"/api/v1/handles{query}")
    return [handle["location"] for handle in found["handles"]]


def wait_for_list(visitor: Visitor) -> Any:
    """Ask until the first list is there."""
    status = visitor.json("/api/v1/status?after=0")
    assert status["error"] is None
    return status


# -- login ------------------------------------------------------------------------------------


def test_login_is_the_clusters_own(office: Simulator, visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    answer = visitor.try_login("admin", "wrong")
    assert answer.status_code == 401
    assert "does not accept this name and password" in answer.text
    assert visitor.get("/").headers["location"] == "/login"
    assert visitor.try_login("admin", office.password("admin")).status_code == 303
    assert "open handles on 2 files" in visitor.get("/").text


def test_login_with_an_access_token(page: Any, client: Client) -> None:
    body = {"user": {"name": "helpdesk"}}
    made = client.rest.request("POST", "/v1/auth/access-tokens/", body=body)
    visitor = Visitor(page.url, page.ca_file)
    answer = visitor.post(
        "/login", {"csrf": visitor.token("/login"), "token": made["bearer_token"]}
    )
    assert answer.status_code == 303
    assert visitor.json("/api/v1/status")["account"] == "helpdesk"
    for bad, status in {"access-v1:1:wrong": 401, "two words": 400, "a\nb": 400, "é": 400}.items():
        other = Visitor(page.url, page.ca_file)
        answer = other.post("/login", {"csrf": other.token("/login"), "token": bad})
        assert answer.status_code == status, bad


def test_cookie_cannot_be_read_sent_in_clear_or_forged(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    visitor = visit()
    set_cookie = visitor.try_login("admin", office.password()).headers["set-cookie"]
    cookie = next(part for part in set_cookie.split(", ") if part.startswith("__Host-lockstep="))
    for attribute in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert attribute.lower() in cookie.lower()
    assert "bearer" not in cookie and "session-v1" not in cookie
    value = visitor.http.cookies["__Host-lockstep"]
    session_id, _, signature = value.rpartition(".")
    for forged in (
        session_id,
        f"{session_id}.",
        f"{session_id}.{signature[::-1]}",
        f"x.{signature}",
    ):
        stranger = visit()
        answer = stranger.get("/api/v1/handles", headers={"Cookie": f"__Host-lockstep={forged}"})
        assert answer.status_code == 401, forged


def test_logins_are_limited_before_the_cluster_is_asked(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    visitor = visit()
    for _ in range(5):
        assert visitor.try_login("admin", "wrong").status_code == 401
    with office.recorded(changes=False) as seen:
        answer = visitor.try_login("admin", office.password())
        other_browser = visit().try_login("ADMIN", office.password())
    assert answer.status_code == other_browser.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert [entry for entry in seen if "session" in entry["uri"]] == []


def test_a_cluster_that_is_away_is_no_wrong_password(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    visitor = visit()
    form = {"csrf": visitor.token("/login"), "username": "admin", "password": office.password()}
    for address in office.addresses:
        office.control("nodes/stop", address=address)
    office.wait(lambda state: not any(state["nodes"].values()))
    answer = visitor.post("/login", form)
    assert answer.status_code == 502 and "The cluster does not answer" in answer.text
    assert not any(address in answer.text for address in office.addresses)


def test_an_empty_login_asks_nobody(office: Simulator, visit: Callable[..., Visitor]) -> None:
    with office.recorded(changes=False) as seen:
        assert visit().try_login("", "").status_code == 400
        assert visit().try_login("admin", "x" * 5000).status_code == 400
    assert [entry for entry in seen if "session" in entry["uri"]] == []


def test_a_second_login_ends_the_first(office: Simulator, visit: Callable[..., Visitor]) -> None:
    visitor = visit("admin")
    first = {"Cookie": f"__Host-lockstep={visitor.http.cookies['__Host-lockstep']}"}
    assert visitor.get("/login?next=/closings").headers["location"] == "/closings"
    stranger = visit()
    form = {"csrf": stranger.token("/login"), "username": "helpdesk"}
    form["password"] = office.password("helpdesk")
    nonce = stranger.http.cookies["__Host-lockstep-login"]
    cookies = {"Cookie": f"{first['Cookie']}; __Host-lockstep-login={nonce}"}
    assert stranger.post("/login", form, headers=cookies).status_code == 303
    assert visit().get("/api/v1/status", headers=first).status_code == 401


def test_login_form_of_somebody_else(office: Simulator, visit: Callable[..., Visitor]) -> None:
    mine, theirs = visit(), visit()
    form = {"username": "admin", "password": office.password(), "csrf": mine.token("/login")}
    theirs.token("/login")
    with office.recorded(changes=False) as seen:
        assert theirs.post("/login", form).status_code == 403
        assert theirs.post("/login", {**form, "csrf": ""}).status_code == 403
    assert [entry for entry in seen if "session" in entry["uri"]] == []


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("/?q=budget&page=2", "/?q=budget&page=2"),
        ("/closings", "/closings"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("//[", "/"),
        ("javascript:alert(1)", "/"),
        ("/logout", "/"),
        ("/?page=none", "/"),
    ],
)
def test_a_login_goes_on_to_our_own_pages_alone(
    office: Simulator, visit: Callable[..., Visitor], goal: str, expected: str
) -> None:
    answer = visit().try_login("admin", office.password(), next=goal)
    assert answer.headers["location"] == expected


def test_logout_ends_the_session_for_all_who_have_the_cookie(
    visit: Callable[..., Visitor],
) -> None:
    visitor = visit("admin")
    cookie = {"Cookie": f"__Host-lockstep={visitor.http.cookies['__Host-lockstep']}"}
    assert visit().get("/api/v1/status", headers=cookie).status_code == 200
    assert visitor.post("/logout", {"csrf": visitor.token("/")}).status_code == 303
    assert visit().get("/api/v1/status", headers=cookie).status_code == 401


def test_a_token_that_the_cluster_ends_ends_the_session(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    visitor = visit("admin")
    wait_for_list(visitor)
    office.control("tokens/expire")
    answer, _plan = visitor.confirm(close_user="jane")
    assert answer.status_code == 401
    assert visitor.get("/").status_code == 303


def test_missing_privileges_are_named(office: Simulator, visit: Callable[..., Visitor]) -> None:
    answer = visit().try_login("backup", office.password("backup"))
    assert answer.status_code == 403
    for name in ("SMB_FILE_HANDLE_READ", "FS_LOCK_READ", "IDENTITY_READ", "SMB_FILE_HANDLE_WRITE"):
        assert f"PRIVILEGE_{name}" in answer.text
    assert "SMB_SESSION_READ" in visit("helpdesk").get("/").text


def test_who_may_look_but_not_close(
    office: Simulator, visit: Callable[..., Visitor], page: Any
) -> None:
    names = ("SMB_FILE_HANDLE_READ", "FS_LOCK_READ", "IDENTITY_READ")
    office.control(
        "users/add",
        name="viewer",
        password="Viewer123!",
        privileges=[f"PRIVILEGE_{n}" for n in names],
    )
    viewer = Visitor(page.url, page.ca_file).log_in("viewer", "Viewer123!")
    text = viewer.get("/").text
    assert "PRIVILEGE_SMB_FILE_HANDLE_WRITE" in text and "Close all" not in text
    with office.recorded() as seen:
        answer, _plan = viewer.confirm(close_user="jane")
    assert answer.status_code == 403 and "PRIVILEGE_SMB_FILE_HANDLE_WRITE" in answer.text
    assert seen == []


# -- what is refused --------------------------------------------------------------------------


def changing_routes(page: Any) -> list[str]:
    """Every route that takes a form, but the login."""
    found = [r.path for r in page.app.routes if "POST" in (getattr(r, "methods", None) or ())]
    assert len(found) >= 4
    return [path for path in found if path != "/login"]


def test_nothing_is_answered_without_a_session(
    page: Any, office: Simulator, visit: Callable[..., Visitor]
) -> None:
    visit("admin")
    stranger = visit()
    public = ("/login", "/health", "/static")
    with office.recorded() as changed:
        for route in page.app.routes:
            if route.path in public:
                continue
            path = route.path.replace("{job}", "x")
            for answer in (stranger.get(path), stranger.post(path, {"csrf": "x"})):
                assert answer.status_code in (401, 303, 405), path
                if answer.status_code == 303:
                    assert answer.headers["location"].startswith("/login")
                assert "jane" not in answer.text
    assert changed == []


def test_changes_need_ones_own_session_and_token(
    page: Any, office: Simulator, visit: Callable[..., Visitor]
) -> None:
    admin, other = visit("admin"), visit("helpdesk")
    wait_for_list(admin)
    _answer, plan = admin.confirm(close_user="jane")
    form = {"plan": plan, "close_user": "jane", "reason": "", "csrf": admin.token("/")}
    theirs = other.token("/")
    with office.recorded() as changed:
        for path in changing_routes(page):
            assert visit().post(path, form).status_code == 401  # no session
            assert other.post(path, form).status_code == 403  # my token, their session
            for token in ("", "x", theirs):
                assert admin.post(path, {**form, "csrf": token}).status_code == 403
            without = {key: value for key, value in form.items() if key != "csrf"}
            assert admin.post(path, without).status_code == 403
        # With a session and token of their own, but my plan.
        answer = other.post("/close", {**form, "csrf": theirs})
        assert answer.status_code == 409
    assert changed == []
    assert len(locations(admin)) == 4


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": ""},
    ],
)
def test_forms_of_other_sites(
    office: Simulator, visit: Callable[..., Visitor], headers: dict[str, str]
) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    _answer, plan = admin.confirm(close_user="jane")
    form = {"plan": plan, "csrf": admin.token("/")}
    with office.recorded() as changed:
        answer = admin.post("/close", form, headers=headers)
    assert answer.status_code in (400, 403)
    assert changed == []


def test_large_and_broken_forms(visit: Callable[..., Visitor]) -> None:
    admin = visit("admin")
    assert admin.post("/confirm", "x" * (1 << 20) + "y").status_code == 413
    assert admin.post("/confirm", iter([b"csrf=x"])).status_code == 411
    assert admin.post("/confirm", b"csrf=%ff\xff").status_code == 400
    assert admin.post("/confirm", "a=1&" * 6000).status_code == 400


def test_a_form_that_does_not_end_is_not_read(page: Any) -> None:
    # Before the login, by anybody: the length that is named is not the one that comes.
    trusted = ssl.create_default_context(cafile=page.ca_file)
    connection = http.client.HTTPSConnection("127.0.0.1", page.port, timeout=60, context=trusted)
    with contextlib.closing(connection):
        connection.putrequest("POST", "/login")
        connection.putheader("Content-Length", "5")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        assert connection.getresponse().status == 411  # although nothing of it has come


def test_every_answer_is_hardened(page: Any, visit: Callable[..., Visitor]) -> None:
    admin = visit("admin")
    for answer in (
        admin.get("/"),
        admin.get("/nothing"),
        admin.get("/static/list.js"),
        admin.get("/api/v1/status"),
        visit().get("/login"),
        admin.get("/", headers={"Host": "evil.example"}),
        admin.post("/login", "x"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
    assert admin.get("/static/../app.py").status_code == 404
    assert admin.get("/static/%2e%2e/app.py").status_code == 404


def test_a_defect_shows_nothing_of_itself(
    page: Any, visit: Callable[..., Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = visit("admin")

    def broken(*_args: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(page.services.watches, "of", broken)
    answer = admin.get("/")
    assert answer.status_code == 500
    assert "secret" not in answer.text and "Traceback" not in answer.text
    assert "content-security-policy" in answer.headers


def test_health_needs_no_name_and_tells_nothing(visit: Callable[..., Visitor]) -> None:
    answer = visit().get("/health", headers={"Host": "10.0.0.1:8443"})
    assert (answer.status_code, answer.text) == (200, "ok\n")


# -- the list ---------------------------------------------------------------------------------


def test_names_of_files_are_text(visit: Callable[..., Visitor]) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    text = admin.get("/").text
    assert "<img" not in text and "&lt;img src=x onerror=alert(1)&gt;" in text
    searched = admin.get('/?q="><script>alert(1)</script>').text
    assert "<script>alert" not in searched


def test_search_sort_and_links(visit: Callable[..., Visitor]) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    assert len(locations(admin, "?q=budget 2026")) == 3
    assert len(locations(admin, "?q=BUDGET jane")) == 2
    assert len(locations(admin, r"?q=\\files\share\finance\Budget 2026.xlsx")) == 3
    assert len(locations(admin, f"?path={BUDGET}")) == 3
    assert len(locations(admin, "?path=/finance")) == 4
    assert len(locations(admin, "?user=omar")) == 2
    assert len(locations(admin, "?client=10.1.2.8/31")) == 2
    by_user = admin.json("/api/v1/handles?sort=-user&q=budget")["handles"]
    assert [handle["user"] for handle in by_user] == [OMAR, JANE, JANE]
    for bad in ("?sort=colour", "?page=0", "?client=nowhere", "?path=relative", "?user=1000"):
        answer = admin.get(f"/api/v1/handles{bad}")
        assert answer.status_code == 400 and answer.json()["error"], bad


def test_groups(visit: Callable[..., Visitor]) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    files = admin.json("/api/v1/files?q=jane")["files"]
    assert [(f["path"], f["handles_found"], f["handles_in_all"]) for f in files] == [(BUDGET, 2, 3)]


def test_csv_holds_no_formulas(office: Simulator, visit: Callable[..., Visitor]) -> None:
    office.control("smb/open", user="=cmd|' /C calc'!A0", path=BUDGET, address="10.1.2.77")
    admin = visit("admin")
    wait_for_list(admin)
    answer = admin.get("/open-files.csv?path=/finance")
    assert answer.headers["content-disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 5
    assert "'=cmd|' /C calc'!A0" in [row["user"] for row in rows]
    assert {row["path"] for row in rows} == {BUDGET, EVIL}


def test_two_visitors_of_an_account_share_one_listing(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    first = visit("admin")
    generation = wait_for_list(first)["generation"]
    second = visit("admin")
    with office.recorded(changes=False) as seen:
        # After two more generations, whoever asks.
        for visitor in (first, second):
            generation = visitor.json(f"/api/v1/status?after={generation}")["generation"]
    listings = [e for e in seen if e["uri"].startswith("/v1/smb/files/")]
    assert len(listings) <= 3
    lookups = [e for e in seen if e["uri"] == "/v1/identity/find"]
    assert lookups == []  # names are remembered


def test_a_cluster_that_does_not_answer_leaves_the_last_list(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    admin = visit("admin")
    generation = wait_for_list(admin)["generation"]
    office.control("faults/add", route="smb/files/", kind="500", probability=1.0)
    until(lambda: admin.json(f"/api/v1/status?after={generation}")["error"] is not None)
    text = admin.get("/").text
    assert "The list is not up to date" in text and "Budget 2026.xlsx" in text
    office.control("faults/clear")
    until(lambda: admin.json("/api/v1/status")["error"] is None)


# -- closing ----------------------------------------------------------------------------------


def test_close_one_of_several(office: Simulator, visit: Callable[..., Visitor]) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    one = locations(admin, "?q=jane")[0]
    answer, plan = admin.confirm(close_handle=one)
    assert "Unsaved work of 1 person could be lost" in answer.text and "CORP\\jane" in answer.text
    with office.recorded() as changed:
        job = admin.close(plan, "Ticket 4711")
    assert [e["uri"] for e in changed] == ["/v1/smb/files/close"]
    assert [r["outcome"] for r in job["results"]] == ["closed"]
    assert office.control("state")["handles"] == 3
    assert len(locations(admin, "?q=jane")) == 1  # at once, before the next listing


def test_close_all_of_a_file_with_those_that_came_since(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    file_id = admin.json("/api/v1/files?q=budget")["files"][0]["file_id"]
    office.control("smb/open", user="CORP\\new", path=BUDGET, address="10.1.2.50")
    answer, plan = admin.confirm(close_file=file_id)
    assert "Close all 4 handles" in answer.text and "CORP\\new" in answer.text
    # Who comes after the confirmation has not been shown, and is left alone.
    office.control("smb/open", user="CORP\\late", path=BUDGET, address="10.1.2.51")
    job = admin.close(plan)
    assert [r["outcome"] for r in job["results"]] == ["closed"] * 4
    assert office.control("state")["handles"] == 2


def test_what_is_refused_gone_and_reopened(
    office: Simulator, visit: Callable[..., Visitor], client: Client
) -> None:
    office.control("smb/open", user="CORP\\stuck", path=BUDGET, refuse="the node is restarting")
    office.control("smb/open", user="CORP\\back", path=BUDGET, reopen=1)
    admin = visit("admin")
    wait_for_list(admin)
    file_id = admin.json("/api/v1/files?q=budget")["files"][0]["file_id"]
    _answer, plan = admin.confirm(close_file=file_id)
    gone = locations(admin, "?q=omar budget")
    body = [{"handle_info": {"location": gone[0]}}]
    client.rest.request("POST", "/v1/smb/files/close", body=body)
    job = admin.close(plan)
    outcomes = {r["user"]: (r["outcome"], r["error"]) for r in job["results"]}
    assert outcomes[JANE] == ("closed", "")
    assert outcomes[OMAR] == ("gone", "")
    assert outcomes["CORP\\back"] == ("reopened", "")
    assert outcomes["CORP\\stuck"][0] == "failed"
    assert "the node is restarting" in outcomes["CORP\\stuck"][1]
    text = admin.get(f"/closings/{job['id']}").text
    assert "the node is restarting" in text and "opened again by its client" in text


def test_close_all_of_a_user_and_of_a_client(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    _answer, plan = admin.confirm(close_user="omar")
    assert len(admin.close(plan)["results"]) == 2
    _answer, plan = admin.confirm(close_client="10.1.2.3")
    job = admin.close(plan)
    assert {r["user"] for r in job["results"]} == {JANE}
    assert office.control("state")["handles"] == 0


def test_handles_of_an_uncertain_client_are_spared(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    # Two readers of one file: without sessions, nothing tells whose client is which.
    office.control("smb/open", user=JANE, path=EVIL, address="10.1.2.3", access=["read"], deny=[])
    helpdesk = visit("helpdesk")
    wait_for_list(helpdesk)
    answer, plan = helpdesk.confirm(close_client="10.1.2.9")
    assert "not certain whose they are" in answer.text
    assert {r["path"] for r in helpdesk.close(plan)["results"]} == {BUDGET}


def test_what_nobody_sees_in_a_name_is_shown(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    turned = "/finance/ad\u202egnp.exe"
    office.control("files/put", path=turned, content="x")
    office.control("smb/open", user="CORP\\zoe", path=turned, address="10.1.2.3")
    admin = visit("admin")
    wait_for_list(admin)
    page = admin.get("/?q=gnp").text
    assert "ad\\u202egnp.exe" in page
    assert "\u202e" not in page
    # What was typed goes back as it is, and the API has names as they are.
    assert 'value="d\u202eg"' in admin.get("/?q=d%E2%80%AEg").text
    assert admin.json("/api/v1/files?q=d%E2%80%AEg")["files"][0]["path"] == turned


def test_selected_files_and_handles(office: Simulator, visit: Callable[..., Visitor]) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    budget = admin.json("/api/v1/files?q=budget")["files"][0]["file_id"]
    evil = locations(admin, "?q=onerror")
    # Ticked while only Jane's handles were shown: hers are meant.
    _answer, plan = admin.confirm(ticked_file=budget, handle=evil[0], q="jane")
    job = admin.close(plan)
    assert sorted(r["user"] for r in job["results"]) == [JANE, JANE, OMAR]
    answer, _plan = admin.confirm(close_selected="1")
    assert answer.status_code == 400 and "Nothing is selected" in answer.text


def test_a_plan_is_good_once(office: Simulator, visit: Callable[..., Visitor]) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    _answer, plan = admin.confirm(close_user="jane")
    admin.close(plan)
    with office.recorded() as changed:
        again = admin.post("/close", {"csrf": admin.token("/"), "plan": plan})
    assert again.status_code == 409 and changed == []


def test_too_many_are_not_closed_at_once(office: Simulator, tmp_path: Path) -> None:
    with running_page(office, tmp_path, max_close=2) as page:
        admin = Visitor(page.url, str(tmp_path / "ca.pem")).log_in("admin", office.password())
        wait_for_list(admin)
        answer, plan = admin.confirm(close_client="10.1.2.0/24")
    assert answer.status_code == 409 and not plan
    assert "more than" in answer.text


@pytest.mark.parametrize("kind", ["reset_after", "cut_body", "503"])
def test_a_close_with_faults_comes_out_right(
    office: Simulator, visit: Callable[..., Visitor], kind: str
) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    _answer, plan = admin.confirm(close_user="jane")
    office.control("faults/add", route="files/close", kind=kind, count=1)
    job = admin.close(plan)
    assert [r["outcome"] for r in job["results"]] == ["closed", "closed"]


def test_a_close_that_fails_altogether_says_so(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    _answer, plan = admin.confirm(close_user="jane")
    office.control("faults/add", route="files/close", kind="500", probability=1.0)
    job = admin.close(plan)
    assert [r["outcome"] for r in job["results"]] == ["failed", "failed"]
    assert job["error"] and office.control("state")["handles"] == 4


def test_a_cluster_that_can_not_be_looked_at_closes_nothing(
    office: Simulator, visit: Callable[..., Visitor]
) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    _answer, plan = admin.confirm(close_user="jane")
    office.control("faults/add", route="GET /v1/smb/files/", kind="500", probability=1.0)
    with office.recorded() as changed:
        job = admin.close(plan)
    assert [r["outcome"] for r in job["results"]] == ["failed", "failed"]
    assert job["error"] and changed == []


def test_a_close_that_ends_while_its_page_is_made(
    page: Any,
    office: Simulator,
    visit: Callable[..., Visitor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    _answer, plan = admin.confirm(close_user="jane")
    path = "/closings/" + admin.close(plan)["id"]
    job = page.services.jobs._jobs[path.rpartition("/")[2]]
    results, job.results, job.finished = job.results, [], False
    sorted_so_far = sorted

    def late(*args: Any, **options: Any) -> Any:
        found = sorted_so_far(*args, **options)
        job.results, job.finished = results, True
        return found

    monkeypatch.setattr(pages, "sorted", late, raising=False)
    text = admin.get(path).text
    assert "It ended early" not in text and "closing.js" in text  # which comes back for the end
    assert "What became of each handle" in admin.get(path).text


def test_what_can_not_be_seen_afterwards_is_not_known(office: Simulator, tmp_path: Path) -> None:
    with running_page(office, tmp_path, refresh_interval="10min") as page:
        admin = Visitor(page.url, str(tmp_path / "ca.pem")).log_in("admin", office.password())
        wait_for_list(admin)
        _answer, plan = admin.confirm(close_user="jane")
        office.control("faults/add", route="GET /v1/smb/files/", kind="500", skip=1)
        job = admin.close(plan)
        text = admin.get(f"/closings/{job['id']}").text
    assert [r["outcome"] for r in job["results"]] == ["unknown", "unknown"]
    assert "Outcome not known" in text
    records = (tmp_path / "closed.jsonl").read_text(encoding="utf-8")
    assert records.count('"unknown"') == 2


# -- the record -------------------------------------------------------------------------------


def test_the_record(office: Simulator, visit: Callable[..., Visitor], tmp_path: Path) -> None:
    helpdesk = visit("helpdesk")
    wait_for_list(helpdesk)
    _answer, plan = helpdesk.confirm(close_user="jane")
    helpdesk.close(plan, "  Ticket\n4711 <b>  ")
    lines = (tmp_path / "closed.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert [r["event"] for r in records] == ["asked"] * 3 + ["outcome"] * 2
    for record in records:
        assert (record["who"], record["from"]) == ("helpdesk", "127.0.0.1")
        assert record["reason"] == "Ticket 4711 <b>"
    assert records[3]["path"] == BUDGET and records[3]["outcome"] == "closed"
    named = ("path", "user", "clients", "location")
    assert [[r[n] for n in named] for r in records[1:3]] == [
        [r[n] for n in named] for r in records[3:]
    ]
    assert (tmp_path / "closed.jsonl").stat().st_mode & 0o777 == 0o640
    admin = visit("admin")
    text = admin.get("/closings").text
    assert "Ticket 4711 &lt;b&gt;" in text and "helpdesk" in text
    rows = list(csv.DictReader(io.StringIO(admin.get("/closings.csv").content.decode("utf-8-sig"))))
    assert [row["outcome"] for row in rows] == ["closed", "closed"]
    entries = admin.json("/api/v1/closings")
    assert [entry["event"] for entry in entries["records"]] == ["outcome"] * 2 + ["asked"] * 3
    assert entries["older"] is None
    assert admin.get("/api/v1/closings?before=x").status_code == 400
    assert admin.get("/api/v1/closings/nothing").status_code == 404
    backup = visit()
    assert backup.try_login("backup", office.password("backup")).status_code == 403
    assert backup.get("/closings").headers["location"] == "/login?next=%2Fclosings"


def test_what_can_not_be_recorded_is_not_closed(
    office: Simulator, visit: Callable[..., Visitor], tmp_path: Path
) -> None:
    admin = visit("admin")
    wait_for_list(admin)
    _answer, plan = admin.confirm(close_user="jane")
    (tmp_path / "closed.jsonl").unlink()
    (tmp_path / "closed.jsonl").mkdir()
    with office.recorded() as changed:
        answer = admin.post("/close", {"csrf": admin.token("/"), "plan": plan})
    assert answer.status_code == 400 and "Cannot write the record" in answer.text
    assert changed == []


def test_outcomes_are_kept_until_they_can_be_recorded(
    office: Simulator,
    visit: Callable[..., Visitor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs.closing, "BATCH", 1)
    admin = visit("admin")
    wait_for_list(admin)
    _answer, plan = admin.confirm(close_user="jane")
    _answer, other = admin.confirm(close_user="omar")
    office.control("faults/add", route="POST /v1/smb/files/close", kind="delay", delay=5, count=1)
    form = {"csrf": admin.token("/"), "reason": ""}
    job = admin.post("/close", {**form, "plan": plan}).headers["location"]
    record, aside = tmp_path / "closed.jsonl", tmp_path / "aside"
    record.rename(aside)
    record.mkdir()
    until(lambda: admin.json(f"/api/v1{job}")["finished"])
    results = admin.json(f"/api/v1{job}")["results"]
    assert sorted(r["outcome"] for r in results) == ["closed", "failed"]
    assert len(locations(admin, "?user=jane")) == 1  # the second one is not closed
    assert "The outcomes are not recorded yet" in admin.get(job).text
    with office.recorded() as changed:
        answer = admin.post("/close", {**form, "plan": other})
    assert answer.status_code == 400 and "Cannot write the record" in answer.text
    assert changed == []
    record.rmdir()
    aside.rename(record)
    until(lambda: record.read_text(encoding="utf-8").count('"outcome":') == 2)
    until(lambda: admin.json(f"/api/v1{job}")["error"] == "")


def test_a_killed_service_leaves_outcomes_that_are_not_known(
    office: Simulator, tmp_path: Path
) -> None:
    port = free_port()
    settings = {
        **configuration(office, tmp_path, listen_port=port),
        "lock_file": str(tmp_path / "lock"),
    }
    config = tmp_path / "page.yml"
    config.write_text(json.dumps(settings), encoding="utf-8")
    with start_service("lock_manager", "--config", str(config)) as process:
        process.wait_ready()
        admin = Visitor(f"https://127.0.0.1:{port}", str(tmp_path / "ca.pem"))
        admin.log_in("admin", office.password())
        wait_for_list(admin)
        _answer, plan = admin.confirm(close_user="jane")
        office.control("faults/add", route="POST /v1/smb/files/close", kind="delay", delay=3600)
        admin.post("/close", {"csrf": admin.token("/"), "plan": plan, "reason": "4711"})
        assert "Outcome not known" not in admin.get("/closings").text  # it is under way
        process.signal(signal.SIGKILL)
        process.wait()
    office.control("faults/clear")
    for _start in range(2):
        with running_page(office, tmp_path) as made:
            admin = Visitor(made.url, str(tmp_path / "ca.pem"))
            admin.log_in("admin", office.password())
            assert admin.get("/closings").text.count("Outcome not known") == 2
            text = admin.get("/closings.csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    named = [(row["outcome"], row["path"], row["reason"], row["who"]) for row in rows]
    assert named == [("unknown", BUDGET, "4711", "admin")] * 2


# -- sessions over time -----------------------------------------------------------------------


def test_idle_sessions_end_and_polling_keeps_none_alive(office: Simulator, tmp_path: Path) -> None:
    with running_page(office, tmp_path, idle_timeout="1s") as page:
        admin = Visitor(page.url, str(tmp_path / "ca.pem")).log_in("admin", office.password())
        background = {"X-Lockstep-Background": "1"}
        until(lambda: admin.get("/api/v1/status", headers=background).status_code == 401)
        assert admin.get("/").headers["location"] == "/login"
        assert len(page.services.sessions) == 0
        assert page.services.watches.of("500") is None


def test_a_busy_session_ends_too(office: Simulator, tmp_path: Path) -> None:
    with running_page(office, tmp_path, session_lifetime="1s") as page:
        admin = Visitor(page.url, str(tmp_path / "ca.pem")).log_in("admin", office.password())
        until(lambda: admin.get("/api/v1/status").status_code == 401)
        assert admin.get("/").headers["location"] == "/login"
