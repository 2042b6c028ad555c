# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports on the locks of many files."""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .. import file_locks
from ..changelist.entries import raw
from ..changelist.sorting import Sorter
from ..client import Client
from ..common.csv_text import write_csv
from ..durations import is_over, parse_moment
from ..errors import InputError, QumuloError
from ..file_lock_runs import below, find_targets
from ..file_locks import LockState, render_lock
from ..files import FileInfo
from ..output import AtomicFile
from ..pool import map_unordered
from ..times import format_rfc3339
from .file_refs import FileRef
from .written import AT_ANY_TIME, WrittenBetween

_SHOWN = 3


@dataclass(frozen=True)
class Wanted:
    """Which files a report lists."""

    now: datetime
    status: str = "all"
    before: datetime | None = None
    written: WrittenBetween = AT_ANY_TIME

    @classmethod
    def make(
        cls,
        *,
        now: datetime,
        status: str,
        before: str | None,
        older_than: str | None = None,
        newer_than: str | None = None,
    ) -> Wanted:
        """Return the filter for the options of a module.

        :param now: the cluster's time.
        :raises InputError: a time is invalid.
        """
        limit = None if before is None else parse_moment(before, now)
        if limit is not None and is_over(limit, now):
            raise InputError(
                f"before '{before}' is {format_rfc3339(limit)}, which is in the past (the "
                f"cluster's time is {format_rfc3339(now)}), so no retention "
                "period can still end before it: set a later time, or use status expired."
            )
        written = WrittenBetween.make(now=now, older_than=older_than, newer_than=newer_than)
        return cls(now, status, limit, written)

    def matches(self, info: FileInfo, state: LockState) -> bool:
        """Tell whether a file is to be listed."""
        if not self.written.matches(info.modification_time):
            return False
        locked = state.is_locked(self.now)
        if self.status == "locked":
            return locked
        if self.status == "unlocked":
            return not locked
        if self.status == "held":
            return state.hold
        if self.status == "expired":
            return state.until is not None and state.until <= self.now
        if self.status == "expiring":
            return (
                not state.hold
                and state.until is not None
                and self.before is not None
                and self.now < state.until < self.before
            )
        return True


@dataclass
class _Totals:
    files: int = 0
    locked: int = 0
    held: int = 0
    expired: int = 0
    unlocked: int = 0
    bytes: int = 0
    unreadable: int = 0

    def count(self, info: FileInfo, state: LockState, now: datetime) -> None:
        locked = state.is_locked(now)
        self.files += 1
        self.bytes += info.size
        self.locked += locked
        self.unlocked += not locked
        self.held += state.hold
        self.expired += state.until is not None and state.until <= now


def report(
    client: Client,
    refs: Sequence[FileRef],
    wanted: Wanted,
    *,
    recurse: bool,
    include: Sequence[str],
    exclude: Sequence[str],
    dest: str | None,
    form: str,
    formula_guard: bool = True,
    workers: int,
    max_results: int,
    check_mode: bool,
) -> dict[str, Any]:
    """Report on locks and return what a module shows.

    :param dest: file for the list, which then takes no memory.
    :param formula_guard: disarm cells that a spreadsheet would take for formulas, in CSV.
    :raises QumuloError: a named file cannot be read.
    """
    totals = _Totals()
    unreadable: list[str] = []
    targets = find_targets(client, refs, recurse=recurse, workers=workers)
    if targets.failed:
        raise targets.failed[0][1]

    def on_error(path: str, error: QumuloError) -> None:
        totals.unreadable += 1
        if len(unreadable) < _SHOWN:
            unreadable.append(f"{path}: {error.message}")

    def all_files() -> Iterator[FileInfo]:
        yield from targets.named
        if targets.roots:
            yield from below(
                client,
                targets.roots,
                include=include,
                exclude=exclude,
                named=targets.named,
                on_error=on_error,
            )

    def work(own: Client, info: FileInfo) -> FileInfo:
        return info if info.lock is not None else file_locks.read_target(own, info.ref)

    def listed() -> Iterator[dict[str, Any]]:
        for outcome in map_unordered(client, work, all_files(), workers=workers):
            if outcome.error is not None or outcome.value is None:
                if outcome.error is not None:
                    on_error(outcome.item.path, outcome.error)
                continue
            info = outcome.value
            state = LockState.of(info)
            totals.count(info, state, wanted.now)
            if wanted.matches(info, state):
                yield {
                    **render_lock(info, state),
                    "locked": state.is_locked(wanted.now),
                    "modification_time": info.modification_time,
                }

    result: dict[str, Any] = {"changed": False}
    if dest is None:
        shown, count = _first(listed(), max_results)
        result.update(files=shown, listed=count, truncated=count > len(shown))
    else:
        with AtomicFile(dest) as output, Sorter(os.path.dirname(output.path)) as sorter:
            # Results arrive in any order. Sorted, the same locks give the same file.
            for item in listed():
                sorter.add(b"%s\0%s" % (raw(item["path"]), json.dumps(item).encode()))
            ordered = (json.loads(record.partition(b"\0")[2]) for record in sorter)
            count = _write(ordered, form, output, formula_guard=formula_guard)
            result["changed"] = output.commit(dry_run=check_mode)
        result.update(files=[], listed=count, truncated=False, dest=output.path)
    result["totals"] = dict(vars(totals))
    if totals.unreadable:
        result["warnings"] = [f"Not readable ({totals.unreadable} in all): {'; '.join(unreadable)}"]
    return result


def _first(items: Iterable[dict[str, Any]], limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return the first few items by path, and how many there are."""
    count = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal count
        for item in items:
            count += 1
            yield item

    every = counted()
    shown = heapq.nsmallest(limit, every, key=lambda item: str(item["path"]))
    for _item in every:
        pass  # with limit 0, nsmallest reads nothing
    return shown, count


_COLUMNS = (
    "path",
    "file_id",
    "size",
    "retention_until",
    "legal_hold",
    "locked",
    "modification_time",
)


def _write(
    items: Iterable[dict[str, Any]], form: str, output: AtomicFile, *, formula_guard: bool
) -> int:
    if form == "csv":
        rows = ([item[column] for column in _COLUMNS] for item in items)
        return write_csv(output.write, _COLUMNS, rows, guard=formula_guard)
    count = 0
    for item in items:
        count += 1
        output.write(json.dumps(item).encode() + b"\n")
    return count
