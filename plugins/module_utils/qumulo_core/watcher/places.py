# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where directories were at the last walk: without snapshots, only that shows which were moved."""

from __future__ import annotations

from collections.abc import Iterable

from ..service.sqlite import SqliteSpool
from .rules import Root

_SCHEMA = """
CREATE TABLE IF NOT EXISTS place (
    root TEXT NOT NULL, walk INTEGER NOT NULL, directory TEXT NOT NULL, path TEXT NOT NULL,
    PRIMARY KEY (root, walk, directory)
) WITHOUT ROWID
"""
_FORGET = """
DELETE FROM place WHERE root = ? AND walk <> ? AND directory IN
    (SELECT directory FROM place WHERE root = ? AND walk <> ? LIMIT ?)
"""
#: Rows that are written or deleted at a time, so that nobody waits long for the database.
_BATCH = 2000
#: Numbers of walks are less: the database holds 64 bits.
_MOST = 2**62


def note_name(root_id: str) -> str:
    """Return the name of the note of the walk whose places are complete."""
    return f"places:{root_id}"


def forget(spool: SqliteSpool, root_ids: Iterable[str]) -> None:
    """Delete what is known of directories that are watched no more."""
    with spool.writing() as database:
        database.execute(_SCHEMA)
        database.executemany(
            "DELETE FROM place WHERE root = ?", [(root_id,) for root_id in root_ids]
        )


class Places:
    """The directories below a watched one, and where the last complete walk found them.

    Paths are relative to the watched directory, because that may be renamed.
    """

    def __init__(self, spool: SqliteSpool, root: Root) -> None:
        self._spool = spool
        self._root = root
        self._last = 0
        self._found: list[tuple[str, int, str, str]] = []
        with spool.writing() as database:
            database.execute(_SCHEMA)

    @property
    def known(self) -> bool:
        """True if there was a complete walk, and nothing else has found changes since."""
        return self._walk() > 0

    def _walk(self) -> int:
        """Return the number of the last complete walk, 0 if there was none."""
        return self._spool.parsed_note(note_name(self._root.id), _number) or 0

    def begin(self) -> None:
        """Begin a walk; what one has left that was cut short does not count."""
        self._last = self._walk()
        self._found = []
        self._forget(self._last)

    def see(self, directory_id: str, path: str) -> bool:
        """Note where a directory is; tell whether it was somewhere else, or not there."""
        self._found.append((self._root.id, self._last + 1, directory_id, path))
        if len(self._found) >= _BATCH:
            self._write()
        with self._spool.reading() as database:
            row = database.execute(
                "SELECT path FROM place WHERE root = ? AND walk = ? AND directory = ?",
                (self._root.id, self._last, directory_id),
            ).fetchone()
        return row is None or row[0] != path

    def end(self) -> dict[str, str]:
        """End a complete walk; return the notes by which it counts."""
        self._write()
        return {note_name(self._root.id): str(self._last + 1)}

    def tidy(self) -> None:
        """Delete what older walks have found."""
        self._forget(self._walk())

    def _write(self) -> None:
        with self._spool.writing() as database:
            database.executemany("INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?)", self._found)
        self._found = []

    def _forget(self, walk: int) -> None:
        root = self._root.id
        deleted = 1
        while deleted > 0:
            with self._spool.writing() as database:
                deleted = database.execute(_FORGET, (root, walk, root, walk, _BATCH)).rowcount


def _number(note: str) -> int:
    number = int(note or 0)
    if not 0 <= number < _MOST:
        raise ValueError(f"{number} is not the number of a walk")
    return number
