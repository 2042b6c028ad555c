# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.batches import (
    Batch,
    Plan,
    gather,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.coalesce import (
    LastSet,
    by_id,
    by_path,
    by_path_below,
    shown,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.rules import (
    Rules,
    compile_rules,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.audit_log import parse

HEAD = b"<14>1 2026-01-31T18:00:00Z c-1 qumulo - - - "
TIME = 1_769_882_400_000_000_000  # the same in nanoseconds
DAY = 86_400_000_000_000


def line(path: bytes, file_id: bytes = b"42", stamp: bytes = b"2026-01-31T18:00:00Z") -> bytes:
    head = HEAD.replace(b"2026-01-31T18:00:00Z", stamp)
    return head + b'10.0.0.1,"u",nfs3,fs_read_data,ok,' + file_id + b',"' + path + b'",""'


def run(lines: list[bytes], *, now_ns: int = TIME, by_api: bool = False, least: int = 1) -> Batch:
    key = by_id if by_api else by_path
    plan = Plan(compile_rules(Rules()), key, "nameless", by_api, 5.0, least, DAY)
    return gather(lines, plan, LastSet(), now_ns)


def test_keys() -> None:
    record = parse(line(b"/\xff\xc3\xa4"))
    assert by_id(record) == "42"
    assert by_path(record) == b"/\xff\xc3\xa4"
    record = parse(line(b"", b""))
    assert by_id(record) is None
    assert by_path(record) is None
    assert by_path(parse(line(b"/d/"))) == b"/d"
    assert by_path(parse(line(b"/"))) == b"/"
    below = by_path_below("/d")
    assert [below(parse(line(path))) for path in (b"/d/a", b"/d/", b"/da")] == [
        b"/d/a",
        b"/d",
        None,
    ]
    assert (shown("7"), shown(b"/a\xff")) == ("7", "/a\\xff")


def test_a_batch_has_one_entry_for_each_file() -> None:
    lines = [line(b"/a", stamp=b"2026-01-31T18:00:01Z"), line(b"/b"), line(b"/a")]
    batch = run(lines)
    assert [(e.key, e.stamp, e.payload) for e in batch.entries] == [
        (b"/a", TIME + 1_000_000_000, "42"),
        (b"/b", TIME, "42"),
    ]
    assert {e.due for e in batch.entries} == {TIME / 1e9 + 5.0}
    assert (batch.lines, batch.counted) == (3, 3)


def test_entries_by_id_have_the_path_for_people() -> None:
    assert [(e.key, e.payload) for e in run([line(b"/a\xff")], by_api=True).entries] == [
        ("42", "/a\\udcff")
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (line(b"/.snapshot/1_x/a"), "snapshot"),
        (line(b"relative"), "path"),
        (line(b"/a").replace(b"read_data", b"write_data"), "operation"),
        (line(b"/a").replace(b",ok,", b",fs_access_denied_error,"), "status"),
        (line(b"/a", stamp=b"1969-12-31T23:59:59Z"), "time"),
        (line(b"/a", stamp=b"0001-01-01T00:00:00Z"), "time"),
    ],
)
def test_what_does_not_count_is_counted(text: bytes, reason: str) -> None:
    batch = run([text])
    assert batch.entries == []
    assert dict(batch.skipped) == {reason: 1}


def test_a_file_without_an_id_can_not_be_set_by_id() -> None:
    assert dict(run([line(b"/a", b"")], by_api=True).skipped) == {"nameless": 1}


def test_times_of_the_far_future_are_the_present() -> None:
    lines = [
        line(b"/near", stamp=b"2026-02-01T18:00:00Z"),
        line(b"/far", stamp=b"2026-02-01T18:00:01Z"),
        line(b"/never", stamp=b"9999-12-31T23:59:59Z"),
    ]
    batch = run(lines)
    assert [e.stamp for e in batch.entries] == [TIME + DAY, TIME, TIME]
    assert batch.clamped == 2


def test_malformed_lines_are_kept_for_people() -> None:
    batch = run([b"what is this?", line(b"/a"), HEAD + b"{" * 2000])
    assert dict(batch.malformed) == {"frame": 1, "json": 1}
    assert "what is this?" in batch.samples[0]
    assert len(batch.samples[1]) < 500
    assert len(batch.entries) == 1
    (sample,) = run([HEAD.replace(b"qumulo", b"x" * 60_000)]).samples
    assert len(sample) < 1000


def test_granularity() -> None:
    last_set = LastSet()
    last_set.note(b"/a", 100)
    assert last_set.is_fresh(b"/a", 159, 60)
    assert last_set.is_fresh(b"/a", 50, 60)
    assert not last_set.is_fresh(b"/a", 160, 60)
    assert not last_set.is_fresh(b"/b", 100, 60)


def test_what_was_set_tells_nothing_of_another_file_of_that_name() -> None:
    last_set = LastSet()
    last_set.note(b"/a", 100, "1")
    assert last_set.is_fresh(b"/a", 100, 1, "1")
    assert not last_set.is_fresh(b"/a", 100, 1, "2")
    last_set.note(b"/a", 50, "2")
    assert not last_set.is_fresh(b"/a", 60, 1, "2")


def test_what_was_set_is_never_remembered_as_older() -> None:
    last_set = LastSet()
    last_set.note(b"/a", 100)
    last_set.note(b"/a", 50)
    assert last_set.is_fresh(b"/a", 100, 1)


def test_the_memory_of_what_was_set_has_a_bound() -> None:
    last_set = LastSet(10)
    for number in range(1000):
        last_set.note(str(number), 100)
    remembered = [n for n in range(1000) if last_set.is_fresh(str(n), 100, 1)]
    assert 1 <= len(remembered) <= 10
    assert remembered == list(range(1000 - len(remembered), 1000))
