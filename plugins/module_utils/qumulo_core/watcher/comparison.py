# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare recorded locks with the cluster: what is proven, what is disproved, what is neither."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum

from .. import file_locks
from ..cluster_clock import ClusterClock
from ..errors import InputError
from ..file_locks import LockState
from ..files import FILE, FileInfo
from ..times import format_rfc3339
from .lock_record import LockRecord
from .requests import HOLD_RELEASED, request_of
from .rules import Rule, RuleSet
from .versions import Version


class Verdict(Enum):
    """What a comparison proves."""

    PROVEN = "as recorded"
    RELEASED = "released"  # by somebody who may release a hold
    DISPROVED = "not as recorded"
    UNCHECKED = "could not be checked"


@dataclass(frozen=True)
class Comparison:
    """The verdict on one recorded lock.

    :param text: says why; empty if there is nothing to say.
    """

    verdict: Verdict
    text: str = ""


@dataclass(frozen=True)
class Times:
    """The present time by both clocks.

    Usually the cluster's clock decides. If the clocks disagree, a period counts as over only if it
    is over by both: a cluster's clock that was set ahead ends retention periods too early.
    """

    cluster: datetime
    host: datetime
    disagreement: str = ""

    @classmethod
    def of(cls, clock: ClusterClock, max_skew: timedelta) -> Times:
        """Return the present times.

        :param max_skew: difference that is no disagreement.
        """
        now = clock.now()
        host = datetime.now(timezone.utc)
        skew = now - host
        if abs(skew) - timedelta(seconds=clock.uncertainty) <= max_skew:
            return cls(now, now)
        ahead = "ahead of" if skew > timedelta(0) else "behind"
        seconds = timedelta(seconds=round(abs(skew).total_seconds()))
        return cls(
            now,
            host,
            f"The cluster's clock is {seconds} {ahead} this host's, more than max_clock_skew: "
            "retention periods may end too early. Correct the clock that is wrong.",
        )

    def is_over(self, until: datetime) -> bool:
        """Tell whether a retention period is over."""
        return until <= min(self.cluster, self.host)


def compare(
    record: LockRecord, until: datetime | None, info: FileInfo | None, rules: RuleSet, times: Times
) -> Comparison:
    """Compare the last recorded lock of a file with what the cluster holds.

    :param until: the latest end of a retention period in all records of the file, because a period
        can never be shortened.
    :param info: the file with its lock; None if it does not exist.
    """
    running = until is not None and not times.is_over(until)
    if info is None:
        return compare_gone(record, running)
    if info.type != FILE:
        return _disproved(f"it is a {info.type}, though it was {record.describe()}")
    state = LockState.of(info)
    wrong = contradiction(record, until, info, state, running)
    if wrong:
        return _disproved(wrong)
    if record.version.held and not state.hold:
        if record.version.is_of(info) and record.change_time == info.change_time:
            # Releasing a hold would have changed the file.
            return _disproved(f"{state.describe()}, and the recorded legal hold is missing")
        return Comparison(Verdict.RELEASED, f"{state.describe()}: {HOLD_RELEASED}")
    if running or state.hold:
        short = shortfall(info, state, record.version, rules, times.cluster)
        if short:
            return _disproved(short)
    return Comparison(Verdict.PROVEN)


def compare_gone(record: LockRecord, running: bool) -> Comparison:
    """Compare a recorded lock with the fact that the file does not exist.

    :param running: its retention period is not over.
    """
    if running:
        return _disproved(
            f"it is gone, though it was {record.describe()}. Its lock was destroyed, for example "
            "by a cluster's clock that was set ahead, or the file never existed"
        )
    if record.version.held:
        return Comparison(
            Verdict.UNCHECKED,
            f"it is gone, and it was {record.describe()}. Its legal hold was released before it "
            "was deleted, or the file never existed",
        )
    return Comparison(
        Verdict.UNCHECKED,
        f"it is gone. It was {record.describe()}, which is over, or it never existed",
    )


def contradiction(
    record: LockRecord, until: datetime | None, info: FileInfo, state: LockState, running: bool
) -> str:
    """Return what a file's retention and data contradict of its records; else nothing.

    A period can be extended, but never shortened or removed, and nobody can write to the file
    before it is over.
    """
    same_data = record.version.is_of(info)
    if (
        until is not None
        and (running or same_data)
        and (state.until is None or state.until < until)
    ):
        return f"{state.describe()}, though it was retained until {format_rfc3339(until)}"
    if running and not same_data:
        return f"its data changed while it was {record.describe()}"
    if same_data and record.size is not None and record.size != info.size:
        return f"it has {info.size} bytes, and {record.size} were recorded"
    return ""


def shortfall(
    info: FileInfo, state: LockState, known: Version | None, rules: RuleSet, now: datetime
) -> str:
    """Return what the rules require of a locked file that its lock does not have; else nothing."""
    rule = rules.decide(info.path, info.size).rule
    if rule is None:
        return ""
    try:
        request = request_of(rule, info, state, known, now)
    except InputError as exc:  # the date of the rule is over
        return exc.message
    todo = file_locks.plan(info.path, state, request)
    return required(rule, state, todo) if todo.until is not None or todo.hold else ""


def required(rule: Rule, state: LockState, todo: file_locks.Plan) -> str:
    """Return how a file is locked, and what its rule requires beyond that."""
    parts = []
    if todo.until is not None:
        parts.append(f"retention until {format_rfc3339(todo.until)}")
    if todo.hold:
        parts.append("a legal hold")
    return f"{state.describe()}, and rule '{rule.name}' requires {' and '.join(parts)}"


def _disproved(text: str) -> Comparison:
    return Comparison(Verdict.DISPROVED, text)
