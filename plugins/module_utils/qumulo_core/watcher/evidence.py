# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence: a record of all locks in JSON lines that are chained by their hashes.

The chain goes on over the files that were put aside. With each batch the service stores the hash
of the last line in its spool. When it starts, that line must be in the evidence: otherwise somebody
has removed or changed records since. While it runs, only it writes to the file, so a size that is
not that of its last write shows a change, too.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, cast

from ..common import hash_chain, record_files
from ..common.hash_chain import GENESIS, MISSING, PREVIOUS
from ..common.record_files import DIGITS
from ..common.safe_paths import check_own
from ..errors import InputError, QumuloError
from ..output import write_error
from ..times import format_rfc3339

_LOG = logging.getLogger("lockstep.watcher")
#: Name of the running number of a record. The evidence of earlier releases has none.
NUMBER = "number"
#: Outcome of the record that tells that records before it are missing.
GAP = "records are missing"
#: Lines between two steps of a search.
_STEP = 100_000
#: Most digits of a count in a note.
_DIGITS = 18
#: Names of the notes in the spool. An earlier release knows only the first one.
_HASH, _POSITION, _GAPS = "evidence", "evidence_position", "evidence_gaps"


def _count(text: str) -> int:
    """Return the count in a note; 0 if the note makes no sense."""
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else 0


class EvidenceError(QumuloError):
    """The evidence cannot be written; what is not recorded counts as not done."""


class EvidenceGoneError(EvidenceError):
    """The evidence was deleted or replaced while it was open, so that lines would be lost."""


def number_of(record: Mapping[str, Any]) -> int:
    """Return the running number of a record; 0 if it has none."""
    number = record.get(NUMBER)
    return number if isinstance(number, int) else 0


@dataclass(frozen=True)
class Position:
    """The last line of the evidence.

    :param number: running number of its record; 0 if it has none.
    """

    hash: str
    number: int = 0

    @classmethod
    def of(cls, line: bytes) -> Position:
        """Return the position of a line."""
        return cls(hash_chain.digest(line), number_of(hash_chain.parse(line) or {}))

    @classmethod
    def stored(cls, note: Mapping[str, str | None]) -> Position | None:
        """Return the position in the notes of a spool; None if nothing was written yet."""
        stored = note.get(_HASH)
        if stored in (None, GENESIS):
            return None
        number, _space, noted = (note.get(_POSITION) or "").partition(" ")
        # An earlier release may have stored another hash since.
        return cls(stored, _count(number) if noted == stored else 0)

    def describe(self) -> str:
        """Return it for a person."""
        if self.hash == GENESIS:
            return "no record"
        return f"record {self.number} ({self.hash})" if self.number else f"the record {self.hash}"


class Evidence:
    """The file that is written to.

    :param path: of the file; it is made if it is not there.
    :param notes: what an earlier run has stored, see :meth:`notes`.
    :param max_bytes: size at which the file is put aside and a new one is begun.
    :raises EvidenceError: it cannot be written.
    """

    #: Names of the notes to store in the spool.
    NOTES = (_HASH, _POSITION, _GAPS)

    def __init__(
        self,
        path: str,
        *,
        notes: Mapping[str, str | None] | None = None,
        max_bytes: int = 1 << 30,
    ) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._fd: int | None = None
        #: Size of the open file after the last write.
        self._size = 0
        self._directory: os.stat_result | None = None
        #: Why the evidence is lost: the service must end, because its lines would be lost, too.
        self.failure: EvidenceGoneError | None = None
        #: The newline at the end of the last record was missing.
        self._mended = False
        #: How the open file was changed by somebody else, until that is reported.
        self._change = ""
        notes = notes or {}
        #: How often records were found to be missing.
        gaps = notes.get(_GAPS) or ""
        self.gaps = _count(gaps)
        #: The line that must be in the evidence; None once that is certain.
        self._expected = Position.stored(notes)
        self._position = self._expected or Position(GENESIS)
        self._resume(self._open())

    @property
    def last(self) -> str:
        """Hash of the last line."""
        return self._position.hash

    def notes(self) -> dict[str, str]:
        """Return what to store in the spool with each batch."""
        if self._expected is not None:
            return {}  # what is stored has not been found yet
        position = self._position
        return {
            _HASH: position.hash,
            _POSITION: f"{position.number} {position.hash}",
            _GAPS: str(self.gaps),
        }

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def reopen(self) -> None:
        """Open the path again, after somebody has put the file aside.

        :raises EvidenceError: that is not possible.
        """
        with self._lock:
            if self._fd is not None:
                if not self._check_place(self._fd, self.last):
                    self._begin_file()
                    return
                self._check_size(self._fd)
            self._close()
            self._resume(self._open())

    def append(self, records: Iterable[dict[str, Any]]) -> None:
        """Write records, durably.

        :raises EvidenceError: that is not possible; none of them counts as written.
        """
        with self._lock:
            self._append(records)

    # -- comparing ------------------------------------------------------------------------------

    def compare(self) -> Iterator[int]:
        """Look for the stored line; yield how many lines were searched, now and then.

        If it is not in the evidence, the log says so, and a line in the evidence, too. A crash
        between writing and storing leaves the evidence ahead of what is stored, which is no
        difference.

        :raises EvidenceError: the line cannot be written.
        """
        with self._lock:
            expected = self._expected
            if expected is None:
                return
            if self._change:
                self._note_gap(expected, self._change)
            elif expected.hash != self._position.hash:
                yield from self._search(expected)
            elif self._mended:
                self._note_gap(
                    expected,
                    f"The newline at the end of the evidence {self.path} was missing after "
                    f"{expected.describe()}: somebody has changed the file. The newline was added.",
                )
            self._expected, self._mended, self._change = None, False, ""
            self._check_beginning()

    def _check_beginning(self) -> None:
        """Log that the oldest files are gone or empty; "verify" tells how many records are lost."""
        path = record_files.oldest(self.path)
        if path is None:
            return
        try:
            line = record_files.first_line(path)
        except QumuloError as exc:
            _LOG.error("the beginning of the evidence cannot be checked: %s", exc)
            return
        first = {} if line is None else hash_chain.parse(line)
        if first is None or GENESIS in (first.get(PREVIOUS), first.get(MISSING)):
            return  # "verify" reports a line that is not valid
        _LOG.error(
            "The evidence %s does not begin with its first record: its oldest files are missing or "
            "empty. Restore them from a backup, unless you have archived them.",
            self.path,
        )

    def _search(self, expected: Position) -> Iterator[int]:
        searched, unread = 0, ""
        for path in reversed(record_files.series(self.path)):
            try:
                for _path, _number, line in record_files.read([path]):
                    if _is_or_misses(line, expected.hash):
                        return
                    searched += 1
                    if searched % _STEP == 0:
                        yield searched
            except QumuloError as exc:
                unread = exc.message
        if unread:
            # The line may be in there: "verify" tells, for somebody who can read the file.
            _LOG.error("the evidence cannot be compared with its stored hash: %s", unread)
        else:
            self._report(expected)

    def _report(self, expected: Position) -> None:
        self._note_gap(
            expected,
            f"Records are missing from the evidence {self.path}: it {self._ends()}, and "
            f"{expected.describe()} was written. Find out who has changed or removed its files, "
            "and restore them.",
        )

    def _ends(self) -> str:
        there = self._position
        return "is empty" if there.hash == GENESIS else f"ends with {there.describe()}"

    def _note_gap(self, expected: Position, message: str) -> None:
        """Write a record that tells of a difference, and log it."""
        there = self._position
        record = {
            "time": format_rfc3339(datetime.now(timezone.utc)),
            "outcome": GAP,
            "message": message,
            MISSING: expected.hash,
        }
        change, self._expected, self._change = self._change, None, ""
        try:
            self._position = Position(there.hash, max(there.number, expected.number))
            self._append([record])
        except EvidenceError:
            self._expected, self._change = expected, change
            raise
        self.gaps += 1
        _LOG.error("%s", message)

    # -- writing --------------------------------------------------------------------------------

    def _append(self, records: Iterable[dict[str, Any]]) -> None:
        # Opened first, because that finds out what the last line is.
        if self._fd is None:
            self._resume(self._open())
        elif not self._check_place(self._fd, self.last):
            self._begin_file()
        else:
            self._check_size(self._fd)
        for _searched in self.compare():
            pass
        fd = self._opened()
        number = self._position.number
        numbered = [{**record, NUMBER: at} for at, record in enumerate(records, number + 1)]
        if not numbered:
            return
        data, last = hash_chain.append(numbered, self._position.hash)
        try:
            size = self._size
            if size and size + len(data) > self._max_bytes:
                self._put_aside()
                fd = self._opened()
                size = self._size
            hash_chain.write(fd, data)
        except OSError as exc:
            self._close()  # the next one looks at what is there
            raise EvidenceError(write_error(self.path, exc).message) from exc
        self._size = size + len(data)
        self._check_place(fd, last)
        self._position = Position(last, number + len(numbered))

    def _resume(self, last: bytes | None) -> None:
        """Continue after the last line; the one that was known as the last must be there, too.

        :param last: of the current file; None if it has no lines.
        """
        known = self._position
        there = Position.of(last) if last is not None else self._last_aside()
        if there.hash != known.hash:
            self._position = there
            if self._expected is None and known.hash != GENESIS:
                self._expected = known

    def _check_size(self, fd: int) -> None:
        """See whether somebody else has written to the open file, or cut it off.

        :raises EvidenceError: it cannot be looked at.
        """
        size, before, known = os.fstat(fd).st_size, self._size, self._position
        if size == before:
            return
        self._close()
        last = self._open()
        self._resume(last)
        if last is None and self._position.hash == known.hash:
            return  # it was copied and emptied, as logrotate's "copytruncate" does
        if self._expected is None:
            self._expected = known
        self._change = (
            f"The evidence {self.path} was changed while the service was running: its size went "
            f"from {before} to {size} bytes. It {self._ends()}, and {known.describe()} was written "
            "last. Find out who has changed it, and restore it from a backup."
        )

    def _begin_file(self) -> None:
        """Open a new file, after the open one was put aside."""
        self._close()
        last = self._open()
        if last is not None:
            self._resume(last)

    def _check_place(self, fd: int, last: str) -> bool:
        """Return whether the path names the open file; False if that was put aside.

        :param last: hash of the last line that was written to the open file.
        :raises EvidenceGoneError: the open file was deleted, or its directory was replaced.
        """
        if self.failure is not None:
            raise self.failure
        try:
            if os.path.samestat(os.stat(self.path, follow_symlinks=False), os.fstat(fd)):
                return True
        except OSError:
            pass  # the path leads nowhere
        if self._is_put_aside(fd, last):
            return False
        self.failure = EvidenceGoneError(
            f"The evidence {self.path} was deleted or replaced while the service was running. "
            "Nothing more is recorded or locked, and the service ends. Find out who did that, and "
            "restore the file from a backup if it is lost."
        )
        raise self.failure

    def _is_put_aside(self, fd: int, last: str) -> bool:
        """Tell whether the open file was renamed, or compressed, beside a new one."""
        try:
            directory = os.stat(os.path.dirname(os.path.abspath(self.path)))
        except OSError:
            return False
        if self._directory is None or not os.path.samestat(directory, self._directory):
            return False
        return os.fstat(fd).st_nlink > 0 or self._last_aside().hash == last

    def _open(self) -> bytes | None:
        """Open the file; return its last line."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(self.path, flags, 0o640)
            self._directory = os.stat(os.path.dirname(os.path.abspath(self.path)))
            check_own(self._fd, self.path)
            last = self._mend(self._fd)
            self._size = os.fstat(self._fd).st_size
            return last
        except OSError as exc:
            self._close()
            raise EvidenceError(write_error(self.path, exc).message) from exc
        except InputError as exc:
            self._close()
            raise EvidenceError(exc.message) from exc

    def _opened(self) -> int:
        if self._fd is None:
            self._open()
        return cast(int, self._fd)

    def _mend(self, fd: int) -> bytes | None:
        """Complete or remove what a crash has left of a line; return the last line."""
        found = hash_chain.tail(fd)
        if not found.rest:
            return found.line
        if hash_chain.parse(found.rest) is not None:
            # Only its newline is missing, and the record may count as written.
            os.write(fd, b"\n")
            os.fsync(fd)
            self._mended = True
            return found.rest
        os.ftruncate(fd, found.whole)
        return found.line

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _last_aside(self) -> Position:
        """Return the last line that was put aside."""
        try:
            line = record_files.newest_line(self.path)
        except QumuloError as exc:
            _LOG.error("the evidence continues after the hash that is stored: %s", exc)
            return self._position
        return Position(GENESIS) if line is None else Position.of(line)

    def _put_aside(self) -> None:
        # Never a number again, though somebody may have taken the first files away.
        number = record_files.next_number(self.path)
        os.rename(self.path, f"{self.path}.{number:0{DIGITS}d}")
        self._begin_file()


def _is_or_misses(line: bytes, expected: str) -> bool:
    """Tell whether a line has a hash, or tells that the one with it is missing."""
    if hash_chain.digest(line.rstrip(b"\n")) == expected:
        return True
    return expected.encode() in line and (hash_chain.parse(line) or {}).get(MISSING) == expected
