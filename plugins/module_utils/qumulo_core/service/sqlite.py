# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A spool in a file of SQLite, for services of one host."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from . import schema
from .rows import COLUMNS, GIVEN_UP, WAITING, delete_row, is_item, split
from .schema import IN_VAIN
from .spool import (
    Counts,
    Entry,
    Item,
    Key,
    SpoolFullError,
    SpoolUnreadableError,
)
from .store import NOTE, Store

#: Key, number and version of an item.
_Row = tuple[Any, ...]
#: Items that are remembered as missed.
_MOST_MISSED = 100_000
#: Numbers grow up to here; a larger one is damage, and there would be no next one.
_MOST = 1 << 62
_LOG = logging.getLogger(__name__)
#: Keys that one question asks for.
_KEYS = 500

#: The row that an item was read from, as it was then: the version starts over with each new row.
_THIS = "key = ? AND number = ? AND version = ?"
#: Rows that one statement puts: it takes half as long as one statement for each.
_ROWS = 100
_INSERT = "INSERT INTO item (key, payload, stamp, due, number) VALUES {rows} ON CONFLICT (key) DO "
_PUT_NEW = _INSERT + "NOTHING"
#: A newer stamp wins; an older one must not undo it. What was given up gets another chance.
_PUT_AGAIN = f"""{_INSERT}UPDATE SET
    payload = excluded.payload, stamp = excluded.stamp, version = version + 1,
    due = CASE WHEN state = {WAITING} THEN {{due}} ELSE excluded.due END,
    attempts = 0, error = '', since = NULL, state = {WAITING}
WHERE excluded.stamp >= stamp AND excluded.number <> number
"""
_MAKE_ROOM = f"""
DELETE FROM item WHERE key IN (
    SELECT key FROM item WHERE state = {GIVEN_UP} ORDER BY due LIMIT ?
)
"""


def _in_order(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return rows, which begin with their key, in the order in which the table has them.

    So each of its pages is looked up once for a batch. Of rows with the same key none overtakes
    another.
    """
    return [
        row
        for kind in (str, bytes)  # as the database has it; these two can not be compared
        for row in sorted((row for row in rows if isinstance(row[0], kind)), key=itemgetter(0))
    ]


def _storable(text: str) -> str:
    """Return a text that a database takes: a path can hold what is no Unicode."""
    return text.encode("utf-8", "backslashreplace").decode()


class SqliteSpool(Store):
    """A :class:`~.spool.Spool` in a file.

    :param path: of the database; ``:memory:`` for one that lasts as long as the process.
    :param postpone: an entry that is put again is due when it says; otherwise when it was first.
    :param limit: most entries; 0 for no limit but the disk. What was given up makes room for what
        comes, the oldest first: otherwise it would in the end stop all work.
    :param own: see :class:`~.database.Database`, as ``create``.
    :raises SpoolError: the file cannot be used.
    """

    def __init__(
        self,
        path: str,
        *,
        postpone: bool,
        limit: int = 0,
        own: bool = False,
        create: bool = True,
    ) -> None:
        self._limit = limit
        self._due_again = "excluded.due" if postpone else "min(due, excluded.due)"
        self._number = self._size = 0
        #: Items that could not be found again, so that no query must return them.
        self._missed: set[_Row] = set()
        super().__init__(path, own=own, create=create)

    def _set_up(self, connection: sqlite3.Connection) -> None:
        schema.create(connection)
        connection.execute("BEGIN IMMEDIATE")
        query = "SELECT max(number) FROM item WHERE typeof(number) = 'integer' AND number < ?"
        row = connection.execute(query, (_MOST,)).fetchone()
        noted = self._noted_number(connection)
        self._number = max(self._number, int(row[0] or 0), noted if noted < _MOST else 0)
        # An earlier release noted it now and then only.
        self._note_number(connection)
        connection.execute("COMMIT")

    def _look(self) -> None:
        counts = self.counts()
        self._size = counts.waiting + counts.given_up
        if self._own:
            self._sweep()

    # -- the queue ------------------------------------------------------------------------------

    def put(self, entries: Sequence[Entry]) -> None:
        """Take entries, durably, all or none."""
        with self.writing() as database:
            if self._limit and self._size + len(entries) > self._limit:
                self._size = size = self._count(database)
                too_many = size + len(entries) - self._limit
                if too_many > 0:
                    size -= database.execute(_MAKE_ROOM, (too_many,)).rowcount
                if size + len(entries) > self._limit:
                    raise SpoolFullError(
                        f"The spool {self.path} holds {self._size} entries, and may hold "
                        f"{self._limit}: let it be worked off, or raise the limit."
                    )
                self._size = size
            # Under the lock: another thread's rows with the same numbers would count as these.
            # Numbers are never given twice, in this process, after it or beside it: an item of a
            # row that is gone must not pass for the row that its key has now.
            first = max(self._number, self._noted_number(database)) + 1
            self._number = first + len(entries) - 1
            self._note_number(database)
            rows = _in_order([(*entry, number) for number, entry in enumerate(entries, first)])
            new = sum(
                self._put_some(database, rows[at : at + _ROWS]) for at in range(0, len(rows), _ROWS)
            )
            database.execute(f"UPDATE tally SET n = n + ? WHERE state = {WAITING}", (new,))
            self._size += len(rows)  # too many, if some were there; counted anew before it matters

    def _put_some(self, database: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> int:
        """Put rows; return how many of their keys were not there."""
        marks = ",".join(["(?,?,?,?,?)"] * len(rows))
        values = list(chain.from_iterable(rows))
        new = database.execute(_PUT_NEW.format(rows=marks), values).rowcount
        if new < len(rows):
            again = _PUT_AGAIN.format(rows=marks, due=self._due_again)
            database.execute(again, values)
        return new

    def due(self, now: float, limit: int) -> list[Item]:
        """Return entries that are due, the earliest first."""
        found = self._read(f"state = {WAITING} AND due <= ? ORDER BY due LIMIT ?", (now, limit))
        if self._missed and any((i.key, i.number, i.version) in self._missed for i in found):
            with self._lock, self._errors():
                raise sqlite3.DatabaseError("malformed: an index does not match its table")
        return found

    def done(self, items: Iterable[Item]) -> int:
        """Remove items, unless they were put again meanwhile; return how many were."""
        rows = _in_order([(item.key, item.number, item.version) for item in items])
        with self.writing() as database:
            change = f"DELETE FROM item WHERE {_THIS}"
            count = database.executemany(change, rows).rowcount
            self._see_missed(database, count, rows)
            return count

    def later(self, items: Iterable[tuple[Item, float, str]]) -> None:
        """Try items again at another time; an empty reason does not count as an attempt."""
        rows = [
            (due, bool(why), _storable(why), item.key, item.number, item.version)
            for item, due, why in items
        ]
        with self.writing() as database:
            changed = database.executemany(
                "UPDATE item SET due = ?, attempts = attempts + ?, error = ?, "
                "since = CASE WHEN attempts = 0 THEN due ELSE coalesce(since, due) END "
                f"WHERE {_THIS}",
                rows,
            )
            self._see_missed(database, changed.rowcount, [row[-3:] for row in rows])

    def give_up(self, items: Iterable[tuple[Item, str]]) -> None:
        """Keep items for an operator; each with the reason."""
        rows = [(_storable(why), item.key, item.number, item.version) for item, why in items]
        with self.writing() as database:
            changed = database.executemany(
                f"UPDATE item SET state = {GIVEN_UP}, attempts = attempts + 1, error = ? "
                f"WHERE {_THIS}",
                rows,
            )
            self._see_missed(database, changed.rowcount, [row[-3:] for row in rows])

    def _see_missed(self, database: sqlite3.Connection, count: int, rows: Sequence[_Row]) -> None:
        """Remember the items that a change has not found, usually because they were put again.

        If a query returns one of them all the same, an index is damaged, and the item would be
        due for ever.
        """
        if count == len(rows):
            return
        if len(self._missed) > _MOST_MISSED:
            self._missed.clear()
        query = f"SELECT count(*) FROM item WHERE {_THIS}"
        self._missed.update(row for row in rows if not database.execute(query, row).fetchone()[0])

    def set_aside(self, items: Iterable[tuple[Item, str]]) -> None:
        """Remove items that make no sense, and keep them in a file for an operator."""
        chosen = list(items)
        if chosen:
            self._unreadable.add([(item._asdict(), why) for item, why in chosen])
            self.done([item for item, _why in chosen])

    def bring_forward(self, latest: float, due: float) -> int:
        """Let what is due later than ``latest`` be due at ``due``; return how many that are."""
        with self.writing() as database:
            return database.execute(
                f"UPDATE item SET due = ? WHERE state = {WAITING} AND due > ?", (due, latest)
            ).rowcount

    def counts(self) -> Counts:
        """Return how much there is."""
        with self.reading() as database:
            rows = self._tally(database)
            oldest = [
                found
                for question in (
                    f"SELECT min(due) FROM item WHERE state = {WAITING}",
                    f"SELECT min(since) FROM item WHERE {IN_VAIN}",
                )
                for (found,) in database.execute(question)
                if isinstance(found, float)
            ]
        return Counts(rows[WAITING], rows[GIVEN_UP], min(oldest, default=None))

    # -- for operators --------------------------------------------------------------------------

    def items(self, *, given_up: bool, limit: int) -> list[Item]:
        """Return entries that wait, or that were given up, the earliest first."""
        state = GIVEN_UP if given_up else WAITING
        return self._read("state = ? ORDER BY due LIMIT ?", (state, limit))

    def get(self, key: Key) -> tuple[Item, bool] | None:
        """Return the entry of a key and whether it was given up, or None."""
        found = self._read("key = ?", (key,))
        if not found:
            return None
        with self.reading() as database:
            query = "SELECT state FROM item WHERE key = ?"
            row = database.execute(query, (key,)).fetchone()
        return None if row is None else (found[0], row[0] == GIVEN_UP)

    def keys(self, after: str, limit: int) -> list[Key]:
        """Return keys that have an entry and are greater than ``after``, in order."""
        query = "SELECT key FROM item WHERE key > ? ORDER BY key LIMIT ?"
        with self.reading() as database:
            return [row[0] for row in database.execute(query, (after, limit))]

    def known(self, keys: Sequence[Key]) -> list[Key]:
        """Return those of some keys that have an entry."""
        found: list[Key] = []
        with self.reading() as database:
            for at in range(0, len(keys), _KEYS):
                some = keys[at : at + _KEYS]
                marks = ",".join("?" * len(some))
                rows = database.execute(f"SELECT key FROM item WHERE key IN ({marks})", some)
                found += [row[0] for row in rows]
        return found

    def retry(self, keys: Sequence[Key] | None, now: float) -> int:
        """Let entries that were given up be tried again; return how many.

        :param keys: which; None for all.
        """
        change = (
            f"UPDATE item SET state = {WAITING}, due = min(coalesce(since, due), ?), "
            "attempts = 0, version = version + 1 "
            f"WHERE state = {GIVEN_UP}"
        )
        with self.writing() as database:
            if keys is None:
                return database.execute(change, (now,)).rowcount
            return sum(
                database.execute(f"{change} AND key = ?", (now, key)).rowcount for key in keys
            )

    def first_number(self) -> int | None:
        """Return the least number of all entries that wait, or None if none does."""
        with self.reading() as database:
            row = database.execute(
                "SELECT min(number) FROM item "
                f"WHERE state = {WAITING} AND typeof(number) = 'integer'"
            ).fetchone()
        return None if row[0] is None else int(row[0])

    @property
    def last_number(self) -> int:
        """The number that was given last."""
        return self._number

    # -- what cannot be read --------------------------------------------------------------------

    def _read(self, condition: str, arguments: tuple[Any, ...]) -> list[Item]:
        """Return the items of rows; the owner sets those aside that cannot be read."""
        query = f"SELECT {COLUMNS} FROM item WHERE {condition}"
        while True:
            try:
                with self.reading() as database:
                    rows = database.execute(query, arguments).fetchall()
                if all(map(is_item, rows)):
                    return [Item(*row) for row in rows]
            except SpoolUnreadableError as exc:
                _LOG.debug("%s", exc)
            if not self.mends:
                with self.reading() as database:
                    return split(database, condition, arguments)[0]
            self._remove_unreadable(condition, arguments)

    def _sweep(self) -> None:
        """Set rows aside that no query finds, because their state is unknown."""
        unknown = f"state < {WAITING} OR state > {GIVEN_UP}"
        with self.reading() as database:
            row = database.execute(f"SELECT count(*) FROM item WHERE {unknown}").fetchone()
        if row[0]:
            self._remove_unreadable(unknown, ())

    def _remove_unreadable(self, condition: str, arguments: tuple[Any, ...]) -> None:
        with self.writing() as database:
            _items, found = split(database, condition, arguments)
            if not found:
                raise sqlite3.DatabaseError("malformed: a row cannot be read, and not be found")
            self._unreadable.add([(row.shown, row.reason) for row in found])
            for row in found:
                delete_row(database, row)

    # -- the database ---------------------------------------------------------------------------

    @staticmethod
    def _tally(database: sqlite3.Connection) -> dict[int, int]:
        rows = dict(database.execute("SELECT state, n FROM tally"))
        if all(isinstance(rows.get(state), int) for state in (WAITING, GIVEN_UP)):
            return rows
        query = "SELECT count(*) FROM item WHERE state = ?"
        return {
            state: int(database.execute(query, (state,)).fetchone()[0])
            for state in (WAITING, GIVEN_UP)
        }

    @classmethod
    def _count(cls, database: sqlite3.Connection) -> int:
        return sum(cls._tally(database).values())

    @staticmethod
    def _noted_number(database: sqlite3.Connection) -> int:
        """Return the number that was given last, by whatever process."""
        query = "SELECT CAST(value AS INTEGER) FROM note WHERE name = 'number'"
        row = database.execute(query).fetchone()
        return 0 if row is None else int(row[0])

    def _note_number(self, database: sqlite3.Connection) -> None:
        database.execute(NOTE, ("number", str(self._number)))
