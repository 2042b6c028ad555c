# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a file by path or ID and the path of a file, and events, which carry that path."""

from __future__ import annotations

from .errors import InvalidPathError, NoSuchEntryError, NotDirectoryError
from .events import Event
from .inode import DIRECTORY, Inode
from .store import Store

# A file ID (an int, or its decimal digits) or an absolute path.
Ref = int | str


class Paths(Store):
    """References to live files, and paths of live and former ones."""

    # -- references -------------------------------------------------------------------------

    def _resolve(self, ref: Ref) -> tuple[Inode, Inode | None, str]:
        """A live inode, and the link that the reference names (the first one, if it is an ID)."""
        if isinstance(ref, str):
            if ref[:1] == "/":
                return self._walk(ref)
            if not (ref.isascii() and ref.isdigit()):
                raise InvalidPathError(f"{ref!r} is neither a file ID nor an absolute path")
        file_id = int(ref)
        inode = self._table[file_id] if 0 <= file_id < len(self._table) else None
        if inode is None or not inode.num_links:
            raise NoSuchEntryError(f"{{ ino={file_id} }}")
        return inode, inode.parent, inode.name

    def _walk(self, path: str) -> tuple[Inode, Inode | None, str]:
        parent: Inode | None = None
        inode, at = self.root, ""
        for name in path.split("/"):
            if not name:
                continue
            if inode.kind != DIRECTORY:
                raise NoSuchEntryError(f"{name} {{ ino={inode.id} }}")
            child = inode.directory.entries.get(name)
            if child is None:
                raise NoSuchEntryError(f"{name} {{ ino={inode.id} }}")
            parent, inode, at = inode, child, name
        if path[-1] == "/" and inode.kind != DIRECTORY:
            raise NotDirectoryError(f"{path} is not a directory")
        return inode, parent, at

    def _directory(self, ref: Ref) -> Inode:
        """A live directory."""
        inode = self._resolve(ref)[0]
        if inode.kind != DIRECTORY:
            raise NotDirectoryError(f"{self._path(inode, None)} is not a directory")
        return inode

    # -- paths ------------------------------------------------------------------------------

    def _chain(self, parent: Inode | None, epoch: int | None) -> list[Inode]:
        """``parent`` and the directories above it, up to the root, in their state of ``epoch``."""
        chain = []
        while parent is not None:
            state = parent if epoch is None else self._state(parent, epoch)
            if state is None:
                raise NoSuchEntryError(f"{{ ino={parent.id} }}")
            chain.append(state)
            parent = state.parent
        return chain

    def _path(self, state: Inode, epoch: int | None) -> str:
        """The absolute path by the first link, without a slash at the end (but ``/``)."""
        if state.parent is None:
            return "/"
        names = [directory.name for directory in self._chain(state.parent, epoch)]
        names.reverse()
        return "/".join(names) + "/" + state.name

    @staticmethod
    def _join(path: str, name: str) -> str:
        return path + name if path == "/" else f"{path}/{name}"

    # -- events -----------------------------------------------------------------------------

    def _event(
        self,
        event_type: str,
        inode: Inode,
        parent: Inode,
        name: str,
        *,
        offset: int = 0,
        size: int = 0,
    ) -> Event:
        """An event about the link ``name`` of ``inode``, which is still where it is named."""
        chain = self._chain(parent, None)
        chain.reverse()
        return Event(
            event_type,
            (*[directory.id for directory in chain], inode.id),
            (*[directory.name for directory in chain[1:]], name),
            inode.kind == DIRECTORY,
            self.clock.now_ns(),
            offset,
            size,
        )

    def _tell(self, event: Event) -> None:
        for listener in tuple(self.listeners):
            listener(event)

    def _emit(self, event_type: str, inode: Inode, parent: Inode, name: str) -> None:
        """Tell the listeners; to be called only if there are any."""
        self._tell(self._event(event_type, inode, parent, name))

    def _emit_each_link(
        self, event_type: str, inode: Inode, *, offset: int = 0, size: int = 0
    ) -> None:
        for parent, name in inode.links():
            self._tell(self._event(event_type, inode, parent, name, offset=offset, size=size))
