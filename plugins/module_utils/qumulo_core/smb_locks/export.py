# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of handles as files, for programs and spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..common.csv_text import write_csv
from ..output import AtomicFile
from .handles import Handle

#: Members of a handle that a CSV file has; byte ranges are lists of objects, which no cell holds.
_COLUMNS = (
    "path",
    "file_id",
    "user",
    "user_sid",
    "user_uid",
    "user_auth_id",
    "client_addresses",
    "nodes",
    "access",
    "denies",
    "byte_range_locks",
    "can_lose_work",
    "reasons",
    "location",
)


def write_list(
    handles: Sequence[Handle], form: str, dest: str, *, guard: bool, dry_run: bool
) -> dict[str, Any]:
    """Write handles to a file and return what a module reports.

    :param form: ``csv`` or ``jsonl``.
    :param guard: disarm what a spreadsheet would take for formulas.
    :param dry_run: only compare with what is there.
    :raises InputError: the file cannot be written.
    """
    with AtomicFile(dest) as output:
        if form == "csv":
            write_csv(output.write, _COLUMNS, map(_row, handles), guard=guard)
        else:
            for handle in handles:
                output.write(json.dumps(handle.render()).encode() + b"\n")
        return {"changed": output.commit(dry_run=dry_run), "dest": output.path}


def _row(handle: Handle) -> list[str | bool]:
    shown = handle.render()
    return [_cell(shown[column]) for column in _COLUMNS]


def _cell(value: Any) -> str | bool:
    if value is None:
        return ""
    if isinstance(value, bool):
        return value
    return "; ".join(value) if isinstance(value, list) else str(value)
