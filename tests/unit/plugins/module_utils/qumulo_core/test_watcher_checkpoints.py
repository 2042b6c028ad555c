# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.snapshots import Snapshot
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    format_rfc3339,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import checkpoints
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.rules import Root

Mark, begin_at, spare = checkpoints.Mark, checkpoints.begin_at, checkpoints.spare

NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)
LONG_AGO = NOW - timedelta(days=365)


def snapshot(number: int, age: float = 0.0) -> Snapshot:
    taken = NOW - timedelta(days=age)
    return Snapshot(number, f"{number}_x", "x", taken, "5", "/w", None, None, None)


def test_catching_up_begins_at_the_newest_that_was_noted() -> None:
    found = [snapshot(3), snapshot(5), snapshot(7)]
    assert begin_at(found, [Mark(3, 0), Mark(5, 0)]) == found[1]  # 7 never became one
    assert begin_at(found, [Mark(3, 0), Mark(6, 0)]) == found[1]  # somebody has deleted 6
    assert begin_at(found[2:], [Mark(5, 0)]) is None  # and 5: who knows what was before 7
    assert begin_at(found, None) == found[0]
    assert begin_at([], [Mark(5, 0)]) is None
    assert begin_at([], None) is None


def test_without_anything_that_waits_only_the_newest_stays() -> None:
    found = [snapshot(3), snapshot(5), snapshot(7)]
    marks = [Mark(3, 10), Mark(7, 20)]
    assert spare(found, marks, None, oldest_taken=LONG_AGO) == found[:2]
    assert spare(found, [], None, oldest_taken=LONG_AGO) == []
    # What was taken since is not yet one.
    assert spare([*found, snapshot(8)], marks, None, oldest_taken=LONG_AGO) == found[:2]


def test_the_oldest_goes_when_it_is_too_old_whatever_waits() -> None:
    found = [snapshot(3, age=8), snapshot(5, age=1)]
    marks = [Mark(3, 10), Mark(5, 20)]
    week = NOW - timedelta(days=7)
    assert spare(found, marks, 1, oldest_taken=week) == found[:1]
    assert spare(found, marks, 1, oldest_taken=LONG_AGO) == []


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[int], list[Mark], int | None]:
    """Snapshots, those of them that became checkpoints, and the first number that waits."""
    found = sorted(draw(st.sets(st.integers(1, 60), min_size=1, max_size=10)))
    marked = sorted(draw(st.sets(st.sampled_from(found), min_size=1)))
    numbers = sorted(draw(st.lists(st.integers(0, 50), min_size=len(marked), max_size=len(marked))))
    marks = [Mark(number, last) for number, last in zip(marked, numbers)]
    waiting = draw(st.none() | st.integers(1, 51))
    lost = draw(st.sets(st.sampled_from(marked[:-1]))) if len(marked) > 1 else set()
    return [number for number in found if number not in lost], marks, waiting


@given(histories())
def test_the_newest_stays_and_one_from_before_all_that_waits(
    history: tuple[list[int], list[Mark], int | None],
) -> None:
    numbers, marks, waiting = history
    found = [snapshot(number) for number in numbers]
    gone = {s.id for s in spare(found, marks, waiting, oldest_taken=LONG_AGO)}
    left = [s.id for s in found if s.id not in gone]
    assert gone <= set(numbers)  # none that is not ours
    newest = marks[-1].snapshot_id
    assert newest in left
    assert {number for number in numbers if number > newest} <= set(left)
    if waiting is not None:
        # From it on, all that waits is found again if spool and host are lost.
        settled = [m.snapshot_id for m in marks if m.number < waiting and m.snapshot_id in numbers]
        assert min(left) == numbers[0] or min(left) in settled
    after = [mark for mark in marks if mark.snapshot_id not in gone]
    start = begin_at([s for s in found if s.id in left], after)
    assert start is not None
    assert start.id == newest


MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(timezone.utc)
)


@given(MOMENTS)
def test_the_time_of_the_last_walk_is_read_in_both_notations(moment: datetime) -> None:
    spool, root = SqliteSpool(":memory:", postpone=True), Root("5", "/w")
    assert checkpoints.walked_until(spool, root) is None
    for note in (moment.isoformat(), format_rfc3339(moment)):
        spool.set_notes(**{checkpoints.walked("5"): note})
        assert checkpoints.walked_until(spool, root) == moment


@given(st.sampled_from(["", "x", "2026-01-31", "2026-02-30T00:00:00Z", "2026-01-31T00:00:00"]))
def test_a_time_that_cannot_be_read_is_set_aside(note: str) -> None:
    spool, root = SqliteSpool(":memory:", postpone=True), Root("5", "/w")
    spool.set_notes(**{checkpoints.walked("5"): note})
    assert checkpoints.walked_until(spool, root) is None
    assert spool.note(checkpoints.walked("5")) is None
