# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handing records over: little waits here, and whoever is faster waits for the other one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable

from .records import Record


class StoppedError(Exception):
    """Nobody takes records any more."""


class Handover:
    """Records on their way from the threads that find them to the one that takes them.

    :param capacity: records that wait here at the most.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._records: deque[Record] = deque()
        self._put = self._done = 0
        self._failure: BaseException | None = None
        self._stopped = False
        self._change = threading.Condition()

    def put(self, records: Iterable[Record]) -> None:
        """Add records; wait for room for each.

        :raises StoppedError: nobody takes them any more.
        """
        for record in records:
            with self._change:
                while len(self._records) >= self._capacity and not self._stopped:
                    self._change.wait()
                if self._stopped:
                    raise StoppedError
                self._records.append(record)
                self._put += 1
                self._change.notify_all()

    def take(self, most: int, gather: float) -> list[Record]:
        """Return the next records; wait for the first, and ``gather`` seconds for others.

        :returns: nothing if it was stopped.
        :raises BaseException: what :meth:`fail` was told.
        """
        with self._change:
            while not self._records and not self._stopped and self._failure is None:
                self._change.wait()
            deadline = time.monotonic() + gather
            while len(self._records) < min(most, self._capacity) and not self._stopped:
                left = deadline - time.monotonic()
                if left <= 0 or self._failure is not None:
                    break
                self._change.wait(left)
            if self._stopped:
                return []
            taken = [self._records.popleft() for _number in range(min(most, len(self._records)))]
            if not taken and self._failure is not None:
                raise self._failure
            self._change.notify_all()
            return taken

    def done(self, count: int) -> None:
        """Confirm that records which were taken have arrived."""
        with self._change:
            self._done += count
            self._change.notify_all()

    def wait_done(self) -> bool:
        """Wait until all that was put so far has arrived; False if it was stopped before."""
        with self._change:
            goal = self._put
            while self._done < goal and not self._stopped:
                self._change.wait()
            return self._done >= goal

    def fail(self, error: BaseException) -> None:
        """End it with an error, after the records that wait."""
        with self._change:
            if self._failure is None:
                self._failure = error
            self._change.notify_all()

    def stop(self) -> None:
        """End it at once; whoever waits wakes up."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
