# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes between two snapshots, sorted, with directories expanded."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, TypeVar

from .. import files
from ..client import Client
from ..common import heartbeats
from ..domain.file_refs import by_path
from ..errors import QumuloError
from ..files import DIRECTORY, FileInfo
from . import directories, entries
from .directories import Receiver
from .entries import CREATE, DELETE, MODIFY
from .places import UNMOVED, Place
from .sorting import Sorter

#: Changes to ask for in a page; the cluster may answer with fewer.
PAGE = 10_000
_AHEAD = 2  # pages
_POLL = 0.5  # seconds
_STEP = 1000  # files of a walk between two reports
Value = TypeVar("Value")


def ahead(items: Iterator[Value], limit: int = _AHEAD) -> Iterator[Value]:
    """Yield ``items``, of which another thread fetches the next while this one works.

    The cursors of a listing are sequential: this is all the overlap there can be.
    """
    ready: queue.Queue[tuple[Value | None, BaseException | None, bool]] = queue.Queue(limit)
    stopped = threading.Event()

    def put(entry: tuple[Value | None, BaseException | None, bool]) -> bool:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=_POLL)
                return True
            except queue.Full:
                continue
        return False

    beat = heartbeats.current()

    def fetch() -> None:
        heartbeats.help_thread(beat)
        try:
            for item in items:
                if not put((item, None, False)):
                    return
        except BaseException as exc:  # pylint: disable=broad-exception-caught
            put((None, exc, True))  # raised again where the items are consumed
        else:
            put((None, None, True))

    thread = threading.Thread(target=fetch, name="qumulo-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error, ended = ready.get()
            if error is not None:
                raise error
            if ended:
                return
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()


def changes(client: Client, newer: int, older: int) -> Iterator[dict[str, list[str]]]:
    """Yield pages of changes: paths by operation, in the cluster's order.

    Paths of directories end in "/". Needs PRIVILEGE_SNAPSHOT_DIFFERENCE_READ.
    """
    uri = f"/v2/snapshots/{newer}/changes-since/{older}?limit={PAGE}"
    with client.clone() as own:
        for page in ahead(own.pages(uri)):
            yield entries.of_page(page["entries"])


class Packs(NamedTuple):
    """What turns what a listing knows of a file into the attributes of its record.

    :param new: of what is in the newer snapshot; None: none are wanted.
    :param old: of what was in the older one.
    """

    new: Callable[[FileInfo], bytes] | None = None
    old: Callable[[FileInfo], bytes] | None = None


@dataclass(frozen=True)
class Wanted:
    """What is to be collected, and where it goes.

    :param older: None: everything in the newer snapshot is new.
    :param source: path of the snapshots' directory.
    :param gone: None: deletions are not wanted.
    :param directory: place for further runs.
    :param on_error: gets the operation and path of a directory that cannot be listed, and why.
    :param on_progress: is told the phase, and how much of it is done.
    :param place: where the snapshots' directory was in the older one.
    """

    newer: int
    older: int | None
    source: str
    gone: Receiver | None
    present: Receiver
    directory: str
    expand_deleted: bool
    packs: Packs
    workers: int
    on_error: Callable[[str, str, QumuloError], None]
    on_progress: Callable[[str, int], None]
    place: Place = UNMOVED

    def place_in(self, snapshot: int) -> Place:
        """Return how paths of the tree diff are to be asked of a snapshot."""
        return self.place if snapshot == self.older else UNMOVED


def collect(client: Client, wanted: Wanted) -> None:
    """Put all deletions into ``wanted.gone`` and all else into ``wanted.present``.

    A created directory stands for all that is in it, whether the cluster lists that too or not:
    it is walked in the newer snapshot, a deleted one in the older if asked. One that was deleted
    and made again is always walked in both: what was in the old one would else never be deleted.
    What comes twice so is dropped when it is sorted. Only the uppermost of nested directories is
    walked. Attributes of what is not walked come from the directories that hold many changes.
    """
    with ExitStack() as stack:
        created, deleted, again, new_parents, old_parents = (
            stack.enter_context(Sorter(wanted.directory)) for _number in range(5)
        )
        if wanted.older is None:
            created.add(entries.raw(wanted.source.rstrip("/") + "/"))
        else:
            _take_in(client, wanted, created, deleted, new_parents, old_parents)
        removed = deleted
        if not wanted.expand_deleted:
            for raw in _common(iter(created), iter(deleted)):
                again.add(raw)
            removed = again
        packs = wanted.packs
        _walk(client, wanted, created, wanted.newer, CREATE, wanted.present, packs.new)
        if packs.new is not None:
            _list(client, wanted, new_parents, created, wanted.newer, wanted.present, packs.new)
        if wanted.gone is None or wanted.older is None:
            return
        _walk(client, wanted, removed, wanted.older, DELETE, wanted.gone, packs.old)
        if packs.old is not None:
            _list(client, wanted, old_parents, removed, wanted.older, wanted.gone, packs.old)


def _take_in(
    client: Client,
    wanted: Wanted,
    created: Sorter,
    deleted: Sorter,
    new_parents: Sorter,
    old_parents: Sorter,
) -> None:
    """Read what the cluster lists, and note which directories have to be walked or listed."""
    gone, present, packs = wanted.gone, wanted.present, wanted.packs
    seen = 0
    for page in changes(client, wanted.newer, wanted.older or 0):
        for operation, paths in page.items():
            seen += len(paths)
            if operation == DELETE:
                receiver, pack, parents = gone, packs.old, old_parents
            else:
                receiver, pack, parents = present, packs.new, new_parents
            if receiver is None:
                continue
            receiver.extend(entries.encode_all(operation, paths))
            if pack is not None:
                parents.extend([directories.by_parent(path) for path in paths])
            if operation != MODIFY:
                whole = created if operation == CREATE else deleted
                whole.extend([entries.raw(path) for path in paths if path[-1] == "/"])
        wanted.on_progress("changes", seen)


def _walk(
    client: Client,
    wanted: Wanted,
    tops: Sorter,
    snapshot: int,
    operation: str,
    receiver: Receiver,
    pack: Callable[[FileInfo], bytes] | None,
) -> None:
    """Add everything that is in directories."""
    place = wanted.place_in(snapshot)
    walked = files.walk(
        client,
        (by_path(place.in_older(top)) for top in _outermost(tops)),
        workers=wanted.workers,
        snapshot=snapshot,
        on_error=lambda path, error: wanted.on_error(operation, place.in_newer(path), error),
    )
    for found, info in enumerate(walked, 1):
        path = place.in_newer(info.path) + ("/" if info.type == DIRECTORY else "")
        attributes = pack(info) if pack is not None else b""
        receiver.add(entries.encode(operation, path, attributes))
        if not found % _STEP:
            wanted.on_progress("directories", found)


def _list(
    client: Client,
    wanted: Wanted,
    parents: Sorter,
    walked: Sorter,
    snapshot: int,
    receiver: Receiver,
    pack: Callable[[FileInfo], bytes],
) -> None:
    """Add attributes of changed files from directories that hold many of them."""
    found = directories.groups(parents, map(entries.raw, _outermost(walked)))
    directories.read(
        client,
        found,
        snapshot,
        receiver=receiver,
        pack=pack,
        workers=wanted.workers,
        place=wanted.place_in(snapshot),
    )


def _common(left: Iterator[bytes], right: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what is in both of two sorted streams."""
    one, other = next(left, None), next(right, None)
    while one is not None and other is not None:
        if one == other:
            yield one
            other = next(right, None)
        elif one < other:
            one = next(left, None)
        else:
            other = next(right, None)


def _outermost(paths: Sorter) -> Iterator[str]:
    """Yield directories that lie in no other one."""
    for path in files.outermost(paths):
        yield path.decode("utf-8", "surrogatepass")


def distinct(blocks: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
    """Yield each of sorted records once, by the block: the quick way where none has attributes."""
    last = b""
    for block in blocks:
        some = [new for old, new in zip([last, *block], block) if new != old]
        last = block[-1]
        if some:
            yield some


def unique(records: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each change once, with attributes if any record of its path has them.

    :param records: sorted, forwards or backwards.
    """
    for path, same in groupby(records, _path_of):
        group = list(same)
        if len(group) == 1:
            if _code_of(group[0]) != entries.KNOWN:
                yield group[0]
            continue
        end = len(path) + 2
        found: dict[bytes, bytes] = {}
        known = b""
        for record in group:
            key, attributes = record[:end], record[end:]
            if _code_of(record) == entries.KNOWN:
                known = attributes
            elif not found.get(key):
                found[key] = attributes
        for key, attributes in found.items():
            yield key + (attributes or known)


def once(records: Iterable[bytes]) -> Iterator[bytes]:
    """Yield one change of each path, that which says most: against one of several older snapshots
    it can be new, and changed against another.

    :param records: sorted, forwards or backwards.
    """
    for _path, same in groupby(records, _path_of):
        yield min(same, key=_code_of)


def _path_of(record: bytes) -> bytes:
    return record[: record.index(b"\0")]


def _code_of(record: bytes) -> bytes:
    at = record.index(b"\0") + 1
    return record[at : at + 1]
