# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catching up: what has happened since the last checkpoint, into the spool."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from .. import files, snapshots
from ..changelist.diff import changes
from ..changelist.entries import CREATE, MODIFY
from ..client import Client
from ..domain.file_refs import by_path
from ..domain.pruning import prune
from ..errors import MissingPrivilegeError, NotFoundError, PermissionDeniedError, QumuloError
from ..files import DIRECTORY, FILE, FileInfo
from ..pool import map_unordered
from ..service.spool import Entry, Spool
from ..snapshots import Snapshot
from ..times import parse_rfc3339
from . import checkpoints
from .checkpoints import Mark
from .config import Config
from .links import Names, several
from .pending import of_listing
from .requests import CLOCK_ERROR
from .rules import WRITTEN, Root, RuleSet

_LOG = logging.getLogger("lockstep.watcher")
#: Files that are put into the spool at a time.
BATCH = 1000
_WORKERS = 16
#: Most changed names of a directory that are looked at together; more than a few are worth a
#: listing, if the directory has not many times as many.
_RUN, _FEW, _PAYS = 10_000, 20, 20


class CancelledError(QumuloError):
    """Catching up was called off; the next one begins where this one did."""


class CatchUp:
    """Catches up for one watched directory; used by one thread at a time.

    :param rules: gives the rules of the moment.
    :param now: the cluster's clock.
    :param put: puts entries into the spool.
    :param names: remembers the names of files with several hard links.
    :param all_is_new: at the first time, what is there already counts, too.
    :param leave_no_trace: take no snapshots, whatever the configuration says.
    """

    def __init__(
        self,
        client: Client,
        config: Config,
        root: Root,
        spool: Spool,
        rules: Callable[[], RuleSet],
        now: Callable[[], datetime],
        put: Callable[[list[Entry]], None],
        names: Names,
        *,
        all_is_new: bool,
        leave_no_trace: bool = False,
    ) -> None:
        self._client = client
        self._config = config
        self._root = root
        self._spool = spool
        self._rules = rules
        self._now = now
        self._put = put
        self._names = names
        self._all_is_new = all_is_new
        self._cancelled = threading.Event()
        self._walks = leave_no_trace or not config.use_snapshots
        self._taken: Snapshot | None = None
        #: Name of the note of the time up to which all is in the spool.
        self._walked = f"walked:{root.id}"

    def run(self) -> int:
        """Put all that has happened since the last time into the spool; return how many files.

        The stream must be open before: what happens from now on is told by it.

        :raises QumuloError: it did not work; nothing is lost, and the next run begins where this
            one did.
        """
        if not self._walks:
            try:
                return self._by_snapshot()
            except (MissingPrivilegeError, PermissionDeniedError) as exc:
                _LOG.warning("catching up by walking instead of by snapshots: %s", exc)
                self._walks = True
        return self._by_walk()

    def cancel(self) -> None:
        """Let a run that is under way end soon, with a :class:`QumuloError`; for any thread."""
        self._cancelled.set()

    def take(self) -> int | None:
        """Take a snapshot that may become the checkpoint; return its ID, None without snapshots.

        It becomes one by :meth:`settle`. One that does not is deleted with the next tidying.
        """
        if self._walks:
            return None
        self._taken = checkpoints.take(self._client, self._config.name, self._root, self._now())
        return self._taken.id

    def settle(self, snapshot_id: int) -> None:
        """Let a snapshot be the checkpoint: all that was before it is in the spool."""
        taken = self._taken
        if taken is not None and taken.id == snapshot_id and not self._cancelled.is_set():
            self._note(taken)
            self.tidy()

    # -- by tree diff ---------------------------------------------------------------------------

    def _by_snapshot(self) -> int:
        marks = checkpoints.load(self._spool, self._root)
        found = checkpoints.present(self._client, self._config.name, self._root)
        start = checkpoints.begin_at(found, marks)
        if marks is None and self._all_is_new:
            start = None  # a first run that was cut short has left a snapshot, and no more
        walked = self._spool.note(self._walked) if marks is None else None
        taken = checkpoints.take(self._client, self._config.name, self._root, self._now())
        try:
            if walked is not None:  # the first time that there may be snapshots
                count = self._store(self._newer_than(parse_rfc3339(walked)))
            elif start is not None:
                count = self._store(self._changed(start, taken.id))
            elif marks is None and not self._all_is_new:
                count = 0  # from now on
            else:
                if marks is not None:
                    path = self._root.path
                    _LOG.warning("the checkpoint is gone: looking at all files of %s", path)
                count = self._store(self._all_files(taken.id))
            self._note(taken)
        except QumuloError:
            if found:  # otherwise it is all that tells when this began
                self._drop(taken)
            raise
        self.tidy()
        return count

    def _drop(self, taken: Snapshot) -> None:
        """Delete a snapshot that did not become a checkpoint: each try leaves another one."""
        try:
            snapshots.delete(self._client, taken)
        except QumuloError as exc:
            _LOG.debug("%s can not be deleted yet: %s", taken.name, exc)

    def _note(self, taken: Snapshot) -> None:
        """Note a new checkpoint; by its time a walk can go on from it, too."""
        marks = checkpoints.load(self._spool, self._root) or []
        marks.append(Mark(taken.id, self._spool.last_number))
        walked = {self._walked: _since(taken.taken)}
        checkpoints.save(self._spool, self._root, marks, **walked)

    def tidy(self) -> None:
        """Delete checkpoints that are no longer needed: of this watcher and directory alone."""
        if self._walks:
            return
        marks = checkpoints.load(self._spool, self._root) or []
        found = checkpoints.present(self._client, self._config.name, self._root)
        doomed = checkpoints.spare(
            found,
            marks,
            self._spool.first_number(),
            oldest_taken=self._now() - self._config.keep_checkpoint,
        )
        gone = {snapshot.id for snapshot in doomed}
        left = [mark for mark in marks if mark.snapshot_id not in gone]
        if len(left) != len(marks):
            checkpoints.save(self._spool, self._root, left)
        for one in prune(self._client, doomed).left:
            # Harmless, because the notes say where to begin.
            _LOG.debug("checkpoint %s cannot be deleted: %s", one.snapshot.name, one.reason)

    def _changed(self, older: Snapshot, newer: int) -> Iterator[FileInfo]:
        """Yield files that were created, written or renamed between two snapshots."""

        def wanted() -> Iterator[str]:
            for page in changes(self._client, newer, older.id):
                made = {path for path in page[CREATE] if path.endswith("/")}
                touched = set(page[MODIFY])
                for path in sorted(page[CREATE] + page[MODIFY]):
                    if created and path.startswith(created[-1]):
                        continue  # what is in a created directory is found there
                    if not path.endswith("/"):
                        if self._rules().decide(path).rule is not None:
                            if path in touched:
                                modified.add(path)
                            yield path
                    elif path in made:
                        created.append(path)

        created: list[str] = []
        modified: set[str] = set()
        doubtful: list[FileInfo] = []
        for info in self._found(wanted(), newer):
            if info.path not in modified:
                yield info
                continue
            modified.discard(info.path)
            doubtful.append(info)
            if len(doubtful) >= _RUN:
                yield from self._written(doubtful, older, newer)
                doubtful = []
        yield from self._written(doubtful, older, newer)
        # A created directory stands for all that is in it, whether that is listed or not.
        roots = map(by_path, files.outermost(sorted(created)))
        for info in files.walk(self._client, roots, snapshot=newer):
            if info.type == FILE:
                yield info

    def _found(self, paths: Iterable[str], snapshot: int) -> Iterator[FileInfo]:
        few: list[str] = []
        for directory, names in _runs(paths):
            if len(names) > _FEW and self._listing_pays(directory, len(names), snapshot):
                yield from self._listed(directory, set(names), snapshot)
                continue
            few += [f"{directory}/{name}" for name in names]
            if len(few) >= _RUN:
                yield from self._read(few, snapshot)
                few = []
        yield from self._read(few, snapshot)

    def _written(
        self, found: Iterable[FileInfo], older: Snapshot, newer: int
    ) -> Iterator[FileInfo]:
        """Yield those of modified files that a stream would have told to be written.

        A tree diff lists as well what was only read by somebody, given to another owner or locked:
        nothing of it makes a file one to be locked.
        """
        rules = self._rules()
        waiting: list[FileInfo] = []
        unsure: list[FileInfo] = []
        for info in found:
            rule = rules.decide(info.path, info.size).rule
            if rule is None:
                continue
            if WRITTEN not in rule.events:
                waiting.append(info)
            elif parse_rfc3339(info.modification_time) > older.taken + CLOCK_ERROR:
                yield info
            else:
                unsure.append(info)
        known = set(self._spool.known([info.id for info in waiting]))
        yield from (info for info in waiting if info.id in known)
        if not unsure:
            return

        def was_written(client: Client, info: FileInfo) -> bool:
            # Whoever writes can set the time back: then only the data tell.
            try:
                before = files.get(client, by_path(info.path), snapshot=older.id)
            except NotFoundError:
                return True
            if (before.id, before.size, before.modification_time) != (
                info.id,
                info.size,
                info.modification_time,
            ):
                return True
            name = by_path(info.path).quoted
            uri = f"/v2/snapshots/{newer}/changes-since/{older.id}/files/{name}?limit=1"
            return bool(client.get(uri)["entries"])

        for outcome in map_unordered(self._client, was_written, unsure, workers=_WORKERS):
            if outcome.error is not None:
                raise outcome.error
            if outcome.value:
                yield outcome.item

    def _listing_pays(self, directory: str, count: int, snapshot: int) -> bool:
        """Tell whether to list a directory rather than to ask for so many files in it."""
        uri = f"/v1/files/{by_path(directory or '/').quoted}/info/attributes?snapshot={snapshot}"
        try:
            entries = int(self._client.get(uri)["child_count"])
        except (NotFoundError, KeyError, TypeError, ValueError):
            return False
        return entries <= count * _PAYS

    def _listed(self, directory: str, names: set[str], snapshot: int) -> Iterator[FileInfo]:
        for info in files.entries(self._client, by_path(directory or "/"), snapshot=snapshot):
            if info.name in names and info.type == FILE:
                yield replace(info, path=f"{directory}/{info.name}")

    def _read(self, paths: list[str], snapshot: int) -> Iterator[FileInfo]:
        def read(client: Client, path: str) -> FileInfo | None:
            try:
                # By this name, whichever of its hard links the cluster names it by.
                return replace(files.get(client, by_path(path), snapshot=snapshot), path=path)
            except NotFoundError:
                return None

        for outcome in map_unordered(self._client, read, paths, workers=_WORKERS):
            if outcome.error is not None:
                raise outcome.error
            if outcome.value is not None and outcome.value.type == FILE:
                yield outcome.value

    def _all_files(self, snapshot: int | None) -> Iterator[FileInfo]:
        for info in files.walk(self._client, [self._root.ref], snapshot=snapshot):
            if info.type == FILE:
                yield info

    # -- by walking -----------------------------------------------------------------------------

    def _by_walk(self) -> int:
        """Compare times: of files, and of directories, below which all may have been moved in."""
        noted = self._spool.note(self._walked)
        began = self._now()
        if noted is None and not self._all_is_new:
            count = 0
        else:
            since = parse_rfc3339(noted) if noted else None
            count = self._store(self._newer_than(since))
        self._spool.set_notes(**{self._walked: _since(began)})
        return count

    def _newer_than(self, since: datetime | None) -> Iterator[FileInfo]:
        changed: list[str] = []

        def on_error(path: str, error: QumuloError) -> None:
            if not isinstance(error, NotFoundError):
                raise error

        for info in files.walk(self._client, [self._root.ref], on_error=on_error):
            new = since is None or parse_rfc3339(info.change_time) >= since
            if info.type == FILE and new:
                yield info
            elif info.type == DIRECTORY and new and since is not None:
                # What was moved in with it has kept its times. The path sorts with a slash.
                changed.append(info.path + "/")
        roots = map(by_path, files.outermost(sorted(changed)))
        for info in files.walk(self._client, roots, on_error=on_error):
            if info.type == FILE:
                yield info

    def _store(self, found: Iterable[FileInfo]) -> int:
        """Put files that some rule wants locked into the spool; return how many."""
        count = 0
        batch: list[FileInfo] = []

        def flush() -> int:
            now = self._now().timestamp()
            entries = of_listing(batch, self._rules(), now)
            if entries:
                self._names.add(several(batch, {entry.key for entry in entries}))
                self._put(entries)
            batch.clear()
            return len(entries)

        for info in found:
            if self._cancelled.is_set():
                raise CancelledError("Catching up was called off.")
            batch.append(info)
            if len(batch) >= BATCH:
                count += flush()
        return count + flush()


def _since(moment: datetime) -> str:
    """Return a moment as it is noted: times of files are compared with it, and the cluster's
    clock is not known exactly."""
    return (moment - CLOCK_ERROR).isoformat()


def _runs(paths: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield directories with names in them that come one after the other, some at a time."""
    directory = ""
    names: list[str] = []
    for path in paths:
        above, _slash, name = path.rpartition("/")
        if names and (above != directory or len(names) >= _RUN):
            yield directory, names
            names = []
        directory = above
        names.append(name)
    if names:
        yield directory, names
