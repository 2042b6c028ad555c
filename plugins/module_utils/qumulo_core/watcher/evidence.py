# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of all locks: JSON lines, each of which carries the hash of the one before.

A line that was changed, removed or put in breaks the chain. The chain goes on over rotated
files: the first line of a file carries the hash of the last one of the file before.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..common.safe_paths import check_own
from ..errors import InputError, QumuloError
from ..output import write_error

#: What stands for the hash of the line before the first.
GENESIS = "0" * 64
_TAIL = 1 << 20


class EvidenceError(QumuloError):
    """The record can not be written; what is not recorded counts as not done."""


class EvidenceGoneError(EvidenceError):
    """The record was deleted or replaced while it was open, so that lines would be lost."""


def digest(line: bytes) -> str:
    """Return the hash of a line, without its newline."""
    return hashlib.sha256(line).hexdigest()


class Evidence:
    """The file that is written to.

    :param path: of the file; it is made if it is not there.
    :param previous: hash of the last line that was ever written, if there is neither a line in
        the file nor a file that was put aside.
    :param max_bytes: size at which the file is put aside and a new one is begun.
    :raises EvidenceError: it can not be written.
    """

    def __init__(self, path: str, *, previous: str | None = None, max_bytes: int = 1 << 30) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._previous = _last_aside(path) or previous or GENESIS
        self._number: int | None = None
        self._directory: os.stat_result | None = None
        #: Why the record is lost: the service must end, because its lines would be lost, too.
        self.failure: EvidenceGoneError | None = None
        self._open()

    @property
    def last(self) -> str:
        """Hash of the last line."""
        return self._previous

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def reopen(self) -> None:
        """Open the path again, after somebody has put the file aside.

        :raises EvidenceError: that is not possible.
        """
        with self._lock:
            if self._number is not None:
                self._check_place(self._number, self._previous)
            self._reopen()

    def append(self, records: Iterable[dict[str, Any]]) -> None:
        """Write records, durably.

        :raises EvidenceError: that is not possible; none of them counts as written.
        """
        with self._lock:
            self._append(records)

    def _append(self, records: Iterable[dict[str, Any]]) -> None:
        # Opened first, for that looks at what the last line is.
        file = self._open() if self._number is None else self._in_place(self._number)
        previous, lines = self._previous, []
        for record in records:
            line = json.dumps({**record, "previous": previous}, sort_keys=True).encode()
            previous = digest(line)
            lines.append(line + b"\n")
        if not lines:
            return
        data = b"".join(lines)
        try:
            size = os.fstat(file).st_size
            if size and size + len(data) > self._max_bytes:
                file, size = self._put_aside(), 0
            _write(file, data, size)
        except OSError as exc:
            self._close()  # the next one looks at what is there
            raise EvidenceError(write_error(self.path, exc).message) from exc
        self._check_place(file, previous)
        self._previous = previous

    def _in_place(self, fd: int) -> int:
        """Return the file that the path names: the open one, or a new one after a rotation."""
        return fd if self._check_place(fd, self._previous) else self._reopen()

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
        return os.fstat(fd).st_nlink > 0 or _last_aside(self.path) == last

    def _reopen(self) -> int:
        self._close()
        return self._open()

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._number = os.open(self.path, flags, 0o640)
            self._directory = os.stat(os.path.dirname(os.path.abspath(self.path)))
            check_own(self._number, self.path)
            last = _last_line(self._number, mend=True)
        except OSError as exc:
            self._close()
            raise EvidenceError(write_error(self.path, exc).message) from exc
        except InputError as exc:
            self._close()
            raise EvidenceError(exc.message) from exc
        if last is not None:
            self._previous = digest(last)
        return self._number

    def _close(self) -> None:
        if self._number is not None:
            os.close(self._number)
            self._number = None

    def _put_aside(self) -> int:
        # Never a number again, though somebody may have taken the first files away.
        numbers = [path.rpartition(".")[2] for path in _aside(self.path)]
        number = max((int(text) for text in numbers if text.isdigit()), default=0) + 1
        os.rename(self.path, f"{self.path}.{number:06d}")
        return self._reopen()


def _write(number: int, data: bytes, size: int) -> None:
    """Append all of it and sync, or leave the file as it was."""
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(number, view) :]
        os.fsync(number)
    except OSError:
        os.ftruncate(number, size)  # a part of a line would break the chain
        raise


def _last_line(number: int, *, mend: bool = False) -> bytes | None:
    """Return the last whole line of a file.

    :param mend: cut off what a crash has left of another one.
    """
    size = end = os.fstat(number).st_size
    tail = b""
    while end and tail.count(b"\n") < 2:
        begin = max(0, end - _TAIL)
        tail = os.pread(number, end - begin, begin) + tail
        end = begin
    whole = tail[: tail.rfind(b"\n") + 1]
    if mend and len(whole) != len(tail):
        os.ftruncate(number, size - (len(tail) - len(whole)))
    if not whole:
        return None
    return whole[:-1].rpartition(b"\n")[2]


def _aside(path: str) -> list[str]:
    """Return the files of a record that were put aside, by the service or by logrotate."""
    directory, name = os.path.split(os.path.abspath(path))
    try:
        listed = os.listdir(directory)
    except OSError:
        return []  # whoever opens the file says what is wrong
    return [
        os.path.join(directory, entry)
        for entry in listed
        if re.fullmatch(re.escape(name) + r"[.-]\d+", entry)
    ]


def _last_aside(path: str) -> str | None:
    """Return the hash of the last line that was put aside, or None if there is none."""
    for each in reversed(sequence(path)[:-1]):
        try:
            number = os.open(each, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            last = _last_line(number)
        finally:
            os.close(number)
        if last is not None:
            return digest(last)
    return None


# -- verifying ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verified:
    """A chain that holds.

    :param previous: what the first line names as the one before it.
    :param last: hash of the last line.
    """

    lines: int
    previous: str
    last: str


def read(paths: Sequence[str]) -> Iterator[tuple[str, int, bytes]]:
    """Yield file, line number and line of files that follow each other.

    :raises InputError: a file can not be read.
    """
    for path in paths:
        try:
            with open(path, "rb") as file:
                for number, line in enumerate(file, 1):
                    yield path, number, line
        except OSError as exc:
            raise InputError(f"{path} can not be read ({exc.strerror}): check the path.") from exc


def verify(paths: Sequence[str]) -> Verified:
    """Check the chain over files that follow each other, the oldest first.

    :raises InputError: it is broken; the message says where.
    """
    expected = first = None
    count = 0
    for path, number, line in read(paths):
        where = f"{path}, line {number}"
        if not line.endswith(b"\n"):
            raise InputError(f"{where}: the line is not complete.")
        try:
            named = json.loads(line)["previous"]
        except (ValueError, KeyError, TypeError) as exc:
            raise InputError(f"{where}: this is no line of a record.") from exc
        if expected is None:
            first = named
        elif named != expected:
            raise InputError(
                f"{where}: the chain is broken. The line before it is not the one that was there "
                "when it was written: a line was changed, removed or put in."
            )
        expected = digest(line[:-1])
        count += 1
    if expected is None or first is None:
        raise InputError(f"There is nothing in {', '.join(paths)}.")
    return Verified(count, first, expected)


def sequence(path: str) -> list[str]:
    """Return the files of a record, the oldest first: those put aside, then the one in use."""
    written = []
    for each in _aside(path):
        try:
            written.append((os.stat(each).st_mtime_ns, each))
        except OSError:
            continue  # taken away meanwhile
    return [*(each for _time, each in sorted(written)), os.path.abspath(path)]
