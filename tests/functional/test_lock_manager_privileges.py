# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts whose privileges change while they are logged in at the lock manager."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    PermissionDeniedError,
)
from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import running_page
from tests.tools.visitor import Visitor, until

PATH = "/finance/Budget 2026.xlsx"
SEE = [f"PRIVILEGE_{name}" for name in ("SMB_FILE_HANDLE_READ", "FS_LOCK_READ", "IDENTITY_READ")]
CLOSE = "PRIVILEGE_SMB_FILE_HANDLE_WRITE"
#: Routes that show neither the list nor the record, or that take a form with a token of its own.
SILENT = {"/login", "/logout", "/health", "/static", "/confirm", "/close"}


@pytest.fixture
def page(simulator: Simulator, tmp_path: Path) -> Iterator[Any]:
    simulator.control("users/add", name="clerk", password="Clerk123!", privileges=[*SEE, CLOSE])
    simulator.control("files/put", path=PATH, content="x")
    simulator.control("smb/open", user="CORP\\jane", path=PATH, count=2)
    with running_page(simulator, tmp_path) as made:
        made.ca_file = str(tmp_path / "ca.pem")
        yield made


@pytest.fixture
def clerk(page: Any) -> Visitor:
    """Logged in, with a list."""
    visitor = Visitor(page.url, page.ca_file).log_in("clerk", "Clerk123!")
    assert visitor.json("/api/v1/status?after=0")["open_handles"] == 2
    return visitor


def sessions(page: Any) -> list[Any]:
    return list(page.services.sessions._sessions.values())


def showing(page: Any) -> list[str]:
    """Return the address of every page that shows the list, the record or a closing."""
    (job,) = page.services.jobs._jobs or ("x",)
    routes = {route.path for route in page.app.routes} - SILENT
    assert "/api/v1/closings/{job}" in routes
    return sorted(path.replace("{job}", job) for path in routes)


def hides_everything(page: Any, visitor: Visitor) -> bool:
    answers = [visitor.get(path) for path in showing(page)]
    shown = [a.url for a in answers if "Budget" in a.text or "jane" in a.text]
    return not shown and {answer.status_code for answer in answers} == {403}


def test_a_refused_listing_withdraws_list_and_record(
    simulator: Simulator, page: Any, clerk: Visitor
) -> None:
    _answer, plan = clerk.confirm(close_user="jane")
    clerk.close(plan)
    (job,) = page.services.jobs._jobs
    until(lambda: clerk.json(f"/api/v1/closings/{job}")["finished"])
    for path in ("/closings", f"/closings/{job}", f"/api/v1/closings/{job}"):
        assert "Budget" in clerk.get(path).text
    generation = clerk.json("/api/v1/status")["generation"]
    simulator.control("users/privileges", name="clerk", privileges=SEE[1:])
    page.services.watches.of(sessions(page)[0].account.id).refresh()
    until(lambda: clerk.get(f"/api/v1/status?after={generation}").status_code == 403)
    assert hides_everything(page, clerk)
    assert SEE[0] in clerk.get("/").text


def test_a_refused_request_withdraws_list_and_record(
    simulator: Simulator, page: Any, clerk: Visitor
) -> None:
    simulator.control("users/privileges", name="clerk", privileges=[CLOSE])
    answer, _plan = clerk.confirm(close_user="jane")  # looks at the handles again
    assert answer.status_code == 403
    assert hides_everything(page, clerk)
    assert page.services.watches.of(sessions(page)[0].account.id) is None


def test_privileges_are_read_again_every_minute(
    simulator: Simulator, page: Any, clerk: Visitor
) -> None:
    with simulator.recorded(changes=False) as seen:
        for path in showing(page):
            clerk.get(path)
    assert not [entry for entry in seen if "who-am-i" in entry["uri"]]
    page.services.checks.every = 0.0  # a minute has passed
    with simulator.recorded(changes=False) as seen:
        clerk.get("/closings")
    assert len([entry for entry in seen if "who-am-i" in entry["uri"]]) == 1
    simulator.control("users/privileges", name="clerk", privileges=[])
    assert clerk.get("/closings").status_code == 403
    assert hides_everything(page, clerk)


def test_closing_goes_with_its_privilege(simulator: Simulator, page: Any, clerk: Visitor) -> None:
    page.services.checks.every = 0.0
    assert "Close selected" in clerk.get("/").text
    simulator.control("users/privileges", name="clerk", privileges=SEE)
    text = clerk.get("/").text
    assert "Close selected" not in text and "Budget" in text


def test_a_token_sees_what_its_account_is_granted(
    simulator: Simulator, page: Any, client: Client
) -> None:
    page.services.checks.every = 0.0
    body = {"user": {"name": "clerk"}}
    token = client.rest.request("POST", "/v1/auth/access-tokens/", body=body)["bearer_token"]
    visitor = Visitor(page.url, page.ca_file)
    visitor.post("/login", {"csrf": visitor.token("/login"), "token": token})
    for _turn in range(2):
        simulator.control("users/privileges", name="clerk", privileges=[])
        assert hides_everything(page, visitor)
        simulator.control("users/privileges", name="clerk", privileges=SEE)
        assert visitor.json("/api/v1/status?after=0")["open_handles"] == 2


def test_a_session_that_the_cluster_ended_ends_at_the_check(
    simulator: Simulator, page: Any, clerk: Visitor
) -> None:
    page.services.checks.every = 0.0
    simulator.control("tokens/expire")
    assert clerk.get("/api/v1/closings").status_code == 401
    assert sessions(page) == []


def test_a_cluster_that_is_away_leaves_the_list(
    simulator: Simulator, page: Any, clerk: Visitor
) -> None:
    page.services.checks.every = 0.0
    for address in simulator.addresses:
        simulator.control("nodes/stop", address=address)
    simulator.wait(lambda state: not any(state["nodes"].values()))
    assert "Budget" in clerk.get("/").text
    for address in simulator.addresses:
        simulator.control("nodes/start", address=address)
    simulator.wait(lambda state: all(state["nodes"].values()))
    simulator.control("users/privileges", name="clerk", privileges=[])
    until(lambda: clerk.get("/closings").status_code == 403)


def test_many_requests_of_a_session_share_a_check(
    simulator: Simulator, page: Any, clerk: Visitor
) -> None:
    simulator.control("latency", seconds=0.5)
    page.services.checks.refused(sessions(page)[0].id, PermissionDeniedError("Refused."))
    with simulator.recorded(changes=False) as seen:
        threads = [threading.Thread(target=clerk.get, args=("/closings",)) for _turn in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert len([entry for entry in seen if "who-am-i" in entry["uri"]]) == 1


def test_a_defect_does_not_end_the_checks_of_a_session(
    simulator: Simulator, page: Any, clerk: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[type(page.services.checks).__module__]
    page.services.checks.every = 0.0
    with monkeypatch.context() as broken:
        broken.setattr(module, "_REST", 0.0)
        broken.delattr(module, "read_account")
        assert clerk.get("/closings").status_code == 500
    simulator.control("users/privileges", name="clerk", privileges=[])
    assert clerk.get("/closings").status_code == 403
