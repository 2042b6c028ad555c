# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes between two snapshots, sorted, with directories expanded."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from .. import files
from ..client import Client
from ..errors import QumuloError
from ..files import DIRECTORY, FileInfo
from . import entries
from .entries import CREATE, DELETE, MODIFY
from .sorting import Sorter

#: Changes to ask for in a page; the cluster may answer with fewer.
PAGE = 10_000
_AHEAD = 2  # pages
_POLL = 0.5  # seconds
Value = TypeVar("Value")


class Receiver(Protocol):
    """What takes records."""

    def add(self, record: bytes) -> None:
        """Take a record."""


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

    def fetch() -> None:
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


def changes(client: Client, newer: int, older: int) -> Iterator[tuple[str, str]]:
    """Yield operation and path of each change, in the cluster's order; directories end in "/".

    Needs PRIVILEGE_SNAPSHOT_DIFFERENCE_READ.
    """
    uri = f"/v2/snapshots/{newer}/changes-since/{older}?limit={PAGE}"
    with client.clone() as own:
        for page in ahead(own.pages(uri)):
            for item in page["entries"]:
                yield entries.of_api(item)


def collect(
    client: Client,
    newer: int,
    older: int,
    *,
    changed: Receiver,
    directory: str,
    deletes: bool,
    expand_deleted: bool,
    pack: Callable[[FileInfo], bytes],
    workers: int,
    on_error: Callable[[str, QumuloError], None],
) -> None:
    """Put all changes into ``changed``.

    A created directory stands for all that is in it, whether the cluster lists that too or not:
    it is walked in the newer snapshot, a deleted one in the older if asked. One that was deleted
    and made again is always walked in both: what was in the old one would else never be deleted.
    What comes twice so is dropped when it is sorted. Only the uppermost of nested directories is
    walked.

    :param directory: place for further runs.
    :param pack: turns what a walk knows of a file into the attributes of its record.
    :param on_error: is told of what can not be listed.
    """
    with Sorter(directory) as created, Sorter(directory) as deleted, Sorter(directory) as again:
        for operation, path in changes(client, newer, older):
            if operation == DELETE and not deletes:
                continue
            if path.endswith("/") and operation != MODIFY:
                sorter = created if operation == CREATE else deleted
                sorter.add(path.encode("utf-8", "surrogatepass"))
            changed.add(entries.encode(operation, path))
        if not expand_deleted:
            for raw in _common(iter(created), iter(deleted)):
                again.add(raw)
        removed = deleted if expand_deleted else again
        for sorter, snapshot, operation in ((created, newer, CREATE), (removed, older, DELETE)):
            found = files.walk(
                client,
                _uppermost(sorter),
                workers=workers,
                snapshot=snapshot,
                on_error=on_error,
            )
            for info in found:
                slash = "/" if info.type == DIRECTORY else ""
                attributes = pack(info) if operation == CREATE else b""
                changed.add(entries.encode(operation, info.path + slash, attributes))


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


def _uppermost(paths: Sorter) -> Iterator[str]:
    """Yield directories that lie in no other one; in sorted order that is the one before."""
    above: bytes | None = None
    for path in paths:
        if above is None or not path.startswith(above):
            above = path
            yield path.decode("utf-8", "surrogatepass")


def unique(records: Sorter) -> Iterator[bytes]:
    """Yield each change once; of records that differ in attributes alone, one that has them."""
    held: bytes | None = None
    held_key = b""
    held_attributes = b""
    for record in records:
        key, attributes = entries.split(record)
        if held is not None and key == held_key:
            if not attributes or held_attributes:
                continue
        elif held is not None:
            yield held
        held, held_key, held_attributes = record, key, attributes
    if held is not None:
        yield held
