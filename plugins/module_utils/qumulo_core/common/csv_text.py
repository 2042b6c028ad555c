# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CSV (RFC 4180) with every field quoted, and with formulas disarmed where people open it.

A spreadsheet takes a cell that begins with certain characters for a formula, and file names are
chosen by anyone who can create files. With the guard, such a cell begins with an
apostrophe. So does one that begins with an apostrophe itself: to get the text back, remove the
first character of each cell that begins with an apostrophe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from typing import Any

#: A cell that begins with one of these is, or may become, a formula to a spreadsheet (OWASP, CSV
#: injection). Some spreadsheets take full-width characters for their ASCII forms.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MARK = "'"
#: Characters that are written at a time.
_PIECE = 1 << 16
_GUARDED = (_MARK, *FORMULA_STARTS)


def guarded(text: str) -> str:
    """Return text as a cell that is not a formula."""
    return _MARK + text if text.startswith(_GUARDED) else text


def unguarded(cell: str) -> str:
    """Return the text of a cell that :func:`guarded` made."""
    return cell[1:] if cell.startswith(_MARK) else cell


_BOOLEANS = {False: "false", True: "true"}


class CsvText:
    """A table as text, which grows until it is drained.

    :param columns: names in the first line.
    :param guard: disarm formulas.
    """

    def __init__(self, columns: Iterable[str], *, guard: bool) -> None:
        self._buffer = io.StringIO()
        self._rows = csv.writer(self._buffer, quoting=csv.QUOTE_ALL)
        self._guard = guard
        self._rows.writerow(columns)

    def extend(self, rows: Iterable[Iterable[Any]]) -> None:
        """Add rows. None is an empty cell; numbers are never formulas."""
        self._rows.writerows(map(self._guarded, rows) if self._guard else rows)

    def _guarded(self, row: Iterable[Any]) -> list[Any]:
        return [guarded(cell) if isinstance(cell, str) else cell for cell in row]

    @property
    def length(self) -> int:
        """Number of characters to drain."""
        return self._buffer.tell()

    def drain(self) -> str:
        """Return the text that was added since the last call."""
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text


def write_csv(
    write: Callable[[bytes], object],
    columns: Iterable[str],
    rows: Iterable[Iterable[Any]],
    *,
    guard: bool,
) -> int:
    """Write a table in UTF-8, piece by piece; return the number of rows.

    A path that is not Unicode text keeps its bytes. A boolean is true or false.
    """
    table = CsvText(columns, guard=guard)
    count = 0
    for row in rows:
        count += 1
        table.extend([[_BOOLEANS[cell] if isinstance(cell, bool) else cell for cell in row]])
        if table.length > _PIECE:
            write(table.drain().encode("utf-8", "surrogatepass"))
    write(table.drain().encode("utf-8", "surrogatepass"))
    return count
