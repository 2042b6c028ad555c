# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remember which version of a file was locked, so that a lock that ended is not set again.

A file whose retention period is over, or whose legal hold was released, reaches the watcher again
in many ways: a catch-up, a move, a change of its mode. It is locked again only if its data are new.
The cluster numbers the versions of a file's data (``data_revision``), and the watcher remembers the
number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..common import record_files
from ..errors import QumuloError
from ..file_locks import LockState
from ..files import FileInfo
from ..service.spool import SpoolUnreadableError
from ..service.sqlite import SqliteSpool
from ..times import parse_rfc3339

_SCHEMA = """
CREATE TABLE IF NOT EXISTS version (file TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID
"""
_REMEMBER = """
INSERT INTO version (file, value) VALUES (?, ?)
ON CONFLICT (file) DO UPDATE SET value = excluded.value
"""
#: Name of the note that the evidence was read into a new spool.
_READ = "versions"
#: Records that are taken from the evidence at a time.
_BATCH = 5000


@dataclass(frozen=True)
class Version:
    """A version of a file that was locked, and the lock.

    :param revision: the cluster's number of the data; empty in the evidence of earlier releases.
    :param modification_time: of the data, as the API writes it.
    :param until: end of the retention period, or None.
    :param held: a legal hold was set.
    :param locked_at: the cluster's own time of the lock.
    """

    revision: str
    modification_time: str
    until: datetime | None
    held: bool
    locked_at: datetime

    @classmethod
    def of(
        cls, info: FileInfo, state: LockState, locked_at: datetime, known: Version | None
    ) -> Version:
        """Return the version that a locked file has.

        :param known: what was remembered: a hold that was set once stays known.
        """
        held = state.hold or (known is not None and known.held and known.is_of(info))
        return cls(info.data_revision, info.modification_time, state.until, held, locked_at)

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> Version:
        """Return the version in a record of the evidence.

        :raises KeyError, TypeError, ValueError: the record is invalid.
        """
        until = record["retention_until"]
        return cls(
            str(record.get("data_revision") or ""),
            str(record["modification_time"]),
            None if until is None else _time(until),
            bool(record["legal_hold"]),
            _time(record.get("change_time") or record["time"]),
        )

    def is_of(self, info: FileInfo) -> bool:
        """Tell whether a file still has the data of this version."""
        if self.revision and info.data_revision:
            return self.revision == info.data_revision
        return self.modification_time == info.modification_time

    def dump(self) -> str:
        """Return it as a line."""
        until = None if self.until is None else self.until.isoformat()
        locked_at = self.locked_at.isoformat()
        return json.dumps(
            [self.revision, self.modification_time, until, self.held, locked_at],
            separators=(",", ":"),
        )

    @classmethod
    def load(cls, line: str) -> Version:
        """Return the version of a line that :meth:`dump` returned."""
        revision, modification_time, until, held, locked_at = json.loads(line)
        return cls(
            revision,
            modification_time,
            None if until is None else datetime.fromisoformat(until),
            held,
            datetime.fromisoformat(locked_at),
        )


class Versions:
    """The last locked version of each file, in the spool's database.

    All methods are for any thread.

    :param files: returns the files of the evidence, the oldest first.
    """

    def __init__(self, spool: SqliteSpool, files: Callable[[], Sequence[str]]) -> None:
        self._spool = spool
        self._evidence = files
        with spool.writing() as database:
            database.execute(_SCHEMA)

    def get(self, file_id: str) -> Version | None:
        """Return the last locked version of a file, or None."""
        try:
            with self._spool.reading() as database:
                row = database.execute(
                    "SELECT value FROM version WHERE file = ?", (file_id,)
                ).fetchone()
            return None if row is None else Version.load(row[0])
        except (SpoolUnreadableError, TypeError, ValueError) as exc:
            return self._restore(file_id, str(exc))

    def _restore(self, file_id: str, reason: str) -> Version | None:
        """Replace a row that cannot be read by what the evidence says."""
        version = None
        for _count, found in self._of_evidence(self._evidence()):
            if found is not None and found[0] == file_id:
                version = found[1]
        if self._spool.mends:
            self._spool.keep_unreadable({"version of file": file_id}, reason)
            self.forget([file_id])
            if version is not None:
                self.remember([(file_id, version)])
        return version

    def batches(self, size: int) -> Iterator[dict[str, Version]]:
        """Yield all versions by file ID, some at a time; other threads can use the database."""
        after = ""
        query = "SELECT file, value FROM version WHERE file > ? ORDER BY file LIMIT ?"
        while True:
            with self._spool.reading() as database:
                rows = database.execute(query, (after, size)).fetchall()
            if not rows:
                return
            yield dict(filter(None, (self._loaded(*row) for row in rows)))
            after = rows[-1][0]

    def _loaded(self, file_id: str, value: str) -> tuple[str, Version] | None:
        try:
            return file_id, Version.load(value)
        except (TypeError, ValueError):
            version = self.get(file_id)
            return None if version is None else (file_id, version)

    def remember(
        self, versions: Iterable[tuple[str, Version]], notes: Mapping[str, str] | None = None
    ) -> None:
        """Remember versions by file ID, durably, and notes in the same transaction."""
        rows = [(file_id, version.dump()) for file_id, version in versions]
        if rows or notes:
            with self._spool.writing() as database:
                database.executemany(_REMEMBER, sorted(rows))
                self._spool.note_in(database, notes or {})

    def forget(self, file_ids: Sequence[str]) -> None:
        """Forget files that are gone."""
        if file_ids:
            with self._spool.writing() as database:
                database.executemany(
                    "DELETE FROM version WHERE file = ?", [(file_id,) for file_id in file_ids]
                )

    @property
    def complete(self) -> bool:
        """False if the evidence has to be read first, as with a new spool."""
        return self._spool.note(_READ) is not None

    def read(self, paths: Sequence[str]) -> Iterator[int]:
        """Take the versions from the evidence; yield how many lines were read, now and then.

        A line that cannot be read tells nothing, and ``verify`` reports it.

        :param paths: of its files, the oldest first.
        """
        found: dict[str, Version] = {}
        count = 0
        for count, version in self._of_evidence(paths):
            if version is not None:
                found[version[0]] = version[1]
            if len(found) >= _BATCH:
                self.remember(found.items())
                found.clear()
                yield count
        self.remember(found.items())
        self._spool.set_notes(**{_READ: "read"})
        yield count

    @staticmethod
    def _of_evidence(paths: Sequence[str]) -> Iterator[tuple[int, tuple[str, Version] | None]]:
        """Yield each line's number, and the file and version in it; None if it holds none."""
        for count, (_path, _number, line) in enumerate(record_files.read(paths), 1):
            try:
                record = json.loads(line)
                yield count, (str(record["file_id"]), Version.of_record(record))
            except (KeyError, TypeError, ValueError, RecursionError, QumuloError):
                yield count, None


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a time")
    return parse_rfc3339(value)


def is_unchanged(info: FileInfo, state: LockState, known: Version | None) -> bool:
    """Tell whether a file still has the data that its retention period was for.

    Nobody can write to a file during its retention period, so data that were last written before
    its end are the retained data. A modification time can be set to any time, even in the future,
    so the earlier of modification and change time counts. If the watcher remembers the locked
    version, the number of its data decides.

    :param state: has a retention period.
    :param known: what is remembered of the file.
    """
    if state.until is None:
        return False
    if known is not None:
        if known.is_of(info):
            return True
        if known.until == state.until:
            return False  # not locked since, so it was written after the period
    written = min(parse_rfc3339(info.modification_time), parse_rfc3339(info.change_time))
    return written <= state.until
