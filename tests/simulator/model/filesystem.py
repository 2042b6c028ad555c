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
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .aggregates import Aggregates
from .clock import Clock
from .errors import (
    DirectoryCycleError,
    DirectoryNotEmptyError,
    EntryExistsError,
    FileLockedError,
    HardLinkAmbiguityError,
    InvalidAttributesError,
    InvalidFileTypeError,
    InvalidNameError,
    InvalidSizeError,
    NameSizeError,
    NotAFileError,
    RetentionShortenedError,
)
from .importer import ImportResult, import_tree
from .inode import DIRECTORY, EXTENDED_ATTRIBUTES, FILE, KINDS, SYMLINK, Inode
from .reader import Ref
from .render import rfc3339
from .store import ROOT_ID

NAME_LIMIT = 255
SIZE_LIMIT = 1 << 63
_ADMIN, _USERS = 500, 513


class TreeDeleteResult(NamedTuple):
    """How many files and directories went, and the paths of those that could not."""

    removed: int
    refused: list[str]


class FileSystem(Aggregates):
    """An in-memory Qumulo file system.

    :param clock: its time
    :param buffer_limit: bytes of each file that are really kept; what lies beyond reads as zeros

    ``listeners`` are called with an `Event` after each change, and may be appended to and removed
    from at any time; next to nothing is spent on events while there are none.
    """

    ROOT_ID = ROOT_ID

    def __init__(self, clock: Clock | None = None, *, buffer_limit: int = 65536) -> None:
        super().__init__(clock or Clock())
        self.buffer_limit = buffer_limit

    # -- creating ---------------------------------------------------------------------------

    def create_file(
        self,
        parent: Ref,
        name: str,
        *,
        owner: int = _ADMIN,
        group: int = _USERS,
        mode: int = 0o644,
    ) -> Inode:
        """Create an empty regular file.

        :raises EntryExistsError: if the name is taken
        :raises InvalidNameError: if it cannot be a name
        """
        return self._create(FILE, parent, name, owner, group, mode)

    def create_directory(
        self,
        parent: Ref,
        name: str,
        *,
        owner: int = _ADMIN,
        group: int = _USERS,
        mode: int = 0o755,
    ) -> Inode:
        """Create an empty directory; raises as `create_file`."""
        return self._create(DIRECTORY, parent, name, owner, group, mode)

    def create_symlink(
        self,
        parent: Ref,
        name: str,
        target: str,
        *,
        target_type: str = "FS_FILE_TYPE_UNKNOWN",
        owner: int = _ADMIN,
        group: int = _USERS,
    ) -> Inode:
        """Create a symlink, whose target need not exist; raises as `create_file`."""
        inode = self._create(SYMLINK, parent, name, owner, group, 0o777)
        inode.content = target
        inode.size = len(target.encode("utf-8", "surrogatepass"))
        if target_type != "FS_FILE_TYPE_UNKNOWN":
            inode.with_rare().target_type = target_type
        return inode

    def create_unix_file(
        self,
        parent: Ref,
        name: str,
        file_type: str,
        *,
        major: int = 0,
        minor: int = 0,
        owner: int = _ADMIN,
        group: int = _USERS,
        mode: int = 0o644,
    ) -> Inode:
        """Create a pipe, device or socket.

        :param file_type: FS_FILE_TYPE_UNIX_PIPE and the like
        :raises InvalidFileTypeError: for another type
        :raises ModelError: as `create_file`
        """
        if not file_type.startswith("FS_FILE_TYPE_UNIX_") or file_type not in KINDS:
            raise InvalidFileTypeError(f"{file_type} is not a Unix file type")
        inode = self._create(KINDS[file_type], parent, name, owner, group, mode)
        if major or minor:
            rare = inode.with_rare()
            rare.major, rare.minor = major, minor
        return inode

    def create_link(self, parent: Ref, name: str, target: Ref) -> Inode:
        """Give a file one more name.

        :raises InvalidFileTypeError: if the target is a directory
        :raises FileLockedError: if it is locked: a new link changes its attributes
        :raises ModelError: as `create_file`
        """
        inode = self._resolve(target)[0]
        directory = self._directory(parent)
        if inode.kind == DIRECTORY:
            raise InvalidFileTypeError(f"{self._path(inode, None)} is a directory")
        self._check_name(directory, name)
        self._check_unlocked(inode)
        now_ns = self.clock.now_ns()
        self._begin_change(inode)
        inode.num_links += 1
        inode.change_time = now_ns
        rare = inode.with_rare()
        rare.links = (*rare.links, (directory, name))
        self._add(directory, name, inode, now_ns)
        return inode

    def _create(
        self, kind: int, parent: Ref, name: str, owner: int, group: int, mode: int
    ) -> Inode:
        directory = self._directory(parent)
        self._check_name(directory, name)
        now_ns = self.clock.now_ns()
        inode = self._new(kind, directory, name, now_ns, owner, group, mode)
        self._add(directory, name, inode, now_ns)
        return inode

    @staticmethod
    def _check_name(directory: Inode, name: str) -> None:
        if not name or name in (".", "..") or "/" in name or "\0" in name:
            raise InvalidNameError(f"{name!r} is not a name")
        if len(name) > NAME_LIMIT:
            raise NameSizeError(f"{name[:32]!r}... has more than {NAME_LIMIT} characters")
        if name in directory.directory.entries:
            raise EntryExistsError(f"{name} {{ ino={directory.id} }}")

    def _add(self, directory: Inode, name: str, inode: Inode, now_ns: int) -> None:
        """Link ``inode``, with all that follows for the directory and the listeners."""
        self._change_directory(directory, 1, inode.kind == DIRECTORY, now_ns)
        self._link(directory, name, inode)
        self._account_inode(directory, inode, 1)
        if self.listeners:
            kind = "dir" if inode.kind == DIRECTORY else "file"
            self._emit(f"child_{kind}_added", inode, directory, name)
            self._emit_directory_changed(directory)

    def _change_directory(
        self, directory: Inode, children: int, subdirectories: int, now_ns: int
    ) -> None:
        self._begin_change(directory)
        directory.size += children
        directory.num_links += subdirectories
        directory.modification_time = directory.change_time = now_ns

    def _emit_directory_changed(self, directory: Inode) -> None:
        if directory.parent is not None:
            self._emit("child_mtime_changed", directory, directory.parent, directory.name)

    # -- removing and renaming --------------------------------------------------------------

    def remove(self, ref: Ref) -> None:
        """DELETE /v1/files/{ref}: one link of a file, or an empty directory.

        :raises DirectoryNotEmptyError: if a directory has children
        :raises HardLinkAmbiguityError: if an ID names a file that has several links
        :raises FileLockedError: if the file is locked
        """
        inode, parent, name = self._resolve(ref)
        if parent is None:
            raise InvalidFileTypeError("the root directory cannot be removed")
        if inode.num_links > 1 and inode.kind != DIRECTORY and str(ref)[:1] != "/":
            raise HardLinkAmbiguityError(f"ino={inode.id} has {inode.num_links} links")
        self._check_removable(inode)
        self._drop(parent, name, inode, self.clock.now_ns())

    def delete_tree(self, ref: Ref) -> TreeDeleteResult:
        """Remove a directory and everything below it, except locked files and what leads to them.

        :raises NotDirectoryError: if it is not a directory
        """
        top = self._directory(ref)
        now_ns = self.clock.now_ns()
        refused: list[str] = []
        removed = 0
        order = [top]
        for directory in order:
            for name, inode in list(directory.directory.entries.items()):
                if inode.kind == DIRECTORY:
                    order.append(inode)
                elif self._is_locked(inode):
                    refused.append(self._join(self._path(directory, None), name))
                else:
                    self._drop(directory, name, inode, now_ns)
                    removed += 1
        for directory in reversed(order):
            if directory.parent is None:
                continue
            if directory.size:
                refused.append(self._path(directory, None) + "/")
            else:
                self._drop(directory.parent, directory.name, directory, now_ns)
                removed += 1
        return TreeDeleteResult(removed, sorted(refused))

    def _check_removable(self, inode: Inode) -> None:
        if inode.kind == DIRECTORY:
            if inode.size:
                raise DirectoryNotEmptyError(f"{{ ino={inode.id} }}")
        else:
            self._check_unlocked(inode)

    def _drop(self, directory: Inode, name: str, inode: Inode, now_ns: int) -> None:
        """Take one link away, and the inode with the last one."""
        event = None
        if self.listeners:
            kind = "dir" if inode.kind == DIRECTORY else "file"
            event = self._event(f"child_{kind}_removed", inode, directory, name)
        self._begin_change(inode)
        self._change_directory(directory, -1, -(inode.kind == DIRECTORY), now_ns)
        self._account_inode(directory, inode, -1)
        self._unlink(directory, name)
        inode.change_time = now_ns
        if inode.kind == DIRECTORY or inode.num_links == 1:
            self._discard(inode)
        else:
            inode.num_links -= 1
            self._replace_link(inode, (directory, name), None)
        if event is not None:
            self._tell(event)
            self._emit_directory_changed(directory)

    @staticmethod
    def _replace_link(inode: Inode, old: tuple[Inode, str], new: tuple[Inode, str] | None) -> None:
        links = [link for link in inode.links() if link != old]
        if new is not None:
            links.insert(0, new)
        inode.parent, inode.name = links[0]
        if inode.rare is not None:
            inode.rare.links = tuple(links[1:])

    def rename(self, source: Ref, parent: Ref, name: str, *, clobber: bool = False) -> Inode:
        """Move a link of a file, or a directory with all below it.

        :param source: its path, or its ID if it has only one link
        :param clobber: replace a file, or an empty directory by a directory, of that name
        :raises EntryExistsError: if the name is taken (and may not be replaced)
        :raises DirectoryCycleError: if a directory would come to lie below itself
        :raises FileLockedError: if the file, or the one to be replaced, is locked
        """
        inode, old_parent, old_name = self._resolve(source)
        directory = self._directory(parent)
        if old_parent is None:
            raise InvalidFileTypeError("the root directory cannot be renamed")
        if inode.num_links > 1 and inode.kind != DIRECTORY and str(source)[:1] != "/":
            raise HardLinkAmbiguityError(f"ino={inode.id} has {inode.num_links} links")
        replaced = directory.directory.entries.get(name)
        if replaced is inode:
            # As rename(2): two links of the same file are both left as they are.
            return inode
        if replaced is None:
            self._check_name(directory, name)
        elif not clobber or (replaced.kind == DIRECTORY) != (inode.kind == DIRECTORY):
            raise EntryExistsError(f"{name} {{ ino={directory.id} }}")
        else:
            self._check_removable(replaced)
        is_directory = inode.kind == DIRECTORY
        if is_directory and inode in self._chain(directory, None):
            raise DirectoryCycleError(f"{self._path(inode, None)} cannot move below itself")
        self._check_unlocked(inode)
        now_ns = self.clock.now_ns()
        if replaced is not None:
            self._drop(directory, name, replaced, now_ns)
        kind = "dir" if is_directory else "file"
        event = None
        if self.listeners:
            event = self._event(f"child_{kind}_moved_from", inode, old_parent, old_name)
        self._begin_change(inode)
        inode.change_time = now_ns
        self._change_directory(old_parent, -1, -is_directory, now_ns)
        self._account_inode(old_parent, inode, -1)
        self._unlink(old_parent, old_name)
        self._change_directory(directory, 1, is_directory, now_ns)
        self._replace_link(inode, (old_parent, old_name), (directory, name))
        self._link(directory, name, inode)
        self._account_inode(directory, inode, 1)
        if event is not None:
            self._tell(event)
            self._emit(f"child_{kind}_moved_to", inode, directory, name)
            self._emit_directory_changed(old_parent)
            if directory is not old_parent:
                self._emit_directory_changed(directory)
        return inode

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

    # -- locks ------------------------------------------------------------------------------

    def lock_file(
        self, ref: Ref, *, retention_ns: int | None = None, legal_hold: bool | None = None
    ) -> Inode:
        """PATCH .../file-lock: a retention period until ``retention_ns`` and/or a legal hold.

        What is None stays as it is. A retention period can be extended, never shortened or
        removed; a legal hold can be set and released ("Qumulo REST API guide", file-lock).

        :raises InvalidFileTypeError: if it is not a regular file
        :raises RetentionShortenedError: if the retention would end earlier than it does
        :raises InvalidAttributesError: if a new retention would end in the past
        """
        inode = self._resolve(ref)[0]
        if inode.kind != FILE:
            raise InvalidFileTypeError(f"{self._path(inode, None)} is not a regular file")
        now_ns = self.clock.now_ns()
        present = None if inode.rare is None else inode.rare.retention_ns
        if retention_ns is not None and retention_ns != present:
            if present is not None and retention_ns < present:
                raise RetentionShortenedError(
                    f"retention period {rfc3339(retention_ns)} is before {rfc3339(present)}, "
                    "which is set already"
                )
            if retention_ns <= now_ns:
                raise InvalidAttributesError(
                    f"retention period {rfc3339(retention_ns)} is in the past"
                )
        self._begin_change(inode)
        rare = inode.with_rare()
        if retention_ns is not None:
            rare.retention_ns = retention_ns
        if legal_hold is not None:
            rare.legal_hold = legal_hold
        inode.change_time = now_ns
        return inode

    def _is_locked(self, inode: Inode) -> bool:
        rare = inode.rare
        if rare is None:
            return False
        retention_ns = rare.retention_ns
        return rare.legal_hold or (retention_ns is not None and retention_ns > self.clock.now_ns())

    def _check_unlocked(self, inode: Inode) -> None:
        if self._is_locked(inode):
            raise FileLockedError(f"{self._path(inode, None)} is locked")

    # -- many files -------------------------------------------------------------------------

    def bulk_create(
        self,
        parent: Ref,
        count: int,
        *,
        size: int = 0,
        pattern: str = "file-{:07d}",
        start: int = 0,
        owner: int = _ADMIN,
        group: int = _USERS,
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
