# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts and what is kept of it, against models: the newest time of each file."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.batches import (
    Plan,
    gather,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.coalesce import (
    LastSet,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.rules import (
    Rules,
    Skip,
    compile_rules,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.audit_log import (
    AuditRecord,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)

from .synced import csv_line

PLAN = Plan(compile_rules(Rules()), by_path, "nameless", False, 0.0, 1, 10**18)
NOW = 1_700_000_000_000_000_000
USES = st.lists(st.tuples(st.sampled_from(["/a", "/b", "/a/b/"]), st.integers(0, 10**9)))


@given(USES, st.lists(st.integers(0, 20)))
def test_each_file_has_its_newest_time_however_lines_are_ordered_and_cut(
    uses: list[tuple[str, int]], cuts: list[int]
) -> None:
    spool = SqliteSpool(":memory:", postpone=False)
    ends = sorted(min(cut, len(uses)) for cut in cuts)
    for begin, end in zip([0, *ends], [*ends, len(uses)]):
        lines = [csv_line(time_ns, path) for path, time_ns in uses[begin:end]]
        batch = gather(lines, PLAN, LastSet(), NOW)
        assert batch.counted == batch.lines == end - begin
        spool.put(batch.entries)
    newest: dict[bytes, int] = {}
    for path, time_ns in uses:
        key = path.rstrip("/").encode()
        newest[key] = max(time_ns, newest.get(key, 0))
    assert {item.key: item.stamp for item in spool.due(1e12, 100)} == newest
    spool.close()


@given(st.lists(st.binary(max_size=80)))
def test_no_line_raises(lines: list[bytes]) -> None:
    batch = gather(lines, PLAN, LastSet(), NOW)
    assert batch.lines == len(lines)
    read = sum(batch.operations.values())
    assert read + sum(batch.malformed.values()) == len(lines)
    assert len(batch.samples) == sum(batch.malformed.values())


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99))), st.integers(1, 20))
def test_only_what_would_not_be_written_is_fresh(
    noted: list[tuple[int, int]], least_ns: int
) -> None:
    last_set = LastSet(4)
    on_disk: dict[str, int] = {}
    for number, time_ns in noted:
        key = str(number)
        if last_set.is_fresh(key, time_ns, least_ns):
            assert time_ns - on_disk[key] < least_ns
        else:
            on_disk[key] = max(time_ns, on_disk.get(key, 0))
            last_set.note(key, on_disk[key])


NAMES = st.sampled_from(["a", "b", ".snapshot", "ab", ".snapshots"])
PATHS = st.lists(NAMES, max_size=4).map(lambda names: "/" + "/".join(names))
PREFIXES = st.lists(PATHS, max_size=2).map(tuple)
USERS = st.sampled_from(["Ann", "ann", "bob", "", "7", "auth_id:7"])
ADDRESSES = st.integers(0, 15).map(lambda last: f"10.0.0.{last}")


@given(
    PATHS,
    USERS,
    ADDRESSES,
    PREFIXES,
    PREFIXES,
    st.lists(USERS.filter(bool), max_size=2),
    st.lists(st.tuples(st.integers(0, 3), st.just(30)), max_size=2),
)
def test_rules_mean_what_they_say(
    path: str,
    user: str,
    address: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    users: list[str],
    blocks: list[tuple[int, int]],
) -> None:
    networks = [f"10.0.0.{block * 4}/{bits}" for block, bits in blocks]
    rules = Rules(
        include_prefixes=include,
        exclude_prefixes=exclude,
        users=tuple(users),
        networks=tuple(networks),
    )
    record = AuditRecord(1, "c-1", address, user, "7", "", "nfs", "fs_read_link", "ok", 1, path, "")

    def below(prefix: str) -> bool:
        parts = [part for part in prefix.split("/") if part]
        return [part for part in path.split("/") if part][: len(parts)] == parts

    expected = None
    if ".snapshot" in path.split("/"):
        expected = Skip.SNAPSHOT
    elif {user.lower(), "auth_id:7"} & {name.lower() for name in users} or any(
        ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks
    ):
        expected = Skip.READER
    elif any(map(below, exclude)) or (include and not any(map(below, include))):
        expected = Skip.PATH
    judge = compile_rules(rules)
    assert judge(record) is expected
    assert judge(record) is expected  # remembered as well
