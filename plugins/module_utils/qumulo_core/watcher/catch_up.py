# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catching up: what has happened since the last checkpoint, into the spool."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from .. import snapshots
from ..client import Client
from ..domain.pruning import prune
from ..errors import MissingPrivilegeError, PermissionDeniedError, QumuloError
from ..files import FileInfo
from ..service.spool import Entry
from ..service.sqlite import SqliteSpool
from ..snapshots import Snapshot
from ..times import format_rfc3339
from . import checkpoints, set_back
from .changed_since import ChangedSince
from .checkpoints import Mark
from .config import Config
from .links import Names, several
from .pending import of_listing
from .places import Places
from .places import note_name as places_note
from .requests import CLOCK_ERROR
from .rules import Root, RuleSet
from .tree_diff import TreeDiff
from .unlisted import Unlisted

_LOG = logging.getLogger("lockstep.watcher")
#: Files that are put into the spool at a time.
BATCH = 1000


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
        spool: SqliteSpool,
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
        self._leave_no_trace = leave_no_trace
        self._walks = leave_no_trace or not config.use_snapshots
        self._unlisted = Unlisted(client, root, rules)
        self._diff = TreeDiff(client, spool, rules, self._unlisted)
        self._taken: Snapshot | None = None

    def run(self) -> int:
        """Put all that has happened since the last time into the spool; return how many files.

        The stream must be open before: what happens from now on is told by it.

        :raises UnlistedError: some directories may not be listed; everything else is in the spool,
            and the next run begins where this one did.
        :raises QumuloError: it did not work; nothing is lost, and the next run begins where this
            one did.
        """
        self._unlisted.begin()
        if not self._walks:
            try:
                return self._by_snapshot()
            except (MissingPrivilegeError, PermissionDeniedError) as exc:
                _LOG.warning("catching up by walking instead of by snapshots: %s", exc)
                self._walks = True
                self._unlisted.begin()
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

    # -- by snapshots ---------------------------------------------------------------------------

    def _by_snapshot(self) -> int:
        found = checkpoints.present(self._client, self._config.name, self._root)
        taken = checkpoints.take(self._client, self._config.name, self._root, self._now())
        try:
            count = self._store(self._files(found, taken))
            self._unlisted.check(count)
            self._note(taken)
        except QumuloError:
            if found:  # otherwise it is all that tells when this began
                self._drop(taken)
            raise
        self.tidy()
        return count

    def _files(self, found: Sequence[Snapshot], taken: Snapshot) -> Iterator[FileInfo]:
        """Return the files that have changed since the last checkpoint.

        :param found: the checkpoints that the cluster has, oldest first.
        """
        marks = checkpoints.load(self._spool, self._root)
        since = checkpoints.walked_until(self._spool, self._root)
        if marks is None and since is None:
            if not self._all_is_new and not checkpoints.is_retired(self._spool, self._root):
                start = checkpoints.begin_at(found, None)
                if start is not None:  # another host's, or of a spool that is lost
                    # This run may end early, and the checkpoint be gone at the next one.
                    since = start.taken
                    time = {checkpoints.walked(self._root.id): format_rfc3339(since)}
                    checkpoints.save(self._spool, self._root, [], **time)
                    return self._diff.files(start, taken.id)
            return self._first(taken.id)
        start = None if marks is None else checkpoints.begin_at(found, marks)
        if start is not None:
            return self._diff.files(start, taken.id)
        if since is None:
            _LOG.warning("the checkpoint of %s is gone, and its time is unknown", self._root.path)
            return self._first(taken.id)
        if marks is not None:  # otherwise there were no snapshots before
            _LOG.warning(
                "the checkpoint of %s is gone: looking for files that have changed since it was "
                "taken, %s",
                self._root.path,
                format_rfc3339(since),
            )
        return self._changed_since(since, snapshot=taken.id)

    def _first(self, snapshot: int) -> Iterator[FileInfo]:
        """Return what counts of a directory of which nothing is known."""
        self._say_first()
        return self._changed_since(None, snapshot=snapshot) if self._all_is_new else iter(())

    def _say_first(self) -> None:
        meaning = "files that are in it already are not locked until they change"
        if self._all_is_new:
            meaning = "all files in it count as new"
        _LOG.warning("%s has no checkpoint yet: %s", self._root.path, meaning)

    def _changed_since(
        self, since: datetime | None, *, snapshot: int | None, places: Places | None = None
    ) -> Iterator[FileInfo]:
        if since is not None:
            back = set_back.by_how_much(self._spool, self._root, self._now())
            since = set_back.begin_earlier(since, back, self._root)
        return ChangedSince(
            self._client,
            self._root,
            since,
            self._rules,
            self._unlisted,
            snapshot=snapshot,
            places=places,
        ).files()

    def _drop(self, taken: Snapshot) -> None:
        """Delete a snapshot that did not become a checkpoint: each try leaves another one."""
        try:
            snapshots.delete(self._client, taken)
        except QumuloError as exc:
            _LOG.debug("%s cannot be deleted yet: %s", taken.name, exc)

    def _note(self, taken: Snapshot) -> None:
        """Note a new checkpoint; by its time a walk can go on from it, too."""
        marks = checkpoints.load(self._spool, self._root) or []
        marks.append(Mark(taken.id, self._spool.last_number))
        checkpoints.save(self._spool, self._root, marks, **self._time_notes(taken.taken))

    def _time_notes(self, moment: datetime) -> dict[str, str]:
        """Return the notes by which everything before a moment counts as seen.

        Times of files are compared with it, and clocks of nodes differ a little. What was there
        before the first start must not count, though.
        """
        before = checkpoints.walked_until(self._spool, self._root)
        now = self._now()
        if before is not None:
            earliest = before - set_back.by_how_much(self._spool, self._root, now)
            moment = max(earliest, moment - CLOCK_ERROR)
        notes = {
            checkpoints.walked(self._root.id): moment.isoformat(),
            set_back.note_name(self._root.id): set_back.note(now),
        }
        for name in (places_note(self._root.id), checkpoints.retired(self._root.id)):
            if self._spool.note(name):
                notes[name] = ""
        return notes

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

    # -- by walking -----------------------------------------------------------------------------

    def _by_walk(self) -> int:
        """Compare the times of files, and the places of directories."""
        since = checkpoints.walked_until(self._spool, self._root)
        began = self._now()
        if since is None:
            self._say_first()
            if not self._all_is_new:
                since = began
                self._spool.set_notes(**self._time_notes(began))
        # Nothing is kept of a dry run, so that it need not learn anything.
        places = None if self._leave_no_trace else Places(self._spool, self._root)
        if places is not None:
            places.begin()
        count = self._store(self._changed_since(since, snapshot=None, places=places))
        self._unlisted.check(count)
        notes = self._time_notes(began)
        if places is not None:
            notes.update(places.end())
        self._spool.set_notes(**notes)
        if places is not None:
            places.tidy()
        return count

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
