# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which byte ranges of a file changed between two snapshots, at block granularity.

Writes go into a journal of regions while a snapshot may ask for them.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from .errors import InvalidArgumentError, NoSuchEntryError, NotAFileError
from .inode import BLOCK, FILE, Inode, Region
from .paths import Ref
from .reader import Page
from .render import Json
from .tree_diff import TreeDiffs


class Extent(NamedTuple):
    """A changed range of bytes: data or a hole in the newer snapshot."""

    start: int
    end: int
    is_data: bool


def overlay(regions: list[Region], old_size: int, new_size: int) -> list[Extent]:
    """Regions written in this order, as extents that do not overlap.

    They end where the longer of the two versions ends; beyond the new one's end all is a hole.
    """
    size = max(old_size, new_size)
    extents: list[Extent] = []
    by_start = sorted(range(len(regions)), key=lambda at: regions[at][1])
    points = sorted({point for region in regions for point in region[1:3]} | {new_size})
    started = 0
    # The latest region that covers the present point is on top.
    active: list[int] = []
    for start, end in zip(points, points[1:], strict=False):
        while started < len(by_start) and regions[by_start[started]][1] <= start:
            heapq.heappush(active, -by_start[started])
            started += 1
        while active and regions[-active[0]][2] <= start:
            heapq.heappop(active)
        stop = min(end, size)
        if not active or start >= stop:
            continue
        is_data = regions[-active[0]][3] and start < new_size
        if extents and extents[-1].end == start and extents[-1].is_data == is_data:
            extents[-1] = Extent(extents[-1].start, stop, is_data)
        else:
            extents.append(Extent(start, stop, is_data))
    return extents


class FileRegions(TreeDiffs):
    """The write journal and the file diffs that are read from it."""

    def _journal(self, inode: Inode, start: int, end: int, is_data: bool) -> None:
        """Record a change of the bytes ``start`` to ``end``, if a snapshot sees the file."""
        if start >= end:
            return
        if self._last_seen < inode.born:
            if inode.rare is not None:
                inode.rare.journal = None
            return
        first, last = start // BLOCK * BLOCK, -(-end // BLOCK) * BLOCK
        rare = inode.with_rare()
        journal = rare.journal
        if journal is None:
            rare.journal = [(self._epoch, first, last, is_data)]
            return
        epoch, begun, ended, was_data = journal[-1]
        if epoch == self._epoch and was_data == is_data and begun <= first <= ended:
            # Appending is the usual way to write.
            journal[-1] = (epoch, begun, max(ended, last), is_data)
        else:
            journal.append((self._epoch, first, last, is_data))

    def _journal_hole(self, inode: Inode, start: int, end: int) -> None:
        """Record that the bytes ``start`` to ``end`` were cut off, or skipped by growing.

        The block that ``start`` lies in holds data before it, so the hole begins at the next.
        """
        border = -(-start // BLOCK) * BLOCK
        self._journal(inode, start, min(border, end), True)
        self._journal(inode, border, end, False)

    def file_diff(
        self,
        newer: int,
        older: int,
        ref: Ref,
        *,
        after: str = "",
        limit: int = 1000,
        version: int = 2,
    ) -> Page:
        """GET /v2|v3/snapshots/{newer}/changes-since/{older}/files/{ref}.

        Items ``{"type", "offset", "size"}`` (v2) or ``{"op", "offset", "size"}`` (v3), ascending.
        A file that the older snapshot does not have is new from its first byte to its last.

        :param version: of the endpoint, 2 or 3
        :raises NotAFileError: if it is not a regular file
        :raises ModelError: as `resolve` and `tree_diff`
        """
        if limit < 1:
            raise InvalidArgumentError(f"limit {limit} is below 1")
        new, old = self.snapshot(newer), self.snapshot(older)
        if new.epoch < old.epoch:
            raise InvalidArgumentError(f"snapshot {newer} is older than snapshot {older}")
        now = self._resolve_in(ref, new)
        if now.kind != FILE:
            raise NotAFileError(f"ino={now.id} is not a regular file")
        try:
            before = self._resolve_in(now.id, old)
        except NoSuchEntryError:
            old_size, extents = 0, [Extent(0, now.size, True)] if now.size else []
        else:
            old_size = before.size
            journal = (now.rare.journal if now.rare is not None else None) or []
            regions = [region for region in journal if old.epoch < region[0] <= new.epoch]
            extents = overlay(regions, old_size, now.size)
        items = [
            item
            for extent in extents
            for item in (_v2(extent) if version == 2 else _v3(extent, old_size))
        ]
        start = 0
        if after:
            if not after.isdigit():
                raise InvalidArgumentError(f"{after!r} is no paging token")
            start = int(after)
        end = start + limit
        return Page(items[start:end], str(end) if end < len(items) else "")


def _v2(extent: Extent) -> list[Json]:
    return [
        {
            "type": "FILE_REGION_DATA" if extent.is_data else "FILE_REGION_HOLE",
            "offset": str(extent.start),
            "size": str(extent.end - extent.start),
        }
    ]


def _v3(extent: Extent, old_size: int) -> list[Json]:
    """Data where the file ended before is created, where it already was is modified."""
    if not extent.is_data:
        parts = [("DELETE", extent.start, extent.end)]
    else:
        border = min(max(old_size, extent.start), extent.end)
        parts = [("MODIFY", extent.start, border), ("CREATE", border, extent.end)]
    return [
        {"op": op, "offset": str(start), "size": str(end - start)}
        for op, start, end in parts
        if start < end
    ]
