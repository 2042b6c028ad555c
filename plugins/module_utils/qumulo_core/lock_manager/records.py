# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of who closed what, when, why and with what outcome: JSON lines, chained by hashes.

The hash of the last line is also kept in a file of its own, so that records that were removed from
the end are missed when the next ones are written.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ..common import hash_chain, os_reasons, record_files
from ..common.hash_chain import GENESIS, MISSING, PREVIOUS
from ..common.safe_paths import check_own
from ..errors import InputError, QumuloError
from ..output import AtomicFile
from ..times import format_rfc3339
from .record_lines import GAP

log = logging.getLogger(__name__)

MODE = 0o640


class Records:
    """The file that is written to; thread-safe.

    It is opened anew for each write, so that logrotate can move it away.

    :param path: absolute.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()

    def check(self) -> None:
        """Make sure that records can be written, and that none is missing.

        :raises InputError: they cannot be written.
        """
        self.write([])

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Add records; they are on disk when this returns.

        :raises InputError: they cannot be written.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        with self._lock:
            try:
                fd = os.open(self.path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
                try:
                    check_own(fd, self.path)
                    last = self._append(fd, records)
                finally:
                    os.close(fd)
            except OSError as exc:
                failed = f"Cannot write the record of closed handles {self.path}"
                step = "Check its directory and its owner."
                raise InputError(os_reasons.explain(failed, exc, step)) from exc
            if last is not None:
                self._store(last)

    def _append(self, fd: int, records: Sequence[Mapping[str, Any]]) -> str | None:
        """Continue the chain; return the hash of the last line that was written, if any was."""
        stored = stored_hash(self.path)
        line = _mended(fd)
        previous = self._before(line, stored)
        missing = stored if stored is not None and self._misses(fd, previous, stored) else None
        lines = [*([] if missing is None else [self._gap(missing)]), *records]
        if not lines:
            return None
        data, last = hash_chain.append(lines, previous)
        hash_chain.write(fd, data)
        return last

    def _before(self, line: bytes | None, stored: str | None) -> str:
        """Return the hash of the line before the next one."""
        if line is not None:
            return hash_chain.digest(line)
        try:
            before = record_files.newest_line(self.path)
        except QumuloError as exc:
            log.error("the record continues after the hash that is stored: %s", exc)
            return stored or GENESIS
        return GENESIS if before is None else hash_chain.digest(before)

    def _misses(self, fd: int, previous: str, stored: str) -> bool:
        """Tell whether the line that was written last is not there any more.

        A crash may have come between a line and its hash, so that newer lines follow it, and the
        file may have been rotated since.
        """
        if previous == stored:
            return False
        with open(os.dup(fd), "rb") as file:
            file.seek(0)
            if any(_is_or_follows(line, stored) for line in hash_chain.lines(file)):
                return False
        # The last one is the open file, unless it is empty.
        for path in reversed(record_files.series(self.path)):
            try:
                lines = record_files.read([path])
                if any(_is_or_follows(line, stored) for _path, _number, line in lines):
                    return False
            except QumuloError as exc:
                log.error("the record cannot be compared with its stored hash: %s", exc)
                return False  # the line may be in there; "verify" tells
        return True

    def _gap(self, missing: str) -> dict[str, Any]:
        message = (
            f"Records of {self.path} are missing: the line with hash {missing}, which was the last "
            "one, is gone. Restore the file from a backup, and find out who has changed it."
        )
        log.error("%s", message)
        now = format_rfc3339(datetime.now(timezone.utc))
        return {"event": GAP, "time": now, MISSING: missing, "message": message}

    def _store(self, last: str) -> None:
        try:
            with AtomicFile(_hash_path(self.path), mode=MODE) as file:
                file.write(f"{last}\n".encode())
                file.commit()
        except QumuloError as exc:
            # The records are safe, and newer lines than the stored one are no fault.
            log.error("cannot keep the hash of the last record: %s", exc)


def _is_or_follows(line: bytes, stored: str) -> bool:
    """Tell whether a line has a hash, or names it as that of the line before it."""
    if hash_chain.digest(line.rstrip(b"\n")) == stored:
        return True
    record = hash_chain.parse(line) or {}
    return stored in (record.get(PREVIOUS), record.get(MISSING))


def stored_hash(path: str) -> str | None:
    """Return the hash of the line that was written last, as it is kept beside a record."""
    try:
        fd = os.open(_hash_path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            text = os.read(fd, 128).decode("ascii", "replace").strip()
        finally:
            os.close(fd)
    except OSError:
        return None
    return text if hash_chain.is_hash(text) else None


def _hash_path(path: str) -> str:
    return f"{path}.last"


def _mended(fd: int) -> bytes | None:
    """Return the last line of a file, whose end is the end of a line from now on.

    Half a record is what a crash has left of a write that nobody relied on.
    """
    tail = hash_chain.tail(fd)
    if not tail.rest:
        return tail.line
    if tail.rest.startswith(b"{") and not _is_json(tail.rest):
        os.ftruncate(fd, tail.whole)
        return tail.line
    hash_chain.write(fd, b"\n")  # somebody has removed it, or has written something else
    return tail.rest


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
