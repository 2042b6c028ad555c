# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the spool's table: which of them can be read, and how to remove one that cannot."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from .spool import Item

#: What becomes of an entry, as the database has it.
WAITING, GIVEN_UP = 0, 1
_NAMES = ("key", "payload", "stamp", "due", "number", "version", "attempts", "error")
COLUMNS = ", ".join(_NAMES)
_TYPES = ", ".join(f"typeof({name})" for name in (*_NAMES, "state"))
#: The types of each column, as the database calls them.
_WANTED = {
    **dict.fromkeys(("payload", "error"), ("text",)),
    **dict.fromkeys(("stamp", "number", "version", "attempts", "state"), ("integer",)),
    "key": ("text", "blob"),
    "due": ("real",),
}


@dataclass(frozen=True)
class UnreadableRow:
    """A row that cannot be read.

    :param key: as the database has it; text is bytes here, too.
    :param key_type: its type in the database.
    :param shown: values by column.
    """

    key: Any
    key_type: str
    shown: dict[str, Any]
    reason: str


def is_item(row: tuple[Any, ...]) -> bool:
    """Tell whether the values of a row have the types of an item."""
    key, payload, stamp, due, number, version, attempts, error = row
    return (
        isinstance(key, (str, bytes))
        and isinstance(payload, str)
        and isinstance(stamp, int)
        and isinstance(due, float)
        and isinstance(number, int)
        and isinstance(version, int)
        and isinstance(attempts, int)
        and isinstance(error, str)
    )


def split(
    database: sqlite3.Connection, condition: str, arguments: tuple[Any, ...]
) -> tuple[list[Item], list[UnreadableRow]]:
    """Return the rows that can be read, and those that cannot."""
    factory = database.text_factory
    database.text_factory = bytes
    try:
        query = f"SELECT {COLUMNS}, state, {_TYPES} FROM item WHERE {condition}"
        rows = database.execute(query, arguments).fetchall()
    finally:
        database.text_factory = factory
    names = (*_NAMES, "state")
    items, found = [], []
    for row in rows:
        values = dict(zip(names, row))
        types = {name: kind.decode() for name, kind in zip(names, row[len(names) :])}
        shown = {
            name: value.decode("utf-8", "backslashreplace") if types[name] == "text" else value
            for name, value in values.items()
        }
        reason = _reason(values, types)
        if reason:
            found.append(UnreadableRow(values["key"], types["key"], shown, reason))
        else:
            items.append(Item(*(shown[name] for name in _NAMES)))
    return items, found


def _reason(values: dict[str, Any], types: dict[str, str]) -> str:
    """Return why a row cannot be read, or an empty text."""
    for name, value in values.items():
        if types[name] not in _WANTED[name]:
            return f"its {name} is of type {types[name]}"
        if types[name] == "text":
            try:
                value.decode()
            except UnicodeDecodeError:
                return f"its {name} is not UTF-8"
    if values["state"] not in (WAITING, GIVEN_UP):
        return f"its state is {values['state']}"
    return ""


def delete_row(database: sqlite3.Connection, row: UnreadableRow) -> None:
    """Delete a row whatever its key is.

    :raises sqlite3.DatabaseError: it cannot be found.
    """
    condition = {"text": "key = CAST(? AS TEXT)", "blob": "key = ?"}.get(
        row.key_type, "typeof(key) NOT IN ('text', 'blob') AND +key IS ?"
    )
    if not database.execute(f"DELETE FROM item WHERE {condition}", (row.key,)).rowcount:
        raise sqlite3.DatabaseError("malformed: a row cannot be deleted")
