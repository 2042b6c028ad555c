# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import errors, file_locks
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.durations import (
    parse_span,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_locks import (
    LockRequest,
    LockState,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.files import FileInfo
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.config import (
    Section,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.spool import Item
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    format_rfc3339,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.config import (
    parse,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.links import (
    TRIES,
    HeldBackError,
    Names,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.locking import (
    Context,
    What,
    failed,
    retry_after,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.pending import (
    Pending,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.requests import (
    CLOCK_ERROR,
    quiet_until,
    request_of,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.rules import (
    Rule,
    RuleSet,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.versions import (
    Versions,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
SECONDS = st.integers(-100_000, 100_000).map(lambda tenths: timedelta(seconds=tenths / 10))
FILE = FileInfo(
    **dict.fromkeys(FileInfo.__dataclass_fields__, ""),  # type: ignore[arg-type]
)


def rule(quiet: float = 60.0, **options: Any) -> Rule:
    values: dict[str, Any] = {"retention": parse_span("30d"), **options}
    return Rule("r", by_path("/w"), quiet=timedelta(seconds=quiet), **values)


def written(moment: datetime) -> FileInfo:
    time = format_rfc3339(moment)
    return replace(FILE, modification_time=time, change_time=time)


def seen(moment: datetime) -> Pending:
    return Pending("7", "/w/a", moment.timestamp(), is_directory=False)


# -- the quiet period ---------------------------------------------------------------------------


@given(SECONDS, SECONDS, st.integers(0, 100))
def test_no_file_is_ready_before_its_quiet_period_is_over(
    event: timedelta, write: timedelta, quiet: int
) -> None:
    ready = quiet_until(rule(quiet), seen(NOW + event), written(NOW + write), NOW)
    if event <= CLOCK_ERROR:
        assert ready >= NOW + event + timedelta(seconds=quiet)
    if quiet and write <= CLOCK_ERROR:
        assert ready >= NOW + write + timedelta(seconds=quiet)


def test_what_was_written_just_now_counts_though_the_clock_is_a_little_behind() -> None:
    ahead = NOW + timedelta(seconds=0.7)
    assert quiet_until(rule(), seen(NOW - timedelta(hours=1)), written(ahead), NOW) > NOW


def test_a_time_in_the_far_future_does_not_hold_a_file_up() -> None:
    event = NOW - timedelta(minutes=2)
    assert quiet_until(rule(), seen(event), written(NOW + timedelta(days=900)), NOW) < NOW


@pytest.mark.parametrize("quiet", [0, 60])
def test_what_was_seen_before_the_clock_was_set_back_is_ready(quiet: int) -> None:
    later = NOW + timedelta(hours=1)
    assert quiet_until(rule(quiet), seen(later), written(later), NOW) < NOW
    # What is written since then has its quiet period.
    if quiet:
        assert quiet_until(rule(quiet), seen(later), written(NOW), NOW) > NOW


def test_without_a_quiet_period_a_file_is_ready_at_once() -> None:
    ahead = NOW + timedelta(seconds=0.7)
    assert quiet_until(rule(0), seen(NOW), written(ahead), NOW) == NOW


# -- what is asked for --------------------------------------------------------------------------


@given(st.integers(0, 400), st.booleans(), st.sampled_from(["1min", "7d", "1y", "7y", None]))
def test_a_lock_is_never_shortened_nor_a_hold_released(
    days: int, held: bool, retention: str | None
) -> None:
    wanted = rule(retention=None if retention is None else parse_span(retention), hold=True)
    before = LockState(NOW + timedelta(days=days) if days else None, held)
    todo = file_locks.plan("/w/a", before, request_of(wanted, written(NOW), before, None, NOW))
    after = todo.result(before)
    assert after.hold
    if before.until is not None:
        assert after.until is not None
        assert after.until >= before.until
    # As long as the rule asks for, but for what another watcher may have asked a moment ago.
    if retention is not None:
        until = wanted.until(NOW)
        assert until is not None
        assert after.until is not None
        assert after.until - NOW >= (until - NOW) * 0.9 - timedelta(seconds=1)
        assert after.until >= until - timedelta(days=1)


def test_a_rule_without_a_hold_does_not_touch_one() -> None:
    request = request_of(rule(), written(NOW), LockState(None, False), None, NOW)
    assert request.hold is None
    assert request.until == NOW + timedelta(days=30)


# -- what has failed ----------------------------------------------------------------------------


def item(attempts: int) -> Item:
    return Item("7", "[]", 0, 0.0, 1, 0, attempts, "")


SPOOL = SqliteSpool(":memory:", postpone=True)
CONTEXT = Context(
    now=lambda: NOW,
    surely=lambda: NOW,
    check_clock=lambda sent, answered: None,
    wrong_clock=lambda: "",
    rules=lambda: RuleSet([], []),
    refresh=lambda client, since: RuleSet([], []),
    put=lambda entries: None,
    versions=Versions(SPOOL, list),
    names=Names(SPOOL),
    cluster="c",
    max_attempts=3,
    dry_run=False,
)


def test_tries_are_further_and_further_apart_up_to_a_bound() -> None:
    waits = [retry_after(attempts) for attempts in range(100)]
    assert waits == sorted(waits)
    assert waits[0] >= 1.0
    assert waits[-1] == waits[20] <= 600.0


@pytest.mark.parametrize(
    ("error", "given_up"),
    [
        (errors.PermissionDeniedError("no"), True),
        (errors.MissingPrivilegeError("no", privilege="P"), True),
        (errors.InvalidRequestError("no"), True),
        (errors.ProtocolError("no"), True),
        (errors.BusyError("no"), False),
        (errors.UnreachableError("no"), False),
        (errors.AuthenticationError("no"), False),
        (errors.TlsError("no"), False),
    ],
)
def test_only_failures_of_the_file_are_given_up(error: errors.QumuloError, given_up: bool) -> None:
    assert [failed(item(attempts), error, CONTEXT).what for attempts in range(3)] == [
        What.LATER,
        What.LATER,
        What.GIVE_UP if given_up else What.LATER,
    ]
    again = failed(item(1), error, CONTEXT)
    assert again.due > NOW.timestamp()
    assert again.reason == "no"


def test_a_file_that_is_held_back_soon_waits_for_an_operator() -> None:
    patient = replace(CONTEXT, max_attempts=1000)
    outcomes = [failed(item(n), HeldBackError("no"), patient).what for n in range(TRIES)]
    assert outcomes == [What.LATER] * (TRIES - 1) + [What.GIVE_UP]
    assert failed(item(0), HeldBackError("no"), replace(CONTEXT, max_attempts=1)).what is (
        What.GIVE_UP
    )


# -- the configuration --------------------------------------------------------------------------


def configured(*rules: dict[str, Any], **options: Any) -> Any:
    cluster = {"host": "c", "username": "u", "access_token_file": "/t"}
    cluster.pop("username")
    given_rules = [{"path": "/w", "retention": "7d", **each} for each in rules]
    return parse(Section({"cluster": cluster, "name": "n", "rules": given_rules, **options}))


def test_what_is_not_said_is_safe() -> None:
    config = configured({})
    (only,) = config.rules
    assert only.quiet == timedelta(seconds=60)
    assert not only.below("/w").matches("/w/a.tmp")
    assert only.below("/w").matches("/w/a.pdf")
    assert config.existing is False
    assert config.use_snapshots is True


def test_what_is_left_out_can_be_added_to_or_taken_away() -> None:
    added, away = configured(
        {"exclude": ["*.bak"]}, {"name": "x", "exclude_unfinished": False}
    ).rules
    assert not added.below("/w").matches("/w/a.bak")
    assert not added.below("/w").matches("/w/a.tmp")
    assert away.below("/w").matches("/w/a.tmp")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"retention": "0d"}, "greater than zero"),
        ({"retention": "2y"}, "beyond max_retention"),
        ({"retention": "366d"}, "beyond max_retention"),
        (
            {"retention": "6m"},
            r"'rules\[1\]\.retention': '6m' could be minutes or months: write 6min for minutes",
        ),
        ({"quiet": "5m"}, r"'rules\[1\]\.quiet': '5m' could be minutes or months"),
        ({"retention": None}, "locks nothing"),
        ({"path": "w"}, "begin the path in"),
        ({"path": None, "file_id": "x"}, "is not a file ID"),
        ({"path": None}, "either"),
        ({"events": ["deleted"]}, "choose from added, moved, written"),
        ({"min_size": -1}, "min_size"),
        ({"retention": "2031-02-30"}, "not in the calendar"),
        ({"retention": "9998-12-31"}, "beyond max_retention"),
        ({"retention": datetime(2026, 12, 31)}, "with its zone"),
        ({"retention": True}, "a span of time"),
        ({"hard_links": "keep"}, "one of lock, hold_back"),
        ({"retain": "1d"}, "retain"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(errors.InputError, match=told):
        configured(change)


@pytest.mark.parametrize(
    "text",
    ["retention: 2030-12-31", "retention: '2030-12-31'", "retention: 2030-12-31T23:59:59Z"],
)
def test_a_retention_can_be_a_date_with_and_without_quotes(text: str) -> None:
    yaml = pytest.importorskip("yaml")
    (only,) = configured(yaml.safe_load(text), max_retention="500y").rules
    end = datetime(2030, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    assert only.until(NOW) == only.until(NOW + timedelta(days=900)) == end
    assert "retained until 2030-12-31T23:59:59Z" in only.describe(NOW)
    assert only.over(NOW) == ""
    assert "retains files until 2030-12-31" in only.over(end)
    nothing = LockState(None, False)
    info = written(NOW)
    assert request_of(only, info, nothing, None, NOW) == LockRequest(end, None, keep_longer=True)
    with pytest.raises(errors.InputError, match="which is in the past: set a later date"):
        request_of(only, info, nothing, None, end)
    # What is retained for longer needs nothing, whenever the date is over.
    longer = LockState(end + timedelta(days=9), False)
    assert request_of(only, info, longer, None, end + timedelta(days=1)).until is None
    # A lock that ends a day earlier is not enough: all files are retained until the same moment.
    shorter = LockState(end - timedelta(hours=1), False)
    assert file_locks.plan("/w/a", shorter, request_of(only, info, shorter, None, NOW)).changes


@pytest.mark.parametrize("quiet", ["0", 0, "0s", " 0 "])
def test_no_quiet_period_can_be_written_as_text_and_as_number(quiet: object) -> None:
    assert configured({"quiet": quiet}).rules[0].quiet == timedelta(0)


@pytest.mark.parametrize("name", ["silence", "poll_interval"])
def test_there_is_no_waiting_for_no_time(name: str) -> None:
    with pytest.raises(errors.InputError, match=f"'{name}' must be greater than zero"):
        configured({}, **{name: 0})


def test_the_guard_has_the_same_unambiguous_units() -> None:
    with pytest.raises(errors.InputError, match="'max_retention': '6m' could be minutes or months"):
        configured({}, max_retention="6m")


def test_names_are_told_apart_and_become_part_of_others() -> None:
    with pytest.raises(errors.InputError, match="Two rules are called"):
        configured({"name": "a"}, {"name": "a"})
    with pytest.raises(errors.InputError, match="use letters, digits"):
        configured({}, name="a/b")
    assert configured({"path": "/w//"}).rules[0].directory.text == "/w"
    assert configured({"path": "/"}).rules[0].directory.text == "/"
