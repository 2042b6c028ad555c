# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading: resolving references, attributes, entries, content, totals - now or in a snapshot."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import re
from typing import Any, NamedTuple

from .clock import Clock
from .errors import (
    InvalidArgumentError,
    InvalidPathError,
    NoSuchEntryError,
    NotAFileError,
    NotCoveredBySnapshotError,
    NotDirectoryError,
)
from .inode import DIRECTORY, FILE, Inode
from .paths import Ref
from .render import Json, attributes, lock
from .snapshots import Snapshot, Snapshots


class Page(NamedTuple):
    """One page of a listing; ``next`` is the token for ``after``, empty on the last page."""

    items: list[Any]
    next: str


def encode_token(text: str) -> str:
    """An opaque paging token."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")


def decode_token(token: str) -> str:
    """What `encode_token` was given.

    :raises InvalidArgumentError: for something that was never handed out
    """
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode(
            "utf-8", "surrogatepass"
        )
    except (binascii.Error, ValueError) as error:
        raise InvalidArgumentError(f"{token!r} is no paging token") from error


class Reader(Snapshots):
    """Everything that changes nothing.

    ``identities`` maps an auth ID to its ``{"id_type", "id_value"}``.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.identities: dict[int, Json] = {
            500: {"id_type": "LOCAL_USER", "id_value": "admin"},
            501: {"id_type": "LOCAL_USER", "id_value": "guest"},
            513: {"id_type": "LOCAL_GROUP", "id_value": "Users"},
        }

    # -- finding ----------------------------------------------------------------------------

    def resolve(self, ref: Ref, *, snapshot: int | None = None) -> Inode:
        """The state of a file, now or in a snapshot.

        :param ref: a file ID or an absolute path, whose symlinks are not followed
        :raises NoSuchEntryError: if nothing is there
        :raises NoSuchSnapshotError: if the snapshot does not exist
        :raises NotCoveredBySnapshotError: if the file lies outside of the snapshot's source
        """
        if snapshot is None:
            return self._resolve(ref)[0]
        return self._resolve_in(ref, self.snapshot(snapshot))

    def _resolve_in(self, ref: Ref, snapshot: Snapshot) -> Inode:
        epoch = snapshot.epoch
        if isinstance(ref, str) and ref[:1] == "/":
            inode = self.root
            for name in ref.split("/"):
                if not name:
                    continue
                child = inode.directory.lookup(name, epoch) if inode.kind == DIRECTORY else None
                if child is None:
                    raise NoSuchEntryError(f"{name} {{ ino={inode.id} }}")
                inode = child
        else:
            if not isinstance(ref, int) and not (ref.isascii() and ref.isdigit()):
                raise InvalidPathError(f"{ref!r} is neither a file ID nor an absolute path")
            file_id = int(ref)
            found = self._table[file_id] if 0 <= file_id < len(self._table) else None
            if found is None:
                raise NoSuchEntryError(f"{{ ino={file_id} }}")
            inode = found
        state = self._state(inode, epoch)
        if state is None:
            raise NoSuchEntryError(f"{{ ino={inode.id} }}")
        if not self._covers(snapshot, state):
            raise NotCoveredBySnapshotError(
                f"{self._path(state, epoch)} is not covered by snapshot {snapshot.id}"
            )
        return state

    def _covers(self, snapshot: Snapshot, state: Inode) -> bool:
        source = snapshot.source_file_id
        if source in (self.root.id, state.id):
            return True
        if any(directory.id == source for directory in self._chain(state.parent, snapshot.epoch)):
            return True
        extra = () if state.rare is None else state.rare.links
        return any(
            directory.id == source
            for parent, _ in extra
            for directory in self._chain(parent, snapshot.epoch)
        )

    def path_of(self, ref: Ref, *, snapshot: int | None = None) -> str:
        """An absolute path of a file, by its first link; no slash at the end of a directory's."""
        if isinstance(ref, str) and ref[:1] == "/" and snapshot is None:
            _, parent, name = self._resolve(ref)
            return "/" if parent is None else self._join(self._path(parent, None), name)
        state = self.resolve(ref, snapshot=snapshot)
        return self._path(state, self._epoch_of(snapshot))

    # -- attributes -------------------------------------------------------------------------

    def attributes(self, ref: Ref, *, snapshot: int | None = None, lock: bool = False) -> Json:
        """GET /v1/files/{ref}/info/attributes.

        :param lock: with the ``lock`` member
        :raises ModelError: as `resolve`
        """
        if snapshot is not None:
            return self.render(self.resolve(ref, snapshot=snapshot), snapshot=snapshot, lock=lock)
        inode, parent, name = self._resolve(ref)
        path = "/" if parent is None else self._join(self._path(parent, None), name)
        return self._render(inode, name, path, lock)

    def render(self, inode: Inode, *, snapshot: int | None = None, lock: bool = False) -> Json:
        """The same for a state that `resolve` or a change returned, under its first link."""
        return self._render(inode, inode.name, self._path(inode, self._epoch_of(snapshot)), lock)

    def _render(self, inode: Inode, name: str, path: str, with_lock: bool) -> Json:
        answer = attributes(inode, name, path, self.identities)
        if with_lock:
            answer["lock"] = lock(inode)
        return answer

    def etag(self, ref: Ref) -> str:
        """A value that changes with every change of the file, quoted, ready for the header."""
        inode = self._resolve(ref)[0]
        return f'"{inode.id}-{inode.revision}"'

    # -- directories ------------------------------------------------------------------------

    def entries(
        self,
        ref: Ref,
        *,
        after: str = "",
        limit: int = 1000,
        snapshot: int | None = None,
        smb_pattern: str | None = None,
    ) -> Page:
        """Attributes of a directory's children, ordered by a hash of the name.

        A page costs as much as its entries, however big the directory. What is there during the
        whole listing is listed exactly once, whatever else comes and goes meanwhile.

        :param after: ``next`` of the page before
        :param smb_pattern: a glob with ``*`` and ``?`` that names must match, in any case
        :raises NotDirectoryError: if it is not a directory
        :raises InvalidArgumentError: if the token is none, or the limit is below 1
        """
        if limit < 1:
            raise InvalidArgumentError(f"limit {limit} is below 1")
        inode = self.resolve(ref, snapshot=snapshot)
        epoch = self._epoch_of(snapshot)
        path = self._path(inode, epoch)
        if inode.kind != DIRECTORY:
            raise NotDirectoryError(f"{path} is not a directory")
        names, start = self._names_after(inode, epoch, decode_token(after) if after else None)
        end = min(start + limit, len(names))
        chosen = names[start:end]
        if smb_pattern is not None:
            matches = re.compile(fnmatch.translate(smb_pattern), re.IGNORECASE).match
            chosen = [name for name in chosen if matches(name)]
            while len(chosen) < limit and end < len(names):
                more = names[end : end + limit - len(chosen)]
                end += len(more)
                chosen += [name for name in more if matches(name)]
        lookup = inode.directory.lookup
        prefix = path if path == "/" else path + "/"
        identities = self.identities
        items = []
        for name in chosen:
            child = lookup(name, epoch)
            assert child is not None
            state = child if epoch is None else self._state(child, epoch)
            assert state is not None
            items.append(attributes(state, name, prefix + name, identities))
        return Page(items, encode_token(names[end - 1]) if end < len(names) else "")

    def child_names(self, ref: Ref, *, snapshot: int | None = None) -> list[str]:
        """All names in a directory, in the order of `entries`."""
        inode = self.resolve(ref, snapshot=snapshot)
        if inode.kind != DIRECTORY:
            raise NotDirectoryError(f"ino={inode.id} is not a directory")
        return list(self._names(inode, self._epoch_of(snapshot)))

    # -- content ----------------------------------------------------------------------------

    def read(
        self, ref: Ref, *, offset: int = 0, length: int | None = None, snapshot: int | None = None
    ) -> bytes:
        """Content of a file; beyond the buffer it reads as zeros.

        :param length: how many bytes at most (None: to the end; ask for some MiB at a time)
        :raises NotAFileError: if it is not a regular file
        """
        state = self.resolve(ref, snapshot=snapshot)
        if state.kind != FILE:
            raise NotAFileError(f"ino={state.id} is not a regular file")
        end = state.size if length is None else min(state.size, offset + length)
        if offset >= end:
            return b""
        content = state.content
        assert content is None or isinstance(content, bytes)
        kept = (content or b"")[offset:end]
        return kept + bytes(end - offset - len(kept))

    def read_link(self, ref: Ref, *, snapshot: int | None = None) -> str:
        """Where a symlink points to.

        :raises NotAFileError: if it is not a symlink
        """
        state = self.resolve(ref, snapshot=snapshot)
        if not isinstance(state.content, str):
            raise NotAFileError(f"ino={state.id} is not a symlink")
        return state.content
