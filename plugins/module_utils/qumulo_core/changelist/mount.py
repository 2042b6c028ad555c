# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes, times and owners of changed files, from a mount of the cluster."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator

from .. import files
from ..client import Client
from ..errors import InputError
from ..pool import map_ordered
from .entries import DELETE, RENAME, Attributes, Entry

#: Entries that a thread looks at together.
_BATCH = 256
#: Files of one directory from which on it is listed: over NFS that brings the attributes of all,
#: where each file by itself costs a round trip or two.
_LIST_FROM = 8
#: Names that are listed for each one that is wanted, at most.
_LISTED = 64
_TYPES = {
    stat.S_IFREG: files.FILE,
    stat.S_IFDIR: files.DIRECTORY,
    stat.S_IFLNK: files.SYMLINK,
}


class Mount:
    """A mounted directory of the cluster; no path leads out of it.

    Each component is opened relative to the one before, without following symlinks, so that no
    name that somebody chose on the cluster can make this host look elsewhere.

    :param path: where ``base`` is mounted.
    :param base: directory of the cluster that is mounted there.
    :raises InputError: there is no such directory.
    """

    def __init__(self, path: str, base: str) -> None:
        self._base = base.rstrip("/")
        try:
            self._top = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as exc:
            raise InputError(
                f"The mount {path} can not be opened ({exc.strerror}): mount the cluster there or "
                "take attributes from the API."
            ) from exc

    def close(self) -> None:
        """Close what is open."""
        os.close(self._top)

    def split(self, path: str) -> tuple[str, ...]:
        """Return the names that lead from the mount to a path of the cluster.

        :raises OSError: it lies elsewhere, or has names that are none.
        """
        if path == (self._base or "/"):
            return ()
        if not path.startswith(self._base + "/"):
            raise OSError(errno.ENOENT, "it lies outside of the base path")
        names = tuple(path[len(self._base) + 1 :].split("/"))
        if any(name in ("", ".", "..") for name in names):
            raise OSError(errno.EINVAL, "the path has a component that is no name")
        return names

    def open(self, names: tuple[str, ...]) -> int:
        """Return a descriptor of a directory.

        :raises OSError: it is not there, or a symlink is on the way.
        """
        at = os.dup(self._top)
        for name in names:
            try:
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            finally:
                os.close(at)
            at = below
        return at

    def look(self, found: list[Entry]) -> list[Entry]:
        """Return entries with their attributes, or with the problem that they have."""
        looked = []
        at = 0
        while at < len(found):
            above = _above(found[at])
            end = at + 1
            while end < len(found) and _above(found[end]) == above:
                end += 1
            looked += self._look_into(found[at:end])
            at = end
        return looked

    def _look_into(self, found: list[Entry]) -> list[Entry]:
        """Look at entries of one directory."""
        if not any(_is_asked(entry) for entry in found):
            return found
        try:
            names = self.split(found[0].path)
            if not names:  # the mounted directory itself
                top = os.stat(self._top)
                return [_with(entry, top) if _is_asked(entry) else entry for entry in found]
            directory = self.open(names[:-1])
        except OSError as exc:
            return [_unreadable(entry, exc) for entry in found]
        try:
            listed = _list(directory, {entry.path.rpartition("/")[2] for entry in found})
            return [_look_at(entry, directory, listed) for entry in found]
        finally:
            os.close(directory)


def _above(entry: Entry) -> str | None:
    """Return the directory that an entry lies in; that at the top of a cluster lies in none."""
    return None if entry.path == "/" else entry.path.rpartition("/")[0]


def _is_asked(entry: Entry) -> bool:
    """Tell whether a path is there in the end; a file that is moved aside has no attributes."""
    if entry.operation == RENAME:
        return entry.attributes is not None
    return entry.operation != DELETE and entry.problem is None


def _list(directory: int, wanted: set[str]) -> dict[str, os.stat_result]:
    """Return what listing a directory tells of some of its names; it need not tell all."""
    listed: dict[str, os.stat_result] = {}
    if len(wanted) < _LIST_FROM:
        return listed
    with os.scandir(directory) as names:
        for number, name in enumerate(names):
            if name.name in wanted:
                try:
                    listed[name.name] = name.stat(follow_symlinks=False)
                except OSError:
                    pass  # gone meanwhile: by itself it will say so
            if len(listed) == len(wanted) or number > _LISTED * len(wanted):
                break
    return listed


def _look_at(entry: Entry, directory: int, listed: dict[str, os.stat_result]) -> Entry:
    if not _is_asked(entry):
        return entry
    name = entry.path.rpartition("/")[2]
    try:
        found = listed.get(name)
        if found is None:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except (OSError, ValueError) as exc:
        return _unreadable(entry, exc)
    return _with(entry, found)


def _unreadable(entry: Entry, exc: OSError | ValueError) -> Entry:
    if not _is_asked(entry):
        return entry
    reason = exc.strerror if isinstance(exc, OSError) else str(exc)
    return entry._replace(problem=f"{entry.path}: {reason}")


def _with(entry: Entry, found: os.stat_result) -> Entry:
    is_directory = stat.S_ISDIR(found.st_mode)
    kind = _TYPES.get(stat.S_IFMT(found.st_mode), "other")
    if is_directory != entry.is_directory:
        was = "a directory" if entry.is_directory else "none"
        return entry._replace(
            problem=f"{entry.path}: it is a {kind} now, and was {was} in the snapshot"
        )
    return entry._replace(
        attributes=Attributes(
            type=kind,
            size=0 if is_directory else found.st_size,
            mtime_ns=found.st_mtime_ns,
            atime_ns=found.st_atime_ns,
            ctime_ns=found.st_ctime_ns,
            owner=str(found.st_uid),
            group=str(found.st_gid),
            uid=found.st_uid,
            gid=found.st_gid,
            mode=f"{stat.S_IMODE(found.st_mode):04o}",
            num_links=found.st_nlink,
            file_id=None,
        )
    )


def _batches(found: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for entry in found:
        batch.append(entry)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def from_mount(
    client: Client, mount: Mount, found: Iterable[Entry], *, workers: int
) -> Iterator[Entry]:
    """Yield entries with their attributes on a mount, in order, looked at in parallel.

    What can not be read, or is something else by now, has a problem.
    """

    def work(own: Client, batch: list[Entry]) -> list[Entry]:
        del own  # a mount needs no connection
        return mount.look(batch)

    try:
        for outcome in map_ordered(client, work, _batches(found), workers=workers):
            if outcome.error is not None:
                raise outcome.error
            yield from outcome.value or ()
    finally:
        mount.close()
