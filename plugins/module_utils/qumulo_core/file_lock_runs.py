# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locking many files in one run, and reporting on the locks of many."""

from __future__ import annotations

import heapq
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import file_locks, files
from .changelist.entries import raw
from .changelist.sorting import Sorter
from .client import Client
from .common.csv_text import CsvText
from .domain.file_refs import FileRef
from .domain.written import AT_ANY_TIME, WrittenBetween
from .durations import is_over, parse_moment
from .errors import ConflictError, InputError, QumuloError
from .file_locks import FileResult, LockRequest, LockState, plan, render_lock
from .files import DIRECTORY, FILE, FileInfo
from .globs import PathFilter
from .output import AtomicFile
from .pool import map_unordered
from .times import format_rfc3339

_SHOWN = 3
STATUSES = ("all", "locked", "held", "expiring", "expired", "unlocked")


# -- targets ------------------------------------------------------------------------------------


@dataclass
class Targets:
    """Files that are named, and directories that are to be walked."""

    named: list[FileInfo] = field(default_factory=list)
    roots: list[FileInfo] = field(default_factory=list)
    failed: list[tuple[FileRef, QumuloError]] = field(default_factory=list)


def find_targets(
    client: Client, refs: Sequence[FileRef], *, recurse: bool, workers: int
) -> Targets:
    """Read everything that is named.

    :raises InputError: nothing is named.
    """
    if not refs:
        raise InputError("No file is named: set path or file_id.")
    targets = Targets()
    if not recurse:
        targets.named, targets.failed = file_locks.read_targets(client, refs, workers=workers)
        return targets
    for ref in refs:
        try:
            info = files.get(client, ref, lock=True)
        except QumuloError as exc:
            targets.failed.append((ref, exc))
            continue
        (targets.roots if info.type == DIRECTORY else targets.named).append(info)
    targets.named = list({info.id: info for info in targets.named}.values())
    roots = {info.path.rstrip("/") + "/": info for info in targets.roots}
    targets.roots = [roots[path] for path in files.outermost(sorted(roots))]
    return targets


def below(
    client: Client,
    roots: Sequence[FileInfo],
    *,
    include: Sequence[str],
    exclude: Sequence[str],
    named: Iterable[FileInfo] = (),
    on_error: Callable[[str, QumuloError], None],
) -> Iterator[FileInfo]:
    """Yield the files below directories that are meant, each once however many links it has.

    :param named: files that are dealt with already.
    """
    wanted = PathFilter(include, exclude)
    known = {info.id for info in named}
    linked: set[str] = set()
    for info in files.walk(client, [root.ref for root in roots], on_error=on_error):
        if info.type != FILE or info.id in known or not wanted.matches(info.path):
            continue
        if info.num_links > 1:
            if info.id in linked:
                continue
            linked.add(info.id)
        yield info


# -- locking ------------------------------------------------------------------------------------


@dataclass
class _Tally:
    max_results: int
    locked: int = 0
    unchanged: int = 0
    left_out: int = 0
    failures: int = 0
    #: Ends of retention periods, of all files.
    earliest: datetime | None = None
    latest: datetime | None = None
    shown: list[FileResult] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    #: Directories are listed by another thread than that which waits for locks.
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def done(self, result: FileResult) -> None:
        if result.changed:
            self.locked += 1
        else:
            self.unchanged += 1
        until = result.after.until
        if until is not None:
            self.earliest = until if self.earliest is None else min(self.earliest, until)
            self.latest = until if self.latest is None else max(self.latest, until)
        if len(self.shown) < self.max_results:
            self.shown.append(result)

    def leave_out(self) -> None:
        with self._lock:
            self.left_out += 1

    def fail(self, path: str, error: QumuloError) -> None:
        with self._lock:
            self.failures += 1
            if len(self.failed) < self.max_results:
                self.failed.append({"path": path, "reason": error.message, "status": error.status})

    def render(self, request: LockRequest) -> dict[str, Any]:
        self.shown.sort(key=lambda result: result.info.path)
        changed = [result for result in self.shown if result.changed]
        rendered: dict[str, Any] = {
            "changed": self.locked > 0,
            "locked": self.locked,
            "unchanged": self.unchanged,
            "left_out": self.left_out,
            "files": [result.render() for result in self.shown],
            "diff": {
                "before": "".join(f"{r.info.path}: {r.before.describe()}\n" for r in changed),
                "after": "".join(f"{r.info.path}: {r.after.describe()}\n" for r in changed),
            },
        }
        if request.until is not None:
            rendered["retention_requested"] = format_rfc3339(request.until)
            # What the cluster has confirmed, or would be asked for.
            for name, until in (
                ("retention_until", self.earliest),
                ("retention_until_latest", self.latest),
            ):
                rendered[name] = None if until is None else format_rfc3339(until)
        if request.hold is not None:
            rendered["legal_hold"] = request.hold
        return rendered


def lock(
    client: Client,
    refs: Sequence[FileRef],
    request: LockRequest,
    *,
    recurse: bool,
    include: Sequence[str],
    exclude: Sequence[str],
    workers: int,
    max_results: int,
    check_mode: bool,
    written: WrittenBetween = AT_ANY_TIME,
) -> dict[str, Any]:
    """Lock files, in parallel, and return what a module reports.

    Everything that is named is read and planned before anything is locked.

    :param written: files that were last written at another time are left out, and counted.
    :raises ConflictError: some files could not be locked; ``details`` says which and why.
    """
    tally = _Tally(max_results)

    def is_meant(info: FileInfo) -> bool:
        return written.matches(info.modification_time)

    targets = find_targets(client, refs, recurse=recurse, workers=workers)
    for ref, error in targets.failed:
        tally.fail(str(ref), error)
    named = [info for info in targets.named if is_meant(info)]
    tally.left_out += len(targets.named) - len(named)
    for info in named:
        try:
            plan(info.path, LockState.of(info), request)
        except QumuloError as exc:
            tally.fail(info.path, exc)
    if tally.failures:
        raise _failure(tally, request, "Nothing was locked.")

    def all_files() -> Iterator[FileInfo]:
        yield from named
        if targets.roots:
            for info in below(
                client,
                targets.roots,
                include=include,
                exclude=exclude,
                named=targets.named,
                on_error=tally.fail,
            ):
                if is_meant(info):  # as it was listed; once more when it has been read
                    yield info
                else:
                    tally.leave_out()

    outcomes = file_locks.ensure_each(
        client,
        all_files(),
        request,
        check_mode=check_mode,
        meant=None if written == AT_ANY_TIME else is_meant,
        workers=workers,
    )
    for outcome in outcomes:
        if outcome.error is not None:
            tally.fail(outcome.item.path, outcome.error)
        elif outcome.value is not None:
            tally.done(outcome.value)
        else:
            tally.leave_out()
    if tally.failures:
        raise _failure(tally, request, f"{tally.locked} others were locked.")
    return tally.render(request)


def _failure(tally: _Tally, request: LockRequest, rest: str) -> QumuloError:
    """Return the error for files that could not be locked; a single one speaks for itself."""
    details = {"failed_files": tally.failed, **tally.render(request)}
    del details["diff"]
    reasons = " ".join(item["reason"] for item in tally.failed[:_SHOWN])
    if tally.failures == 1:
        return ConflictError(f"{reasons} {rest}", details=details)
    more = f" (and {tally.failures - _SHOWN} more)" if tally.failures > _SHOWN else ""
    return ConflictError(
        f"{tally.failures} files cannot be locked: {reasons}{more} {rest}",
        details=details,
    )


# -- reporting ----------------------------------------------------------------------------------


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
        """Return the filter for what a person wrote.

        :param now: the cluster's time.
        :raises InputError: a time makes no sense.
        """
        limit = None if before is None else parse_moment(before, now)
        if limit is not None and is_over(limit, now):
            raise InputError(
                f"before '{before}' is {format_rfc3339(limit)}, which is over (the cluster's time "
                f"is {format_rfc3339(now)}), so no retention period can still end before it: name "
                "a later time, or use status expired."
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

    :param dest: write the list there, so that it takes no memory.
    :param formula_guard: disarm what a spreadsheet would take for formulas, in CSV.
    :raises ConflictError: something that is named cannot be read.
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
            # Files come in the order of answers: sorted, the same locks give the same file.
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
        pass  # of which none is wanted
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
    count = 0
    if form != "csv":
        for item in items:
            count += 1
            output.write(json.dumps(item).encode() + b"\n")
        return count
    table = CsvText(_COLUMNS, guard=formula_guard)
    for item in items:
        count += 1
        table.extend([[item[column] for column in _COLUMNS]])
        if table.length > 1 << 16:
            output.write(table.drain().encode("utf-8", "surrogatepass"))
    output.write(table.drain().encode("utf-8", "surrogatepass"))
    return count
