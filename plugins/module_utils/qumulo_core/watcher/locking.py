# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock one file that is due, or decide what else to do with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .. import file_locks, files
from ..client import Client
from ..domain.file_refs import by_id
from ..errors import PRECONDITION_FAILED, ConflictError, NotFoundError, QumuloError
from ..file_locks import LockState
from ..files import FILE, FileInfo
from ..service.retries import FOR_NOW, retry_after
from ..service.spool import Entry, Item, UnreadableItemError
from ..smb_locks import listing
from ..times import format_rfc3339, parse_rfc3339
from . import links
from .clock import ClockError
from .links import TRIES, HeldBackError, Names, several
from .outcomes import Outcome, What
from .pending import Pending, of_listing
from .requests import (
    HOLD_RELEASED,
    depends_on_past,
    quiet_until,
    request_of,
    running_since,
    was_released,
)
from .rules import Decision, RuleSet
from .versions import Version, Versions

#: Seconds between checks of a file that is open for writing.
LOOK_AGAIN = 5.0
#: Seconds until a file is looked at again after a look that showed a wrong clock.
CLOCK_AGAIN = 1.0
#: Attempts to lock a file that changes each time between reading and locking.
LOOKS = 3
#: Entries that a directory puts into the spool at a time.
_BATCH = 1000


@dataclass(frozen=True)
class Context:
    """What a worker needs beside its client.

    :param now: the cluster's clock.
    :param surely: a time that this clock has certainly reached.
    :param check_clock: compares the clock with an answer of the cluster; see :meth:`.clock.Clock`.
    :param wrong_clock: why nothing can be locked by the clock at present, or an empty text.
    :param rules: gives the rules of the moment.
    :param refresh: looks where the watched directories are, unless that was done after a moment
        (``time.monotonic()``); returns the rules that go by it.
    :param put: puts entries into the spool.
    :param versions: remembers what was locked.
    :param names: remembers the names of files with several hard links.
    """

    now: Callable[[], datetime]
    surely: Callable[[], datetime]
    check_clock: Callable[[datetime, datetime | None], None]
    wrong_clock: Callable[[], str]
    rules: Callable[[], RuleSet]
    refresh: Callable[[Client, float], RuleSet]
    put: Callable[[list[Entry]], None]
    versions: Versions
    names: Names
    cluster: str
    max_attempts: int
    dry_run: bool


def handle(client: Client, item: Item, context: Context) -> Outcome:
    """Process an item; every failure becomes an outcome."""
    try:
        pending = Pending.of(item)
        if pending.is_directory:
            return _expand(client, item, pending, context)
        return _file(client, item, pending, context)
    except UnreadableItemError as exc:
        return Outcome(item, What.UNREADABLE, exc.message)
    except NotFoundError:
        return Outcome(item, What.GONE, "it is gone")
    except ClockError:  # it is logged once, and not for each file
        return Outcome(item, What.LATER, due=context.now().timestamp() + CLOCK_AGAIN)
    except QumuloError as exc:
        return failed(item, exc, context)


def failed(item: Item, error: QumuloError, context: Context) -> Outcome:
    """Return the outcome of a failure: another attempt, or giving up."""
    tries = context.max_attempts
    if isinstance(error, HeldBackError):
        tries = min(tries, TRIES)
    if not isinstance(error, FOR_NOW) and item.attempts + 1 >= tries:
        return Outcome(item, What.GIVE_UP, error.message)
    due = context.now().timestamp() + retry_after(item.attempts)
    return Outcome(item, What.LATER, error.message, due=due)


def _decide(
    client: Client, info: FileInfo, pending: Pending, read_at: float, context: Context
) -> tuple[FileInfo, Decision]:
    """Return the decision of the rules about a file, and the file under the name it applies to."""
    if info.num_links > 1 and info.type == FILE:
        candidates = [pending.path, *context.names.of(info.id)]
        info, decision = links.decide(client, info, candidates, context.rules())
        if not decision.covered:
            rules = context.refresh(client, read_at)
            info, decision = links.decide(client, info, candidates, rules)
        return info, decision
    decision = context.rules().decide(info.path, info.size)
    if not decision.covered:
        # A watched directory may have been renamed since it was looked at.
        decision = context.refresh(client, read_at).decide(info.path, info.size)
    return info, decision


def _file(client: Client, item: Item, pending: Pending, context: Context) -> Outcome:
    """Lock a file as it was read; read it again if it changes in between."""
    asked: LockState | None = None
    for _look in range(LOOKS):
        try:
            return _look_at(client, item, pending, context, asked)
        except _ChangedError as exc:
            asked = exc.asked
    return Outcome(item, What.LATER, due=context.now().timestamp() + LOOK_AGAIN)


class _ChangedError(Exception):
    """A file changed between reading and locking it.

    :param asked: the lock that was requested.
    """

    def __init__(self, asked: LockState) -> None:
        super().__init__()
        self.asked = asked


def _look_at(
    client: Client, item: Item, pending: Pending, context: Context, asked: LockState | None
) -> Outcome:
    """Lock a file if it is due.

    :param asked: the lock that was requested last. It may have been set although the cluster
        reported that the file had changed: if the first answer was lost and the request was
        retried, the change was the lock itself.
    """
    sent = context.now()
    info = files.get(client, by_id(pending.file_id), lock=True)
    context.check_clock(sent, client.answered_at)
    info, decision = _decide(client, info, pending, time.monotonic(), context)
    rule = decision.rule
    if rule is None:
        return Outcome(item, What.DONE, decision.reason)
    if info.type != FILE:  # a directory whose time has changed, or a symlink
        return Outcome(item, What.SKIPPED, f"it is a {info.type}", kind=info.type)
    now = context.now()
    ready = quiet_until(rule, pending, info, now)
    if ready > context.surely():
        return Outcome(item, What.LATER, due=ready.timestamp())
    state = LockState.of(info)
    known = context.versions.get(info.id) if depends_on_past(rule, state) else None
    todo = file_locks.plan(info.path, state, request_of(rule, info, state, known, now))
    since = running_since(info, state, known, now)
    if not todo.changes and asked != state:
        return _as_it_is(item, info, state, known, decision, context)
    if todo.changes:
        if decision.held_back:
            context.names.add([(info.id, info.path), (info.id, pending.path)])
            raise HeldBackError(decision.held_back)
        if rule.wait_for_handles and listing.is_open_for_writing(client, info.id):
            return Outcome(item, What.LATER, due=now.timestamp() + LOOK_AGAIN)
        wanted = todo.result(state)
        if not context.dry_run:
            info = _lock(client, info, todo, wanted)
            wanted = LockState.of(info)
        state = wanted
    record = _record(info, state, decision, context, "locked")
    version = Version.of(info, state, since or parse_rfc3339(info.change_time), known)
    return Outcome(item, What.LOCKED, record=record, rule=rule.name, version=version)


def _lock(client: Client, info: FileInfo, todo: file_locks.Plan, asked: LockState) -> FileInfo:
    """Lock a file as it was read; return it as the cluster confirms it.

    :raises _ChangedError: it has changed since it was read.
    """
    try:
        return file_locks.apply(client, info, todo, as_seen=True)
    except ConflictError as exc:
        if exc.status != PRECONDITION_FAILED:
            raise
        raise _ChangedError(asked) from exc


def _as_it_is(
    item: Item,
    info: FileInfo,
    state: LockState,
    known: Version | None,
    decision: Decision,
    context: Context,
) -> Outcome:
    """Return the outcome for a file whose lock needs no change."""
    if known is not None and known.is_of(info) and known.until == state.until:
        if was_released(info, state, known):
            return Outcome(item, What.DONE, HOLD_RELEASED)
        if known.held == state.hold:
            return Outcome(item, What.DONE, "its lock is as recorded, and its data are the same")
    version = Version.of(info, state, parse_rfc3339(info.change_time), known)
    if not state.is_locked(context.now()):
        reason = "its retention period is over, and its data are the same"
        return Outcome(item, What.DONE, reason, version=version)
    record = _record(info, state, decision, context, "already locked")
    return Outcome(item, What.ALREADY, record=record, rule=_name(decision), version=version)


def _record(
    info: FileInfo, state: LockState, decision: Decision, context: Context, outcome: str
) -> dict[str, Any]:
    record = {
        "time": format_rfc3339(context.now()),
        "cluster": context.cluster,
        "file_id": info.id,
        "path": info.path,
        "size": info.size,
        "modification_time": info.modification_time,
        "change_time": info.change_time,
        "data_revision": info.data_revision,
        "retention_until": None if state.until is None else format_rfc3339(state.until),
        "legal_hold": state.hold,
        "links": info.num_links,
        "rule": _name(decision),
        "outcome": outcome,
    }
    if decision.holds:
        record["hold_rules"] = list(decision.holds)
    return record


def _name(decision: Decision) -> str:
    return "" if decision.rule is None else decision.rule.name


def _expand(client: Client, item: Item, pending: Pending, context: Context) -> Outcome:
    """Put the files below a directory that was moved in into the spool."""
    batch: list[FileInfo] = []

    def flush(found: list[FileInfo]) -> None:
        entries = of_listing(found, context.rules(), context.now().timestamp(), moved=True)
        if entries:
            context.names.add(several(found, {entry.key for entry in entries}))
            context.put(entries)

    troubles: list[QumuloError] = []

    def on_error(_path: str, error: QumuloError) -> None:
        # A directory that was deleted in the meantime is no failure.
        if not isinstance(error, NotFoundError):
            troubles.append(error)

    # Few threads of its own: this runs on one of the workers.
    for info in files.walk(client, [by_id(pending.file_id)], workers=4, on_error=on_error):
        if info.type == FILE:
            batch.append(info)
        if len(batch) >= _BATCH:
            flush(batch)
            batch = []
    flush(batch)
    if troubles:
        raise troubles[0]  # tried again, now that everything that could be listed is in the spool
    return Outcome(item, What.DONE, "its files are looked at")
