# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes between two snapshots as a stream of entries, in the order of the list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain

from ..client import Client
from ..domain.file_refs import by_id
from ..errors import PermissionDeniedError, QumuloError
from ..files import FileInfo
from ..snapshots import Snapshot
from . import attributes as attribute_sources
from . import diff, entries, formats, places, ranges, storage_dna
from .entries import CREATE, DELETE, MODIFY, Block, Entry, Plain
from .formats import SEQUENTIAL, XML
from .mount import Mount, from_mount
from .order import API, MOUNT, NONE, Order
from .owner_names import OwnerNames
from .places import UNMOVED
from .progress import Progress
from .renames import Renames
from .sorting import Sorter, cut, merged


class Run:
    """The changes of one run, in the order of the list."""

    def __init__(
        self,
        client: Client,
        newer: Snapshot,
        olders: Sequence[Snapshot | None],
        order: Order,
        directory: str,
        progress: Progress | None,
    ) -> None:
        self._client = client
        self.newer = newer
        self._olders = olders
        self._older = older = olders[0]
        self.order = order
        self._directory = directory
        self.progress = progress
        self._stack = ExitStack()
        self._problems: list[Entry] = []
        self._seen: dict[str, int] = {}
        self._expected: int | None = None
        backwards = order.format == XML
        self._gone = self._stack.enter_context(Sorter(directory, reverse=backwards))
        self._present = self._stack.enter_context(Sorter(directory, reverse=backwards))
        self._owners = attribute_sources.Owners(client) if order.format == XML else None
        self._renames = order.finds_renames and older is not None
        self._place = UNMOVED

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def _on_error(self, operation: str, path: str, error: QumuloError) -> None:
        # Only what asking again can not mend is a matter of the list. A cluster that was busy, or a
        # snapshot that is gone, would make it lack what is there, and it would be committed so.
        if not isinstance(error, PermissionDeniedError):
            raise error
        self._problems.append(Entry(operation, path.rstrip("/"), True, problem=error.message))

    def _on_progress(self, phase: str, done: int) -> None:
        self._seen[phase] = done
        if self.progress is not None:
            self.progress.update(phase, done, self._expected if phase == "directories" else None)

    @property
    def unknown_deletions(self) -> int:
        """Number of deleted directories whose content is unknown."""
        return sum(entry.operation == DELETE for entry in set(self._problems))

    @property
    def total(self) -> int:
        """About how many entries there are, as far as they have come in."""
        return sum(self._seen.values())

    def blocks(self) -> Iterator[Block]:
        """Collect the changes and yield them, some at a time."""
        for each in self._olders:
            self._collect(each)
        if self._problems:
            # In the order of their paths, not of threads: the same changes give the same list.
            yield sorted(set(self._problems), key=lambda entry: entry.path)
        if self.order.attributes == NONE and not self._renames:
            yield from map(Plain, self._records())
        else:
            described = cut(self._described())
            if self.order.owner_names:
                names = OwnerNames(self._client, by_number=self.order.attributes == MOUNT)
                described = map(names.add, described)
            yield from described

    def _described(self) -> Iterator[Entry]:
        """Changes with all that is to be told of them."""
        order, newer, older = self.order, self.newer, self._older
        found = self._renamed(older) if self._renames and older is not None else self._by_path()
        if older is not None and (order.ranges or self._renames):
            found = ranges.with_ranges(
                self._client,
                found,
                newer.id,
                older.id,
                ranges=order.ranges,
                workers=order.workers,
            )
        if order.attributes == MOUNT:
            base = order.base_path if order.base_path is not None else newer.source_path
            mount = Mount(order.map_to or "", base)
            found = from_mount(self._client, mount, found, workers=order.workers)
        elif order.attributes == NONE and self._renames:
            found = (entry._replace(attributes=None) for entry in found)
        return found

    def _collect(self, older: Snapshot | None) -> None:
        order, newer = self.order, self.newer
        if older is None and self.progress is not None:
            self._expected = _entries_below(self._client, newer)
        asked = order.attributes == API or self._renames
        if order.deletes and older is not None:
            self._place = places.find(self._client, newer, older)
        diff.collect(
            self._client,
            diff.Wanted(
                newer=newer.id,
                older=None if older is None else older.id,
                source=newer.source_path,
                gone=self._gone if order.deletes and older is not None else None,
                present=self._present,
                directory=self._directory,
                expand_deleted=self._renames
                or order.expand_deleted
                or (order.deletes and order.format in formats.DELETIONS_APART),
                packs=diff.Packs(
                    new=partial(_pack, self._owners) if asked else None,
                    old=partial(_pack, None) if self._renames else None,
                ),
                workers=order.workers,
                on_error=self._on_error,
                on_progress=self._on_progress,
                place=self._place,
            ),
        )

    def _records(self) -> Iterator[list[bytes]]:
        """Changes by path, with deletions first where the list is applied from top to bottom."""
        gone = diff.distinct(self._gone.blocks())
        if self.order.attributes == API:
            present = cut(diff.unique(self._present))
        else:
            present = diff.distinct(self._present.blocks())
        if len(self._olders) > 1:
            present = cut(diff.once(chain.from_iterable(present)))
        if self.order.format in SEQUENTIAL or self.order.has_first:
            return chain(gone, present)
        return merged([gone, present], reverse=self.order.format == XML)

    def _by_path(self) -> Iterator[Entry]:
        found: Iterator[Entry] = map(entries.decode, chain.from_iterable(self._records()))
        if self.order.format == XML:
            found = storage_dna.without_stale_deletes(found)
        if self.order.attributes != API:
            return found
        return self._asked(found, self.newer.id, (CREATE, MODIFY))

    def _renamed(self, older: Snapshot) -> Iterator[Entry]:
        """Changes with renames, in the order in which they can be applied."""
        gone = self._asked(
            map(entries.decode, diff.unique(self._gone)), older.id, (DELETE,), old=True
        )
        present = self._asked(
            map(entries.decode, diff.unique(self._present)), self.newer.id, (CREATE, MODIFY)
        )
        top = self.newer.source_path.rstrip("/") + "/"
        finder = self._stack.enter_context(
            Renames(self._directory, top, expand_deleted=self.order.expand_deleted)
        )
        return finder.find(gone, present)

    def _asked(
        self,
        found: Iterator[Entry],
        snapshot: int,
        operations: tuple[str, ...],
        *,
        old: bool = False,
    ) -> Iterator[Entry]:
        return attribute_sources.from_api(
            self._client,
            found,
            snapshot,
            None if old else self._owners,
            workers=self.order.workers,
            operations=operations,
            lock=self.order.file_locks and not old,
            place=self._place if old else UNMOVED,
        )


def _entries_below(client: Client, snapshot: Snapshot) -> int | None:
    """Return how many entries a snapshot holds, for an estimate; None if that can not be told."""
    uri = f"/v1/files/{by_id(snapshot.source_id).quoted}/recursive-aggregates/"
    try:
        (top, *_below) = client.get(f"{uri}?max-entries=1&max-depth=1&snapshot={snapshot.id}")
        kinds = ("files", "directories", "symlinks", "other_objects")
        return sum(int(top[f"total_{kind}"]) for kind in kinds)
    except (QumuloError, KeyError, TypeError, ValueError):
        return None


def _pack(owners: attribute_sources.Owners | None, info: FileInfo) -> bytes:
    return attribute_sources.of_info(info, owners).pack()
