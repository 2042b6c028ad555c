# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.cluster_clock import (
    ClusterClock,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain import (
    file_lock_report,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.written import (
    WrittenBetween,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    ConflictError,
    InputError,
    ProtocolError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_locks import (
    LockRequest,
    LockState,
    Plan,
    apply,
    check_clock,
    make_request,
    plan,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.files import FileInfo
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    format_rfc3339,
)

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=timezone.utc)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc))
UNITS = ["s", "min", "h", "d", "w", "mo", "y"]
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
        slack=changes.get("slack"),
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
    with pytest.raises(InputError, match="in the past"):
        request_for("2026-05-03")
    with pytest.raises(InputError, match="in the past"):
        request_for("0d")
    with pytest.raises(InputError, match="could be minutes or months"):
        request_for("5min", max_retention="6m")
    with pytest.raises(InputError, match="is not a span of time"):
        request_for("5min", max_retention="2027-01-01")


def test_slack_is_for_relative_periods_only() -> None:
    assert request_for("30d").slack == timedelta(hours=1)
    assert request_for("30d", slack="2d").slack == timedelta(days=2)
    assert request_for("30d", slack="0").slack == timedelta(0)
    for text in ("2026-12-31", "2026-12-31T18:00:00Z"):
        assert request_for(text).slack == timedelta(0)
        with pytest.raises(InputError, match="slack applies only to a relative retention period"):
            request_for(text, slack="1h")


def test_a_date_is_reached_exactly() -> None:
    request = request_for("2026-12-31")
    assert request.until is not None
    for short in (timedelta(seconds=1), timedelta(minutes=59)):
        assert plan("/a", LockState(request.until - short, False), request).until == request.until
    assert not plan("/a", LockState(request.until, False), request).changes
    with pytest.raises(ConflictError, match="longer than"):
        plan("/a", LockState(request.until + timedelta(seconds=1), False), request)


@given(
    st.builds(lambda count, unit: f"{count}{unit}", st.integers(1, 60), st.sampled_from(UNITS)),
    st.lists(MOMENTS, min_size=2, max_size=5).map(sorted),
)
def test_a_task_that_runs_again_never_fails_and_never_promises_less(
    retention: str, moments: list[datetime]
) -> None:
    state = LockState(None, False)
    for now in moments:
        request = make_request(
            now=now,
            retention=retention,
            legal_hold=None,
            slack="0s",
            max_retention="60y",
            keep_longer=False,
        )
        after = plan("/a", state, request).result(state)
        assert after.until is not None and request.until is not None
        assert after.until >= request.until
        assert state.until is None or after.until >= state.until
        state = after


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
    wanted = file_lock_report.Wanted.make(now=NOW, status=status, before="1mo", older_than=None)
    assert wanted.matches(info(), state) is expected


def test_a_report_on_old_files_leaves_out_new_ones() -> None:
    wanted = file_lock_report.Wanted.make(now=NOW, status="all", before=None, older_than="7d")
    assert not wanted.matches(info(), LockState(None, False))
    old = info(modification_time="2026-01-01T00:00:00Z")
    assert wanted.matches(old, LockState(None, False))


@given(
    st.integers(0, 100),
    st.datetimes(
        datetime(2026, 4, 1), datetime(2026, 5, 4, 3, 2, 1), timezones=st.just(timezone.utc)
    ),
)
def test_older_and_newer_divide_all_files(days: int, written: datetime) -> None:
    text = format_rfc3339(written)
    older = WrittenBetween.make(now=NOW, older_than=f"{days}d").matches(text)
    assert older == (written <= NOW - timedelta(days=days))
    if days:
        assert WrittenBetween.make(now=NOW, newer_than=f"{days}d").matches(text) is not older


def test_older_and_newer_together_are_between_the_two() -> None:
    between = WrittenBetween.make(now=NOW, older_than="1d", newer_than="7d")
    assert [
        between.matches(format_rfc3339(NOW - timedelta(days=days))) for days in (0, 1, 6, 7, 8)
    ] == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"older_than": "7d", "newer_than": "1d"}, "longer than older_than 7d"),
        ({"older_than": "7d", "newer_than": "7d"}, "longer than older_than 7d"),
        ({"newer_than": "0s"}, "greater than zero"),
        ({"older_than": "6m"}, "older_than: '6m' could be minutes or months"),
        ({"newer_than": "1mo"}, "newer_than: '1mo' depends on the calendar"),
        ({"older_than": "999999w"}, "before the year 1"),
    ],
)
def test_ages_that_no_file_has_are_refused(options: dict[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        WrittenBetween.make(now=NOW, **options)


@pytest.mark.parametrize("before", ["0d", "2026-05-03", "2020-01-01T00:00:00Z"])
def test_nothing_can_still_end_before_now(before: str) -> None:
    with pytest.raises(InputError, match="which is in the past"):
        file_lock_report.Wanted.make(now=NOW, status="expiring", before=before)


def test_a_lock_in_words() -> None:
    assert LockState(None, False).describe() == "not locked"
    both = LockState(NOW, True).describe()
    assert both == "retained until 2026-05-04T03:02:01Z, under legal hold"


class Cluster:
    """A client of a cluster that confirms a lock of its own."""

    def __init__(self, until: str | None, hold: bool) -> None:
        self._lock = {"retention_period": until, "legal_hold": hold}
        self.rest = self

    def request(self, _method: str, _uri: str, **_options: object) -> dict[str, object]:
        return {"lock": self._lock}


def test_what_the_cluster_confirms_is_what_counts() -> None:
    cluster: Any = Cluster("2026-07-01T00:00:00Z", False)
    asked = Plan(NOW + timedelta(days=30))
    state = LockState.of(apply(cluster, info(), asked))
    assert state.until == datetime(2026, 7, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("until", "hold", "asked", "told"),
    [
        ("2026-05-05T00:00:00Z", False, Plan(NOW + timedelta(days=9)), "retained /a until 2026-05"),
        (None, False, Plan(NOW + timedelta(days=9)), "until no time, and not until 2026-05-13T"),
        (None, False, Plan(None, True), "did not set the legal hold of /a"),
        (None, True, Plan(None, False), "did not release the legal hold of /a"),
    ],
)
def test_less_than_requested_is_an_error(
    until: str | None, hold: bool, asked: Plan, told: str
) -> None:
    cluster: Any = Cluster(until, hold)
    with pytest.raises(ProtocolError, match=told):
        apply(cluster, info(), asked)
