# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From two snapshots to a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, BinaryIO

from ..client import Client
from ..errors import ConflictError, InputError, QumuloError
from ..files import FileInfo
from ..output import AtomicFile
from ..snapshots import Snapshot
from . import attributes as attribute_sources
from . import diff, entries, formats
from .entries import CREATE, DELETE, Entry
from .formats import CSV, JSONL, NUL, XML, Totals
from .sorting import Sorter

API, MOUNT, NONE = "api", "mount", "none"
#: Lines of the list that a module shows.
SAMPLE = 10


@dataclass(frozen=True)
class Order:
    """What list is wanted.

    :param base_path: what names are relative to; None: the source directory.
    :param map_to: where the base path is mounted on this host, for attributes from there.
    :param index: number of the source folder in XML.
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


@dataclass
class Result:
    """What became of it."""

    changed: bool
    totals: Totals
    sample: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def render(self) -> dict[str, Any]:
        """Return it as the module shows it."""
        return {"totals": self.totals.render(), "sample": self.sample}


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
    if order.format == XML and order.attributes == NONE:
        raise InputError("The xml format needs sizes and times: set attributes to api or mount.")
    if order.attributes == MOUNT and not order.map_to:
        raise InputError("Attributes from a mount need map_to: the directory it is mounted on.")
    if order.expand_deleted and not order.deletes:
        raise InputError("expand_deleted needs deletes: true.")


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
    client: Client, newer: Snapshot, older: Snapshot, order: Order, *, check_mode: bool
) -> Result:
    """Write the list of changes from ``older`` to ``newer``.

    Streams: what is in memory does not grow with the list. The file appears whole or not at all;
    if it holds the same already, it is left alone.

    :param check_mode: find out whether the file would change, and leave it.
    :raises QumuloError: nothing was written then.
    """
    check_pair(newer, older)
    check_order(order)
    relative = relative_to(order.base_path, newer.source_path)
    result = Result(False, Totals())
    problems: list[Entry] = []

    def on_error(path: str, error: QumuloError) -> None:
        problems.append(Entry(CREATE, path.rstrip("/"), True, problem=error.message))

    with AtomicFile(order.dest) as output:
        directory = os.path.dirname(output.path)
        with Sorter(directory, reverse=order.format == XML) as changed:
            owners = attribute_sources.Owners(client) if order.format == XML else None
            diff.collect(
                client,
                newer.id,
                older.id,
                changed=_Keyed(changed, order.format),
                directory=directory,
                deletes=order.deletes,
                expand_deleted=order.expand_deleted,
                pack=partial(_pack, owners) if order.attributes == API else _pack_nothing,
                workers=order.workers,
                on_error=on_error,
            )
            found = (_unkey(record, order.format) for record in diff.unique(changed))
            listed = _with_attributes(client, found, newer, order, owners)
            _writer(order, relative, newer, directory)(
                _sampled(chain(problems, listed), relative, result.sample),
                output.file,
                result.totals,
            )
        result.changed = output.commit(dry_run=check_mode)
    if result.totals.unreadable:
        result.warnings.append(
            f"{result.totals.unreadable} entries could not be read; they are marked in the list."
        )
    if order.format == XML and result.totals.left_out:
        result.warnings.append(
            f"{result.totals.left_out} symlinks and devices are left out: XML can not hold them."
        )
    return result


def _pack(owners: attribute_sources.Owners | None, info: FileInfo) -> bytes:
    return attribute_sources.of_info(info, owners).pack()


def _pack_nothing(info: FileInfo) -> bytes:
    del info
    return b""


class _Keyed:
    """Puts records into a sorter under a key that gives the order of a format.

    JSON lines and CSV are applied from top to bottom, so all deletions stand first.
    """

    def __init__(self, sorter: Sorter, form: str) -> None:
        self._sorter = sorter
        self._form = form

    def add(self, record: bytes) -> None:
        """Take a record."""
        if self._form in (JSONL, CSV):
            deleted = record[record.index(b"\0") + 1 : record.index(b"\0") + 2] == b"1"
            record = (b"0" if deleted else b"1") + record
        self._sorter.add(record)


def _unkey(record: bytes, form: str) -> Entry:
    return entries.decode(record[1:] if form in (JSONL, CSV) else record)


def _with_attributes(
    client: Client,
    found: Iterator[Entry],
    newer: Snapshot,
    order: Order,
    owners: attribute_sources.Owners | None,
) -> Iterator[Entry]:
    if order.attributes == API:
        return attribute_sources.from_api(client, found, newer.id, owners, workers=order.workers)
    if order.attributes == MOUNT:
        base = order.base_path if order.base_path is not None else newer.source_path
        return attribute_sources.from_mount(
            attribute_sources.Mount(order.map_to or "", base), found
        )
    return found


def _writer(
    order: Order, relative: Callable[[str], str], newer: Snapshot, directory: str
) -> formats.Writer:
    if order.format == JSONL:
        return formats.jsonl(relative)
    if order.format == CSV:
        return formats.comma_separated(relative)
    if order.format == NUL:
        return formats.nul_separated(relative)

    def spool() -> BinaryIO:
        return tempfile.TemporaryFile(prefix=".list-", dir=directory)

    # The time of the newer snapshot, not the host's: the same two snapshots give the same file.
    now = int(newer.taken.timestamp())
    return formats.storage_dna(relative, index=order.index, now=now, spool=spool)


def _sampled(
    found: Iterator[Entry], relative: Callable[[str], str], sample: list[str]
) -> Iterator[Entry]:
    """Pass entries on, without the base directory itself, and keep the first few in words."""
    for entry in found:
        if not relative(entry.path):
            continue
        if len(sample) < SAMPLE:
            slash = "/" if entry.is_directory else ""
            name = entry.path if entry.operation == DELETE else relative(entry.path)
            sample.append(f"{entry.operation} {name}{slash}")
        yield entry
