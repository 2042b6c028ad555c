# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: creating, linking, renaming and removing files and directories."""

from __future__ import annotations

from typing import NamedTuple

from .errors import (
    DirectoryCycleError,
    DirectoryNotEmptyError,
    EntryExistsError,
    HardLinkAmbiguityError,
    InvalidFileTypeError,
    InvalidNameError,
    NameSizeError,
)
from .inode import DIRECTORY, FILE, KINDS, SYMLINK, Inode
from .locks import Locks
from .paths import Ref

NAME_LIMIT = 255
ADMIN, USERS = 500, 513


def _is_unicode(text: str) -> bool:
    """Whether it has no lone surrogates, which JSON can carry but UTF-8 cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


class TreeDeleteResult(NamedTuple):
    """How many files and directories went, and the paths of those that could not."""

    removed: int
    refused: list[str]


class Namespace(Locks):
    """Everything that changes which names there are."""

    # -- creating ---------------------------------------------------------------------------

    def create_file(
        self,
        parent: Ref,
        name: str,
        *,
        owner: int = ADMIN,
        group: int = USERS,
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
        owner: int = ADMIN,
        group: int = USERS,
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
        owner: int = ADMIN,
        group: int = USERS,
    ) -> Inode:
        """Create a symlink, whose target need not exist; raises as `create_file`."""
        if not _is_unicode(target):
            raise InvalidNameError(f"{target!r} is not valid Unicode")
        inode = self._create(SYMLINK, parent, name, owner, group, 0o777)
        inode.content = target
        inode.size = len(target.encode())
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
        owner: int = ADMIN,
        group: int = USERS,
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
        if not _is_unicode(name):
            raise InvalidNameError(f"{name!r} is not valid Unicode")
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
            # Made again if it is listed again: cheaper than to take out each name.
            directory.directory.order = None
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
