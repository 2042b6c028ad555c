# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inode table and copy-on-write: what every operation is made of.

Time is cut into epochs: taking a snapshot ends one, and that is all it costs. The first change
of an inode in a new epoch keeps its former state if a snapshot sees it; a snapshot of epoch E
reads the newest state that began in E or before.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Collection

from .clock import Clock
from .events import Event
from .inode import DIRECTORY, FILE, SYMLINK, Directory, Inode, Past

ROOT_ID = 2
_LISTINGS_KEPT = 64


def listing_key(name: str) -> tuple[int, str]:
    """Where ``name`` stands in a listing: directories are ordered by a hash, as on a cluster."""
    return zlib.crc32(name.encode()), name


def in_listing_order(names: Collection[str]) -> list[str]:
    """``names`` sorted by `listing_key`, in C: directories can have millions."""
    hashes = map(zlib.crc32, map(str.encode, names))
    return [name for _, name in sorted(zip(hashes, names, strict=True))]


class Store:
    """Inodes with versions; no rules about what may be done to them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.listeners: list[Callable[[Event], None]] = []
        self._epoch = 0
        # Epochs that snapshots see, ascending, and the last of them (-1: none).
        self._seen_epochs: list[int] = []
        self._last_seen = -1
        # Removed files that snapshots still see.
        self._orphans: set[int] = set()
        self._listings: OrderedDict[tuple[int, int], list[str]] = OrderedDict()
        self.root = Inode(ROOT_ID, DIRECTORY, None, "", 0, clock.now_ns(), 500, 513, 0o777)
        self.root.content = Directory()
        self.root.num_links = 2
        self._table: list[Inode | None] = [None, None, self.root]
        self._count = 1

    # -- versions ---------------------------------------------------------------------------

    def _state(self, inode: Inode, epoch: int | None) -> Inode | None:
        """The state of ``inode`` in ``epoch`` (None: now), or None if it did not exist then."""
        state: Inode | None = inode
        if epoch is not None:
            while state is not None and state.epoch > epoch:
                state = state.older
        if state is None or not state.num_links:
            return None
        return state

    def _is_seen(self, start: int, end: int) -> bool:
        """Whether a snapshot sees one of the epochs ``start`` to ``end - 1``."""
        at = bisect_left(self._seen_epochs, start)
        return at < len(self._seen_epochs) and self._seen_epochs[at] < end

    def _begin_change(self, inode: Inode) -> None:
        """To be called before any change of ``inode``: keeps the state that a snapshot sees."""
        inode.revision += 1
        if inode.epoch == self._epoch:
            return
        if self._last_seen >= inode.epoch:
            kept = inode.frozen()
            older = kept.older
            while older is not None and not self._is_seen(older.epoch, kept.epoch):
                older = older.older
            kept.older = older
            inode.older = kept
            for parent, name in inode.links():
                self._mark(parent, name)
        elif self._last_seen < 0:
            inode.older = None
        inode.epoch = self._epoch

    def _mark(self, parent: Inode | None, name: str) -> None:
        """Record in every directory up to the root that something changed below it."""
        epoch = self._epoch
        while parent is not None:
            directory = parent.directory
            touched = directory.touched
            if touched is None:
                touched = directory.touched = {}
            elif touched.get(name) == epoch:
                return
            else:
                touched.pop(name, None)
            touched[name] = epoch
            name = parent.name
            parent = parent.parent

    # -- names ------------------------------------------------------------------------------

    def _link(self, parent: Inode, name: str, inode: Inode) -> None:
        """Let ``name`` lead to ``inode``; it must be free."""
        directory = parent.directory
        directory.entries[name] = inode
        epoch = self._epoch
        directory.entries_epoch = epoch
        if inode.born != epoch:
            directory.since[name] = epoch
        if directory.order is not None:
            insort(directory.order, name, key=listing_key)

    def _unlink(self, parent: Inode, name: str) -> Inode:
        """Take a name away; snapshots that see it keep it."""
        directory = parent.directory
        inode = directory.entries.pop(name)
        epoch = self._epoch
        directory.entries_epoch = epoch
        start = directory.since.pop(name, inode.born)
        if self._last_seen >= start:
            past = Past(name, inode, start, epoch)
            if directory.past is None or directory.past_by_name is None:
                directory.past, directory.past_by_name = [], {}
            elif len(directory.past) >= directory.past_limit:
                self._forget_unseen(directory)
            directory.past.append(past)
            directory.past_by_name[name] = (*directory.past_by_name.get(name, ()), past)
        elif self._last_seen < 0:
            directory.past = directory.past_by_name = directory.touched = None
        order = directory.order
        if order is not None:
            del order[bisect_left(order, listing_key(name), key=listing_key)]
        return inode

    def _forget_unseen(self, directory: Directory) -> None:
        """Drop what no snapshot sees any more; in all as cheap as the removals that filled it."""
        directory.past = [p for p in directory.past or () if self._is_seen(p.start, p.end)]
        by_name: dict[str, tuple[Past, ...]] = {}
        for past in directory.past:
            by_name[past.name] = (*by_name.get(past.name, ()), past)
        directory.past_by_name = by_name
        directory.past_limit = max(64, 2 * len(directory.past))

    def _names(self, inode: Inode, epoch: int | None) -> list[str]:
        """All names of a directory (of ``epoch``) in listing order; not to be changed."""
        directory = inode.directory
        if epoch is None or directory.entries_epoch <= epoch:
            if directory.order is None:
                directory.order = in_listing_order(directory.entries)
            return directory.order
        key = (inode.id, epoch)
        names = self._listings.get(key)
        if names is None:
            names = self._listings[key] = in_listing_order(directory.names_at(epoch))
            if len(self._listings) > _LISTINGS_KEPT:
                self._listings.popitem(last=False)
        else:
            self._listings.move_to_end(key)
        return names

    def _names_after(
        self, inode: Inode, epoch: int | None, after: str | None
    ) -> tuple[list[str], int]:
        """The names of a directory and the place of the first one that follows ``after``."""
        names = self._names(inode, epoch)
        if after is None:
            return names, 0
        return names, bisect_right(names, listing_key(after), key=listing_key)

    # -- the table --------------------------------------------------------------------------

    def _new(
        self, kind: int, parent: Inode, name: str, now_ns: int, owner: int, group: int, mode: int
    ) -> Inode:
        """A new inode in the table; it is not linked yet."""
        inode = Inode(len(self._table), kind, parent, name, self._epoch, now_ns, owner, group, mode)
        if kind == DIRECTORY:
            inode.content = Directory()
            inode.num_links = 2
        self._table.append(inode)
        self._count += 1
        return inode

    def _discard(self, inode: Inode) -> None:
        """To be called when the last link of ``inode`` is gone and it has begun a change."""
        inode.num_links = 0
        self._count -= 1
        if inode.older is None:
            self._table[inode.id] = None
        else:
            self._orphans.add(inode.id)

    def _sweep_orphans(self) -> None:
        """Let go of removed files that no snapshot sees any more."""
        for file_id in list(self._orphans):
            inode = self._table[file_id]
            state = inode
            while state is not None and state.older is not None:
                if self._is_seen(state.older.epoch, state.epoch):
                    break
                state.older = state.older.older
            if state is None or state.older is None:
                self._table[file_id] = None
                self._orphans.discard(file_id)

    def count(self) -> int:
        """Inodes that exist now, the root included."""
        return self._count

    # -- totals -----------------------------------------------------------------------------

    def _account_inode(self, parent: Inode | None, inode: Inode, sign: int) -> None:
        """Add one link of ``inode`` (with all below it) to the totals of the directories above."""
        kind = inode.kind
        if kind == DIRECTORY:
            below = inode.directory
            self._account(
                parent,
                sign * below.files,
                sign * (below.directories + 1),
                sign * below.symlinks,
                sign * below.others,
                sign * below.capacity_blocks,
            )
        else:
            is_file, is_symlink = kind == FILE, kind == SYMLINK
            self._account(
                parent,
                sign * is_file,
                0,
                sign * is_symlink,
                sign * (not is_file and not is_symlink),
                sign * inode.data_blocks(),
            )

    @staticmethod
    def _account(
        parent: Inode | None, files: int, directories: int, symlinks: int, others: int, blocks: int
    ) -> None:
        while parent is not None:
            totals = parent.directory
            totals.files += files
            totals.directories += directories
            totals.symlinks += symlinks
            totals.others += others
            totals.capacity_blocks += blocks
            parent = parent.parent
