# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.coalesce import (
    Added,
    Coalescer,
    by_id,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.audit_log import parse

HEAD = b"<14>1 2026-01-31T18:00:00Z c-1 qumulo - - - "


def coalescer(granularity_ns: int = 0, max_files: int = 100, max_set: int = 100) -> Coalescer[int]:
    return Coalescer(
        window=5.0, granularity_ns=granularity_ns, max_files=max_files, max_set=max_set
    )


def test_keys() -> None:
    record = parse(HEAD + b'i,"u",p,o,s,42,"/\xff\xc3\xa4",""')
    assert by_id(record) == 42
    assert by_path(record) == b"/\xff\xc3\xa4"
    record = parse(HEAD + b'i,"u",p,o,s,,"",""')
    assert by_id(record) is None
    assert by_path(record) is None


def test_the_newest_time_counts_in_any_order() -> None:
    files = coalescer()
    assert files.add(1, 20, 0.0) is Added.NEW
    assert files.add(1, 10, 0.0) is Added.MERGED
    assert files.add(2, 5, 0.0) is Added.NEW
    assert files.add(1, 30, 0.0) is Added.MERGED
    assert files.due(5.0)
    assert files.take(10) == [(1, 30), (2, 5)]
    assert len(files) == 0


def test_nothing_is_due_before_its_window_ends() -> None:
    files = coalescer()
    assert files.wait(0.0) is None
    files.add(1, 10, 100.0)
    files.add(2, 10, 104.0)
    assert files.wait(104.0) == 1.0
    assert not files.due(104.9)
    assert files.take(10) == []
    assert files.due(105.0)
    assert files.wait(105.0) == 0.0
    assert files.take(10) == [(1, 10), (2, 10)]
    assert files.wait(105.0) is None


def test_a_window_also_ends_when_nobody_looks() -> None:
    files = coalescer()
    files.add(1, 10, 0.0)
    files.add(2, 10, 5.0)  # the first of the next one
    assert files.due(5.0)
    assert files.take(10) == [(1, 10)]
    assert not files.due(9.9)
    assert files.due(10.0)


def test_at_the_end_everything_is_due() -> None:
    files = coalescer()
    files.add(1, 10, 0.0)
    assert files.due(0.0, everything=True)
    assert files.take(10) == [(1, 10)]


def test_what_is_due_still_merges() -> None:
    files = coalescer()
    files.add(1, 10, 0.0)
    files.due(5.0)
    assert files.add(1, 20, 6.0) is Added.MERGED
    assert files.take(10) == [(1, 20)]


def test_files_are_taken_in_order_and_in_parts() -> None:
    files = coalescer()
    for key in (3, 1, 2):
        files.add(key, key, 0.0)
    files.due(5.0)
    assert files.take(2) == [(3, 3), (1, 1)]
    files.add(4, 4, 6.0)
    files.due(11.0)
    assert list(files) == [(2, 2), (4, 4)]
    assert files.take(2) == [(2, 2), (4, 4)]


def test_no_more_files_wait_than_may() -> None:
    files = coalescer(max_files=2)
    files.add(1, 10, 0.0)
    files.due(5.0)
    files.add(2, 10, 5.0)
    assert files.add(3, 10, 5.0) is Added.FULL
    assert files.add(1, 11, 5.0) is Added.MERGED
    assert files.add(2, 11, 5.0) is Added.MERGED
    assert files.take(1) == [(1, 11)]
    assert files.add(3, 10, 5.0) is Added.NEW
    assert len(files) == 2


def test_granularity() -> None:
    files = coalescer(granularity_ns=60)
    files.remember(1, 100)
    assert files.add(1, 159, 0.0) is Added.FRESH
    assert files.add(1, 50, 0.0) is Added.FRESH
    assert files.add(1, 160, 0.0) is Added.NEW


def test_without_granularity_only_newer_times_are_worth_a_write() -> None:
    files = coalescer()
    files.remember(1, 100)
    assert files.add(1, 100, 0.0) is Added.FRESH
    assert files.add(1, 101, 0.0) is Added.NEW


def test_what_was_set_is_never_remembered_as_older() -> None:
    files = coalescer()
    files.remember(1, 100)
    files.remember(1, 50)
    assert files.add(1, 99, 0.0) is Added.FRESH


def test_the_memory_of_what_was_set_has_a_bound() -> None:
    files = coalescer(max_set=10)
    for key in range(1000):
        files.remember(key, 100)
    remembered = [key for key in range(1000) if files.add(key, 100, 0.0) is Added.FRESH]
    assert 1 <= len(remembered) <= 10
    assert remembered == list(range(1000 - len(remembered), 1000))


def test_what_could_not_be_set_comes_first_again() -> None:
    files = coalescer()
    for key in (1, 2, 3):
        files.add(key, 10, 0.0)
    files.due(5.0)
    taken = files.take(2)
    files.add(2, 20, 6.0)  # comes again meanwhile
    files.put_back(taken)
    assert len(files) == 3
    assert files.take(10) == [(1, 10), (3, 10)]
    assert files.due(11.0)
    assert files.take(10) == [(2, 20)]


def test_an_older_time_that_came_meanwhile_does_not_win() -> None:
    files = coalescer()
    files.add(1, 10, 0.0)
    files.due(5.0)
    taken = files.take(1)
    files.add(1, 5, 6.0)
    files.put_back(taken)
    files.due(20.0)
    assert files.take(10) == [(1, 10)]
