# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in files, and their attributes."""

from __future__ import annotations

from collections.abc import Mapping

from .clock import Clock
from .errors import InvalidAttributesError, InvalidSizeError, NotAFileError
from .inode import EXTENDED_ATTRIBUTES, FILE, Inode
from .namespace import Namespace
from .paths import Ref

SIZE_LIMIT = 1 << 63


class Content(Namespace):
    """Everything that changes a file under its name.

    :param buffer_limit: bytes of each file that are really kept; what lies beyond reads as zeros
    """

    def __init__(self, clock: Clock, buffer_limit: int) -> None:
        super().__init__(clock)
        self.buffer_limit = buffer_limit

    # -- content ----------------------------------------------------------------------------

    def write(self, ref: Ref, offset: int, data: bytes) -> Inode:
        """PATCH .../data: write at an offset, which may lie beyond the end (a hole is left).

        :raises NotAFileError: if it is not a regular file
        :raises FileLockedError: if it is locked
        :raises InvalidSizeError: if the file would become too large
        """
        inode = self._writable(ref)
        self._check_size(offset, offset + len(data))
        self._write(inode, offset, data, len(data))
        return inode

    def append(self, ref: Ref, data: bytes) -> Inode:
        """Write at the end; raises as `write`."""
        inode = self._writable(ref)
        self._check_size(inode.size + len(data))
        self._write(inode, inode.size, data, len(data))
        return inode

    def replace(self, ref: Ref, data: bytes) -> Inode:
        """PUT .../data: exactly this content; raises as `write`."""
        inode = self._writable(ref)
        now_ns = self.clock.now_ns()
        old_size = inode.size
        self._begin_change(inode)
        self._journal(inode, 0, len(data), True)
        self._journal_hole(inode, len(data), old_size)
        inode.content = data[: self.buffer_limit] or None
        inode.data_revision += 1
        inode.modification_time = inode.change_time = now_ns
        self._resize(inode, len(data))
        self._emit_written(inode, 0, len(data), old_size)
        return inode

    def write_synthetic(self, ref: Ref, offset: int, length: int) -> Inode:
        """As if ``length`` zeros were written, without needing the memory; raises as `write`."""
        inode = self._writable(ref)
        self._check_size(offset, offset + length)
        kept = max(0, min(offset + length, self.buffer_limit, inode.size) - offset)
        self._write(inode, offset, bytes(kept), length)
        return inode

    def truncate(self, ref: Ref, size: int) -> Inode:
        """Set the size: what is beyond it is gone, what is new is a hole; raises as `write`."""
        inode = self._writable(ref)
        self._check_size(size)
        now_ns = self.clock.now_ns()
        self._begin_change(inode)
        self._truncate(inode, size, now_ns)
        return inode

    def _writable(self, ref: Ref) -> Inode:
        inode = self._resolve(ref)[0]
        if inode.kind != FILE:
            raise NotAFileError(f"{self._path(inode, None)} is not a regular file")
        self._check_unlocked(inode)
        return inode

    @staticmethod
    def _check_size(*sizes: int) -> None:
        for size in sizes:
            if not 0 <= size < SIZE_LIMIT:
                raise InvalidSizeError(f"{size} is not a size that a file can have")

    def _write(self, inode: Inode, offset: int, data: bytes, length: int) -> None:
        now_ns = self.clock.now_ns()
        old_size = inode.size
        self._begin_change(inode)
        if length:
            self._journal_hole(inode, old_size, offset)
            self._journal(inode, offset, offset + length, True)
            kept = data[: max(0, self.buffer_limit - offset)]
            if kept:
                content = inode.content or b""
                assert isinstance(content, bytes)
                before = content[:offset].ljust(offset, b"\0")
                inode.content = before + kept + content[offset + len(kept) :]
            inode.data_revision += 1
        inode.modification_time = inode.change_time = now_ns
        self._resize(inode, max(old_size, offset + length) if length else old_size)
        self._emit_written(inode, offset, length, old_size)

    def _truncate(self, inode: Inode, size: int, now_ns: int) -> None:
        """To be called in a change."""
        old_size = inode.size
        self._journal_hole(inode, min(size, old_size), max(size, old_size))
        if isinstance(inode.content, bytes):
            inode.content = inode.content[:size] or None
        inode.data_revision += 1
        inode.modification_time = inode.change_time = now_ns
        self._resize(inode, size)
        if self.listeners:
            if size != old_size:
                self._emit_each_link("child_size_changed", inode)
            self._emit_each_link("child_mtime_changed", inode)

    def _resize(self, inode: Inode, size: int) -> None:
        before = inode.data_blocks()
        inode.size = size
        grown = inode.data_blocks() - before
        if grown:
            for parent, _ in inode.links():
                self._account(parent, 0, 0, 0, 0, grown)

    def _emit_written(self, inode: Inode, offset: int, length: int, old_size: int) -> None:
        if self.listeners:
            self._emit_each_link("child_data_written", inode, offset=offset, size=length)
            if inode.size != old_size:
                self._emit_each_link("child_size_changed", inode)
            self._emit_each_link("child_mtime_changed", inode)

    # -- attributes -------------------------------------------------------------------------

    def set_attributes(
        self,
        ref: Ref,
        *,
        mode: int | None = None,
        owner: int | None = None,
        group: int | None = None,
        size: int | None = None,
        access_time: int | None = None,
        modification_time: int | None = None,
        change_time: int | None = None,
        creation_time: int | None = None,
        extended_attributes: Mapping[str, bool] | None = None,
    ) -> Inode:
        """PATCH .../info/attributes: set what is given, leave the rest.

        :raises FileLockedError: if the file is locked
        :raises InvalidAttributesError: for an unknown extended attribute or an impossible mode
        :raises NotAFileError: if the size of anything but a regular file is set
        """
        inode = self._resolve(ref)[0]
        if size is not None:
            self._check_size(size)
            if inode.kind != FILE:
                raise NotAFileError(f"{self._path(inode, None)} is not a regular file")
        if mode is not None and not 0 <= mode <= 0o7777:
            raise InvalidAttributesError(f"{mode:o} is not a mode")
        for attribute in extended_attributes or ():
            if attribute not in EXTENDED_ATTRIBUTES:
                raise InvalidAttributesError(f"{attribute} is not an extended attribute")
        self._check_unlocked(inode)
        now_ns = self.clock.now_ns()
        self._begin_change(inode)
        if size is not None:
            self._truncate(inode, size, now_ns)
        changed = []
        if mode is not None and mode != inode.mode:
            inode.mode = mode
            changed.append("acl")
        if owner is not None and owner != inode.owner:
            inode.owner = owner
            changed.append("owner")
        if group is not None and group != inode.group:
            inode.group = group
            changed.append("group")
        if access_time is not None:
            inode.access_time = access_time
            changed.append("atime")
        if modification_time is not None:
            inode.modification_time = modification_time
            changed.append("mtime")
        if creation_time is not None:
            inode.creation_time = creation_time
            changed.append("btime")
        if extended_attributes:
            rare = inode.with_rare()
            for at, attribute in enumerate(EXTENDED_ATTRIBUTES):
                if attribute in extended_attributes:
                    rare.extended_attributes &= ~(1 << at)
                    rare.extended_attributes |= bool(extended_attributes[attribute]) << at
            changed.append("extra_attrs")
        inode.change_time = now_ns if change_time is None else change_time
        if self.listeners and inode.parent is not None:
            for what in changed:
                self._emit_each_link(f"child_{what}_changed", inode)
        return inode

    def touch_access_time(self, ref: Ref) -> Inode:
        """What a read does where the cluster maintains access times, but not to a locked file."""
        inode = self._resolve(ref)[0]
        if not self._is_locked(inode):
            self._begin_change(inode)
            inode.access_time = self.clock.now_ns()
            if self.listeners and inode.parent is not None:
                self._emit_each_link("child_atime_changed", inode)
        return inode
