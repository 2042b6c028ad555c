# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locking many files in one run."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

from . import file_locks, files
from .client import Client
from .domain import hard_links
from .domain import named as named_paths
from .domain.file_refs import FileRef
from .domain.granted import check_granted
from .domain.hard_links import LinkedElsewhereError
from .domain.written import AT_ANY_TIME, WrittenBetween
from .errors import ConflictError, InputError, NotFoundError, QumuloError
from .file_locks import FileResult, LockRequest, LockState, plan
from .files import DIRECTORY, FILE, FileInfo
from .globs import PathFilter, Unmatched
from .times import format_rfc3339

_SHOWN = 3


# -- targets ------------------------------------------------------------------------------------


@dataclass
class Targets:
    """Files that are named, and directories to walk."""

    named: list[FileInfo] = field(default_factory=list)
    roots: list[FileInfo] = field(default_factory=list)
    failed: list[tuple[FileRef, QumuloError]] = field(default_factory=list)


def find_targets(
    client: Client, refs: Sequence[FileRef], *, recurse: bool, workers: int
) -> Targets:
    """Read all files and directories that are named.

    :raises InputError: nothing is named.
    """
    if not refs:
        raise InputError("No file is named: set path or file_id.")
    targets = Targets()
    if not recurse:
        targets.named, targets.failed = file_locks.read_targets(client, refs, workers=workers)
        _explain(client, targets.failed)
        return targets
    for ref in refs:
        try:
            info = files.get(client, ref, lock=True)
            if info.type != DIRECTORY:
                file_locks.check_type(info)
        except QumuloError as exc:
            targets.failed.append((ref, exc))
            continue
        (targets.roots if info.type == DIRECTORY else targets.named).append(info)
    _explain(client, targets.failed)
    targets.named = list({info.id: info for info in targets.named}.values())
    roots = {info.path.rstrip("/") + "/": info for info in targets.roots}
    targets.roots = [roots[path] for path in files.outermost(sorted(roots))]
    return targets


def _explain(client: Client, failed: list[tuple[FileRef, QumuloError]]) -> None:
    """Say what may be meant by the first few paths that do not exist; the others cost no time."""
    for at, (ref, error) in enumerate(failed[:_SHOWN]):
        if ref.is_path and isinstance(error, NotFoundError):
            failed[at] = ref, named_paths.explained(client, ref.text, error)


def below(
    client: Client,
    roots: Sequence[FileInfo],
    *,
    include: Sequence[str],
    exclude: Sequence[str],
    named: Iterable[FileInfo] = (),
    see: Callable[[str], None] | None = None,
    links: hard_links.Names | None = None,
    on_error: Callable[[str, QumuloError], None],
) -> Iterator[FileInfo]:
    """Yield the matching files below directories, each once, even with several hard links.

    :param named: files that are dealt with already.
    :param links: gets the names of files with several hard links. Such a file is yielded when all
        of its names are known, or else at the end.
    :param see: gets the path of everything that is found; what lies in an excluded directory
        is not looked for.
    """
    wanted = PathFilter(include, exclude).below([root.path for root in roots])
    known = {info.id for info in named}
    linked: set[str] = set()
    waiting: dict[str, FileInfo] = {}
    skip = wanted.excludes_all_in
    entered = []
    for root in roots:
        if not skip(root.path.rstrip("/")):
            entered.append(root.ref)
        elif see is not None:
            see(root.path)
    for info in files.walk(client, entered, skip=skip, on_error=on_error):
        if see is not None:
            see(info.path)
        if info.type != FILE or info.id in known or not wanted.matches(info.path):
            continue
        if info.num_links > 1:
            if info.id in linked:
                continue
            if links is not None and not links.add(info):
                waiting[info.id] = info
                continue
            linked.add(info.id)
            waiting.pop(info.id, None)
        yield info
    yield from waiting.values()


# -- locking ------------------------------------------------------------------------------------


class _ByPath:
    """A result that a heap orders by its path, with the last path on top."""

    def __init__(self, result: FileResult) -> None:
        self.result = result

    def __lt__(self, other: _ByPath) -> bool:
        return other.result.info.path < self.result.info.path


class _First:
    """The first few results by path, in whatever order they come."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[_ByPath] = []

    def add(self, result: FileResult) -> None:
        """Take in a result, which can push out that with the last path."""
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, _ByPath(result))
        elif self._heap:
            heapq.heappushpop(self._heap, _ByPath(result))

    def sorted(self) -> list[FileResult]:
        """Return the results by path."""
        return sorted((each.result for each in self._heap), key=lambda each: each.info.path)


@dataclass
class _Tally:
    max_results: int
    locked: int = 0
    unchanged: int = 0
    left_out: int = 0
    held_back: int = 0
    failures: int = 0
    #: Ends of retention periods, of all files.
    earliest: datetime | None = None
    latest: datetime | None = None
    failed: list[dict[str, Any]] = field(default_factory=list)
    linked: list[dict[str, Any]] = field(default_factory=list)
    #: The thread that lists directories is not the one that waits for locks.
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        #: Of all files, for the list; of those that change, for the diff.
        self._shown, self._changed = _First(self.max_results), _First(self.max_results)

    def done(self, result: FileResult) -> None:
        if result.changed:
            self.locked += 1
            self._changed.add(result)
        else:
            self.unchanged += 1
        until = result.after.until
        if until is not None:
            self.earliest = until if self.earliest is None else min(self.earliest, until)
            self.latest = until if self.latest is None else max(self.latest, until)
        self._shown.add(result)

    def leave_out(self) -> None:
        with self._lock:
            self.left_out += 1

    def hold_back(self, error: LinkedElsewhereError) -> None:
        self.held_back += 1
        if len(self.linked) < self.max_results:
            info = error.info
            reason = {"path": info.path, "file_id": info.id, "links": info.num_links}
            self.linked.append({**reason, "reason": error.message})

    def fail(self, path: str, error: QumuloError) -> None:
        with self._lock:
            self.failures += 1
            if len(self.failed) < self.max_results:
                self.failed.append({"path": path, "reason": error.message, "status": error.status})

    def warnings(self) -> list[str]:
        """Return a sentence about files that are held back, if there are any."""
        if not self.held_back:
            return []
        files = "1 file was" if self.held_back == 1 else f"{self.held_back} files were"
        first = [min(self.linked, key=itemgetter("path"))["reason"]] if self.linked else []
        step = "To lock such a file, name it in path, or set hard_links to lock."
        return [" ".join([f"{files} held back and not locked.", *first, step])]

    def render(self, request: LockRequest) -> dict[str, Any]:
        shown, changed = self._shown.sorted(), self._changed.sorted()
        hidden = self.locked - len(changed)
        rest = f"... and {hidden} more\n" if hidden else ""
        rendered: dict[str, Any] = {
            "changed": self.locked > 0,
            "locked": self.locked,
            "unchanged": self.unchanged,
            "left_out": self.left_out,
            "held_back": self.held_back,
            "held_back_files": sorted(self.linked, key=itemgetter("path")),
            "files": [result.render() for result in shown],
            "truncated": self.locked + self.unchanged > len(shown),
            "diff": {
                "before": _lines((r.info, r.before) for r in changed) + rest,
                "after": _lines((r.info, r.after) for r in changed) + rest,
            },
        }
        if request.until is not None:
            rendered["retention_requested"] = format_rfc3339(request.until)
            # As the cluster confirmed it, or as it would be in check mode.
            for name, until in (
                ("retention_until", self.earliest),
                ("retention_until_latest", self.latest),
            ):
                rendered[name] = None if until is None else format_rfc3339(until)
        if request.hold is not None:
            rendered["legal_hold"] = request.hold
        return rendered


def _lines(locks: Iterable[tuple[FileInfo, LockState]]) -> str:
    return "".join(f"{info.path}: {state.describe()}\n" for info, state in locks)


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
    linked: str = hard_links.LOCK,
) -> dict[str, Any]:
    """Lock files, in parallel, and return what a module reports.

    Everything that is named is read and planned before anything is locked.

    :param written: files that were last written at another time are left out and counted.
    :param linked: ``HOLD_BACK`` the files below directories that have other names as well.
    :raises ConflictError: some files could not be locked; ``details`` has them and the reasons.
    """
    tally = _Tally(max_results)

    def is_meant(info: FileInfo) -> bool:
        return written.matches(info.modification_time)

    PathFilter(include, exclude)  # what makes no sense is refused before anything is read
    unmatched = Unmatched((*include, *exclude))
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

    names = hard_links.Names() if linked == hard_links.HOLD_BACK else None
    known = {info.id for info in targets.named}

    def is_to_lock(own: Client, info: FileInfo) -> bool:
        if not is_meant(info):
            return False
        # Naming a file itself is a decision; and nothing changes for one that is locked as it is.
        if names is None or info.id in known:
            return True
        if plan(info.path, LockState.of(info), request).changes:
            names.check(own, info)
        return True

    def all_files() -> Iterator[FileInfo]:
        yield from named
        if targets.roots:
            for info in below(
                client,
                targets.roots,
                include=include,
                exclude=exclude,
                named=targets.named,
                see=unmatched.see,
                links=names,
                on_error=tally.fail,
            ):
                if is_meant(info):  # as it was listed; checked again once it is read
                    yield info
                else:
                    tally.leave_out()

    outcomes = file_locks.ensure_each(
        client,
        all_files(),
        request,
        check_mode=check_mode,
        meant=None if names is None and written == AT_ANY_TIME else is_to_lock,
        as_seen=written != AT_ANY_TIME,
        workers=workers,
    )
    for outcome in outcomes:
        if isinstance(outcome.error, LinkedElsewhereError):
            tally.hold_back(outcome.error)
        elif outcome.error is not None:
            tally.fail(outcome.item.path, outcome.error)
        elif outcome.value is not None:
            tally.done(outcome.value)
        else:
            tally.leave_out()
    if tally.failures:
        others = f"{tally.locked} other{'' if tally.locked == 1 else 's'}"
        done = "would be" if check_mode else "was" if tally.locked == 1 else "were"
        failure = _failure(tally, request, f"{others} {done} locked.")
        failure.details["warnings"] = [*unmatched.warnings(), *tally.warnings()]
        raise failure
    if check_mode and tally.locked:
        check_granted(client, "PRIVILEGE_FS_FILE_LOCK_WRITE")
    return {**tally.render(request), "warnings": [*unmatched.warnings(), *tally.warnings()]}


def _failure(tally: _Tally, request: LockRequest, rest: str) -> QumuloError:
    """Return the error for files that could not be locked."""
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
