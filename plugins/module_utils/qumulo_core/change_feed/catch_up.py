# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catching up on what happened while nobody listened, by checkpoints that the cluster keeps.

The oldest snapshot of the checkpoint's name is where the next tree diff begins. It goes only when
everything up to a newer one has arrived, so that something may be told twice, but is never lost.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from .. import files, snapshots
from ..changelist import diff, entries
from ..changelist.entries import DELETE
from ..changelist.sorting import Sorter
from ..client import Client
from ..domain.file_refs import by_path
from ..domain.pruning import prune
from ..errors import MissingPrivilegeError, NotFoundError, PermissionDeniedError, QumuloError
from ..files import DIRECTORY, FILE, FileInfo
from ..pool import map_unordered
from ..snapshots import Expiration, Snapshot
from ..times import format_rfc3339
from ..watcher.checkpoints import EXPIRES_AFTER
from ..watcher.rules import Root
from .records import Record, of_difference, of_gap

_LOG = logging.getLogger("lockstep.change_feed")
_WORKERS = 16
#: Records that are handed over at a time.
BATCH = 1000


class NoCatchUp:
    """What happens while nobody listens is not told."""

    meanwhile = "What happens meanwhile is not told: name a checkpoint to catch up with it."

    def run(self) -> int:
        """Find nothing."""
        return 0

    def take(self) -> None:
        """Take no snapshot."""

    def settle(self, snapshot_id: int) -> None:
        """Keep no checkpoint."""

    def cancel(self) -> None:
        """Nothing is to be ended."""


@dataclass(frozen=True)
class Told:
    """Where records go.

    :param put: hands them over.
    :param arrived: waits until all that was handed over has arrived; false if it has not.
    :param kept_up: tells whether the stream was read to its end since a checkpoint was taken.
    :param refused: is told of an error that no patience mends.
    """

    put: Callable[[list[Record]], None]
    arrived: Callable[[], bool]
    kept_up: Callable[[], bool]
    refused: Callable[[QumuloError], None]


class CatchUp:
    """Catches up for one directory; used by one thread at a time.

    :param name: of the checkpoints; each feed wants one of its own.
    :param now: the cluster's clock.
    :param all_is_new: without a checkpoint, what is there is new.
    """

    meanwhile = "What happens meanwhile is caught up."

    def __init__(
        self,
        client: Client,
        root: Root,
        name: str,
        types: frozenset[str],
        now: Callable[[], datetime],
        told: Told,
        *,
        all_is_new: bool,
    ) -> None:
        self._client = client
        self._root = root
        self._name = name
        self._types = types
        self._now = now
        self._told = told
        self._all_is_new = all_is_new
        self._cancelled = False
        #: The checkpoint up to which everything was told, as far as this process knows.
        self._reached = 0

    def cancel(self) -> None:
        """End a run early; the next one begins where it did."""
        self._cancelled = True

    def run(self) -> int:
        """Hand over what has happened since the checkpoint; return how many records.

        The stream must be open before: what happens from now on is told by it.

        :raises QumuloError: it did not work; the next run begins where this one did.
        """
        try:
            return self._run()
        except (MissingPrivilegeError, PermissionDeniedError) as exc:
            self._told.refused(exc)
            raise

    def _run(self) -> int:
        present = self._present()
        taken = self._take()
        try:
            if present:
                if present[0].id > self._reached > 0:
                    self._begin_here(present[0].taken)  # an older one was deleted
                count = self._hand_over(self._differences(present[0].id, taken.id))
            elif self._all_is_new and not self._reached:
                count = self._hand_over(self._differences(None, taken.id))
            else:
                count = self._begin_here()
        except QumuloError:
            snapshots.delete(self._client, taken)
            raise
        if self._cancelled:
            snapshots.delete(self._client, taken)
        else:
            self._replace(taken, present)
        return count

    def _begin_here(self, moment: datetime | None = None) -> int:
        """Tell that changes are lost: there is no checkpoint to compare with.

        :param moment: changes before it are lost; None: up to now.
        """
        when = "from now on" if moment is None else f"since {format_rfc3339(moment)}"
        reason = (
            f"There is no checkpoint '{self._name}' of {self._root.path}, as on a first start, "
            f"after it was deleted, or after 60 days: only changes {when} are reported."
        )
        _LOG.warning("%s", reason)
        self._told.put([of_gap(self._root, reason)])
        return 1

    def take(self) -> int:
        """Take a snapshot that may become the checkpoint; return its ID."""
        return self._take().id

    def settle(self, snapshot_id: int) -> None:
        """Let a snapshot be the checkpoint, if all that was before it has been told."""
        present = [each for each in self._present() if each.id <= snapshot_id]
        taken = [each for each in present if each.id == snapshot_id]
        if not taken:
            return  # somebody has deleted it
        before = [each for each in present if each.id < snapshot_id]
        if self._told.kept_up():
            self._replace(taken[0], before)
        elif before:
            snapshots.delete(self._client, taken[0])

    def _replace(self, taken: Snapshot, before: list[Snapshot]) -> None:
        """Delete older checkpoints if all has arrived; otherwise the new one."""
        if not before:
            self._reached = taken.id
            return
        doomed = before
        if not self._told.arrived():
            # A folder that is never quiet can keep a checkpoint for longer than checkpoints live.
            doomed = [taken]
            self._reached = before[0].id
            snapshots.set_expiration(self._client, before[0], Expiration(taken.expires))
        else:
            self._reached = taken.id
        for left in prune(self._client, doomed).left:
            _LOG.warning(
                "checkpoint %s cannot be deleted: %s. Changes since then are reported again after "
                "each start until it is deleted",
                left.snapshot.name,
                left.reason,
            )

    def _present(self) -> list[Snapshot]:
        return snapshots.of_name(snapshots.list_all(self._client), self._name, self._root.id)

    def _take(self) -> Snapshot:
        expiration = Expiration(self._now().replace(microsecond=0) + EXPIRES_AFTER)
        known = snapshots.list_all(self._client)
        return snapshots.create(self._client, known, self._name, self._root.id, expiration)

    # -- what has happened ----------------------------------------------------------------------

    def _differences(self, older: int | None, newer: int) -> Iterator[Record]:
        """Yield what differs between two snapshots, deletions first.

        :param older: None: everything is new.
        """
        with ExitStack() as stack:
            directory = tempfile.gettempdir()
            gone, present = (stack.enter_context(Sorter(directory)) for _number in range(2))
            diff.collect(
                self._client,
                diff.Wanted(
                    newer=newer,
                    older=older,
                    source=self._root.path,
                    gone=gone,
                    present=present,
                    directory=directory,
                    expand_deleted=False,
                    packs=diff.Packs(),
                    workers=_WORKERS,
                    on_error=lambda _operation, path, error: go_on_without(path, error),
                    on_progress=lambda _phase, _count: None,
                ),
            )
            for entry in _each(gone):
                kind = DIRECTORY if entry.is_directory else FILE
                yield from self._record(DELETE, kind, entry.path, None)
            for operation, info in self._looked_up(_each(present), newer):
                yield from self._record(operation, info.type, info.path, info.id)

    def _looked_up(
        self, listed: Iterator[entries.Entry], newer: int
    ) -> Iterator[tuple[str, FileInfo]]:
        """Yield what is there with its attributes: a tree diff does not tell IDs."""

        def read(client: Client, entry: entries.Entry) -> FileInfo | None:
            try:
                return files.get(client, by_path(entry.path), snapshot=newer)
            except NotFoundError:
                return None

        for outcome in map_unordered(self._client, read, listed, workers=_WORKERS):
            if outcome.error is not None:
                raise outcome.error
            if outcome.value is not None:
                yield outcome.item.operation, outcome.value

    def _record(
        self, operation: str, kind: str, path: str, file_id: str | None
    ) -> Iterator[Record]:
        relative = self._root.relative(path)
        if relative:
            record = of_difference(operation, kind, self._root, relative, file_id, self._types)
            if record is not None:
                yield record

    def _hand_over(self, found: Iterator[Record]) -> int:
        count = 0
        batch: list[Record] = []
        for record in found:
            if self._cancelled:
                return count
            batch.append(record)
            if len(batch) >= BATCH:
                self._told.put(batch)
                count += len(batch)
                batch = []
        self._told.put(batch)
        return count + len(batch)


def _each(records: Sorter) -> Iterator[entries.Entry]:
    return map(entries.decode, chain.from_iterable(diff.distinct(records.blocks())))


def go_on_without(path: str, error: QumuloError) -> None:
    """Leave out a directory that may not be listed.

    :raises QumuloError: it may be listed later, or its snapshot is gone: what is in it is not to be
        missed, and a later try learns of it.
    """
    if not isinstance(error, (MissingPrivilegeError, PermissionDeniedError)):
        raise error
    _LOG.warning("what is in %s can not be told: %s", path, error)
