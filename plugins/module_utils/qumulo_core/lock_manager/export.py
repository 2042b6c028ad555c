# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of the page as CSV files, for people: a spreadsheet finds no formula in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..common.csv_text import CsvText
from ..smb_locks.words import describe_access
from ..times import format_rfc3339
from .board import Entry

_ROWS = 500

HANDLE_COLUMNS = (
    "path",
    "user",
    "client",
    "access",
    "byte_range_locks",
    "node",
    "seen_since",
    "could_lose_work",
    "file_id",
    "user_sid",
    "location",
)
RECORD_COLUMNS = (
    "time",
    "who",
    "from",
    "outcome",
    "error",
    "path",
    "user",
    "clients",
    "could_lose_work",
    "reason",
    "closing",
    "file_id",
    "location",
)


def cell(value: Any) -> str:
    """Return a value as the text of a cell."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def handle_row(entry: Entry) -> list[Any]:
    """Return a handle as a row under :data:`HANDLE_COLUMNS`."""
    handle = entry.handle
    return [
        handle.path,
        handle.holder.label,
        handle.addresses,
        describe_access(handle.access, handle.denies),
        handle.num_byte_ranges,
        handle.nodes,
        format_rfc3339(entry.sighting.since),
        handle.reasons,
        handle.file_id,
        handle.holder.sid or "",
        handle.location,
    ]


def record_row(record: Mapping[str, Any]) -> list[Any]:
    """Return a record as a row under :data:`RECORD_COLUMNS`."""
    return [record.get(column, "") for column in RECORD_COLUMNS]


def to_csv(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    """Yield a table as CSV in pieces; the mark at its beginning says UTF-8 to Excel."""
    table = CsvText(header, guard=True)
    yield b"\xef\xbb\xbf"
    for number, row in enumerate(rows, 1):
        table.extend([map(cell, row)])
        if number % _ROWS == 0:
            yield table.drain().encode("utf-8", "replace")
    yield table.drain().encode("utf-8", "replace")
