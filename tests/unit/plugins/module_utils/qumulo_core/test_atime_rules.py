# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.rules import (
    WRITES,
    Rules,
    Skip,
    compile_rules,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.audit_log import (
    AuditRecord,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError

RECORD = AuditRecord(
    time_ns=1,
    hostname="c-1",
    user_ip="10.1.2.3",
    user="AD\\Ann",
    auth_id="501",
    sid="S-1-5-21-1",
    protocol="nfsv3",
    operation="fs_read_data",
    status="ok",
    file_id="7",
    path="/a/b/c.txt",
    target_path="",
)


def judge(rules: Rules | None = None, **changes: Any) -> Skip | None:
    return compile_rules(rules or Rules())(RECORD._replace(**changes))


@pytest.mark.parametrize("operation", ["fs_read_data", "fs_list_directory", "fs_read_link"])
def test_reads_count(operation: str) -> None:
    assert judge(operation=operation) is None


@pytest.mark.parametrize(
    "operation", ["fs_write_data", "fs_write_metadata", "fs_delete", "FS_READ"]
)
def test_other_operations_do_not(operation: str) -> None:
    assert judge(operation=operation) is Skip.OPERATION


def test_writes_count_on_request() -> None:
    assert judge(Rules(operations=WRITES), operation="fs_write_data") is None
    assert judge(Rules(operations=WRITES)) is Skip.OPERATION


@pytest.mark.parametrize("status", ["fs_no_such_entry_error", "OK", "okay"])
def test_only_what_was_done_counts(status: str) -> None:
    assert judge(status=status) is Skip.STATUS


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/.snapshot/1_x/a", Skip.SNAPSHOT),
        ("/.snapshot", Skip.SNAPSHOT),
        ("/a/.snapshot/1_x/b", Skip.SNAPSHOT),
        ("/a/.snapshot", Skip.SNAPSHOT),
        ("/.snapshots/a", None),
        ("/a.snapshot/b", None),
        ("/", None),
        ("", Skip.PATH),
        ("a/b", Skip.PATH),
    ],
)
def test_snapshots_never_count(path: str, expected: Skip | None) -> None:
    assert judge(path=path) is expected


@pytest.mark.parametrize(
    ("rules", "counts"),
    [
        (Rules(include_prefixes=("/a",)), True),
        (Rules(include_prefixes=("/a/",)), True),
        (Rules(include_prefixes=("/",)), True),
        (Rules(include_prefixes=("/a/b/c.txt",)), True),
        (Rules(include_prefixes=("/a/b/c",)), False),
        (Rules(include_prefixes=("/x", "/a/b")), True),
        (Rules(include_prefixes=("/A",)), False),
        (Rules(exclude_prefixes=("/a/b",)), False),
        (Rules(exclude_prefixes=("/a/bb",)), True),
        (Rules(exclude_prefixes=("/",)), False),
        (Rules(include_globs=("*.txt",)), True),
        (Rules(include_globs=("*.tmp",)), False),
        (Rules(include_globs=("*.tmp",), include_prefixes=("/a",)), True),
        (Rules(include_globs=("*.txt",), include_prefixes=("/x",)), True),
        (Rules(include_globs=("*.tmp",), include_prefixes=("/x",)), False),
        (Rules(exclude_globs=("c.*",)), False),
        (Rules(exclude_globs=("*.tmp",)), True),
        (Rules(include_prefixes=("/a",), exclude_globs=("/a/**",)), False),
        (Rules(include_globs=("*.txt",), exclude_prefixes=("/a",)), False),
    ],
)
def test_paths_in_and_out(rules: Rules, counts: bool) -> None:
    assert judge(rules) is (None if counts else Skip.PATH)


@pytest.mark.parametrize(
    ("rules", "counts"),
    [
        (Rules(users=("ad\\ann",)), False),
        (Rules(users=("ann",)), True),
        (Rules(users=("501",)), True),
        (Rules(users=("auth_id:501",)), False),
        (Rules(users=("auth_id:50",)), True),
        (Rules(users=("sid:S-1-5-21-1",)), False),
        (Rules(users=("ad:ann",)), False),
        (Rules(users=("ad:AD\\ANN",)), False),
        (Rules(users=("ad:CORP\\ann",)), True),
        (Rules(users=("name:AD\\Ann",)), False),
        (Rules(users=("uid:501",)), True),
        (Rules(own=("name:AD\\Ann",)), False),
        (Rules(users=("s-1-5-21-1",)), False),
        (Rules(users=("S-1-5-21",)), True),
        (Rules(networks=("10.1.2.3",)), False),
        (Rules(networks=("10.1.0.0/16",)), False),
        (Rules(networks=("fd00::/8", "10.0.0.0/8")), False),
        (Rules(networks=("10.2.0.0/16", "::/0")), True),
        (Rules(networks=("::ffff:10.1.2.3",)), False),
        (Rules(networks=("::ffff:10.1.0.0/112",)), False),
        (Rules(networks=("::ffff:10.2.0.0/112",)), True),
        (Rules(protocols=("NFSv3",)), False),
        (Rules(protocols=("nfs",)), False),
        (Rules(protocols=("nfs3",)), False),
        (Rules(protocols=("nfs4",)), True),
        (Rules(users=("x",), networks=("10.9.9.9",), protocols=("smb",)), True),
        (Rules(users=("x",), networks=("10.0.0.0/8",), protocols=("smb",)), False),
    ],
)
def test_readers_that_do_not_count(rules: Rules, counts: bool) -> None:
    assert judge(rules) is (None if counts else Skip.READER)


@pytest.mark.parametrize(
    ("address", "counts"),
    [("::ffff:10.1.2.3", False), ("::1", True), ("", True), ("nonsense", True), ("10.1", True)],
)
def test_odd_addresses(address: str, counts: bool) -> None:
    assert judge(Rules(networks=("10.0.0.0/8",)), user_ip=address) is (
        None if counts else Skip.READER
    )


def test_users_without_ids_are_no_match() -> None:
    assert judge(Rules(users=("bob",)), user="", auth_id="", sid="") is None


@pytest.mark.parametrize(
    "rules",
    [
        Rules(operations=()),
        Rules(include_prefixes=("a",)),
        Rules(include_prefixes=("",)),
        Rules(exclude_prefixes=("/a/../b",)),
        Rules(exclude_prefixes=("/a//b",)),
        Rules(exclude_prefixes=("/./a",)),
        Rules(include_globs=("",)),
        Rules(exclude_globs=("[z-a]",)),
        Rules(networks=("10.1.2.3/16",)),
        Rules(networks=("everywhere",)),
        Rules(users=("",)),
        Rules(protocols=("",)),
        Rules(protocols=("nfs5",)),
        Rules(operations=("fs_raed_data",)),
        Rules(operations=("rest_login",)),
        Rules(users=("uid:ann",)),
    ],
)
def test_rules_that_make_no_sense(rules: Rules) -> None:
    with pytest.raises(InputError):
        compile_rules(rules)
