# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide when a file is locked, and which lock its rule requests."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..errors import InputError
from ..file_locks import LockRequest, LockState
from ..files import FileInfo
from ..times import parse_rfc3339
from .pending import Pending
from .rules import Rule
from .versions import Version, is_unchanged

#: A lock that ends earlier than a new one would by no more than this part of the period is enough,
#: because two watchers on one directory must not keep extending each other's locks.
SLACK = 0.1
MAX_SLACK = timedelta(days=1)
#: Tolerance for modification times ahead of the cluster's clock.
CLOCK_ERROR = timedelta(seconds=5)
#: The reason why a file is not put under legal hold again.
HOLD_RELEASED = "its legal hold was released"


def quiet_until(rule: Rule, pending: Pending, info: FileInfo, now: datetime) -> datetime:
    """Return when a file will have been quiet for long enough.

    Both what was seen and the file's own modification time count, so that what was written
    while nobody listened counts, too. A time in the future does not: a modification time is
    somebody's mistake then, and what was seen was seen before the cluster's clock was set back.
    """
    latest = now + CLOCK_ERROR
    times = [pending.seen_at] if pending.seen_at <= latest else []
    if rule.quiet:
        written = parse_rfc3339(info.modification_time)
        times += [written] if written <= latest else []
    return max(times) + rule.quiet if times else now - CLOCK_ERROR


def depends_on_past(rule: Rule, state: LockState) -> bool:
    """Tell whether an earlier lock of the file matters; for most files it does not."""
    return state.until is not None or (rule.hold and not state.hold)


def request_of(
    rule: Rule, info: FileInfo, state: LockState, known: Version | None, now: datetime
) -> LockRequest:
    """Return the lock that a rule requests for a file at ``now``; a longer one is left alone.

    - A retention period begins once for each version of a file's data, at the time of its lock.
      While it lasts, the rule's period counts from that time, so that a second look at the file
      does not extend it. When it is over, it is over.
    - A legal hold is set once for each version. If it is missing later, it was released.

    :param known: what is remembered of the file.
    :raises InputError: the date of the rule is in the past.
    """
    hold = True if rule.hold and not was_released(info, state, known) else None
    since = running_since(info, state, known, now) or now
    until = rule.until(since)
    if since is now and state.until is not None and is_unchanged(info, state, known):
        until = None
    if until is not None and until <= now:
        if since is now:
            raise InputError(rule.over(now))
        until = None  # it is retained for longer than the rule requires
    slack = timedelta(0)
    if until is not None and not rule.has_fixed_end:
        slack = min((until - since) * SLACK, MAX_SLACK)
    return LockRequest(until, hold, slack, keep_longer=True)


def running_since(
    info: FileInfo, state: LockState, known: Version | None, now: datetime
) -> datetime | None:
    """Return when the current retention period began; None if there is none.

    While it lasts, only setting the lock changes the file, so that its change time tells, unless
    a hold was set or released since.
    """
    if state.until is None or state.until <= now:
        return None
    if known is not None and known.is_of(info):
        return known.locked_at
    return parse_rfc3339(info.change_time)


def was_released(info: FileInfo, state: LockState, known: Version | None) -> bool:
    """Tell whether the legal hold of this version of a file was released."""
    return not state.hold and known is not None and known.held and known.is_of(info)
