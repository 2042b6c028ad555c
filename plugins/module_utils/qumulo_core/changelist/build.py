# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From two snapshots to a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, BinaryIO

from .. import snapshots
from ..client import Client
from ..common import safe_paths
from ..snapshots import Snapshot
from . import bulk, formats, names, parquet, rows, storage_dna
from .entries import DELETE, Block, Plain
from .formats import BULK, CSV, JSONL, NUL, PARQUET, RCLONE, XML, Totals
from .lists import Lists
from .order import MOUNT, Order, check_order, check_pair, is_first, relative_to
from .progress import Progress
from .stream import Run

__all__ = ["Order", "Result", "build"]
#: Lines of the list that a module shows.
SAMPLE = 10


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
    directory = os.path.dirname(safe_paths.absolute(order.dest))
    with Lists(
        order.dest,
        _maker(order, relative, newer, directory),
        result.totals,
        split=order.split,
        first=partial(is_first, order) if order.has_first else None,
        compress=None if order.format == PARQUET else order.compress,
    ) as lists:
        result.lists, result.first = lists.paths, lists.first_path
        with Run(client, newer, (older, *perhaps), order, directory, progress) as run:
            lists.write(_passed(run.blocks(), relative, run, result))
            unknown_deletions = run.unknown_deletions
        if result.totals.unreadable:
            snapshots.get(client, newer.id)  # if that is gone, nothing is told of what was in it
        if progress is not None:
            progress.update("written", result.totals.entries, result.totals.entries)
        result.changed = lists.commit(dry_run=check_mode)
    result.warnings += _warnings(order, result.totals)
    if unknown_deletions and order.format == BULK:
        result.warnings.append(
            f"{unknown_deletions} deleted directories could not be read in the older snapshot: "
            "documents of what was in them stay in the index. Delete them by a query on the path, "
            "and give the account PRIVILEGE_FILE_READ_ACCESS."
        )
    return result


def _warnings(order: Order, totals: Totals) -> Iterator[str]:
    if totals.unreadable:
        marked = "" if order.format in (RCLONE, NUL) else "; they are marked in the list"
        yield f"{totals.unreadable} entries could not be read{marked}."
    if order.format == XML and totals.left_out:
        yield f"{totals.left_out} symlinks and devices are left out: XML can not hold them."
    if order.format == RCLONE and totals.left_out:
        yield (
            f"{totals.left_out} directories, symlinks and files with a line feed in their name, or "
            "a carriage return at its end, are left out: rclone's lists can not hold them."
        )
    if totals.changed_since:
        yield (
            f"{totals.changed_since} files have changed since the snapshot was taken: their "
            "attributes are of now, and the next list has them again."
        )
    if order.renames and not order.finds_renames:
        yield f"The {order.format} format knows no renames: they are deletions and creations."


def _maker(
    order: Order, relative: formats.Relative, newer: Snapshot, directory: str
) -> formats.Maker:
    form = order.format
    if form == JSONL:
        return rows.jsonl(relative)
    if form == CSV:
        more = [*(["from"] if order.renames else []), *(["ranges"] if order.ranges else [])]
        more += ["retention_period", "legal_hold"] if order.file_locks else []
        more += ["owner_name", "group_name"] if order.owner_names else []
        return rows.comma_separated(relative, tuple(more), guard=order.formula_guard)
    if form == BULK:
        return bulk.bulk(relative)
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
    blocks: Iterable[Block], relative: formats.Relative, run: Run, result: Result
) -> Iterator[Block]:
    """Pass entries on, without the base directory itself, and keep the first few in words.

    On the way it reports how many there are, and counts files of a mount that are newer by now.
    """
    order, newer, progress = run.order, run.newer, run.progress
    sample = result.sample
    base = newer.source_path if not relative(newer.source_path) else None
    taken_ns = int(newer.taken.timestamp()) * 1_000_000_000 + newer.taken.microsecond * 1000
    live = order.attributes == MOUNT
    number = 0
    for some in blocks:
        number += len(some)
        for entry in some if len(sample) < SAMPLE else ():
            if len(sample) < SAMPLE and entry.path != base:
                slash = "/" if entry.is_directory else ""
                # As the list has it: that of StorageDNA has deletions by their whole paths.
                whole = order.format == XML and entry.operation == DELETE
                name = entry.path if whole else relative(entry.path)
                was = f"{relative(entry.source)}{slash} to " if entry.source is not None else ""
                sample.append(f"{entry.operation} {was}{name}{slash}")
        if live:
            times = (e.attributes.ctime_ns for e in some if e.attributes is not None)
            result.totals.changed_since += sum(time > taken_ns for time in times)
        if progress is not None:
            progress.update("writing", number, max(number, run.total))
        if base is None:
            yield some
        elif isinstance(some, Plain):
            yield some.without(base)
        else:
            yield [entry for entry in some if entry.path != base]
