# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What list is wanted, and whether that can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import ConflictError, InputError
from ..pool import check_workers
from ..snapshots import Snapshot
from . import formats, packing, parquet
from .entries import CREATE, DELETE, RENAME, Entry
from .formats import PARQUET

API, MOUNT, NONE = "api", "mount", "none"
#: Lists that a run can be split into: each is an open file.
MOST_LISTS = 256


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
    :param owner_names: with the names of owners and groups beside their IDs.
    :param formula_guard: disarm what a spreadsheet would take for formulas, in CSV.
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
    owner_names: bool = False
    formula_guard: bool = False

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
    # The cluster numbers its snapshots in their order; its clock may have been set back.
    if newer.id < older.id:
        raise ConflictError(
            f"Snapshot {newer.name} was taken before {older.name}, because its ID is lower: "
            "exchange 'newer' and 'older'."
        )


def check_order(order: Order) -> None:
    """Refuse an order that contradicts itself.

    :raises InputError: it does, with what to change.
    """
    check_workers(order.workers)
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
    if order.owner_names and form not in formats.WITH_OWNER_NAMES:
        raise InputError(
            f"owner_names does not fit format: {form}, which has no place for names of owners: "
            f"use one of {_some(formats.WITH_OWNER_NAMES)}, or leave owner_names out."
        )
    if order.owner_names and order.attributes == NONE:
        raise InputError(
            "owner_names needs owners, and attributes: none leaves them out: set attributes to "
            "api or mount."
        )
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


def is_first(order: Order, entry: Entry) -> bool:
    """Tell what has to be done before the lists of a split one are worked off in any order."""
    if entry.operation in (DELETE, RENAME):
        return True
    # What is moved needs the directories that it moves into.
    return order.finds_renames and entry.is_directory and entry.operation == CREATE
