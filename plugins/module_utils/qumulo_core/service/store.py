# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each spool keeps besides its queue: notes, and what could not be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from . import damage
from .database import MEMORY, Database
from .spool import SpoolUnreadableError
from .unreadable import Unreadable

NOTE = """
INSERT INTO note (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


class Store(Database):
    """A database with notes and a file of unreadable rows.

    The parameters are those of :class:`~.database.Database`.
    """

    def __init__(self, path: str, *, own: bool = False, create: bool = True) -> None:
        self._unreadable = Unreadable(None if path == MEMORY else path)
        super().__init__(path, own=own, create=create)

    @property
    def is_new(self) -> bool:
        """True if no service has noted anything in it yet."""
        with self.reading() as database:
            query = "SELECT count(*) FROM note WHERE name <> 'number'"
            return not database.execute(query).fetchone()[0]

    # -- notes ----------------------------------------------------------------------------------

    def note(self, name: str) -> str | None:
        """Return what was noted under a name, or None."""
        try:
            with self.reading() as database:
                row = database.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        except SpoolUnreadableError as exc:
            self.drop_note(name, exc.message)
            return None
        return None if row is None else str(row[0])

    def drop_note(self, name: str, reason: str) -> None:
        """Forget a note that makes no sense; only the owner does."""
        if not self.mends:
            return
        self._unreadable.add([({"note": name}, reason)])
        with self.writing() as database:
            database.execute("DELETE FROM note WHERE name = ?", (name,))

    def notes(self, prefix: str) -> dict[str, str]:
        """Return the notes whose names begin with a prefix."""
        with self.reading() as database:
            rows = database.execute(
                "SELECT name, value FROM note WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
            ).fetchall()
        return {str(name): str(value) for name, value in rows}

    def replace_notes(self, doomed: Iterable[str], notes: Mapping[str, str]) -> None:
        """Delete notes by their names, and note others, in one transaction."""
        with self.writing() as database:
            database.executemany("DELETE FROM note WHERE name = ?", [(name,) for name in doomed])
            self.note_in(database, notes)

    def set_notes(self, **notes: str) -> None:
        """Note something durably."""
        with self.writing() as database:
            self.note_in(database, notes)

    @staticmethod
    def note_in(database: sqlite3.Connection, notes: Mapping[str, str]) -> None:
        """Note something in the transaction of :meth:`writing`."""
        database.executemany(NOTE, list(notes.items()))

    # -- what cannot be read --------------------------------------------------------------------

    def unreadable(self) -> int:
        """Return how many rows were set aside because they could not be read."""
        return self._unreadable.count()

    @property
    def unreadable_file(self) -> str:
        """The file that holds what could not be read."""
        return self._unreadable.path or MEMORY

    def damaged(self) -> list[str]:
        """Return the damaged spools that were moved aside."""
        return [] if self.path == MEMORY else damage.kept(self.path)

    def wrong(self) -> list[str]:
        """Return what an operator should know of this spool, in short."""
        told = []
        damaged = self.damaged()
        if damaged:
            told.append(f"the spool was damaged and started over ({damaged[-1]})")
        count = self.unreadable()
        if count:
            rows = "row" if count == 1 else "rows"
            told.append(f"{count} unreadable {rows} in {self.unreadable_file}")
        return told

    @property
    def mends(self) -> bool:
        """True if this process may set aside what cannot be read; a command only skips it."""
        return self._own or self.path == MEMORY

    def keep_unreadable(self, row: dict[str, Any], reason: str) -> None:
        """Keep a row of a service's own table for an operator; the caller deletes it."""
        self._unreadable.add([(row, reason)])
