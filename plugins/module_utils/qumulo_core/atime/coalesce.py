# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest access time of each file, for as long as it is not worth to be set yet.

Nothing here reads a clock or touches a file: times come in with the records, and seconds of any
monotonic clock with each call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from enum import Enum
from typing import Generic, TypeVar

from ..audit_log import AuditRecord

Key = TypeVar("Key", bound=Hashable)


class Added(Enum):
    """What became of a time."""

    #: A file that was not waiting.
    NEW = "new"
    #: A file that was waiting already; the newer of both times counts.
    MERGED = "merged"
    #: The time that was set last is as new, or so near that this one is not worth a write.
    FRESH = "fresh"
    #: As many files are waiting as may: nothing was taken. Take some away and try again.
    FULL = "full"


def by_id(record: AuditRecord) -> int | None:
    """Key of a file that is named by its ID; None if the record has none."""
    return record.file_id


def by_path(record: AuditRecord) -> bytes | None:
    """Key of a file that is named by its path, byte for byte; None if the record has none."""
    return record.path.encode("utf-8", "surrogateescape") or None


class Coalescer(Generic[Key]):
    """Files with times that are to be set.

    Files become due in bunches, a window after the first file of the bunch came; the times that
    come until a file is taken away are merged. How often a file is set is up to the granularity.

    :param window: seconds.
    :param granularity_ns: a time that is newer by less than the one set last is not worth a write.
    :param max_files: as many may wait.
    :param max_set: of as many files, 2 at least, it is remembered which time was set last. What is
        forgotten costs a needless write at most: whoever sets a time looks at the present one.
    """

    def __init__(
        self, *, window: float, granularity_ns: int, max_files: int, max_set: int = 100_000
    ) -> None:
        self._window = window
        self._least = max(1, granularity_ns)
        self._max_files = max_files
        self._max_set = max_set
        # A dictionary with a bare number for each file is what keeps a million of them small.
        self._due: dict[Key, int] = {}
        self._waiting: dict[Key, int] = {}
        self._waiting_since = 0.0
        #: Keys of what is due, in order: a dictionary is slow to take from at its beginning.
        self._order: deque[Key] = deque()
        #: Times that were set. When the newer half of the memory is full it becomes the older.
        self._set: dict[Key, int] = {}
        self._set_before: dict[Key, int] = {}

    def __len__(self) -> int:
        """Return the number of files whose time is to be set."""
        return len(self._due) + len(self._waiting)

    def add(self, key: Key, time_ns: int, now: float) -> Added:
        """Take a time of a file.

        :param time_ns: nanoseconds since 1970.
        :param now: seconds of a monotonic clock.
        """
        for files in (self._waiting, self._due):
            known = files.get(key)
            if known is not None:
                if time_ns > known:
                    files[key] = time_ns
                return Added.MERGED
        last = self._set.get(key)
        if last is None:
            last = self._set_before.get(key)
        if last is not None and time_ns - last < self._least:
            return Added.FRESH
        if len(self._due) + len(self._waiting) >= self._max_files:
            return Added.FULL
        if not self._waiting:
            self._waiting_since = now
        elif now - self._waiting_since >= self._window:
            self._turn(now)
        self._waiting[key] = time_ns
        return Added.NEW

    def due(self, now: float, *, everything: bool = False) -> bool:
        """Tell whether there are files to take.

        :param everything: do not wait for the end of the window, as at the end of the service.
        """
        if self._waiting and (everything or now - self._waiting_since >= self._window):
            self._turn(now)
        return bool(self._due)

    def wait(self, now: float) -> float | None:
        """Return the seconds until files become due; None if there are none at all."""
        if self._due:
            return 0.0
        if not self._waiting:
            return None
        return max(0.0, self._waiting_since + self._window - now)

    def take(self, limit: int) -> list[tuple[Key, int]]:
        """Take away at most ``limit`` files that are due, those first that wait longest."""
        due, order = self._due, self._order
        keys = [order.popleft() for _turn in range(min(limit, len(order)))]
        taken = [(key, due.pop(key)) for key in keys]
        if not due:
            self._due = {}  # an emptied dictionary would keep its size
        return taken

    def put_back(self, files: list[tuple[Key, int]]) -> None:
        """Give back files that could not be set, to be the next that are taken.

        They have been here before: the bound does not count for them.
        """
        for key, time_ns in reversed(files):
            again = self._waiting if key in self._waiting else self._due
            known = again.get(key)
            if known is None:
                self._order.appendleft(key)
            again[key] = time_ns if known is None else max(time_ns, known)

    def remember(self, key: Key, time_ns: int) -> None:
        """Note that a file has a time now; never an older one than was noted before."""
        last = self._set.get(key, self._set_before.get(key, time_ns))
        self._set[key] = max(time_ns, last)
        if len(self._set) >= self._max_set // 2:
            self._set_before, self._set = self._set, {}

    def __iter__(self) -> Iterator[tuple[Key, int]]:
        """Yield all files with their times, those first that are due."""
        yield from self._due.items()
        yield from self._waiting.items()

    def _turn(self, now: float) -> None:
        """Let the files that are waiting become due; no file is in both dictionaries."""
        self._order.extend(self._waiting)
        if self._due:
            self._due.update(self._waiting)
        else:
            self._due = self._waiting
        self._waiting = {}
        self._waiting_since = now
