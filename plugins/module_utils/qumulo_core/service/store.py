# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each spool keeps besides its queue: notes, and what could not be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ..errors import InputError
from . import damage
from .database import MEMORY, Database
from .spool import SpoolUnreadableError
from .unreadable import Unreadable

T = TypeVar("T")
#: What a parser of a note raises if the note is damaged.
_SENSELESS = (TypeError, ValueError, ArithmeticError, LookupError, RecursionError, InputError)
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

    def parsed_note(
        self, name: str, parse: Callable[[str], T], *, instead: str | None = None
    ) -> T | None:
        """Return what was noted under a name; set a note aside that cannot be parsed.

        :param instead: what counts, and is noted, in place of such a note.
        """
        try:
            with self.reading() as database:
                row = database.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
            if row is None:
                return None
            if not isinstance(row[0], str):
                raise ValueError(f"the note is of type {type(row[0]).__name__}")
            return parse(row[0])
        except SpoolUnreadableError as exc:
            self.drop_note(name, exc.message, instead=instead)
        except _SENSELESS as exc:
            self.drop_note(name, str(exc), instead=instead)
        return None if instead is None else parse(instead)

    def drop_note(self, name: str, reason: str, *, instead: str | None = None) -> None:
        """Set a note aside that makes no sense; only the owner does.

        :param instead: what to note in its place.
        """
        if not self.mends:
            return
        self._unreadable.add([({"note": name}, reason)])
        self.replace_notes([name], {} if instead is None else {name: instead})

    def notes(self, prefix: str) -> dict[str, str]:
        """Return the notes whose names begin with a prefix."""
        with self.reading() as database:
            rows = database.execute(
                "SELECT name FROM note WHERE substr(name, 1, ?) = ?", (len(prefix), prefix)
            ).fetchall()
        # One by one: a note that cannot be read must not hide the others.
        found = {str(name): self.note(str(name)) for (name,) in rows}
        return {name: value for name, value in found.items() if value is not None}

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
