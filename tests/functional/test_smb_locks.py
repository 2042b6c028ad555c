# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SMB locks on a simulated cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils._smb_filters import FILTER_SPEC
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import errors
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks import (
    closing,
    names,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.filters import (
    HandleFilter,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.handles import (
    Identity,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.listing import (
    list_handles,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.names import (
    Names,
)
from ansible_collections.lockstep.qumulo.plugins.modules import qumulo_smb_lock
from tests.simulator.harness import Simulator

JANE, BOB = "CORP\\jane", "CORP\\bob"


@pytest.fixture
def office(simulator: Simulator) -> Simulator:
    """Jane has a spreadsheet open twice, Bob reads it, and both read something else."""
    for path in ("/office/a.xlsx", "/office/b.xlsx"):
        simulator.control("files/put", path=path, content="x")
    opened: Callable[..., Any] = simulator.control
    opened("smb/open", user=JANE, path="/office/a.xlsx", address="10.1.2.3", count=2)
    opened(
        "smb/open", user=BOB, path="/office/a.xlsx", address="10.1.2.4", access=["read"], deny=[]
    )
    opened(
        "smb/open",
        user=BOB,
        path="/office/b.xlsx",
        address="10.1.2.5",
        access=["read"],
        deny=[],
        byte_ranges=[{"offset": 0, "size": 10}],
        node=simulator.addresses[1],
    )
    return simulator


def found(client: Client, **options: Any) -> list[tuple[str, str]]:
    handles = list_handles(client, HandleFilter.make(**options))
    return [(handle.path, handle.holder.label) for handle in handles]


A_JANE, A_BOB, B_BOB = ("/office/a.xlsx", JANE), ("/office/a.xlsx", BOB), ("/office/b.xlsx", BOB)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [A_BOB, A_JANE, A_JANE, B_BOB]),
        ({"users": ["jane"]}, [A_JANE, A_JANE]),
        ({"users": [BOB]}, [A_BOB, B_BOB]),
        ({"directories": ["/office"], "users": ["bob"]}, [A_BOB, B_BOB]),
        ({"globs": ["b.*"]}, [B_BOB]),
        ({"access": ["write"]}, [A_JANE, A_JANE]),
        ({"clients": ["10.1.2.3"]}, [A_JANE, A_JANE]),
        ({"clients": ["10.1.2.4/31"]}, [A_BOB, B_BOB]),
        ({"clients": ["192.0.2.1"]}, []),
        ({"file_ids": []}, []),
    ],
)
def test_filters(
    office: Simulator, client: Client, options: Any, expected: list[tuple[str, str]]
) -> None:
    assert found(client, **options) == expected


def test_by_node_and_file(office: Simulator, client: Client) -> None:
    assert found(client, nodes=[office.addresses[1]]) == [B_BOB]
    file_id = client.rest.fs.get_file_attr(path="/office/b.xlsx")["id"]
    assert found(client, file_ids=[file_id]) == [B_BOB]


def test_everything_about_a_handle(office: Simulator, client: Client) -> None:
    (handle,) = list_handles(client, HandleFilter.make(globs=["b.xlsx"]))
    shown = handle.render()
    assert shown["client_addresses"] == ["10.1.2.5"]
    assert shown["access"] == ["read"] and shown["denies"] == []
    assert shown["byte_ranges"] == [{"offset": 0, "size": 10, "exclusive": True}]
    assert shown["can_lose_work"] and shown["reasons"] == ["1 byte-range lock"]
    assert shown["user_uid"] and shown["user_sid"].startswith("S-1-5-21-")
    (jane, _) = list_handles(client, HandleFilter.make(users=["jane"]))
    assert jane.denies == ("write",)


def test_each_holder_is_looked_up_once(office: Simulator, client: Client) -> None:
    client.version()
    office.control("smb/crowd", directory="/crowd", handles=500, files=50, users=20)
    with office.recorded(changes=False) as seen:
        assert len(found(client)) == 504
    lookups = [entry for entry in seen if entry["uri"] == "/v1/identity/find"]
    assert len(lookups) == 22


def test_names_are_remembered_from_one_listing_to_the_next(
    office: Simulator, client: Client
) -> None:
    names = Names()
    list_handles(client, HandleFilter.make(), names=names)
    office.control("smb/open", user="CORP\\new", path="/office/b.xlsx")
    with office.recorded(changes=False) as seen:
        handles = list_handles(client, HandleFilter.make(), names=names)
    assert {handle.holder.label for handle in handles} == {JANE, BOB, "CORP\\new"}
    assert len([entry for entry in seen if entry["uri"] == "/v1/identity/find"]) == 1


def test_progress_is_told_batch_by_batch(office: Simulator, client: Client) -> None:
    office.control("smb/crowd", directory="/crowd", handles=1200, files=50, users=20)
    wanted = HandleFilter.make(directories=["/crowd"])
    told: list[int] = []
    closing.close(client, list_handles(client, wanted), wanted, progress=told.append)
    assert told == [500, 1000, 1200]


def test_pages_that_are_smaller_than_asked_for(office: Simulator, client: Client) -> None:
    office.control("smb/crowd", directory="/crowd", handles=1000, files=50, users=20)
    office.control("pages", smb=97)
    assert len(found(client)) == 1004


def test_without_sessions_clients_are_not_guessed(
    office: Simulator, client: Client, settings: Callable[..., Settings]
) -> None:
    office.control(
        "smb/open", user=BOB, path="/office/a.xlsx", address="10.1.2.9", access=["read"], deny=[]
    )
    with Client(settings("helpdesk")) as helpdesk:
        wanted = HandleFilter.make(clients=["10.1.2.9"])
        handles = list_handles(helpdesk, wanted)
        assert {handle.addresses for handle in handles} == {("10.1.2.4", "10.1.2.9")}
        with pytest.raises(errors.InputError, match="PRIVILEGE_SMB_SESSION_READ"):
            closing.check(handles, wanted, max_close=10, plan=None)


@pytest.mark.parametrize("narrow", [{}, {"users": ["jane"]}, {"globs": ["b.xlsx"]}])
def test_a_handle_whose_grant_is_not_listed_is_nobodys(
    office: Simulator, client: Client, narrow: dict[str, list[str]]
) -> None:
    # The one grant of the file is Bob's; Jane has it open from elsewhere.
    office.control("smb/open", user=JANE, path="/office/b.xlsx", address="10.1.2.99", granted=False)
    wanted = HandleFilter.make(clients=["10.1.2.5"], **narrow)
    handles = [h for h in list_handles(client, wanted) if h.path == "/office/b.xlsx"]
    assert JANE in {handle.holder.label for handle in handles}
    with pytest.raises(errors.InputError, match="can belong to this client"):
        closing.check(handles, wanted, max_close=10, plan=None)
    by_file = HandleFilter.make(globs=["b.xlsx"])
    closing.check(list_handles(client, by_file), by_file, max_close=10, plan=None)


def test_a_file_that_was_deleted_while_open(office: Simulator, client: Client) -> None:
    client.rest.fs.delete(path="/office/b.xlsx")
    assert ("", BOB) in found(client, users=["bob"])
    assert ("", BOB) in found(client)


def test_every_handle_is_closed_and_nothing_else(office: Simulator, client: Client) -> None:
    wanted = HandleFilter.make(users=["jane"])
    result = closing.close(client, list_handles(client, wanted), wanted)
    assert len(result.closed) == 2 and not result.failed and not result.reopened
    assert found(client) == [A_BOB, B_BOB]


def test_what_is_refused_and_what_comes_back(office: Simulator, client: Client) -> None:
    opened = office.control
    opened("smb/open", user=JANE, path="/office/b.xlsx", address="10.1.2.3", refuse="not now")
    opened("smb/open", user=JANE, path="/office/b.xlsx", address="10.1.2.3", reopen=1)
    wanted = HandleFilter.make(globs=["b.xlsx"], users=["jane"])
    handles = list_handles(client, wanted)
    result = closing.close(client, handles, wanted)
    assert [("not now" in reason) for _, reason in result.failed] == [True]
    assert len(result.closed) == 1 and len(result.reopened) == 1


def test_a_handle_that_its_client_closes_meanwhile_is_closed(
    office: Simulator, client: Client
) -> None:
    wanted = HandleFilter.make(users=["jane"])
    handles = list_handles(client, wanted)
    client.rest.smb.close_smb_file(handles[0].location)
    result = closing.close(client, handles, wanted)
    assert len(result.closed) == 2 and not result.failed


def test_a_close_whose_answer_is_lost_is_closed(office: Simulator, client: Client) -> None:
    office.control("faults/add", route="files/close", kind="reset_after", count=1)
    wanted = HandleFilter.make(users=["jane"])
    result = closing.close(client, list_handles(client, wanted), wanted)
    assert len(result.closed) == 2 and not result.failed


def test_many_handles_are_closed_in_batches(office: Simulator, client: Client) -> None:
    office.control("smb/crowd", directory="/crowd", handles=1200, files=50, users=20)
    wanted = HandleFilter.make(directories=["/crowd"])
    handles = list_handles(client, wanted)
    with office.recorded() as seen:
        result = closing.close(client, handles, wanted)
    assert len(result.closed) == 1200
    assert len(seen) == 3
    assert found(client) == [A_BOB, A_JANE, A_JANE, B_BOB]


def close_by_module(client: Client, **options: Any) -> dict[str, Any]:
    params: dict[str, Any] = {
        **dict.fromkeys(FILTER_SPEC),
        "max_close": 10_000,
        "exclude_users": [],
        "only_idle": False,
        "plan": None,
        "max_results": 1000,
        **options,
    }
    done: dict[str, Any] = qumulo_smb_lock.break_locks(client, params, False)
    return done


def test_a_holder_whose_name_is_not_known_can_be_one_that_is_spared(
    office: Simulator, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sid = client.rest.auth.find_identity(name=JANE)["sid"]
    monkeypatch.setattr(names, "find_identity", lambda _client, auth_id: Identity(auth_id))
    for user in (JANE, f"sid:{sid}", "uid:1"):
        done = close_by_module(client, directory=["/office"], exclude_users=[user])
        assert not done["changed"] and len(done["spared"]) == 4
    assert len(found(client)) == 4
    (someone, *_others) = done["spared"]
    done = close_by_module(
        client, directory=["/office"], exclude_users=[f"auth_id:{someone['user_auth_id']}"]
    )
    assert done["changed"] and done["spared"]


def test_a_closing_that_breaks_off_tells_what_is_closed(office: Simulator, client: Client) -> None:
    office.control("smb/crowd", directory="/crowd", handles=1200, files=50, users=5)
    office.control("faults/add", route="files/close", kind="500", skip=1)
    with pytest.raises(
        errors.ConflictError, match=r"700 of 1200 .*500 api_int.*logs\. C"
    ) as caught:
        close_by_module(client, directory=["/crowd"])
    assert len(caught.value.details["closed"]) == 500
    assert len(caught.value.details["failed_handles"]) == 700
    with pytest.raises(errors.ServerError):
        close_by_module(client, directory=["/office"])


@pytest.mark.parametrize("kind", ["429", "503", "reset_before", "reset_after", "cut_body"])
def test_with_faults_the_result_is_right(office: Simulator, client: Client, kind: str) -> None:
    client.version()
    office.control("faults/add", route=".", kind=kind, probability=0.2, seed=7, retry_after=0.02)
    wanted = HandleFilter.make(users=["jane"])
    result = closing.close(client, list_handles(client, wanted), wanted)
    assert len(result.closed) == 2 and not result.failed
    office.control("faults/clear")
    assert found(client) == [A_BOB, B_BOB]
