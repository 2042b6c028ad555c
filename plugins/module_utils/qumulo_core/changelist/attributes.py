# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes, times and owners of changed files, from the API."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from .. import files
from ..client import Client
from ..domain.file_refs import by_path
from ..errors import MissingPrivilegeError, NotFoundError, PermissionDeniedError
from ..files import FileInfo
from ..smb_locks.handles import Identity
from ..smb_locks.names import find_identity
from .asking import ask
from .entries import CREATE, MODIFY, Attributes, Entry
from .places import UNMOVED, Place

#: Owner of a file whose owner has no number: the number of "nobody" on Linux.
NOBODY = 65534
_EPOCH = datetime(1970, 1, 1)  # UTC, as all times of the API


def parse_ns(text: str) -> int:
    """Return nanoseconds since 1970 of a time as the API writes it."""
    whole, _dot, fraction = text.rstrip("Z").partition(".")
    delta = datetime.fromisoformat(whole) - _EPOCH
    seconds = delta.days * 86400 + delta.seconds
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)


class Owners:
    """Numbers of owners and groups, each looked up once; safe to share between threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._known: dict[str, Identity] = {}
        self._permitted = True

    def number(self, auth_id: str, kind: str, value: str, *, is_group: bool = False) -> int:
        """Return the UID of an auth ID, or the GID of a group's; that of nobody if it has none.

        :param kind: ``id_type`` of the API; NFS_UID and NFS_GID carry the number in ``value``.
        """
        if kind in ("NFS_UID", "NFS_GID") and value.isdigit():
            return int(value)
        with self._lock:
            if auth_id not in self._known:
                self._known[auth_id] = self._look_up(auth_id)
            found = self._known[auth_id]
        number = found.gid if is_group else found.uid
        return NOBODY if number is None else number

    def _look_up(self, auth_id: str) -> Identity:
        if self._permitted:
            try:
                return find_identity(self._client, auth_id)
            except MissingPrivilegeError:
                self._permitted = False  # the list is worth more than the names in it
        return Identity(auth_id)


def of_info(info: FileInfo, owners: Owners | None) -> Attributes:
    """Return attributes that the API gave.

    :param owners: looks numbers up; None where no format needs them.
    """
    uid = gid = None
    if owners is not None:
        uid = owners.number(info.owner, info.owner_type, info.owner_value)
        gid = owners.number(info.group, info.group_type, info.group_value, is_group=True)
    return Attributes(
        type=info.type,
        size=0 if info.type == files.DIRECTORY else info.size,
        mtime_ns=parse_ns(info.modification_time),
        atime_ns=parse_ns(info.access_time),
        ctime_ns=parse_ns(info.change_time),
        owner=info.owner,
        group=info.group,
        uid=uid,
        gid=gid,
        mode=info.mode,
        num_links=info.num_links,
        file_id=info.id,
        lock=info.lock,
    )


def from_api(
    client: Client,
    entries: Iterable[Entry],
    snapshot: int,
    owners: Owners | None,
    *,
    workers: int,
    operations: Collection[str] = (CREATE, MODIFY),
    lock: bool = False,
    place: Place = UNMOVED,
) -> Iterator[Entry]:
    """Yield entries with their attributes in a snapshot, in order, read in parallel.

    What has them already is passed on; what can not be read has a problem.

    :param operations: of the entries that are asked for.
    :param lock: with the WORM state of files, which takes a request for each.
    :param place: where the snapshots' directory was, if this is the older one.
    """

    def needs(entry: Entry) -> bool:
        if entry.operation not in operations or entry.problem is not None:
            return False
        known = entry.attributes
        return known is None or (lock and known.type == files.FILE and known.lock is None)

    def work(own: Client, entry: Entry) -> Entry:
        try:
            info = files.get(
                own,
                by_path(place.in_older(entry.path)),
                snapshot=snapshot,
                lock=lock and not entry.is_directory,
            )
        except (NotFoundError, PermissionDeniedError) as exc:
            return entry._replace(attributes=None, problem=exc.message)
        return entry._replace(attributes=of_info(info, owners))

    return ask(client, entries, needs, work, workers=workers)
