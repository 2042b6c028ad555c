# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The threads of one part of a service; what ends one of them is kept for the main thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..common.heartbeats import Heartbeats


class Threads:
    """Threads that work until they are told to stop.

    None of them may end unnoticed: the main thread asks for :attr:`failure` and ends the service.

    :param heartbeats: each thread has one there.
    """

    def __init__(self, heartbeats: Heartbeats | None = None) -> None:
        self._heartbeats = Heartbeats() if heartbeats is None else heartbeats
        self._threads: list[threading.Thread] = []
        #: What ended a thread that was not told to end, or None.
        self.failure: BaseException | None = None

    def add(self, name: str, work: Callable[[], None]) -> None:
        """Add a thread that runs ``work`` once :meth:`start` is called."""
        self._threads.append(self.make(name, work))

    def make(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Return a thread whose end the caller looks after, but whose failure is kept here."""
        return threading.Thread(target=self._guard, args=(name, work), name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def join(self, deadline: float) -> None:
        """Wait for the end until ``deadline`` (``time.monotonic()``); those not begun are not."""
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def alive(self) -> bool:
        """True while one of them has not ended."""
        return any(thread.is_alive() for thread in self._threads)

    def _guard(self, name: str, work: Callable[[], None]) -> None:
        try:
            with self._heartbeats.thread(name):
                work()
        except BaseException as exc:  # pylint: disable=broad-exception-caught
            self.failure = exc  # raised again by the main thread
