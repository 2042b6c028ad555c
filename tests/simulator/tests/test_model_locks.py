# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WORM locks of the simulated file system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.model import Clock, FileSystem, ModelError

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND


def make() -> tuple[FileSystem, Clock]:
    clock = Clock()
    clock.freeze()
    clock.set(START)
    files = FileSystem(clock)
    files.create_directory("/", "d")
    files.create_file("/d", "f")
    files.write("/d/f", 0, b"precious")
    files.create_file("/d", "other")
    return files, clock


CHANGES: dict[str, Callable[[FileSystem], Any]] = {
    "write": lambda f: f.write("/d/f", 0, b"x"),
    "append": lambda f: f.append("/d/f", b"x"),
    "replace": lambda f: f.replace("/d/f", b"x"),
    "synthetic": lambda f: f.write_synthetic("/d/f", 0, 1),
    "truncate": lambda f: f.truncate("/d/f", 0),
    "rename": lambda f: f.rename("/d/f", "/d", "g"),
    "remove": lambda f: f.remove("/d/f"),
    "replaced by rename": lambda f: f.rename("/d/other", "/d", "f", clobber=True),
    "link": lambda f: f.create_link("/d", "l", "/d/f"),
    "mode": lambda f: f.set_attributes("/d/f", mode=0o600),
    "owner": lambda f: f.set_attributes("/d/f", owner=501),
    "size": lambda f: f.set_attributes("/d/f", size=1),
    "access time": lambda f: f.set_attributes("/d/f", access_time=1),
    "extended": lambda f: f.set_attributes("/d/f", extended_attributes={"hidden": True}),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("lock", ["hold", "retention"])
def test_locked_file_refuses(change: str, lock: str) -> None:
    files, clock = make()
    if lock == "hold":
        files.lock_file("/d/f", legal_hold=True)
    else:
        files.lock_file("/d/f", retention_ns=START + 60 * SECOND)
    before, others = files.attributes("/d/f", lock=True), files.child_names("/d")
    with pytest.raises(ModelError) as caught:
        CHANGES[change](files)
    assert caught.value.status == 403
    assert files.attributes("/d/f", lock=True) == before
    assert files.read("/d/f") == b"precious"
    assert files.child_names("/d") == others
    if lock == "hold":
        files.lock_file("/d/f", legal_hold=False)
    else:
        clock.advance(60 * SECOND)
    CHANGES[change](files)


def test_delete_tree_leaves_what_is_locked() -> None:
    files, _ = make()
    files.lock_file("/d/f", legal_hold=True)
    result = files.delete_tree("/d")
    assert (result.removed, result.refused) == (1, ["/d/", "/d/f"])
    assert files.child_names("/d") == ["f"]


def test_automatic_access_time_spares_a_locked_file() -> None:
    files, clock = make()
    files.lock_file("/d/f", legal_hold=True)
    clock.advance(SECOND)
    assert files.touch_access_time("/d/f").access_time == START
    assert files.touch_access_time("/d/other").access_time == START + SECOND


def test_lock_is_shown_until_after_it_has_ended() -> None:
    files, clock = make()
    files.lock_file("/d/f", retention_ns=START + SECOND, legal_hold=True)
    shown = {"legal_hold": True, "retention_period": "2027-01-15T08:00:01Z"}
    assert files.attributes("/d/f", lock=True)["lock"] == shown
    clock.advance(5 * SECOND)
    assert files.attributes("/d/f", lock=True)["lock"] == shown


def test_lock_of_a_snapshot_is_that_of_its_time() -> None:
    files, _ = make()
    snapshot = files.take_snapshot("/d", "s").id
    files.lock_file("/d/f", legal_hold=True)
    assert not files.attributes("/d/f", snapshot=snapshot, lock=True)["lock"]["legal_hold"]


@pytest.mark.parametrize("retention_ns", [START, START - SECOND])
def test_retention_must_end_in_the_future(retention_ns: int) -> None:
    files, _ = make()
    with pytest.raises(ModelError, match="in the past") as caught:
        files.lock_file("/d/f", retention_ns=retention_ns, legal_hold=True)
    assert caught.value.status == 400
    assert files.attributes("/d/f", lock=True)["lock"]["legal_hold"] is False


@given(
    steps=st.lists(
        st.tuples(st.integers(-100, 100), st.sampled_from([None, True, False]), st.integers(0, 50))
    )
)
def test_retention_never_shortens(steps: list[tuple[int, bool | None, int]]) -> None:
    files, clock = make()
    latest = 0
    for seconds, hold, pause in steps:
        clock.advance(pause * SECOND)
        until = clock.now_ns() + seconds * SECOND
        accepted = True
        try:
            files.lock_file("/d/f", retention_ns=until, legal_hold=hold)
        except ModelError:
            accepted = False
        assert accepted == (until == latest or until > max(latest, clock.now_ns()))
        latest = until if accepted else latest
        rare = files.resolve("/d/f").rare
        assert ((rare.retention_ns if rare is not None else None) or 0) == latest
