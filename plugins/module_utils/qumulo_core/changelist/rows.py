# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change lists by the line: JSON lines and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator
from json.encoder import encode_basestring_ascii as quote
from typing import Any, BinaryIO

from ..common.csv_text import CsvText
from ..files import DIRECTORY, FILE
from .entries import Block, Entry, Plain, Range, raw
from .formats import Maker, Relative, Totals, columns_of, date, type_of

COLUMNS = (
    "op",
    "path",
    "type",
    "size",
    "mtime",
    "atime",
    "owner",
    "group",
    "mode",
    "num_links",
    "file_id",
    "error",
)


def ranges_of(ranges: tuple[Range, ...]) -> list[list[Any]]:
    """Return changed bytes as offset, length, and whether it is data or a hole."""
    return [[part.offset, part.length, "data" if part.is_data else "hole"] for part in ranges]


class _JsonLines:
    def __init__(self, output: BinaryIO, totals: Totals, relative: Relative) -> None:
        self._write = output.write
        self._totals = totals
        self._relative = relative

    def extend(self, entries: Block) -> None:
        self._totals.count(entries)
        lines = self._plain(entries) if isinstance(entries, Plain) else map(self._line, entries)
        self._write("".join(lines).encode())

    def _plain(self, entries: Plain) -> Iterator[str]:
        relative = self._relative
        for operation, path in entries.changes():
            kind = FILE
            if path[-1] == "/":
                kind, path = DIRECTORY, path[:-1] or "/"
            yield f'{{"op": "{operation}", "path": {quote(relative(path))}, "type": "{kind}"}}\n'

    def _line(self, entry: Entry) -> str:
        path = self._relative(entry.path)
        described: dict[str, Any] = {"op": entry.operation, "path": path}
        if entry.source is not None:
            described["from"] = self._relative(entry.source)
        described["type"] = type_of(entry)
        if entry.attributes is not None:
            described.update(columns_of(entry.attributes))
        if entry.ranges is not None:
            described["ranges"] = ranges_of(entry.ranges)
        if entry.problem is not None:
            described["error"] = entry.problem
        return json.dumps(described) + "\n"

    def close(self) -> None:
        pass


def jsonl(relative: Relative) -> Maker:
    """JSON lines: an object for each change."""
    return lambda output, totals: _JsonLines(output, totals, relative)


class _Csv:
    def __init__(
        self,
        output: BinaryIO,
        totals: Totals,
        relative: Relative,
        columns: tuple[str, ...],
        guard: bool,
    ) -> None:
        self._output = output
        self._totals = totals
        self._relative = relative
        self._columns = columns
        self._table = CsvText(columns, guard=guard)

    def extend(self, entries: Block) -> None:
        self._totals.count(entries)
        self._table.extend(map(self._row, entries))
        self._move()

    def _row(self, entry: Entry) -> list[Any]:
        row: dict[str, Any] = {
            "op": entry.operation,
            "path": self._relative(entry.path),
            "type": type_of(entry),
            "error": entry.problem,
        }
        if entry.source is not None:
            row["from"] = self._relative(entry.source)
        if entry.attributes is not None:
            # People open tables, and a date with all nine digits loses nothing.
            row.update(columns_of(entry.attributes, date))
        if entry.ranges is not None:
            row["ranges"] = ";".join(
                f"{part.offset}+{part.length}{'' if part.is_data else 'h'}" for part in entry.ranges
            )
        return [row.get(column, "") for column in self._columns]

    def _move(self) -> None:
        self._output.write(raw(self._table.drain()))

    def close(self) -> None:
        self._move()


def comma_separated(
    relative: Relative, more: tuple[str, ...] = (), *, guard: bool = False
) -> Maker:
    """CSV (RFC 4180) with a header.

    :param more: further columns: ``from``, ``ranges``, ``retention_period``, ``legal_hold``,
        ``owner_name``, ``group_name``.
    :param guard: disarm what a spreadsheet would take for formulas.
    """
    return lambda output, totals: _Csv(output, totals, relative, COLUMNS + more, guard)
