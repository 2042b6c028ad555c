# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    checkpoints,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.order import (
    check_pair,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    ConflictError,
    InputError,
    NotFoundError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.snapshots import (
    Snapshot,
    beyond_newest,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
COMMITTED, DELIVERED, RUNNING, DEAD = "committed", "delivered", "running", "dead"


def snapshot(number: int, kind: str, name: str = "changelist-a.0123456789abcdef") -> Snapshot:
    taken = NOW - timedelta(days=2)
    expires = {
        COMMITTED: None,
        DELIVERED: taken + checkpoints.WAIT,
        RUNNING: NOW + checkpoints.LEASE,
        DEAD: NOW - timedelta(seconds=1),
    }[kind]
    return Snapshot(number, f"{number}_{name}", name, taken, "3", "/p", expires, None, None)


def state(*kinds: str) -> checkpoints.State:
    found = [snapshot(number, kind) for number, kind in enumerate(kinds, 1)]
    return checkpoints.state_of(reversed(found), "a", "3", NOW)


def ids(found: list[Snapshot]) -> list[int]:
    return [one.id for one in found]


def test_expirations_tell_how_far_a_snapshot_is() -> None:
    found = state(COMMITTED, DEAD, DELIVERED, RUNNING, COMMITTED, DELIVERED)
    assert ids(found.committed) == [1, 5] and ids(found.running) == [4]
    assert ids(found.delivered) == [3, 6] and ids(found.waiting) == [6]
    assert found.base is not None and found.base.id == 5
    assert state().base is None and ids(state(DELIVERED).waiting) == [1]


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "changelist-a",
        "changelist-a.0123",
        "changelist-b.0123456789abcdef",
        "changelist-a.b.0123456789abcdef",
        "changelist-a.0123456789abcdeg",
    ],
)
def test_others_are_passed_over(name: str) -> None:
    others = [snapshot(1, COMMITTED, name)]
    assert checkpoints.state_of(others, "a", "3", NOW) == checkpoints.State()
    assert not checkpoints.state_of([snapshot(1, COMMITTED)], "a", "4", NOW).committed


@pytest.mark.parametrize(
    ("kinds", "delivery", "keep", "target", "deleted"),
    [
        ((DELIVERED,), None, 1, 1, []),
        ((COMMITTED, DELIVERED), None, 1, 2, [1]),
        ((COMMITTED, DELIVERED, DELIVERED), None, 1, 3, [1, 2]),
        ((COMMITTED, DELIVERED, DELIVERED), 2, 1, 2, [1]),
        ((COMMITTED, DELIVERED, DELIVERED), None, 2, 3, [2]),
        ((COMMITTED, DELIVERED, RUNNING), None, 1, 2, []),
        ((COMMITTED, COMMITTED), None, 1, None, [1]),
        ((DELIVERED, COMMITTED), 1, 1, None, [1]),
        ((COMMITTED,), None, 1, None, []),
    ],
)
def test_a_commit_moves_first_and_deletes_its_own_then(
    kinds: tuple[str, ...], delivery: int | None, keep: int, target: int | None, deleted: list[int]
) -> None:
    plan = checkpoints.plan_commit(state(*kinds), "a", delivery, keep)
    assert (plan.target.id if plan.target else None) == target
    assert ids(plan.deleted) == deleted
    assert plan.base.id not in deleted


def test_what_was_not_delivered_can_not_be_committed() -> None:
    for kinds, delivery in (((), None), ((RUNNING,), None), ((RUNNING,), 1), ((DELIVERED,), 9)):
        with pytest.raises(NotFoundError):
            checkpoints.plan_commit(state(*kinds), "a", delivery, 1)
    with pytest.raises(InputError):
        checkpoints.plan_commit(state(DELIVERED), "a", None, 0)


@pytest.mark.parametrize(
    "name", ["17_changelist-a.0123456789abcdef", "changelist-a.0123456789abcdef"]
)
def test_the_name_of_a_snapshot_leads_to_the_checkpoint(name: str) -> None:
    with pytest.raises(InputError, match="use the checkpoint's name, 'a'"):
        checkpoints.check_name(name)


@pytest.mark.parametrize("name", ["", "a/b", ".a", "-a", "a b", "a" * 65, "ä"])
def test_a_name_has_to_be_plain(name: str) -> None:
    with pytest.raises(InputError):
        checkpoints.check_name(name)


def test_ids_tell_the_order_of_snapshots_when_the_clock_was_set_back() -> None:
    first = snapshot(10, COMMITTED)
    second = replace(snapshot(11, DELIVERED), taken=first.taken - timedelta(days=30))
    check_pair(second, first)
    with pytest.raises(ConflictError, match="its ID is lower: exchange 'newer' and 'older'"):
        check_pair(first, second)
    assert beyond_newest([second, first], 1) == [first]
