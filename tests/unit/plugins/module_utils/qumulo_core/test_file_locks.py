# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.cluster_clock import (
    ClusterClock,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    ConflictError,
    InputError,
    ProtocolError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_lock_runs import (
    Wanted,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_locks import (
    LockRequest,
    LockState,
    Plan,
    check_clock,
    make_request,
    plan,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.files import FileInfo

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=timezone.utc)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc))
STATES = st.builds(LockState, until=st.none() | MOMENTS, hold=st.booleans())
REQUESTS = st.builds(
    LockRequest,
    until=st.none() | MOMENTS,
    hold=st.none() | st.booleans(),
    slack=st.timedeltas(timedelta(0), timedelta(days=2)),
    keep_longer=st.booleans(),
)


def info(**changes: object) -> FileInfo:
    values: dict[str, object] = {
        "id": "7",
        "path": "/a",
        "name": "a",
        "type": "file",
        "size": 1,
        "modification_time": "2026-05-01T00:00:00Z",
        "change_time": "2026-05-01T00:00:00Z",
        "access_time": "2026-05-01T00:00:00Z",
        "mode": "0644",
        "owner": "500",
        "group": "513",
        "num_links": 1,
        "owner_type": "LOCAL_USER",
        "owner_value": "admin",
        "group_type": "LOCAL_GROUP",
        "group_value": "Users",
    }
    values.update(changes)
    return FileInfo(**values)  # type: ignore[arg-type]


@given(STATES, REQUESTS)
def test_a_plan_never_shortens_and_a_second_one_is_empty(
    state: LockState, request: LockRequest
) -> None:
    try:
        todo = plan("/a", state, request)
    except ConflictError:
        assert request.until is not None and state.until is not None
        assert request.until < state.until - request.slack and not request.keep_longer
        return
    after = todo.result(state)
    if state.until is not None:
        assert after.until is not None and after.until >= state.until
    if request.until is not None:
        assert after.until is not None and after.until >= request.until - request.slack
    if request.hold is not None:
        assert after.hold == request.hold
    else:
        assert after.hold == state.hold
    assert not plan("/a", after, request).changes


@given(STATES, st.none() | st.booleans())
def test_without_a_retention_none_is_touched(state: LockState, hold: bool | None) -> None:
    assert plan("/a", state, LockRequest(None, hold)).until is None


def test_asking_for_less_shows_both_dates() -> None:
    state = LockState(NOW + timedelta(days=60), False)
    with pytest.raises(ConflictError, match=r"2026-07-03T03:02:01Z.*2026-06-03T03:02:01Z"):
        plan("/a", state, LockRequest(NOW + timedelta(days=30), None))


def test_a_longer_retention_is_kept_if_asked() -> None:
    state = LockState(NOW + timedelta(days=60), False)
    request = LockRequest(NOW + timedelta(days=30), True, keep_longer=True)
    assert plan("/a", state, request) == Plan(until=None, hold=True)


def request_for(retention: str | None, **changes: str) -> LockRequest:
    return make_request(
        now=NOW,
        retention=retention,
        legal_hold=None,
        slack=changes.get("slack", "1h"),
        max_retention=changes.get("max_retention", "1y"),
        keep_longer=False,
    )


def test_what_is_retained_until_the_end_of_the_calendar_is_left_alone() -> None:
    for_ever = LockState(datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc), hold=False)
    request = LockRequest(NOW, None, timedelta(days=1), keep_longer=True)
    assert plan("/a", for_ever, request) == Plan()


def test_the_guard_against_a_slip() -> None:
    assert request_for("1y").until == NOW.replace(year=2027)
    assert request_for("10y", max_retention="10y").until == NOW.replace(year=2036)
    with pytest.raises(InputError, match="max_retention"):
        request_for("366d")
    with pytest.raises(InputError, match="over"):
        request_for("2026-05-03")


@pytest.mark.parametrize("minutes", [-6, 6])
def test_clocks_that_disagree_stop_the_work(minutes: int) -> None:
    clock = ClusterClock(NOW + timedelta(minutes=minutes), NOW, 0.5)
    with pytest.raises(InputError, match="max_clock_skew"):
        check_clock(clock, "5min")
    check_clock(clock, "10min")


def test_a_file_that_was_read_without_its_lock_is_no_unlocked_file() -> None:
    with pytest.raises(ProtocolError):
        LockState.of(info())


@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [
        ("all", LockState(None, False), True),
        ("locked", LockState(NOW + timedelta(1), False), True),
        ("locked", LockState(NOW - timedelta(1), False), False),
        ("locked", LockState(None, True), True),
        ("unlocked", LockState(NOW - timedelta(1), False), True),
        ("unlocked", LockState(None, True), False),
        ("held", LockState(NOW + timedelta(1), False), False),
        ("held", LockState(None, True), True),
        ("expired", LockState(NOW - timedelta(1), True), True),
        ("expired", LockState(None, False), False),
        ("expiring", LockState(NOW + timedelta(days=10), False), True),
        ("expiring", LockState(NOW + timedelta(days=10), True), False),
        ("expiring", LockState(NOW + timedelta(days=90), False), False),
        ("expiring", LockState(NOW - timedelta(days=1), False), False),
    ],
)
def test_which_files_a_report_lists(status: str, state: LockState, expected: bool) -> None:
    wanted = Wanted.make(now=NOW, status=status, before="1mo", older_than=None)
    assert wanted.matches(info(), state) is expected


def test_a_report_on_old_files_leaves_out_new_ones() -> None:
    wanted = Wanted.make(now=NOW, status="all", before=None, older_than="7d")
    assert not wanted.matches(info(), LockState(None, False))
    old = info(modification_time="2026-01-01T00:00:00Z")
    assert wanted.matches(old, LockState(None, False))


def test_a_lock_in_words() -> None:
    assert LockState(None, False).describe() == "not locked"
    both = LockState(NOW, True).describe()
    assert both == "retained until 2026-05-04T03:02:01Z, under legal hold"
