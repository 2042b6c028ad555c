# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of the evidence by file, for any number of records: they are sorted on disk."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from ..changelist.sorting import RUN_BYTES, Sorter
from .lock_record import LockRecord
from .versions import Version

#: Where temporary files go without TMPDIR: /tmp is in memory on many hosts.
_PLACE = "/var/tmp"  # noqa: S108 - the directory made in it is private
_SEPARATOR = b" "


@dataclass(frozen=True)
class RecordedLock:
    """What the evidence has of one file.

    :param record: the newest.
    :param until: the latest end of a retention period in all of them.
    """

    record: LockRecord
    until: datetime | None


class LockIndex:
    """Takes records in the order of the evidence, and gives them back by file.

    Memory is constant; disk holds about 300 bytes for each record, in a private directory below
    ``TMPDIR`` (default ``/var/tmp``).

    :param run_bytes: of records in memory.
    """

    def __init__(self, *, run_bytes: int = RUN_BYTES) -> None:
        place = os.environ.get("TMPDIR") or _PLACE
        usable = os.access(place, os.W_OK | os.X_OK)
        self._directory = tempfile.TemporaryDirectory(
            prefix="lockstep-verify-", dir=place if usable else None
        )
        self._sorter = Sorter(self._directory.name, run_bytes=run_bytes)
        self._count = 0

    def __enter__(self) -> LockIndex:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._sorter.__exit__(*exc_info)
        self._directory.cleanup()

    def add(self, record: LockRecord) -> None:
        """Take a record."""
        self._count += 1
        rest = [record.path, record.version.dump(), record.size, record.change_time]
        text = json.dumps(rest, separators=(",", ":"))
        self._sorter.add(f"{record.file_id} {self._count:016d} {text}".encode())

    def __iter__(self) -> Iterator[RecordedLock]:
        """Yield what is recorded of each file."""
        for file_id, group in groupby(self._sorter, lambda line: line.partition(_SEPARATOR)[0]):
            until: datetime | None = None
            record: LockRecord | None = None
            for line in group:
                path, version, size, change_time = json.loads(line.split(_SEPARATOR, 2)[2])
                record = LockRecord(
                    file_id.decode(), path, Version.load(version), size, change_time
                )
                ends = [each for each in (until, record.version.until) if each is not None]
                until = max(ends, default=None)
            if record is not None:
                yield RecordedLock(record, until)
