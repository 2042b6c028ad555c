# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports on the last checkpoints: from options to a page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain
from typing import Any

from ..client import Client
from ..errors import InputError, MissingPrivilegeError
from ..output import AtomicFile
from ..smb_locks.names import find_identity
from . import checkpoints
from .formats import JSONL
from .order import API, Order
from .page import page
from .stream import Run
from .summary import OTHERS, Interval, Summary


def report(client: Client, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write the page.

    :raises InputError: there are not two committed snapshots to compare.
    """
    name, path = params["checkpoint"], params["path"]
    if params["last"] < 1:
        raise InputError("last is 1 or more: how many checkpoints to look back.")
    known = checkpoints.of_checkpoint(client, name, path).committed[-params["last"] - 1 :]
    if len(known) < 2:
        raise InputError(
            f"Checkpoint '{name}' of {path} keeps {len(known)} committed snapshots, and a report "
            "compares at least two: commit with keep: 2 or more."
        )
    summary = Summary(known[-1].source_path)
    order = Order(params["dest"], JSONL, API, deletes=True, workers=params["workers"])
    with AtomicFile(params["dest"]) as output:
        directory = os.path.dirname(output.path)
        for older, newer in zip(known, known[1:]):
            with Run(client, newer, (older,), order, directory, None) as run:
                found = chain.from_iterable(run.blocks())
                summary.take_in(Interval(older.taken, newer.taken), found)
        output.write(page(summary, _names(client, summary)).encode())
        changed = output.commit(dry_run=check_mode)
    return {
        "changed": changed,
        "dest": output.path,
        "intervals": [
            {
                "newer": newer.render(),
                "created": one.created,
                "modified": one.modified,
                "deleted": one.deleted,
                "bytes": one.bytes,
            }
            for newer, one in zip(known[1:], summary.intervals)
        ],
    }


def _names(client: Client, summary: Summary) -> dict[str, str]:
    """Return the names of the owners that are shown; without the privilege none."""
    names: dict[str, str] = {}
    for owner, _entries, _bytes in summary.by_owner.top():
        if owner == OTHERS:
            continue
        try:
            names[owner] = find_identity(client, owner).name or owner
        except MissingPrivilegeError:
            break  # the report is worth more than the names in it
    return names
