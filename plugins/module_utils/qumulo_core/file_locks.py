# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WORM file locks: what a lock is, what has to change, and the change itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from . import files
from .client import Client
from .cluster_clock import ClusterClock
from .domain.file_refs import FileRef
from .durations import is_over, is_relative, parse_moment, parse_slack, parse_span, parse_timedelta
from .errors import PRECONDITION_FAILED, ConflictError, InputError, ProtocolError, QumuloError
from .files import FILE, FileInfo
from .pool import Outcome, map_unordered
from .times import format_rfc3339, parse_rfc3339

#: More threads than for other work: each file costs two round trips and next to no bytes.
DEFAULT_WORKERS = 32
#: Attempts to lock a file that changes each time between reading and locking.
_ATTEMPTS = 5


@dataclass(frozen=True)
class LockState:
    """The lock of a file: a retention period until some time, and/or a legal hold."""

    until: datetime | None
    hold: bool

    @classmethod
    def of(cls, info: FileInfo) -> LockState:
        """Return the lock of attributes that were read with it.

        :raises ProtocolError: they were read without it.
        """
        if info.lock is None:
            raise ProtocolError(
                f"The cluster did not return the lock of {info.path}: file locks need Qumulo Core "
                "7.2 or later, and the account needs READ_ACL."
            )
        period = info.lock.get("retention_period")
        return cls(parse_rfc3339(period) if period else None, bool(info.lock.get("legal_hold")))

    def is_locked(self, now: datetime) -> bool:
        """Tell whether the file cannot be changed at ``now``."""
        return self.hold or (self.until is not None and self.until > now)

    def describe(self) -> str:
        """Return the lock in words."""
        parts = []
        if self.until is not None:
            parts.append(f"retained until {format_rfc3339(self.until)}")
        if self.hold:
            parts.append("under legal hold")
        return ", ".join(parts) or "not locked"


@dataclass(frozen=True)
class LockRequest:
    """The requested state of locks.

    :param until: end of the retention period, or None to leave it unchanged.
    :param hold: legal hold on or off, or None to leave it unchanged.
    :param slack: a retention period that ends at most this much before ``until`` is enough.
    :param keep_longer: leave a retention period alone that ends later; otherwise it is an error.
    :param now: the cluster's time; a retention period that is over by then is set again, however
        little it differs.
    """

    until: datetime | None
    hold: bool | None
    slack: timedelta = timedelta(0)
    keep_longer: bool = False
    now: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """What has to be done to one file; nothing, if both are None."""

    until: datetime | None = None
    hold: bool | None = None

    @property
    def changes(self) -> bool:
        """True if there is anything to do."""
        return self.until is not None or self.hold is not None

    def result(self, state: LockState) -> LockState:
        """Return the lock that ``state`` becomes."""
        return LockState(
            state.until if self.until is None else self.until,
            state.hold if self.hold is None else self.hold,
        )


def make_request(
    *,
    now: datetime,
    retention: str | None,
    legal_hold: bool | None,
    slack: str | None,
    max_retention: str,
    keep_longer: bool,
) -> LockRequest:
    """Return a request, unless it exceeds the limit that stops mistakes.

    :param now: the cluster's time; relative periods count from it.
    :param slack: of a relative period; a date or a time is set exactly.
    :raises InputError: the period is invalid, in the past, or beyond ``max_retention``.
    """
    if retention is None:
        return LockRequest(None, legal_hold, keep_longer=keep_longer)
    until = parse_moment(retention, now)
    relative = is_relative(retention)
    if slack is not None and not relative:
        raise InputError(
            f"slack applies only to a relative retention period such as 30d, and '{retention}' is "
            "set exactly: leave slack out."
        )
    if is_over(until, now):
        raise InputError(
            f"The retention period '{retention}' ends {format_rfc3339(until)}, which is in the "
            f"past (the cluster's time is {format_rfc3339(now)}): set a later end."
        )
    limit = parse_moment(str(parse_span(max_retention)), now)
    if until > limit:
        raise InputError(
            f"The retention period '{retention}' would last until {format_rfc3339(until)}, "
            f"beyond max_retention {max_retention} ({format_rfc3339(limit)}), and can never be "
            "removed: if you mean it, set max_retention to a longer span."
        )
    allowed = timedelta(0)
    if relative:
        allowed = parse_slack(slack, until - now)
    return LockRequest(until, legal_hold, allowed, keep_longer, now)


def check_clock(clock: ClusterClock, max_clock_skew: str) -> None:
    """Refuse to lock if the clocks of cluster and host disagree, because one of them is wrong.

    :raises InputError: they differ by more than ``max_clock_skew``.
    """
    limit = parse_timedelta(max_clock_skew)
    skew = abs(clock.skew) - timedelta(seconds=clock.uncertainty)
    if skew > limit:
        ahead = "ahead of" if clock.skew > timedelta(0) else "behind"
        raise InputError(
            f"The cluster's clock is {abs(clock.skew)} {ahead} this host's, more than "
            f"max_clock_skew {max_clock_skew}: a retention period would be wrong. Correct the "
            "clock that is wrong, or raise max_clock_skew."
        )


def plan(path: str, state: LockState, request: LockRequest) -> Plan:
    """Decide what has to be done to a file.

    :raises ConflictError: the retention period would be shortened, which a cluster never allows.
    """
    until = request.until
    over = request.now is not None and state.until is not None and state.until <= request.now
    if until is not None and state.until is not None and not over:
        # Compare differences: adding slack to the end of the calendar would overflow.
        if state.until - until > request.slack and not request.keep_longer:
            raise ConflictError(
                f"{path} is retained until {format_rfc3339(state.until)}, longer than the "
                f"requested {format_rfc3339(until)}. A retention period cannot be shortened: use a "
                "later date, or set on_longer to keep."
            )
        if until - state.until <= request.slack:
            until = None
    hold = request.hold if request.hold is not None and request.hold != state.hold else None
    return Plan(until, hold)


@dataclass(frozen=True)
class FileResult:
    """The result of locking one file."""

    info: FileInfo
    before: LockState
    after: LockState
    changed: bool

    def render(self) -> dict[str, Any]:
        """Return the file as modules show it."""
        return {**render_lock(self.info, self.after), "changed": self.changed}


def render_lock(info: FileInfo, state: LockState) -> dict[str, Any]:
    """Return a file with its lock, as modules show it."""
    return {
        "path": info.path,
        "file_id": info.id,
        "size": info.size,
        "retention_until": None if state.until is None else format_rfc3339(state.until),
        "legal_hold": state.hold,
    }


def read_target(client: Client, ref: FileRef) -> FileInfo:
    """Return a file that is to be locked, with its present lock.

    :raises InputError: it is not a regular file.
    """
    info = files.get(client, ref, lock=True)
    check_type(info)
    return info


def check_type(info: FileInfo) -> None:
    """Refuse to lock what is not a regular file.

    :raises InputError: it is something else.
    """
    if info.type != FILE:
        step = (
            "set recurse to lock the files below it"
            if info.type == files.DIRECTORY
            else "name the file itself"
        )
        raise InputError(f"{info.path} is a {info.type}, and only files can be locked: {step}.")


def apply(client: Client, info: FileInfo, todo: Plan, *, as_seen: bool = False) -> FileInfo:
    """Change the lock of a file and return the file, with the lock that the cluster confirms.

    The file is named by its ID: it stays the same one if it is renamed meanwhile.

    :param as_seen: change it only if the file is still as in ``info``; the returned attributes
        are those of the locked file.
    :raises ConflictError: it is not (status 412).
    :raises ProtocolError: the cluster confirmed something else.
    """
    body: dict[str, Any] = {}
    if todo.until is not None:
        body["retention_period"] = format_rfc3339(todo.until)
    if todo.hold is not None:
        body["legal_hold"] = todo.hold
    # As the SDK's modify_file_lock does, but without the cost of a retry that it never makes.
    answer = client.rest.request(
        "PATCH",
        f"/v1/files/{info.ref.quoted}/file-lock",
        body=body,
        if_match=info.etag if as_seen and info.etag else None,
    )
    # Some versions answer with the attributes of the file, others only with the lock.
    lock = answer.get("lock", answer) if isinstance(answer, dict) else None
    reported = isinstance(lock, dict) and "legal_hold" in lock
    if reported and "id" in answer:
        after = replace(FileInfo.from_attributes(answer), path=info.path)
    elif reported and not as_seen:
        after = replace(info, lock=lock)
    else:
        after = replace(files.get(client, info.ref, lock=True), path=info.path)
    confirmed = LockState.of(after)
    if todo.hold is not None and confirmed.hold != todo.hold:
        raise ProtocolError(
            f"The cluster did not {'set' if todo.hold else 'release'} the legal hold of "
            f"{info.path}: check the file's lock, and try again."
        )
    if todo.until is not None and (confirmed.until is None or confirmed.until < todo.until):
        end = "no time" if confirmed.until is None else format_rfc3339(confirmed.until)
        raise ProtocolError(
            f"The cluster retained {info.path} until {end}, and not until "
            f"{format_rfc3339(todo.until)}: check the file's lock, and try again."
        )
    return after


def ensure(
    client: Client,
    info: FileInfo,
    request: LockRequest,
    *,
    check_mode: bool,
    as_seen: bool = False,
) -> FileResult:
    """Bring the lock of a file to the requested state, or return what it would be.

    :param as_seen: change it only if the file is still as in ``info``.
    :raises ConflictError: it is not (status 412), or the retention period would be shortened.
    """
    state = LockState.of(info)
    todo = plan(info.path, state, request)
    if not todo.changes:
        return FileResult(info, state, state, changed=False)
    if check_mode:
        return FileResult(info, state, todo.result(state), changed=True)
    try:
        after = apply(client, info, todo, as_seen=as_seen)
    except ConflictError as exc:
        if exc.status != PRECONDITION_FAILED:
            raise
        # The request may have taken effect before it was retried, if the first answer was lost.
        after = read_target(client, info.ref)
        if LockState.of(after) != todo.result(state):
            raise
    return FileResult(info, state, LockState.of(after), changed=True)


def ensure_each(
    client: Client,
    targets: Iterable[FileInfo],
    request: LockRequest,
    *,
    check_mode: bool,
    meant: Callable[[Client, FileInfo], bool] | None = None,
    as_seen: bool = True,
    workers: int = DEFAULT_WORKERS,
) -> Iterator[Outcome[FileInfo, FileResult | None]]:
    """Lock files in parallel and independently; yield the results as they arrive.

    A target that was listed without its lock is read first.

    :param meant: decides whether a file that was read is locked; if not, its result is None. What
        it raises becomes the result.
    :param as_seen: with ``meant``, lock a file only if it is still as it was read; otherwise read
        it again. A file with several names is always locked in this way.
    """

    def work(own: Client, info: FileInfo) -> FileResult | None:
        if info.lock is None:
            info = read_target(own, info.ref)
        if meant is None:
            return ensure(own, info, request, check_mode=check_mode)
        for attempt in range(_ATTEMPTS):
            if not meant(own, info):
                return None
            exact = as_seen or info.num_links > 1
            try:
                return ensure(own, info, request, check_mode=check_mode, as_seen=exact)
            except ConflictError as exc:
                if exc.status != PRECONDITION_FAILED or attempt == _ATTEMPTS - 1:
                    raise
            info = read_target(own, info.ref)
        return None

    return map_unordered(client, work, targets, workers=workers)


def read_targets(
    client: Client, refs: Iterable[FileRef], *, workers: int = DEFAULT_WORKERS
) -> tuple[list[FileInfo], list[tuple[FileRef, QumuloError]]]:
    """Read files that are named individually; return each once, and those that failed."""
    found: dict[str, FileInfo] = {}
    failed: list[tuple[FileRef, QumuloError]] = []
    for outcome in map_unordered(client, read_target, refs, workers=workers):
        if outcome.error is not None:
            failed.append((outcome.item, outcome.error))
        elif outcome.value is not None:
            found.setdefault(outcome.value.id, outcome.value)
    failed.sort(key=lambda pair: str(pair[0]))
    return sorted(found.values(), key=lambda info: info.path), failed
