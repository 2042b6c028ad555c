# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of who closed what, when, why and with what outcome, in JSON lines."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..common.safe_paths import check_own
from ..errors import InputError

MODE = 0o640
_BLOCK = 1 << 16
#: A line that is longer was not written here.
_LONGEST_LINE = 1 << 20


class Records:
    """A file of records; thread-safe.

    It is opened anew for each write, so that logrotate can move it away.

    :param path: absolute.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()

    def check(self) -> None:
        """Make sure that records can be written.

        :raises InputError: they can not.
        """
        self.write([])

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Add records; they are on disk when this returns.

        :raises InputError: they can not be written.
        """
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with self._lock:
            try:
                number = os.open(self.path, flags, MODE)
                try:
                    check_own(number, self.path)
                    end = os.fstat(number).st_size
                    if end and data and os.pread(number, 1, end - 1) != b"\n":
                        data = b"\n" + data  # the power failed in the middle of a line
                    while data:
                        data = data[os.write(number, data) :]
                    os.fsync(number)
                finally:
                    os.close(number)
            except OSError as exc:
                raise InputError(
                    f"The record of closed handles {self.path} can not be written "
                    f"({os.strerror(exc.errno or errno.EIO)}): check its directory, its owner "
                    "and the free space."
                ) from exc

    def newest(self, limit: int, before: int | None = None) -> tuple[list[dict[str, Any]], int]:
        """Return the newest records first, and where to go on: 0 if there are no older ones.

        :param before: offset from an earlier call; None begins at the end.
        """
        found: list[dict[str, Any]] = []
        offset = 0
        for offset, record in self._backwards(before):
            found.append(record)
            if len(found) >= limit:
                return found, offset
        return found, 0

    def oldest_first(self) -> Iterator[dict[str, Any]]:
        """Yield all records of the file."""
        try:
            with open(self.path, "rb") as file:
                while line := file.readline(_LONGEST_LINE):
                    record = _parse(line)
                    if record is not None:
                        yield record
        except FileNotFoundError:
            return

    def _backwards(self, before: int | None) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield records from the end on, each with the offset at which it begins."""
        try:
            file = open(self.path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            return
        with file:
            size = file.seek(0, os.SEEK_END)
            at = size if before is None else min(max(before, 0), size)
            rest = b""
            while at:
                begin = max(0, at - _BLOCK)
                file.seek(begin)
                block = file.read(at - begin) + rest
                lines = block.split(b"\n")
                # The first may go on in the block before.
                rest = lines[0] if begin else b""
                if len(rest) > _LONGEST_LINE:
                    return
                end = begin + len(block)
                for line in reversed(lines[1 if begin else 0 :]):
                    start = end - len(line)
                    record = _parse(line)
                    if record is not None:
                        yield start, record
                    end = start - 1
                at = begin


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.strip():
        return None
    try:
        record = json.loads(line.decode("utf-8", "surrogatepass"))
    except ValueError:
        return None  # half a line
    return record if isinstance(record, dict) else None
