# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with several hard links: a lock applies to all of their names.

A rule that covers one name must not lock the file for users of another name. The API reports how
many names a file has, but has no call that lists them. So the watcher remembers the names in events
and listings for as long as the file waits.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from ..client import Client
from ..domain.hard_links import is_at
from ..errors import QumuloError
from ..files import FileInfo
from ..service.spool import SpoolUnreadableError
from ..service.sqlite import SqliteSpool
from .rules import HOLD_BACK, Decision, RuleSet

_SCHEMA = """
CREATE TABLE IF NOT EXISTS name (
    file TEXT, path TEXT, PRIMARY KEY (file, path)
) WITHOUT ROWID
"""
#: Attempts at a file that is held back before it needs an operator. A program that writes a
#: temporary file, links it to its final name and removes the first name is done by then.
TRIES = 5


class HeldBackError(QumuloError):
    """A file is not locked because of its hard links."""


class Names:
    """Names of files that wait, in the spool's database. All methods are for any thread."""

    def __init__(self, spool: SqliteSpool) -> None:
        self._spool = spool
        self._lock = threading.Lock()
        #: Files with names. Nearly all files have none, and need no query.
        self._files: set[str] = set()
        with spool.writing() as database:
            database.execute(_SCHEMA)
        try:
            with spool.reading() as database:
                rows = database.execute("SELECT DISTINCT file FROM name").fetchall()
            self._files = {str(row[0]) for row in rows}
        except SpoolUnreadableError as exc:
            self._drop_all(exc.message)

    def _drop_all(self, reason: str) -> None:
        """Forget all names: a file with several names is held back until they are known again."""
        self._spool.keep_unreadable({"names of files": "all"}, reason)
        with self._lock, self._spool.writing() as database:
            self._files.clear()
            database.execute("DELETE FROM name")

    def of(self, file_id: str) -> list[str]:
        """Return the names that are remembered of a file."""
        if file_id not in self._files:
            return []
        query = "SELECT path FROM name WHERE file = ?"
        try:
            with self._spool.reading() as database:
                rows = database.execute(query, (file_id,)).fetchall()
            return [_decoded(row[0]) for row in rows]
        except (AttributeError, SpoolUnreadableError, UnicodeDecodeError) as exc:
            self._spool.keep_unreadable({"names of file": file_id}, str(exc))
            self.forget([file_id])
            return []

    def add(self, names: Iterable[tuple[str, str]]) -> None:
        """Remember names: pairs of a file ID and a path."""
        rows = [(file_id, _encoded(path)) for file_id, path in names]
        if rows:
            with self._lock:
                self._files.update(file_id for file_id, _path in rows)
            with self._spool.writing() as database:
                database.executemany("INSERT OR IGNORE INTO name (file, path) VALUES (?, ?)", rows)

    def forget(self, file_ids: Iterable[str]) -> None:
        """Forget the names of files that no longer wait."""
        with self._lock:
            gone = [file_id for file_id in file_ids if file_id in self._files]
            self._files.difference_update(gone)
        if gone:
            with self._spool.writing() as database:
                database.executemany(
                    "DELETE FROM name WHERE file = ?", [(file_id,) for file_id in gone]
                )


def _encoded(path: str) -> bytes:
    """Return a path for the database, even if it is not Unicode text."""
    return path.encode("utf-8", "surrogatepass")


def _decoded(path: bytes) -> str:
    return path.decode("utf-8", "surrogatepass")


def several(found: Iterable[FileInfo], waiting: Collection[object]) -> list[tuple[str, str]]:
    """Return the names of the listed files that wait and have several names."""
    return [(info.id, info.path) for info in found if info.num_links > 1 and info.id in waiting]


def decide(
    client: Client, info: FileInfo, candidates: Sequence[str], rules: RuleSet
) -> tuple[FileInfo, Decision]:
    """Return the file under a name that a rule covers, and the decision of the rules.

    The file is held back if it has names that no rule covers or that are unknown, unless its rule
    locks such files.

    :param candidates: names that it may have besides the one that the cluster reports.
    """
    names = [info.path]
    names += [path for path in candidates if path not in names and is_at(client, info.id, path)]
    names = list(dict.fromkeys(names))
    decisions = {name: rules.decide(name, info.size) for name in names}
    covered = [name for name in names if decisions[name].rule is not None]
    if not covered:
        first = next((name for name in names if decisions[name].covered), info.path)
        return replace(info, path=first), decisions[first]
    # The rules of all of its names count, as if they covered one name.
    path = min(covered, key=lambda name: decisions[name].matches)
    decision = rules.combine(decisions[name] for name in covered)
    if decision.rule is not None and decision.rule.hard_links == HOLD_BACK:
        decision = replace(decision, held_back=_why_not(info, path, names, covered))
    return replace(info, path=path), decision


def _why_not(info: FileInfo, path: str, names: Sequence[str], covered: Sequence[str]) -> str:
    """Return why a file must not be locked under one of its names; empty if it may be."""
    step = (
        "Remove the other names and try again, lock it with qumulo_file_lock, or set hard_links "
        "to lock in the rule."
    )
    others = [name for name in names if name not in covered]
    if others:
        return (
            f"{path} is the same file as {others[0]}, which no rule locks, and a lock applies "
            f"to all names of a file. {step}"
        )
    if len(names) < info.num_links:
        known = [name for name in names if name != path]
        return (
            f"{path} has {info.num_links} names (hard links), of which the watcher knows only "
            f"{' and '.join([path, *known])}, and a lock applies to all of them. {step}"
        )
    return ""
