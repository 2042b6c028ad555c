# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of many changed files with few requests: by listing the directories they lie in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from .. import files
from ..client import Client
from ..domain.file_refs import by_path
from ..errors import QumuloError
from ..files import DIRECTORY, FileInfo
from ..pool import map_unordered
from . import entries
from .places import UNMOVED, Place

#: Names of one directory that are remembered as they are; more than that as bits of a table.
NAMES = 1024
_BITS = 1 << 20
#: Separates directory and name in a record; a name may begin with anything but a slash.
_SEPARATOR = b"\0/"


class Receiver(Protocol):
    """What takes records."""

    def add(self, record: bytes) -> None:
        """Take a record."""

    def extend(self, records: list[bytes]) -> None:
        """Take some records."""


class _Table:
    """A set of names in fixed memory, which may hold some that were never put in."""

    def __init__(self) -> None:
        self._bits = bytearray(_BITS // 8)

    def add(self, name: str) -> None:
        place = hash(name) % _BITS
        self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, name: str) -> bool:
        place = hash(name) % _BITS
        return bool(self._bits[place >> 3] & (1 << (place & 7)))


@dataclass(frozen=True)
class Group:
    """Changed names of one directory.

    :param directory: its path with a slash at the end.
    """

    directory: str
    names: set[str] | _Table
    count: int


def by_parent(path: str) -> bytes:
    """Return a path, which may end in a slash, as a record that sorts by its directory."""
    above, _slash, name = path.rstrip("/").rpartition("/")
    return entries.raw(above + "/") + _SEPARATOR + entries.raw(name)


def groups(records: Iterable[bytes], known: Iterator[bytes]) -> Iterator[Group]:
    """Yield the directories that are worth listing: those with more than one changed name.

    :param records: of :func:`by_parent`, sorted.
    :param known: directories with a slash at the end, sorted, none within another, of which all
        that is in them is known already.
    """
    skipped = next(known, None)
    directory: bytes | None = None
    names: set[str] | _Table = set()
    count = 0
    for record in records:
        above, _separator, name = record.partition(_SEPARATOR)
        if above != directory:
            if directory is not None and count > 1:
                yield Group(entries.text(directory), names, count)
            directory, names, count = above, set(), 0
        while skipped is not None and skipped < above and not above.startswith(skipped):
            skipped = next(known, None)
        if skipped is not None and above.startswith(skipped):
            continue
        if isinstance(names, set) and len(names) == NAMES:
            table = _Table()
            for one in names:
                table.add(one)
            names = table
        names.add(entries.text(name))
        count += 1
    if directory is not None and count > 1:
        yield Group(entries.text(directory), names, count)


def pays(pages: int, found: int, count: int) -> bool:
    """Tell whether another page of a directory is worth it.

    It is while pages have answered, on the average, more than one question each: asking for each
    file costs one request a file.

    :param pages: that were read.
    :param found: changed names that were on them.
    :param count: changed names of the directory.
    """
    return found < count and found > pages


def read(
    client: Client,
    wanted: Iterable[Group],
    snapshot: int,
    *,
    receiver: Receiver,
    pack: Callable[[FileInfo], bytes],
    workers: int,
    place: Place = UNMOVED,
) -> None:
    """Put attributes of changed files into ``receiver``, as records beside those of the changes.

    Directories are listed in parallel. What a listing does not tell, because the rest of it would
    take more requests than the files that are left, or because it is refused, is left to be asked
    for one by one.

    :param receiver: need not be safe to share.
    :param place: where the snapshots' directory was, if this is the older one.
    """
    lock = threading.Lock()

    def work(own: Client, group: Group) -> None:
        reference = by_path(place.in_older(group.directory).rstrip("/") or "/").quoted
        uri = f"/v1/files/{reference}/entries/?snapshot={snapshot}&limit={files.PAGE}"
        pages = found = 0
        try:
            for page in own.pages(uri):
                batch = []
                for item in page["files"]:
                    if item["name"] in group.names:
                        info = FileInfo.from_attributes(item)
                        path = place.in_newer(info.path)
                        path += "/" if info.type == DIRECTORY else ""
                        batch.append(entries.encode_known(path, pack(info)))
                with lock:
                    receiver.extend(batch)
                pages += 1
                found += len(batch)
                if not pays(pages, found, group.count):
                    break
        except QumuloError:
            pass  # each file by itself will say why, or be read after all

    for outcome in map_unordered(client, work, wanted, workers=workers):
        if outcome.error is not None:
            raise outcome.error
