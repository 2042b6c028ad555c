# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import tempfile
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    entries,
    sorting,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.diff import (
    distinct,
    unique,
)

PATHS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=()), min_size=1, max_size=8
).map(lambda name: f"/{name}")
RECORDS = st.builds(
    entries.encode,
    st.sampled_from([entries.CREATE, entries.MODIFY, entries.DELETE]),
    PATHS,
    st.sampled_from([b"", b'["file",1]']),
)


@settings(max_examples=60)
@given(st.lists(RECORDS), st.integers(1, 400), st.booleans())
def test_records_come_back_sorted_however_small_the_runs_are(
    records: list[bytes], run_bytes: int, reverse: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        with sorting.Sorter(directory, run_bytes=run_bytes, reverse=reverse) as sorter:
            for record in records:
                sorter.add(record)
            assert list(sorter) == sorted(records, reverse=reverse)
        assert os.listdir(directory) == []


def test_many_runs_are_merged_into_longer_ones() -> None:
    count = sorting.FAN_IN * sorting.FAN_IN * 3
    with (
        tempfile.TemporaryDirectory() as directory,
        sorting.Sorter(directory, run_bytes=1) as sorter,
    ):
        for number in range(count):
            sorter.add(b"%06d\x00" % (number * 7919 % count) + b"2")
        open_files = len(os.listdir("/proc/self/fd"))
        assert open_files < 4 * sorting.FAN_IN
        assert [int(record[:6]) for record in sorter] == list(range(count))


@given(st.lists(RECORDS, max_size=30), st.booleans())
def test_each_change_comes_once_with_attributes_if_any_has_them(
    records: list[bytes], reverse: bool
) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        sorting.Sorter(directory, reverse=reverse) as sorter,
    ):
        for record in records:
            sorter.add(record)
        found = list(unique(sorter))
    keys = [entries.split(record)[0] for record in found]
    assert len(set(keys)) == len(keys)
    assert set(keys) == {entries.split(record)[0] for record in records}
    known = {entries.split(r)[0] for r in records if entries.split(r)[1]}
    assert {entries.split(r)[0] for r in found if entries.split(r)[1]} == known


def _blocks(records: list[bytes], size: int) -> list[list[bytes]]:
    return [records[at : at + size] for at in range(0, len(records), size)]


@given(st.lists(st.lists(RECORDS, max_size=30), max_size=4), st.integers(1, 7), st.booleans())
def test_streams_are_merged_whatever_their_blocks(
    streams: list[list[bytes]], size: int, reverse: bool
) -> None:
    ordered = [iter(_blocks(sorted(each, reverse=reverse), size)) for each in streams]
    found = list(sorting.merged(ordered, reverse=reverse))
    assert all(found)
    assert list(chain.from_iterable(found)) == sorted(chain.from_iterable(streams), reverse=reverse)


@given(st.lists(RECORDS, max_size=30), st.integers(1, 7))
def test_each_record_comes_once_across_blocks(records: list[bytes], size: int) -> None:
    found = list(distinct(_blocks(sorted(records), size)))
    assert all(found)
    assert list(chain.from_iterable(found)) == sorted(set(records))
