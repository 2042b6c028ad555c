# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From two snapshots to a file."""

from __future__ import annotations

import heapq
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from typing import Any, BinaryIO

from ..client import Client, ref
from ..errors import ConflictError, InputError, QumuloError
from ..files import FileInfo
from ..snapshots import Snapshot
from . import attributes as attribute_sources
from . import diff, entries, formats, names, packing, parquet, ranges, rows, storage_dna
from .entries import CREATE, DELETE, MODIFY, RENAME, Entry
from .formats import BULK, CSV, JSONL, NUL, PARQUET, RCLONE, SEQUENTIAL, XML, Totals
from .lists import Lists
from .mount import Mount, from_mount
from .progress import Progress
from .renames import Renames
from .sorting import Sorter

API, MOUNT, NONE = "api", "mount", "none"
#: Lines of the list that a module shows.
SAMPLE = 10
#: Lists that a run can be split into: each is an open file.
MOST_LISTS = 256
_STEP = 1000  # entries between two looks at the clock; what is in memory beside the sorters


@dataclass(frozen=True)
class Order:
    """What list is wanted.

    :param base_path: what names are relative to; None: the source directory.
    :param map_to: where the base path is mounted on this host, for attributes from there.
    :param index: number of the source folder in XML.
    :param renames: a deletion and a creation of one file are a rename.
    :param ranges: which bytes of modified files changed.
    :param file_locks: with the WORM state of files, which takes a request for each.
    :param separate_deletes: what is gone goes into a list of its own, as with ``split``.
    :param split: number of lists.
    :param compress: ``gzip``, ``zstd``, or None.
    """

    dest: str
    format: str
    attributes: str
    deletes: bool = False
    expand_deleted: bool = False
    base_path: str | None = None
    map_to: str | None = None
    index: int = 1
    workers: int = 16
    renames: bool = False
    ranges: bool = False
    file_locks: bool = False
    separate_deletes: bool = False
    split: int = 1
    compress: str | None = None

    @property
    def finds_renames(self) -> bool:
        """Whether renames are looked for; the format has to have a place for them."""
        return self.renames and self.format in formats.WITH_RENAMES

    @property
    def has_first(self) -> bool:
        """Whether what is gone goes into a list of its own."""
        return self.deletes and (
            self.separate_deletes or self.split > 1 or self.format in formats.DELETIONS_APART
        )


@dataclass
class Result:
    """What became of it."""

    changed: bool
    totals: Totals
    sample: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    first: str | None = None

    def render(self) -> dict[str, Any]:
        """Return it as the module shows it."""
        return {
            "totals": self.totals.render(),
            "sample": self.sample,
            "lists": self.lists,
            "first": self.first,
        }


def check_pair(newer: Snapshot, older: Snapshot) -> None:
    """Refuse snapshots that can not be compared.

    :raises ConflictError: they are of different directories, or in the wrong order.
    """
    if newer.source_id != older.source_id:
        raise ConflictError(
            f"Snapshot {newer.name} is of {newer.source_path} and {older.name} of "
            f"{older.source_path}: only snapshots of the same directory can be compared."
        )
    if newer.id == older.id:
        raise ConflictError(
            f"'newer' and 'older' are the same snapshot, {newer.name}: name two different ones."
        )
    if (newer.taken, newer.id) < (older.taken, older.id):
        raise ConflictError(
            f"Snapshot {newer.name} is older than {older.name}: exchange 'newer' and 'older'."
        )


def check_order(order: Order) -> None:
    """Refuse an order that contradicts itself.

    :raises InputError: it does, with what to change.
    """
    form = order.format
    if form in formats.NEED_ATTRIBUTES and order.attributes == NONE:
        raise InputError(
            f"The {form} format needs sizes and times: set attributes to api or mount."
        )
    if order.attributes == MOUNT and not order.map_to:
        raise InputError("Attributes from a mount need map_to: the directory it is mounted on.")
    if order.expand_deleted and not order.deletes:
        raise InputError("expand_deleted needs deletes: true.")
    if order.separate_deletes and not order.deletes:
        raise InputError("separate_deletes needs deletes: true.")
    if order.renames and not order.deletes:
        raise InputError("renames needs deletes: true.")
    if order.ranges and (form not in formats.WITH_RANGES or order.attributes != API):
        raise InputError(
            f"ranges needs attributes: api and one of the formats {_some(formats.WITH_RANGES)}."
        )
    if order.file_locks and order.attributes != API:
        raise InputError("file_locks needs attributes: api.")
    if not 1 <= order.split <= MOST_LISTS:
        raise InputError(f"split is a number of lists from 1 to {MOST_LISTS}.")
    if form == PARQUET:
        parquet.require()
    packing.require(order.compress if form != PARQUET else None)


def _some(names_: Iterable[str]) -> str:
    return ", ".join(names_)


def relative_to(base_path: str | None, source_path: str) -> Callable[[str], str]:
    """Return the function that makes paths relative.

    With a base path exactly its characters are cut off, as StorageDNA's tool does: whether names
    begin with a slash is decided by whether the base path ends in one.

    :raises InputError: the base path does not lead to the source directory.
    """
    source = source_path if source_path.endswith("/") else source_path + "/"
    base = source if base_path is None else base_path
    if not source.startswith(base) or (not base.endswith("/") and source[len(base)] != "/"):
        raise InputError(
            f"The base path {base} does not contain the source directory {source_path}."
        )
    length = len(base)

    def relative(path: str) -> str:
        return path[length:] if len(path) >= length else ""

    return relative


def build(
    client: Client,
    newer: Snapshot,
    older: Snapshot | None,
    order: Order,
    *,
    check_mode: bool,
    progress: Progress | None = None,
    perhaps: Sequence[Snapshot] = (),
) -> Result:
    """Write the list of changes from ``older`` to ``newer``.

    Streams: what is in memory does not grow with the list. The file appears whole or not at all;
    if it holds the same already, it is left alone.

    :param older: None: list everything in ``newer``.
    :param perhaps: snapshots between the two whose lists the consumer may have worked off, or some
        of them. The list is then right from each of them, and from any mixture: it has what
        changed since any of them, and takes each file as a whole under its new path.
    :param check_mode: find out whether the file would change, and leave it.
    :raises QumuloError: nothing was written then.
    """
    for one in (*([] if older is None else [older]), *perhaps):
        check_pair(newer, one)
    check_order(order)
    if perhaps:
        order = replace(order, renames=False, ranges=False)
    relative = relative_to(order.base_path, newer.source_path)
    result = Result(False, Totals())
    directory = os.path.dirname(os.path.abspath(order.dest))
    with Lists(
        order.dest,
        _maker(order, relative, newer, directory),
        result.totals,
        split=order.split,
        first=partial(_is_first, order) if order.has_first else None,
        compress=None if order.format == PARQUET else order.compress,
    ) as lists:
        result.lists, result.first = lists.paths, lists.first_path
        with Run(client, newer, (older, *perhaps), order, directory, progress) as run:
            lists.write(_passed(run.entries(), relative, run, result))
        if progress is not None:
            progress.update("written", result.totals.entries, result.totals.entries)
        result.changed = lists.commit(dry_run=check_mode)
    result.warnings += _warnings(order, result.totals)
    return result


def _warnings(order: Order, totals: Totals) -> Iterator[str]:
    if totals.unreadable:
        yield f"{totals.unreadable} entries could not be read; they are marked in the list."
    if order.format == XML and totals.left_out:
        yield f"{totals.left_out} symlinks and devices are left out: XML can not hold them."
    if order.format == RCLONE and totals.left_out:
        yield (
            f"{totals.left_out} directories, symlinks and files with a line feed in their name are "
            "left out: rclone's lists can not hold them."
        )
    if totals.changed_since:
        yield (
            f"{totals.changed_since} files have changed since the snapshot was taken: their "
            "attributes are of now, and the next list has them again."
        )
    if order.renames and not order.finds_renames:
        yield f"The {order.format} format knows no renames: they are deletions and creations."


def _is_first(order: Order, entry: Entry) -> bool:
    """Tell what has to be done before the lists of a split one are worked off in any order."""
    if entry.operation in (DELETE, RENAME):
        return True
    # What is moved needs the directories that it moves into.
    return order.finds_renames and entry.is_directory and entry.operation == CREATE


class Run:
    """The changes of one run, in the order of the list."""

    def __init__(
        self,
        client: Client,
        newer: Snapshot,
        olders: Sequence[Snapshot | None],
        order: Order,
        directory: str,
        progress: Progress | None,
    ) -> None:
        self._client = client
        self.newer = newer
        self._olders = olders
        self._older = older = olders[0]
        self.order = order
        self._directory = directory
        self.progress = progress
        self._stack = ExitStack()
        self._problems: list[Entry] = []
        self._seen: dict[str, int] = {}
        self._expected: int | None = None
        backwards = order.format == XML
        self._gone = self._stack.enter_context(Sorter(directory, reverse=backwards))
        self._present = self._stack.enter_context(Sorter(directory, reverse=backwards))
        self._owners = attribute_sources.Owners(client) if order.format == XML else None
        self._renames = order.finds_renames and older is not None

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def _on_error(self, path: str, error: QumuloError) -> None:
        self._problems.append(Entry(CREATE, path.rstrip("/"), True, problem=error.message))

    def _on_progress(self, phase: str, done: int) -> None:
        self._seen[phase] = done
        if self.progress is not None:
            self.progress.update(phase, done, self._expected if phase == "directories" else None)

    @property
    def total(self) -> int:
        """About how many entries there are, as far as they have come in."""
        return sum(self._seen.values())

    def entries(self) -> Iterator[Entry]:
        """Collect the changes and yield them."""
        order, newer, older = self.order, self.newer, self._older
        for each in self._olders:
            self._collect(each)
        found = self._renamed() if self._renames else self._plain()
        if older is not None and (order.ranges or self._renames):
            found = ranges.with_ranges(
                self._client,
                found,
                newer.id,
                older.id,
                ranges=order.ranges,
                workers=order.workers,
            )
        if order.attributes == MOUNT:
            base = order.base_path if order.base_path is not None else newer.source_path
            mount = Mount(order.map_to or "", base)
            found = from_mount(self._client, mount, found, workers=order.workers)
        elif order.attributes == NONE and self._renames:
            found = (entry._replace(attributes=None) for entry in found)
        return chain(self._problems, found)

    def _collect(self, older: Snapshot | None) -> None:
        order, newer = self.order, self.newer
        if older is None and self.progress is not None:
            self._expected = _entries_below(self._client, newer)
        asked = order.attributes == API or self._renames
        diff.collect(
            self._client,
            diff.Wanted(
                newer=newer.id,
                older=None if older is None else older.id,
                source=newer.source_path,
                gone=self._gone if order.deletes and older is not None else None,
                present=self._present,
                directory=self._directory,
                expand_deleted=self._renames
                or order.expand_deleted
                or (order.deletes and order.format in formats.DELETIONS_APART),
                packs=diff.Packs(
                    new=partial(_pack, self._owners) if asked else None,
                    old=partial(_pack, None) if self._renames else None,
                ),
                workers=order.workers,
                on_error=self._on_error,
                on_progress=self._on_progress,
            ),
        )

    def _plain(self) -> Iterator[Entry]:
        """Changes by path, with deletions first where the list is applied from top to bottom."""
        backwards = self.order.format == XML
        each = diff.unique if self.order.attributes == API else diff.distinct
        gone, present = diff.distinct(self._gone), each(self._present)
        if self.order.format in SEQUENTIAL or self.order.has_first:
            records: Iterable[bytes] = chain(gone, present)
        else:
            records = heapq.merge(gone, present, reverse=backwards)
        found: Iterator[Entry] = map(entries.decode, records)
        if backwards:
            found = storage_dna.without_stale_deletes(found)
        if self.order.attributes != API:
            return found
        return self._asked(found, self.newer.id, (CREATE, MODIFY))

    def _renamed(self) -> Iterator[Entry]:
        """Changes with renames, in the order in which they can be applied."""
        older = self._older
        assert older is not None
        gone = self._asked(
            map(entries.decode, diff.unique(self._gone)), older.id, (DELETE,), old=True
        )
        present = self._asked(
            map(entries.decode, diff.unique(self._present)), self.newer.id, (CREATE, MODIFY)
        )
        top = self.newer.source_path.rstrip("/") + "/"
        finder = self._stack.enter_context(
            Renames(self._directory, top, expand_deleted=self.order.expand_deleted)
        )
        return finder.find(gone, present)

    def _asked(
        self,
        found: Iterator[Entry],
        snapshot: int,
        operations: tuple[str, ...],
        *,
        old: bool = False,
    ) -> Iterator[Entry]:
        return attribute_sources.from_api(
            self._client,
            found,
            snapshot,
            None if old else self._owners,
            workers=self.order.workers,
            operations=operations,
            lock=self.order.file_locks and not old,
        )


def _entries_below(client: Client, snapshot: Snapshot) -> int | None:
    """Return how many entries a snapshot holds, for an estimate; None if that can not be told."""
    uri = f"/v1/files/{ref(snapshot.source_id)}/recursive-aggregates/"
    try:
        (top, *_below) = client.get(f"{uri}?max-entries=1&max-depth=1&snapshot={snapshot.id}")
        kinds = ("files", "directories", "symlinks", "other_objects")
        return sum(int(top[f"total_{kind}"]) for kind in kinds)
    except (QumuloError, KeyError, TypeError, ValueError):
        return None


def _pack(owners: attribute_sources.Owners | None, info: FileInfo) -> bytes:
    return attribute_sources.of_info(info, owners).pack()


def _maker(
    order: Order, relative: formats.Relative, newer: Snapshot, directory: str
) -> formats.Maker:
    form = order.format
    if form == JSONL:
        return rows.jsonl(relative)
    if form == CSV:
        more = [*(["from"] if order.renames else []), *(["ranges"] if order.ranges else [])]
        more += ["retention_period", "legal_hold"] if order.file_locks else []
        return rows.comma_separated(relative, tuple(more))
    if form == BULK:
        return rows.bulk(relative)
    if form == NUL:
        return names.nul_separated(relative)
    if form == RCLONE:
        return names.rclone(relative)
    if form == PARQUET:
        return parquet.parquet(relative, order.compress)

    def spool() -> BinaryIO:
        return tempfile.TemporaryFile(prefix=".list-", dir=directory)

    # The time of the newer snapshot, not the host's: the same two snapshots give the same file.
    now = int(newer.taken.timestamp())
    return storage_dna.storage_dna(relative, index=order.index, now=now, spool=spool)


def _passed(
    found: Iterable[Entry], relative: formats.Relative, run: Run, result: Result
) -> Iterator[Entry]:
    """Pass entries on, without the base directory itself, and keep the first few in words.

    On the way it reports how many there are, and counts files of a mount that are newer by now.
    """
    order, newer, progress = run.order, run.newer, run.progress
    sample = result.sample
    base = newer.source_path if not relative(newer.source_path) else None
    taken_ns = int(newer.taken.timestamp()) * 1_000_000_000 + newer.taken.microsecond * 1000
    live = order.attributes == MOUNT
    number = 0
    each = iter(found)
    while some := list(islice(each, _STEP)):
        number += len(some)
        for entry in some if len(sample) < SAMPLE else ():
            if len(sample) < SAMPLE and entry.path != base:
                slash = "/" if entry.is_directory else ""
                name = entry.path if entry.operation == DELETE else relative(entry.path)
                was = f"{relative(entry.source)}{slash} to " if entry.source is not None else ""
                sample.append(f"{entry.operation} {was}{name}{slash}")
        if live:
            times = (e.attributes.ctime_ns for e in some if e.attributes is not None)
            result.totals.changed_since += sum(time > taken_ns for time in times)
        if progress is not None:
            progress.update("writing", number, max(number, run.total))
        yield from [entry for entry in some if entry.path != base]
