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
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, QumuloError
from ..output import write_error

#: What stands for the hash of the line before the first.
GENESIS = "0" * 64
_TAIL = 1 << 20


class EvidenceError(QumuloError):
    """The record can not be written; what is not recorded counts as not done."""


def digest(line: bytes) -> str:
    """Return the hash of a line, without its newline."""
    return hashlib.sha256(line).hexdigest()


class Evidence:
    """The file that is written to.

    :param path: of the file; it is made if it is not there.
    :param previous: hash of the last line that was ever written, if the file is empty.
    :param max_bytes: size at which the file is put aside and a new one is begun.
    :raises EvidenceError: it can not be written.
    """

    def __init__(self, path: str, *, previous: str | None = None, max_bytes: int = 1 << 30) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._previous = previous or GENESIS
        self._number: int | None = None
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
        """Open the path again, after somebody has put the file aside."""
        with self._lock:
            self._close()
            self._open()

    def append(self, records: Iterable[dict[str, Any]]) -> None:
        """Write records, durably.

        :raises EvidenceError: that is not possible; none of them counts as written.
        """
        with self._lock:
            self._append(records)

    def _append(self, records: Iterable[dict[str, Any]]) -> None:
        previous, lines = self._previous, []
        for record in records:
            line = json.dumps({**record, "previous": previous}, sort_keys=True).encode()
            previous = digest(line)
            lines.append(line + b"\n")
        if not lines:
            return
        data = b"".join(lines)
        try:
            file = self._open() if self._number is None else self._number
            size = os.fstat(file).st_size
            if size and size + len(data) > self._max_bytes:
                file, size = self._put_aside(), 0
            _write(file, data, size)
        except OSError as exc:
            raise EvidenceError(write_error(self.path, exc).message) from exc
        self._previous = previous

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._number = os.open(self.path, flags, 0o640)
            last = _last_line(self._number)
        except OSError as exc:
            raise EvidenceError(write_error(self.path, exc).message) from exc
        if last is not None:
            self._previous = digest(last)
        return self._number

    def _close(self) -> None:
        if self._number is not None:
            os.close(self._number)
            self._number = None

    def _put_aside(self) -> int:
        number = 1
        while os.path.exists(aside := f"{self.path}.{number:06d}"):
            number += 1
        os.rename(self.path, aside)
        self._close()
        return self._open()


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


def _last_line(number: int) -> bytes | None:
    """Return the last whole line of a file; what a crash has left of another one is cut off."""
    size = os.fstat(number).st_size
    data = os.pread(number, _TAIL, max(0, size - _TAIL))
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) != len(data):
        os.ftruncate(number, size - (len(data) - len(whole)))
    if not whole:
        return None
    return whole[:-1].rpartition(b"\n")[2]


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
    directory, name = os.path.split(os.path.abspath(path))
    aside = sorted(
        entry
        for entry in os.listdir(directory)
        if entry.startswith(name + ".") and entry[len(name) + 1 :].isdigit()
    )
    return [*(os.path.join(directory, entry) for entry in aside), os.path.abspath(path)]
