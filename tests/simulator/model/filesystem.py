# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file system: every operation that the REST API has on files.

A ``ref`` is a file ID (``int`` or decimal ``str``) or an absolute path. ``snapshot`` is a
snapshot's ID. Times are nanoseconds since 1970, UTC; sizes and offsets are bytes; owners and
groups are auth IDs. Every refusal is a `ModelError`, and has changed nothing.
"""

from __future__ import annotations

import gc
from pathlib import Path

from .clock import Clock
from .content import Content
from .errors import EntryExistsError, InvalidNameError
from .importer import ImportResult, import_tree
from .inode import FILE, Inode
from .namespace import ADMIN, USERS
from .paths import Ref
from .store import ROOT_ID


class FileSystem(Content):
    """An in-memory Qumulo file system.

    :param clock: its time
    :param buffer_limit: bytes of each file that are really kept; what lies beyond reads as zeros

    ``listeners`` are called with an `Event` after each change, and may be appended to and removed
    from at any time; next to nothing is spent on events while there are none.
    """

    ROOT_ID = ROOT_ID

    def __init__(self, clock: Clock | None = None, *, buffer_limit: int = 65536) -> None:
        super().__init__(clock or Clock(), buffer_limit)

    def bulk_create(
        self,
        parent: Ref,
        count: int,
        *,
        size: int = 0,
        pattern: str = "file-{:07d}",
        start: int = 0,
        owner: int = ADMIN,
        group: int = USERS,
        mode: int = 0o644,
    ) -> int:
        """Create ``count`` regular files of ``size`` zeros; returns the ID of the first one.

        :param pattern: name of each, a format with one number, which counts from ``start``
        :raises ModelError: as `create_file`; nothing is created then
        """
        directory = self._directory(parent)
        self._check_size(size)
        names = self._names_of_pattern(directory, pattern, start, count)
        now_ns = self.clock.now_ns()
        first_id = len(self._table)
        entries, epoch, append = directory.directory.entries, self._epoch, self._table.append
        collecting = gc.isenabled()
        # Nothing becomes garbage here; collections would only look at all the new files.
        gc.disable()
        try:
            self._change_directory(directory, count, 0, now_ns)
            for file_id, name in enumerate(names, first_id):
                inode = Inode(file_id, FILE, directory, name, epoch, now_ns, owner, group, mode)
                inode.size = size
                append(inode)
                entries[name] = inode
        finally:
            if collecting:
                gc.enable()
        self._count += count
        directory.directory.entries_epoch = epoch
        directory.directory.order = None
        if count:
            blocks = self._table_block_count(first_id)
            self._account(directory, count, 0, 0, 0, count * blocks)
        if self.listeners:
            for name in names:
                self._emit("child_file_added", entries[name], directory, name)
            self._emit_directory_changed(directory)
        return first_id

    def _table_block_count(self, file_id: int) -> int:
        inode = self._table[file_id]
        return 0 if inode is None else inode.data_blocks()

    def _names_of_pattern(
        self, directory: Inode, pattern: str, start: int, count: int
    ) -> list[str]:
        try:
            names = [pattern.format(number) for number in range(start, start + count)]
        except (IndexError, KeyError, ValueError) as error:
            raise InvalidNameError(f"{pattern!r} is not a format with one number") from error
        if len(set(names)) < len(names):
            raise EntryExistsError(f"{pattern!r} gives the same name twice")
        for name in names:
            self._check_name(directory, name)
        return names

    def import_tree(
        self, directory: Path, *, into: Ref = "/", content_limit: int | None = None
    ) -> ImportResult:
        """Copy a real directory's content into ``into``; see `importer.import_tree`."""
        limit = self.buffer_limit if content_limit is None else content_limit
        return import_tree(self, directory, into, min(limit, self.buffer_limit))
