# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A spool in a file of SQLite, for services of one host."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from typing import Any

from .spool import Counts, Entry, Item, Key, SpoolError, SpoolFullError

#: What becomes of an entry, as the database has it.
_WAITING, _GIVEN_UP = 0, 1
#: Seconds to wait for another process, such as an operator's command, that writes.
_BUSY = 30.0
#: Pages that go to the log before it is written back: about 16 MiB.
_CHECKPOINT_PAGES = 4000
#: Keys that one question asks for.
_KEYS = 500

_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    key TEXT PRIMARY KEY,
    payload TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    due REAL NOT NULL,
    number INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    state INTEGER NOT NULL DEFAULT 0,
    since REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS item_due ON item (state, due);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- How many there are, for a question that is asked every second must not count a million.
CREATE TABLE IF NOT EXISTS tally (state INTEGER PRIMARY KEY, n INTEGER NOT NULL);
-- What is put is counted by the batch: the trigger of earlier releases took longer than the row.
DROP TRIGGER IF EXISTS item_in;
CREATE TRIGGER IF NOT EXISTS item_out AFTER DELETE ON item
    BEGIN UPDATE tally SET n = n - 1 WHERE state = OLD.state; END;
CREATE TRIGGER IF NOT EXISTS item_moved AFTER UPDATE OF state ON item WHEN OLD.state <> NEW.state
    BEGIN UPDATE tally SET n = n + (state = NEW.state) - (state = OLD.state); END;
INSERT OR IGNORE INTO tally SELECT 0, count(*) FROM item WHERE state = 0;
INSERT OR IGNORE INTO tally SELECT 1, count(*) FROM item WHERE state = 1;
"""
#: When what was tried in vain was due first. Few are, so that it has an index of its own.
_SINCE = "ALTER TABLE item ADD COLUMN since REAL"
_IN_VAIN = f"state = {_WAITING} AND attempts > 0"
_SINCE_INDEX = f"CREATE INDEX IF NOT EXISTS item_since ON item (since) WHERE {_IN_VAIN}"
#: The row that an item was read from, as it was then: the version starts over with each new row.
_THIS = "key = ? AND number = ? AND version = ?"
_COLUMNS = "key, payload, stamp, due, number, version, attempts, error"
#: Rows that one statement puts: it takes half as long as one statement for each.
_ROWS = 100
_INSERT = "INSERT INTO item (key, payload, stamp, due, number) VALUES {rows} ON CONFLICT (key) DO "
_PUT_NEW = _INSERT + "NOTHING"
#: A newer stamp wins; an older one must not undo it. What was given up gets another chance.
_PUT_AGAIN = f"""{_INSERT}UPDATE SET
    payload = excluded.payload, stamp = excluded.stamp, version = version + 1,
    due = CASE WHEN state = {_WAITING} THEN {{due}} ELSE excluded.due END,
    attempts = 0, error = '', since = NULL, state = {_WAITING}
WHERE excluded.stamp >= stamp AND excluded.number <> number
"""
_NOTE = """
INSERT INTO note (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
_MAKE_ROOM = f"""
DELETE FROM item WHERE key IN (
    SELECT key FROM item WHERE state = {_GIVEN_UP} ORDER BY due LIMIT ?
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


class SqliteSpool:
    """A :class:`~.spool.Spool` in a file.

    :param path: of the database; ``:memory:`` for one that lasts as long as the process.
    :param postpone: an entry that is put again is due when it says; otherwise when it was first.
    :param limit: most entries; 0 for no limit but the disk. What was given up makes room for what
        comes, the oldest first: otherwise it would in the end stop all work.
    :raises SpoolError: the file can not be used.
    """

    def __init__(self, path: str, *, postpone: bool, limit: int = 0) -> None:
        self.path = path
        self._limit = limit
        self._lock = threading.Lock()
        self._due_again = "excluded.due" if postpone else "min(due, excluded.due)"
        with self._errors():
            self._database = sqlite3.connect(
                path, timeout=_BUSY, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            # An entry that was taken must survive a loss of power, too.
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self._database.executescript(_SCHEMA)
            columns = self._database.execute("PRAGMA table_info (item)").fetchall()
            if "since" not in [column[1] for column in columns]:  # of an earlier release
                self._database.execute(_SINCE)
            self._database.execute(_SINCE_INDEX)
        with self.writing() as database:
            row = database.execute("SELECT max(number) FROM item").fetchone()
            self._number = max(int(row[0] or 0), self._noted_number(database))
            # An earlier release noted it now and then only.
            self._note_number(database)
        self._size = self.counts().waiting + self.counts().given_up

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

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
            database.execute(f"UPDATE tally SET n = n + ? WHERE state = {_WAITING}", (new,))
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
        wanted = f"state = {_WAITING} AND due <= ?"
        query = f"SELECT {_COLUMNS} FROM item WHERE {wanted} ORDER BY due LIMIT ?"
        with self.reading() as database:
            return [Item(*row) for row in database.execute(query, (now, limit))]

    def done(self, items: Iterable[Item]) -> int:
        """Remove items, unless they were put again meanwhile; return how many were."""
        rows = _in_order([(item.key, item.number, item.version) for item in items])
        with self.writing() as database:
            change = f"DELETE FROM item WHERE {_THIS}"
            return database.executemany(change, rows).rowcount

    def later(self, items: Iterable[tuple[Item, float, str]]) -> None:
        """Try items again at another time; an empty reason does not count as an attempt."""
        rows = [
            (due, bool(why), _storable(why), item.key, item.number, item.version)
            for item, due, why in items
        ]
        with self.writing() as database:
            database.executemany(
                "UPDATE item SET due = ?, attempts = attempts + ?, error = ?, "
                "since = CASE WHEN attempts = 0 THEN due ELSE coalesce(since, due) END "
                f"WHERE {_THIS}",
                rows,
            )

    def give_up(self, items: Iterable[tuple[Item, str]]) -> None:
        """Keep items for an operator; each with the reason."""
        rows = [(_storable(why), item.key, item.number, item.version) for item, why in items]
        with self.writing() as database:
            database.executemany(
                f"UPDATE item SET state = {_GIVEN_UP}, attempts = attempts + 1, error = ? "
                f"WHERE {_THIS}",
                rows,
            )

    def bring_forward(self, latest: float, due: float) -> int:
        """Let what is due later than ``latest`` be due at ``due``; return how many that are."""
        with self.writing() as database:
            return database.execute(
                f"UPDATE item SET due = ? WHERE state = {_WAITING} AND due > ?", (due, latest)
            ).rowcount

    def counts(self) -> Counts:
        """Return how much there is."""
        with self.reading() as database:
            rows = dict(database.execute("SELECT state, n FROM tally"))
            oldest = [
                found
                for question in (
                    f"SELECT min(due) FROM item WHERE state = {_WAITING}",
                    f"SELECT min(since) FROM item WHERE {_IN_VAIN}",
                )
                for (found,) in database.execute(question)
                if found is not None
            ]
        return Counts(rows.get(_WAITING, 0), rows.get(_GIVEN_UP, 0), min(oldest, default=None))

    # -- for operators --------------------------------------------------------------------------

    def items(self, *, given_up: bool, limit: int) -> list[Item]:
        """Return entries that wait, or that were given up, the earliest first."""
        query = f"SELECT {_COLUMNS} FROM item WHERE state = ? ORDER BY due LIMIT ?"
        with self.reading() as database:
            rows = database.execute(query, (_GIVEN_UP if given_up else _WAITING, limit))
            return [Item(*row) for row in rows]

    def get(self, key: Key) -> tuple[Item, bool] | None:
        """Return the entry of a key and whether it was given up, or None."""
        with self.reading() as database:
            row = database.execute(
                f"SELECT {_COLUMNS}, state FROM item WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else (Item(*row[:-1]), row[-1] == _GIVEN_UP)

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
            f"UPDATE item SET state = {_WAITING}, due = min(coalesce(since, due), ?), "
            "attempts = 0, version = version + 1 "
            f"WHERE state = {_GIVEN_UP}"
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
                f"SELECT min(number) FROM item WHERE state = {_WAITING}"
            ).fetchone()
        return None if row[0] is None else int(row[0])

    @property
    def last_number(self) -> int:
        """The number that was given last."""
        return self._number

    # -- notes ----------------------------------------------------------------------------------

    def note(self, name: str) -> str | None:
        """Return what was noted under a name, or None."""
        with self.reading() as database:
            row = database.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_notes(self, **notes: str) -> None:
        """Note something durably."""
        with self.writing() as database:
            self.note_in(database, notes)

    @staticmethod
    def note_in(database: sqlite3.Connection, notes: Mapping[str, str]) -> None:
        """Note something in the transaction of :meth:`writing`."""
        database.executemany(_NOTE, list(notes.items()))

    # -- the database ---------------------------------------------------------------------------

    @staticmethod
    def _count(database: sqlite3.Connection) -> int:
        return int(database.execute("SELECT sum(n) FROM tally").fetchone()[0])

    @staticmethod
    def _noted_number(database: sqlite3.Connection) -> int:
        """Return the number that was given last, by whatever process."""
        row = database.execute("SELECT value FROM note WHERE name = 'number'").fetchone()
        return 0 if row is None else int(row[0])

    def _note_number(self, database: sqlite3.Connection) -> None:
        database.execute(_NOTE, ("number", str(self._number)))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the database to one reader; services keep tables of their own in it."""
        with self._lock, self._errors():
            yield self._database

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the database to one writer; what it does is durable, all or none."""
        with self._lock, self._errors():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            text = str(exc)
            if "full" in text or "disk I/O" in text:
                raise SpoolFullError(
                    f"The spool {self.path} can not grow ({text}): make room on its disk."
                ) from exc
            raise SpoolError(
                f"The spool {self.path} can not be used ({text}): see that its directory is "
                "there and writable for the service."
            ) from exc
