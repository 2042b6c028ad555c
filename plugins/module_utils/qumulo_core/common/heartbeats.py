# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Heartbeats of threads: what each of them does, and whether one hangs.

A thread says what it does (:func:`working`) or for how long it may sleep (:func:`waiting`), and
:func:`moved` after each step of a long operation. Requests to the cluster do the latter. All three
do nothing in a thread that has no heartbeat, such as one of a module.
"""

from __future__ import annotations

import math
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

Value = TypeVar("Value")
#: Seconds without a move after which a thread hangs: longer than any step takes.
ALLOWANCE = 240.0
#: For an operation of which nobody knows how long it takes, such as one on a mount that hangs.
ENDLESS = math.inf
#: Seconds for all else that a thread does between two requests.
_SPARE = 60.0
#: Innermost calls that are shown of a thread that hangs.
_CALLS = 6


def allowance(timeout: float, retry_deadline: float) -> float:
    """Return how long a thread may take for a request to the cluster, seconds.

    :param timeout: for the connection and for each wait for data.
    :param retry_deadline: seconds that one request may take with all its repetitions.
    """
    return max(ALLOWANCE, 2 * timeout + retry_deadline + _SPARE)


class Beat:
    """The heartbeat of one thread, and of the helpers that it waits for."""

    def __init__(self, name: str, allowance: float, now: float) -> None:
        self.name = name
        self.doing = "working"
        #: Seconds that the present operation may take until the next move.
        self.allowance = self._usual = allowance
        self.moved_at = now
        self.thread = threading.get_ident()

    def work(self, doing: str, allowance: float | None, now: float) -> None:
        """Begin an operation."""
        self.doing = doing
        self.allowance = self._usual if allowance is None else allowance
        self.moved_at = now

    def wait(self, doing: str, seconds: float, now: float) -> None:
        """Begin to wait for up to some seconds."""
        self.work(doing, self._usual + seconds, now)


class _Local(threading.local):
    beat: Beat | None = None


_LOCAL = _Local()


def working(doing: str, allowance: float | None = None) -> None:
    """Say what the present thread does now.

    :param doing: completes "no progress while ...".
    :param allowance: seconds until it hangs, if that is another time than usual.
    """
    beat = _LOCAL.beat
    if beat is not None:
        beat.work(doing, allowance, time.monotonic())


def waiting(doing: str, seconds: float) -> None:
    """Say that the present thread waits, and for how many seconds at most."""
    beat = _LOCAL.beat
    if beat is not None:
        beat.wait(doing, seconds, time.monotonic())


def moved() -> None:
    """Say that the present thread, or the one that it helps, has made progress."""
    beat = _LOCAL.beat
    if beat is not None:
        beat.moved_at = time.monotonic()


def current() -> Beat | None:
    """Return the heartbeat of the present thread, for a helper that it starts."""
    return _LOCAL.beat


def help_thread(beat: Beat | None) -> None:
    """Let what the present thread does count as progress of the thread that it works for."""
    _LOCAL.beat = beat


@dataclass(frozen=True)
class Hang:
    """A thread that hangs.

    :param thread: its number.
    :param seconds: since its last move.
    :param calls: where it is, innermost last.
    """

    thread: int
    name: str
    doing: str
    seconds: float
    calls: str

    def __str__(self) -> str:
        return (
            f"thread {self.name} has made no progress for {self.seconds:.0f} s while {self.doing}"
        )


class Heartbeats:
    """The heartbeats of a service's threads.

    :param allowance: seconds without a move after which a thread hangs.
    """

    def __init__(self, allowance: float = ALLOWANCE) -> None:
        self.allowance = allowance
        self._lock = threading.Lock()
        self._beats: set[Beat] = set()

    @contextmanager
    def thread(self, name: str) -> Iterator[None]:
        """Give the present thread a heartbeat for the time of a block."""
        before = _LOCAL.beat
        beat = _LOCAL.beat = Beat(name, self.allowance, time.monotonic())
        with self._lock:
            self._beats.add(beat)
        try:
            yield
        finally:
            with self._lock:
                self._beats.discard(beat)
            _LOCAL.beat = before

    def run(self, name: str, work: Callable[..., Value], *arguments: Any) -> Value:
        """Call ``work`` with a heartbeat for the time that it takes."""
        with self.thread(name):
            return work(*arguments)

    @property
    def names(self) -> list[str]:
        """Names of the threads, sorted."""
        with self._lock:
            return sorted(beat.name for beat in self._beats)

    def hung(self) -> list[Hang]:
        """Return the threads that hang, the longest first."""
        now = time.monotonic()
        with self._lock:
            beats = [beat for beat in self._beats if now - beat.moved_at > beat.allowance]
        found = [Hang(b.thread, b.name, b.doing, now - b.moved_at, _calls(b.thread)) for b in beats]
        return sorted(found, key=lambda hang: -hang.seconds)

    def reason(self) -> str:
        """Return why the service is not healthy; an empty text if it is."""
        return "; ".join(map(str, self.hung()))

    def forgive(self, seconds: float) -> None:
        """Leave out a time in which no thread of the process ran."""
        with self._lock:
            for beat in self._beats:
                beat.moved_at += seconds


def _calls(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    if frame is None:
        return ""
    stack = traceback.extract_stack(frame)[-_CALLS:]
    return " > ".join(
        f"{call.filename.rpartition('/')[2]}:{call.lineno} {call.name}" for call in stack
    )
