# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes, times and owners of changed files, from the API or from a mount."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timezone

from .. import files
from ..client import Client
from ..errors import InputError, MissingPrivilegeError, NotFoundError, PermissionDeniedError
from ..files import FileInfo
from ..pool import map_ordered
from ..smb_locks.names import find_identity
from .entries import DELETE, Attributes, Entry

#: Owner of a file whose owner has no number: the number of "nobody" on Linux.
NOBODY = 65534
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parse_ns(text: str) -> int:
    """Return nanoseconds since 1970 of a time as the API writes it."""
    whole, _dot, fraction = text.rstrip("Z").partition(".")
    moment = datetime.fromisoformat(f"{whole}+00:00")
    delta = moment - _EPOCH
    seconds = delta.days * 86400 + delta.seconds
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)


class Owners:
    """Numbers of owners and groups, each looked up once; safe to share between threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._known: dict[str, int] = {}
        self._permitted = True

    def number(self, auth_id: str, kind: str, value: str) -> int:
        """Return the UID or GID of an auth ID, or that of nobody if it has none.

        :param kind: ``id_type`` of the API; NFS_UID and NFS_GID carry the number in ``value``.
        """
        if kind in ("NFS_UID", "NFS_GID") and value.isdigit():
            return int(value)
        with self._lock:
            if auth_id not in self._known:
                self._known[auth_id] = self._look_up(auth_id)
            return self._known[auth_id]

    def _look_up(self, auth_id: str) -> int:
        if not self._permitted:
            return NOBODY
        try:
            uid = find_identity(self._client, auth_id).uid
        except MissingPrivilegeError:
            self._permitted = False  # the list is worth more than the names in it
            return NOBODY
        return NOBODY if uid is None else uid


def of_info(info: FileInfo, owners: Owners | None) -> Attributes:
    """Return attributes that the API gave.

    :param owners: looks numbers up; None where no format needs them.
    """
    uid = gid = None
    if owners is not None:
        uid = owners.number(info.owner, info.owner_type, info.owner_value)
        gid = owners.number(info.group, info.group_type, info.group_value)
    return Attributes(
        type=info.type,
        size=0 if info.type == files.DIRECTORY else info.size,
        mtime_ns=parse_ns(info.modification_time),
        atime_ns=parse_ns(info.access_time),
        owner=info.owner,
        group=info.group,
        uid=uid,
        gid=gid,
        mode=info.mode,
        num_links=info.num_links,
        file_id=info.id,
    )


def from_api(
    client: Client,
    entries: Iterable[Entry],
    snapshot: int,
    owners: Owners | None,
    *,
    workers: int,
) -> Iterator[Entry]:
    """Yield entries with their attributes in a snapshot, in order, read in parallel.

    What has them already, or is deleted, is passed on; what can not be read has a problem.
    """

    def work(own: Client, entry: Entry) -> Entry:
        if entry.operation == DELETE or entry.attributes is not None:
            return entry
        try:
            info = files.get(own, entry.path, snapshot=snapshot)
        except (NotFoundError, PermissionDeniedError) as exc:
            return replace(entry, problem=exc.message)
        return replace(entry, attributes=of_info(info, owners))

    for outcome in map_ordered(client, work, entries, workers=workers):
        if outcome.error is not None:
            raise outcome.error
        if outcome.value is not None:
            yield outcome.value


class Mount:
    """A mounted directory of the cluster; no path leads out of it.

    Each component is opened relative to the one before, without following symlinks, so that no
    name that somebody chose on the cluster can make this host look elsewhere. Entries come
    sorted; the directory of the last one is kept open for the next.

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
        self._last = self._top
        self._last_parts: tuple[str, ...] = ()

    def close(self) -> None:
        """Close what is open."""
        self._drop_last()
        os.close(self._top)

    def _drop_last(self) -> None:
        if self._last != self._top:
            os.close(self._last)
        self._last, self._last_parts = self._top, ()

    def attributes(self, path: str) -> Attributes:
        """Return attributes of a path of the cluster.

        :raises OSError: it is not there, or a symlink is on the way.
        """
        if path != self._base and not path.startswith(self._base + "/"):
            raise OSError(errno.ENOENT, "it lies outside of the base path")
        *above, name = path[len(self._base) + 1 :].split("/")
        if not name:
            found = os.stat(self._top)
        else:
            found = os.stat(name, dir_fd=self._directory(tuple(above)), follow_symlinks=False)
        kind = {
            stat.S_IFREG: files.FILE,
            stat.S_IFDIR: files.DIRECTORY,
            stat.S_IFLNK: files.SYMLINK,
        }
        is_directory = stat.S_ISDIR(found.st_mode)
        return Attributes(
            type=kind.get(stat.S_IFMT(found.st_mode), "other"),
            size=0 if is_directory else found.st_size,
            mtime_ns=found.st_mtime_ns,
            atime_ns=found.st_atime_ns,
            owner=str(found.st_uid),
            group=str(found.st_gid),
            uid=found.st_uid,
            gid=found.st_gid,
            mode=f"{stat.S_IMODE(found.st_mode):04o}",
            num_links=found.st_nlink,
            file_id=None,
        )

    def _directory(self, parts: tuple[str, ...]) -> int:
        if parts == self._last_parts:
            return self._last
        self._drop_last()
        at = os.dup(self._top)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        for part in parts:
            try:
                if part in ("", ".", ".."):
                    raise OSError(errno.EINVAL, "the path has a component that is no name")
                below = os.open(part, flags, dir_fd=at)
            finally:
                os.close(at)
            at = below
        self._last, self._last_parts = at, parts
        return at


def from_mount(mount: Mount, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield entries with their attributes on a mount; what can not be read has a problem."""
    with contextlib.closing(mount):
        for entry in entries:
            if entry.operation == DELETE:
                yield entry
                continue
            try:
                yield replace(entry, attributes=mount.attributes(entry.path))
            except OSError as exc:
                yield replace(entry, problem=f"{entry.path}: {exc.strerror}")
