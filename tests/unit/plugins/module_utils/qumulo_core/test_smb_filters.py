# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    ConflictError,
    InputError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.closing import (
    check,
    select,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.filters import (
    HandleFilter,
    UserFilter,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.handles import (
    Handle,
    Identity,
)

JANE = Identity("8589935692", "CORP\\jane", "S-1-5-21-1-2-3-1100", 51100)
BOB = Identity("1001", "bob", "S-1-5-21-9-9-9-1001", None)


def handle(**changes: object) -> Handle:
    values: dict[str, object] = {
        "location": "node/1",
        "file_id": "7",
        "path": "/a/b.txt",
        "holder": JANE,
        "access": ("read", "write"),
        "num_byte_ranges": 0,
        "addresses": ("10.1.2.3",),
        "nodes": ("10.0.0.1",),
    }
    values.update(changes)
    return Handle(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["jane", "JANE", "CORP\\jane", "corp\\JANE", "S-1-5-21-1-2-3-1100", "uid:51100"]
    + ["auth_id:8589935692", "name:jane", "sid:s-1-5-21-1-2-3-1100"],
)
def test_a_user_by_any_of_its_names(text: str) -> None:
    assert UserFilter.parse(text).matches(JANE)
    assert not UserFilter.parse(text).matches(BOB)


def test_a_name_in_another_domain_is_somebody_else() -> None:
    assert not UserFilter.parse("OTHER\\jane").matches(JANE)


@pytest.mark.parametrize("text", ["51100", "", " ", "uid:", "uid:x", "auth_id:x"])
def test_users_that_could_be_somebody_else_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        UserFilter.parse(text)


@given(st.text())
def test_any_text_names_a_user_or_is_refused(text: str) -> None:
    try:
        UserFilter.parse(text).matches(JANE)
    except InputError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"file_ids": ["7"]}, True),
        ({"file_ids": []}, False),
        ({"directories": ["/a"]}, True),
        ({"directories": ["/a/"]}, True),
        ({"directories": ["/"]}, True),
        ({"directories": ["/a/b"]}, False),
        ({"directories": ["/a/b.txt"]}, True),
        ({"globs": ["*.txt"]}, True),
        ({"globs": ["*.doc"]}, False),
        ({"access": ["write"]}, True),
        ({"access": ["delete"]}, False),
        ({"access": ["delete", "read"]}, True),
        ({"directories": ["/a"], "access": ["delete"]}, False),
    ],
)
def test_what_a_handle_itself_says(options: dict[str, list[str]], expected: bool) -> None:
    assert HandleFilter.make(**options).matches_open(handle()) is expected  # type: ignore[arg-type]


def test_a_client_that_is_not_certain_matches_and_is_told_apart() -> None:
    wanted = HandleFilter.make(clients=["10.1.2.0/28"])
    sure, unsure = handle(), handle(addresses=("10.1.2.3", "10.9.9.9"))
    assert wanted.matches_client(sure) and wanted.is_certain(sure)
    assert wanted.matches_client(unsure) and not wanted.is_certain(unsure)
    assert not wanted.matches_client(handle(addresses=("10.9.9.9",)))
    assert not wanted.matches_client(handle(addresses=("no address",)))
    with pytest.raises(InputError, match="PRIVILEGE_SMB_SESSION_READ"):
        check([sure, unsure], wanted, max_close=10, plan=None)


def test_a_node_that_is_not_certain_is_told_apart() -> None:
    wanted = HandleFilter.make(nodes=["10.0.0.1"])
    assert wanted.is_certain(handle())
    assert not wanted.is_certain(handle(nodes=("10.0.0.1", "10.0.0.2")))


@pytest.mark.parametrize(
    "options", [{"clients": ["x"]}, {"access": ["fly"]}, {"directories": ["relative"]}]
)
def test_filters_that_make_no_sense(options: dict[str, list[str]]) -> None:
    with pytest.raises(InputError):
        HandleFilter.make(**options)  # type: ignore[arg-type]


def test_more_handles_than_allowed_are_told_with_their_users() -> None:
    handles = [handle(location=str(number)) for number in range(3)]
    with pytest.raises(ConflictError, match=r"max_close 2.*jane \(3\).*Nothing was closed"):
        check(handles, HandleFilter.make(globs=["*"]), max_close=2, plan=None)
    check(handles, HandleFilter.make(globs=["*"]), max_close=3, plan=None)


def test_a_plan_that_has_become_stale_stops_the_close() -> None:
    handles = [handle(location="10.0.0.1/1"), handle(location="10.0.0.1/2")]
    wanted = HandleFilter.make(globs=["*"])
    check(handles, wanted, max_close=9, plan=["10.0.0.1/1", "10.0.0.1/2", "gone/1"])
    with pytest.raises(ConflictError, match="since the plan was made"):
        check(handles, wanted, max_close=9, plan=["10.0.0.1/1"])


@pytest.mark.parametrize("entry", ["garbage", "true", "None", "null]", "", "/a file", "1/"])
def test_what_is_not_a_plan_is_called_so(entry: str) -> None:
    with pytest.raises(InputError, match="is not an entry of a plan"):
        check([handle()], HandleFilter.make(globs=["*"]), max_close=9, plan=[entry])


def test_who_is_spared() -> None:
    idle = handle(location="1", access=("read",))
    writing = handle(location="2")
    ranges = handle(location="3", access=("read",), num_byte_ranges=1)
    bob = handle(location="4", access=("read",), holder=BOB)
    everybody = [idle, writing, ranges, bob]
    chosen = select(everybody, exclude_users=["bob"], only_idle=True)
    assert chosen.close == [idle]
    assert chosen.spared == [writing, ranges, bob]
    assert select(everybody).close == everybody


def test_what_can_lose_work_says_why() -> None:
    assert handle(num_byte_ranges=2).reasons == ("open for writing", "2 byte-range locks")
    assert not handle(access=("read", "execute")).can_lose_work
