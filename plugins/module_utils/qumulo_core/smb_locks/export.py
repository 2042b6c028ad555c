# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of handles as files, for programs and spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from ..output import AtomicFile
from .handles import Handle

FORMATS = ("csv", "jsonl")
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
_CHUNK = 1 << 16  # characters


def write_list(handles: Sequence[Handle], form: str, dest: str, *, dry_run: bool) -> dict[str, Any]:
    """Write handles to a file and return what a module reports.

    :param form: one of :data:`FORMATS`.
    :param dry_run: only compare with what is there.
    :raises InputError: the file cannot be written.
    """
    text = io.StringIO()
    with AtomicFile(dest) as output:

        def flush() -> None:
            output.write(text.getvalue().encode("utf-8", "surrogatepass"))
            text.seek(0)
            text.truncate()

        if form == "csv":
            text.write(_row(_COLUMNS))
        for handle in handles:
            shown = handle.render()
            if form == "csv":
                text.write(_row(_cell(shown[column]) for column in _COLUMNS))
            else:
                text.write(json.dumps(shown) + "\n")
            if text.tell() > _CHUNK:
                flush()
        flush()
        return {"changed": output.commit(dry_run=dry_run), "dest": output.path}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "; ".join(value) if isinstance(value, list) else str(value)


def _row(cells: Iterable[str]) -> str:
    """Return one line of a CSV file, with every field quoted."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue()
