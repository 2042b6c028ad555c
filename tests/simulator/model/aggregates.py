# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recursive totals of directories.

The present totals are kept up to date with every change; those of a snapshot are added up when
they are asked for. A file with several links counts once for each.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from .errors import InvalidArgumentError, NotDirectoryError
from .file_regions import FileRegions
from .inode import BLOCK, DIRECTORY, FILE, SYMLINK, TYPE_NAMES, Inode
from .paths import Ref
from .render import Json


class Totals(NamedTuple):
    """What is below a directory, itself excluded; ``data_blocks`` are of 4096 bytes."""

    files: int
    directories: int
    symlinks: int
    others: int
    data_blocks: int

    @property
    def meta_blocks(self) -> int:
        """One block of metadata for each object."""
        return self.files + self.directories + self.symlinks + self.others


class Aggregates(FileRegions):
    """GET /v1/files/{ref}/recursive-aggregates/."""

    def aggregates(
        self,
        ref: Ref,
        *,
        max_entries: int = 1000,
        max_depth: int = 1,
        order_by: str = "total_blocks",
        snapshot: int | None = None,
    ) -> list[Json]:
        """The totals of a directory and of those below it, one member a directory, breadth first.

        :param max_entries: how many children of each directory are listed: the largest ones
        :param max_depth: how many levels, 1 being the directory alone
        :param order_by: total_blocks, total_datablocks, total_metablocks, total_files,
            total_directories, total_symlinks or total_other
        :raises NotDirectoryError: if it is not a directory
        :raises InvalidArgumentError: for another order
        """
        top = self.resolve(ref, snapshot=snapshot)
        epoch = self._epoch_of(snapshot)
        if top.kind != DIRECTORY:
            raise NotDirectoryError(f"ino={top.id} is not a directory")
        if order_by not in _ORDERS:
            raise InvalidArgumentError(f"order-by {order_by!r} is none of {', '.join(_ORDERS)}")
        known: dict[int, Totals] = {}
        answers = []
        level = [(top, self._path(top, epoch))]
        for _ in range(max_depth):
            below: list[tuple[Inode, str]] = []
            for directory, path in level:
                children = self._children(directory, epoch)
                sized = [(self._totals_of(child, epoch, known), child) for child in children]
                largest = heapq.nsmallest(
                    max_entries,
                    sized,
                    key=lambda pair: (-_ORDERS[order_by](pair[0]), pair[1].id),
                )
                totals = self._totals(directory, epoch, known)
                answers.append(_render_directory(directory, path, totals, largest))
                below += [
                    (child, self._join(path, child.name))
                    for _, child in largest
                    if child.kind == DIRECTORY
                ]
            level = below
        return answers

    def _children(self, directory: Inode, epoch: int | None) -> list[Inode]:
        """Children in their state of ``epoch``."""
        content = directory.directory
        if epoch is None:
            return list(content.entries.values())
        children = []
        for name in content.names_at(epoch):
            child = content.lookup(name, epoch)
            state = None if child is None else self._state(child, epoch)
            assert state is not None
            children.append(state)
        return children

    def _totals_of(self, inode: Inode, epoch: int | None, known: dict[int, Totals]) -> Totals:
        """What one link of ``inode`` adds to the directory above it."""
        kind = inode.kind
        if kind == DIRECTORY:
            below = self._totals(inode, epoch, known)
            return below._replace(directories=below.directories + 1)
        is_file, is_symlink = int(kind == FILE), int(kind == SYMLINK)
        return Totals(is_file, 0, is_symlink, 1 - is_file - is_symlink, inode.data_blocks())

    def _totals(self, inode: Inode, epoch: int | None, known: dict[int, Totals]) -> Totals:
        """What is below a directory."""
        if epoch is None:
            now = inode.directory
            return Totals(now.files, now.directories, now.symlinks, now.others, now.capacity_blocks)
        # Children come after their parents, so that backwards all below is known already.
        order = [inode]
        for directory in order:
            if directory.id not in known:
                order += [c for c in self._children(directory, epoch) if c.kind == DIRECTORY]
        for directory in reversed(order):
            if directory.id not in known:
                parts = [
                    self._totals_of(child, epoch, known)
                    for child in self._children(directory, epoch)
                ]
                known[directory.id] = (
                    Totals(*map(sum, zip(*parts, strict=True))) if parts else _NONE
                )
        return known[inode.id]


_NONE = Totals(0, 0, 0, 0, 0)

_ORDERS = {
    "total_blocks": lambda t: t.data_blocks + t.meta_blocks,
    "total_datablocks": lambda t: t.data_blocks,
    "total_metablocks": lambda t: t.meta_blocks,
    "total_files": lambda t: t.files,
    "total_directories": lambda t: t.directories,
    "total_symlinks": lambda t: t.symlinks,
    "total_other": lambda t: t.others,
}


def _render_directory(
    inode: Inode, path: str, totals: Totals, children: list[tuple[Totals, Inode]]
) -> Json:
    meta = totals.meta_blocks + 1
    return {
        "path": path if path == "/" else path + "/",
        "id": str(inode.id),
        "total_capacity": str((totals.data_blocks + meta) * BLOCK),
        "total_data": str(totals.data_blocks * BLOCK),
        "total_meta": str(meta * BLOCK),
        "total_files": str(totals.files),
        "total_directories": str(totals.directories),
        "total_symlinks": str(totals.symlinks),
        "total_other_objects": str(totals.others),
        "total_named_streams": "0",
        "total_named_stream_data": "0",
        "files": [_render_child(total, child) for total, child in children],
    }


def _render_child(totals: Totals, child: Inode) -> Json:
    return {
        "id": str(child.id),
        "name": child.name,
        "type": TYPE_NAMES[child.kind],
        "capacity_usage": str((totals.data_blocks + totals.meta_blocks) * BLOCK),
        "data_usage": str(totals.data_blocks * BLOCK),
        "meta_usage": str(totals.meta_blocks * BLOCK),
        "num_files": str(totals.files),
        "num_directories": str(totals.directories),
        "num_symlinks": str(totals.symlinks),
        "num_other_objects": str(totals.others),
        "num_named_streams": "0",
        "named_stream_data_usage": "0",
    }
