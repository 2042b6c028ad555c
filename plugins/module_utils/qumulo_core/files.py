# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the cluster: attributes as a record, and trees as a stream."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, AnyStr

from .client import Client
from .common import heartbeats
from .domain.file_refs import FileRef, by_id
from .errors import NotFoundError, ProtocolError, QumuloError
from .pool import check_workers

FILE, DIRECTORY, SYMLINK = "file", "directory", "symlink"
_TYPES = {
    "FS_FILE_TYPE_FILE": FILE,
    "FS_FILE_TYPE_DIRECTORY": DIRECTORY,
    "FS_FILE_TYPE_SYMLINK": SYMLINK,
}
#: Entries to ask for in a page of a directory; the cluster may answer with fewer.
PAGE = 1000
#: Batches of entries that wait for the consumer of a walk.
_BACKLOG = 16
_BATCH = 500
_POLL = 0.5  # seconds between looks at whether the other side has stopped


@dataclass(frozen=True)
class FileInfo:
    """Attributes of a file, directory or other object.

    Times are RFC 3339 as the API writes them, with nanoseconds. ``path`` has no slash at the end.
    ``data_revision`` numbers the versions of a file's data; directories have none. ``etag`` is of
    the whole file, and known only where it was read by itself.
    """

    id: str
    path: str
    name: str
    type: str
    size: int
    modification_time: str
    change_time: str
    access_time: str
    mode: str
    owner: str
    group: str
    num_links: int
    owner_type: str
    owner_value: str
    group_type: str
    group_value: str
    lock: dict[str, Any] | None = None
    data_revision: str = ""
    etag: str = ""
    creation_time: str = ""

    @property
    def ref(self) -> FileRef:
        """The file by its ID, which survives a rename."""
        return by_id(self.id)

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any], etag: str = "") -> FileInfo:
        """Return the record of an attribute object of the REST API.

        :raises ProtocolError: it lacks an attribute.
        """
        try:
            kind = attributes["type"]
            owner = attributes["owner_details"]
            group = attributes["group_details"]
            return cls(
                id=attributes["id"],
                path=attributes["path"].rstrip("/") or "/",
                name=attributes["name"],
                type=_TYPES.get(kind, kind.rpartition("_")[2].lower()),
                size=int(attributes["size"]),
                modification_time=attributes["modification_time"],
                change_time=attributes["change_time"],
                access_time=attributes["access_time"],
                mode=attributes["mode"],
                owner=attributes["owner"],
                group=attributes["group"],
                num_links=int(attributes["num_links"]),
                owner_type=owner["id_type"],
                owner_value=str(owner["id_value"]),
                group_type=group["id_type"],
                group_value=str(group["id_value"]),
                lock=attributes.get("lock"),
                data_revision=str(attributes.get("data_revision") or ""),
                etag=etag,
                creation_time=str(attributes.get("creation_time") or ""),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as exc:
            raise ProtocolError(f"The cluster described a file without {exc}.") from exc


def get(
    client: Client, ref: FileRef, *, lock: bool = False, snapshot: int | None = None
) -> FileInfo:
    """Return the attributes of a file.

    :param lock: with the state of the WORM lock, for which the account needs READ_ACL.
    :raises NotFoundError: there is nothing.
    :raises InputError: the path contains ``..``.
    """
    uri = f"/v1/files/{ref.quoted}/info/attributes"
    query = []
    if lock:
        query.append("retrieve-file-lock=true")
    if snapshot is not None:
        query.append(f"snapshot={snapshot}")
    try:
        attributes, etag = client.get_tagged(f"{uri}?{'&'.join(query)}" if query else uri)
    except NotFoundError as exc:
        what = "the path" if ref.is_path else "the file ID"
        where = "on the cluster" if snapshot is None else f"in snapshot {snapshot}"
        raise NotFoundError(
            f"'{ref}' does not exist {where}: check {what}.",
            status=exc.status,
            error_class=exc.error_class,
        ) from exc
    return FileInfo.from_attributes(attributes, etag)


def entries(
    client: Client, directory: FileRef, *, snapshot: int | None = None
) -> Iterator[FileInfo]:
    """Yield the entries of a directory, in the cluster's order."""
    uri = f"/v1/files/{directory.quoted}/entries/"
    if snapshot is not None:
        uri += f"?snapshot={snapshot}"
    for entry in client.paged(uri, "files", limit=PAGE):
        yield FileInfo.from_attributes(entry)


@dataclass(frozen=True)
class _Unreadable:
    path: str
    error: QumuloError


class _Walk:
    """Directories that wait to be listed, and the threads that list them.

    The newest directory is listed first: depth-first, so that few wait at a time; the next root
    is taken when none waits. Entries go to the consumer in batches through a bounded queue; a
    slow consumer slows the listing down.
    """

    def __init__(
        self,
        client: Client,
        roots: Iterable[FileRef],
        workers: int,
        snapshot: int | None,
        skip: Callable[[str], bool] | None,
    ) -> None:
        self._client = client
        self._skip = skip
        self._roots = iter(roots)
        self._snapshot = snapshot
        self._beat = heartbeats.current()
        self._condition = threading.Condition()
        self._waiting: list[tuple[FileRef, str]] = []  # and path for a message
        self._busy = 0
        self._alive = workers
        self._stopped = False
        self.batches: queue.Queue[list[FileInfo] | _Unreadable | BaseException | None]
        self.batches = queue.Queue(_BACKLOG)
        self._threads = [
            threading.Thread(target=self._work, name=f"qumulo-walk-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        heartbeats.help_thread(self._beat)
        client = self._client.clone()
        try:
            while (directory := self._take()) is not None:
                reference, path = directory
                try:
                    self._list(client, reference)
                except QumuloError as exc:
                    self._put(_Unreadable(path, exc))
                finally:
                    self._done()
        except BaseException as exc:  # pylint: disable=broad-exception-caught
            self._put(exc)  # raised again where the walk is consumed
        finally:
            client.close()
            with self._condition:
                self._alive -= 1
                last = not self._alive
            if last:
                self._put(None)

    def _take(self) -> tuple[FileRef, str] | None:
        with self._condition:
            while not self._stopped:
                if not self._waiting:
                    root = next(self._roots, None)
                    if root is not None:
                        self._waiting.append((root, str(root)))
                if self._waiting:
                    self._busy += 1
                    return self._waiting.pop()
                if not self._busy:
                    return None
                self._condition.wait(_POLL)
            return None

    def _done(self) -> None:
        with self._condition:
            self._busy -= 1
            if not self._busy:
                self._condition.notify_all()

    def _list(self, client: Client, reference: FileRef) -> None:
        batch: list[FileInfo] = []
        for entry in entries(client, reference, snapshot=self._snapshot):
            batch.append(entry)
            if len(batch) >= _BATCH:
                self._hand_over(batch)
                batch = []
        self._hand_over(batch)

    def _hand_over(self, batch: list[FileInfo]) -> None:
        if batch:  # before others list what is in it
            self._put(batch)
        below = [(entry.ref, entry.path) for entry in batch if entry.type == DIRECTORY]
        if self._skip is not None:
            below = [(reference, path) for reference, path in below if not self._skip(path)]
        if below:
            with self._condition:
                self._waiting.extend(below)
                self._condition.notify_all()

    def _put(self, item: list[FileInfo] | _Unreadable | BaseException | None) -> None:
        while not self._stopped:
            try:
                self.batches.put(item, timeout=_POLL)
                return
            except queue.Full:
                continue


def outermost(paths: Iterable[AnyStr]) -> Iterator[AnyStr]:
    """Yield directories that lie in no other one, each once.

    :param paths: sorted; each ends in a slash, so that what lies in it follows it at once.
    """
    above: AnyStr | None = None
    for path in paths:
        if above is None or not path.startswith(above):
            above = path
            yield path


def walk(
    client: Client,
    roots: Iterable[FileRef],
    *,
    workers: int = 8,
    snapshot: int | None = None,
    skip: Callable[[str], bool] | None = None,
    on_error: Callable[[str, QumuloError], None] | None = None,
) -> Iterator[FileInfo]:
    """Yield everything below directories, not themselves; a directory before what is in it.

    Directories are listed in parallel; memory does not grow with the tree. Symlinks are not
    followed. What is renamed while the walk goes on may be seen twice or not at all; a walk in a
    snapshot has no such gaps.

    :param roots: directories; read one at a time, so there may be any number.
    :param workers: threads, each with its own connection.
    :param skip: tells by its path whether a directory is yielded but not listed; called by
        several threads.
    :param on_error: is told of a directory that can not be listed; without it that ends the walk.
    """
    check_workers(workers)
    work = _Walk(client, roots, workers, snapshot, skip)
    work.start()
    try:
        while (item := work.batches.get()) is not None:
            if isinstance(item, list):
                yield from item
            elif isinstance(item, _Unreadable):
                if on_error is None:
                    raise item.error
                on_error(item.path, item.error)
            else:
                raise item
    finally:
        work.stop()
