# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coalescing against a model: each file ends with its newest time, and no time goes backwards."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.coalesce import (
    Added,
    Coalescer,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.rules import (
    Rules,
    Skip,
    compile_rules,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.audit_log import (
    AuditRecord,
)

KEYS = st.integers(0, 7)
WINDOW = 5.0


class CoalescerMachine(RuleBasedStateMachine):
    """Records come in any order; the setter takes, sets, fails and forgets."""

    @initialize(
        granularity=st.sampled_from([0, 10]),
        max_files=st.integers(1, 8),
        max_set=st.sampled_from([2, 100]),
    )
    def begin(self, granularity: int, max_files: int, max_set: int) -> None:
        self.now = 0.0
        self.least = max(1, granularity)
        self.max_files = max_files
        self.files: Coalescer[int] = Coalescer(
            window=WINDOW, granularity_ns=granularity, max_files=max_files, max_set=max_set
        )
        self.newest: dict[int, int] = {}  # of what was taken
        self.on_disk: dict[int, int] = {}
        self.came: dict[int, float] = {}  # when a file that waits came first
        self.out: list[tuple[int, int]] = []

    @rule(key=KEYS, time_ns=st.integers(0, 100))
    def add(self, key: int, time_ns: int) -> None:
        waiting = dict(self.files)
        added = self.files.add(key, time_ns, self.now)
        if added is Added.FULL:
            assert len(waiting) >= self.max_files and key not in waiting
            return
        if added is Added.FRESH:
            assert time_ns - self.on_disk[key] < self.least
            return
        assert (added is Added.MERGED) is (key in waiting)
        self.came.setdefault(key, self.now)
        self.newest[key] = max(time_ns, self.newest.get(key, time_ns))

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0, 20.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(limit=st.integers(1, 8))
    def take(self, limit: int) -> None:
        if self.out:
            return
        due = self.files.due(self.now)
        self.out = self.files.take(limit)
        assert due is bool(self.out) and len(self.out) <= limit
        if len(self.out) < limit:  # all that is due
            assert all(self.now - self.came[key] < WINDOW for key, _time in self.files)
        for key, _time in self.out:
            del self.came[key]

    @rule()
    def succeed(self) -> None:
        for key, time_ns in self.out:
            if time_ns - self.on_disk.get(key, -1000) >= self.least:
                self.on_disk[key] = time_ns
            self.files.remember(key, self.on_disk[key])
        self.out = []

    @rule()
    def fail(self) -> None:
        self.files.put_back(self.out)
        for key, _time in self.out:
            self.came[key] = self.now  # it may be due at once
        self.out = []

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "files"):
            return
        waiting = dict(self.files)
        assert len(waiting) == len(self.files)
        out = dict(self.out)
        for key, newest in self.newest.items():
            held = max(waiting.get(key, -1), out.get(key, -1))
            if held < newest:
                assert newest - self.on_disk[key] < self.least

    def teardown(self) -> None:
        if hasattr(self, "files"):
            self.fail()
            self.files.due(self.now, everything=True)
            self.out = self.files.take(1000)
            self.succeed()
            assert len(self.files) == 0 and self.files.wait(self.now) is None
            for key, newest in self.newest.items():
                assert newest - self.on_disk[key] < self.least


TestCoalescer = CoalescerMachine.TestCase

NAMES = st.sampled_from(["a", "b", ".snapshot", "ab", ".snapshots"])
PATHS = st.lists(NAMES, max_size=4).map(lambda names: "/" + "/".join(names))
PREFIXES = st.lists(PATHS, max_size=2).map(tuple)
USERS = st.sampled_from(["Ann", "ann", "bob", "", "7"])
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
    elif {user.lower(), "7"} & {name.lower() for name in users} or any(
        ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks
    ):
        expected = Skip.READER
    elif any(map(below, exclude)) or (include and not any(map(below, include))):
        expected = Skip.PATH
    judge = compile_rules(rules)
    assert judge(record) is expected
    assert judge(record) is expected  # remembered as well
