# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins to the lock manager: how many, who gets none, what throttles them, and their end."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import running_page
from tests.tools.visitor import TIMEOUT, Visitor, until

PLAIN = {"certificate": None, "private_key": None, "trusted_proxies": ["127.0.0.1"]}
OFFICE = "192.0.2.7"


@pytest.fixture
def page(simulator: Simulator, tmp_path: Path) -> Iterator[Any]:
    """The page behind a proxy, which says where visitors come from."""
    with running_page(simulator, tmp_path, **PLAIN) as made:
        yield made


@pytest.fixture
def visit(page: Any) -> Callable[..., Visitor]:
    """Makes visitors from an address."""

    def make(address: str = OFFICE) -> Visitor:
        visitor = Visitor(page.url, "")
        visitor.http.headers.update({"X-Forwarded-For": address, "X-Forwarded-Proto": "https"})
        visitor.trust_plain_http()
        return visitor

    return make


# -- how many at once -----------------------------------------------------------------------------


def test_one_account_cannot_take_all_sessions(
    page: Any, simulator: Simulator, visit: Callable[..., Visitor]
) -> None:
    visitors = [visit().log_in("admin", simulator.password()) for _ in range(12)]
    assert len(page.services.sessions) == 5
    there = [one.get("/api/v1/status").status_code for one in visitors]
    assert there == [401] * 7 + [200] * 5
    # Whoever was logged out learns why, and the last list stays where somebody uses it.
    assert visitors[0].get("/").headers["location"] == "/login"
    assert "has logged in more than 5 times" in visitors[0].get("/login").text
    assert "more than 5 times" not in visit().get("/login").text
    assert "open handles" in visitors[-1].get("/").text
    visit().log_in("helpdesk", simulator.password("helpdesk"))
    assert len(page.services.sessions) == 6


def test_an_account_that_may_see_nothing_gets_no_session(
    page: Any, simulator: Simulator, visit: Callable[..., Visitor]
) -> None:
    for _ in range(10):  # the password is right, so that nothing is throttled
        visitor = visit()
        answer = visitor.try_login("backup", simulator.password("backup"))
        assert answer.status_code == 403
        for name in ("SMB_FILE_HANDLE_READ", "FS_LOCK_READ", "IDENTITY_READ"):
            assert f"PRIVILEGE_{name}" in answer.text
        assert visitor.get("/").headers["location"] == "/login"
    assert len(page.services.sessions) == 0


# -- throttling -----------------------------------------------------------------------------------


def test_wrong_passwords_do_not_lock_out_an_office(
    simulator: Simulator, visit: Callable[..., Visitor]
) -> None:
    attacker = visit()
    for at in range(60):
        assert attacker.try_login(f"user-{at}", "wrong").status_code == 401
    for _ in range(5):
        assert attacker.try_login("helpdesk", "wrong").status_code == 401
    assert attacker.try_login("helpdesk", simulator.password("helpdesk")).status_code == 429
    assert visit().try_login("admin", simulator.password()).status_code == 303
    # The same account from elsewhere is not held up.
    elsewhere = visit("192.0.2.8").try_login("helpdesk", simulator.password("helpdesk"))
    assert elsewhere.status_code == 303


def test_guesses_over_many_accounts_are_limited(
    page: Any, simulator: Simulator, visit: Callable[..., Visitor]
) -> None:
    visit().log_in("admin", simulator.password())
    attacker = visit()
    form = {"csrf": attacker.token("/login"), "password": "wrong"}
    answers = [
        attacker.post("/login", {**form, "username": f"user-{at}"}).status_code for at in range(220)
    ]
    assert answers == [401] * 200 + [429] * 20
    assert page.services.counters.read()["logins_throttled"] == 20
    assert visit().try_login("helpdesk", simulator.password("helpdesk")).status_code == 429
    assert visit().try_login("admin", simulator.password()).status_code == 303


def test_an_ipv6_network_is_one_client(simulator: Simulator, visit: Callable[..., Visitor]) -> None:
    for at in range(5):
        assert visit(f"2001:db8::{at}").try_login("admin", "wrong").status_code == 401
    password = simulator.password()
    assert visit("2001:db8::ffff:1").try_login("admin", password).status_code == 429
    assert visit("2001:db8:0:1::1").try_login("admin", password).status_code == 303


def test_a_cluster_that_is_away_counts_no_tries(
    simulator: Simulator, visit: Callable[..., Visitor]
) -> None:
    visitor = visit()
    form = {"csrf": visitor.token("/login"), "username": "admin", "password": simulator.password()}
    simulator.control("faults/add", route="POST /v1/session/login", kind="500", count=7)
    for _ in range(7):
        assert visitor.post("/login", form).status_code == 502
    assert visitor.post("/login", form).status_code == 303


def test_a_proxy_is_trusted_in_each_spelling_of_its_address(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here = {"listen_address": "::1", "allowed_hosts": ["[0:0:0:0:0:0:0:1]"]}
    proxies = ["0:0:0:0:0:0:0:1", "FD00::10"]
    with running_page(simulator, tmp_path, **{**PLAIN, **here, "trusted_proxies": proxies}) as made:
        assert made.places._unlimited == {"::1", "fd00::10"}
        visitor = Visitor(made.url, "")
        visitor.http.headers.update({"X-Forwarded-For": OFFICE, "X-Forwarded-Proto": "https"})
        visitor.trust_plain_http()
        with caplog.at_level("INFO"):
            assert visitor.try_login("admin", "wrong").status_code == 401
    assert f"a login from {OFFICE} was refused" in caplog.text


def test_logins_of_an_address_do_not_hold_up_others(
    page: Any, simulator: Simulator, visit: Callable[..., Visitor]
) -> None:
    attacker, stranger = visit(), visit("192.0.2.8")
    form = {"csrf": attacker.token("/login"), "password": "wrong"}
    headers = dict(attacker.http.headers)
    refused: list[Any] = []

    def attack(number: int) -> None:
        with contextlib.suppress(requests.ConnectionError):  # the page ends first
            answer = requests.post(
                f"{page.url}/login",
                {**form, "username": f"user-{number}"},
                headers=headers,
                timeout=TIMEOUT,
            )
            refused.append(answer)

    # The cluster answers none of them.
    simulator.control("faults/add", route="POST /v1/session/login", kind="delay", delay=3600)
    threads = [threading.Thread(target=attack, args=(at,), daemon=True) for at in range(30)]
    for thread in threads:
        thread.start()
    until(lambda: len(refused) >= 27)
    simulator.control("faults/clear")
    assert stranger.try_login("admin", simulator.password()).status_code == 303
    assert {answer.status_code for answer in refused} == {429}
    assert {answer.headers["Retry-After"] for answer in refused} == {"5"}
    assert "too many logins under way" in refused[0].text
    assert page.services.counters.read()["logins_throttled"] == 27
    assert sum(thread.is_alive() for thread in threads) == 3


# -- the end --------------------------------------------------------------------------------------


def test_a_logout_ends_the_use_of_the_token(
    page: Any, simulator: Simulator, visit: Callable[..., Visitor]
) -> None:
    visitor = visit().log_in("admin", simulator.password())
    visitor.json("/api/v1/status?after=0")
    (session,) = page.services.sessions._sessions.values()
    client = weakref.ref(session.client)
    del session
    assert visitor.post("/logout", {"csrf": visitor.token("/")}).status_code == 303
    with contextlib.suppress(TimeoutError):
        until(lambda: gc.collect() < 0 or client() is None)
    assert client() is None  # nothing can use the token any more
    with simulator.recorded(changes=False) as seen:
        assert visitor.get("/api/v1/status").status_code == 401
    assert seen == []


def test_a_login_that_is_replaced_at_once_leaves_no_token(
    page: Any, simulator: Simulator, visit: Callable[..., Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    visit().log_in("admin", simulator.password())
    (first,) = page.services.sessions._sessions.values()
    attach = page.services.watches.attach

    def overtaken(account_id: str, session_id: str, client: Any) -> Any:
        page.services.sessions.close(session_id)  # as another login of the account does
        return attach(account_id, session_id, client)

    with monkeypatch.context() as patch:
        patch.setattr(page.services.watches, "attach", overtaken)
        assert visit().try_login("admin", simulator.password()).status_code == 303
    watch = page.services.watches.of(first.account.id)
    assert list(watch._clients) == [first.id]


# -- HSTS -----------------------------------------------------------------------------------------


def test_hsts_is_for_a_page_with_its_own_certificate(
    simulator: Simulator, tmp_path: Path, visit: Callable[..., Visitor]
) -> None:
    name = "strict-transport-security"
    assert name not in visit().get("/login").headers  # the proxy decides
    with running_page(simulator, tmp_path) as made:
        direct = Visitor(made.url, str(tmp_path / "ca.pem"))
        for path in ("/login", "/health", "/nothing", "/static/list.js", "/api/v1/status"):
            assert direct.get(path).headers[name] == "max-age=31536000"
        assert direct.get("/", headers={"Host": "evil.example"}).headers[name]
