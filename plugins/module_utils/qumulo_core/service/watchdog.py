# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feeds systemd's watchdog while all threads of a service move, and logs which one hangs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..common.heartbeats import Hang, Heartbeats
from .sd_notify import Notifier

_LOG = logging.getLogger(__name__)
#: Seconds to wait for the end of the thread.
_LEAVE = 2.0


class Watchdog:
    """A thread of its own, so that the main thread is watched, too.

    :param tick: seconds between looks at the threads.
    """

    def __init__(
        self,
        heartbeats: Heartbeats,
        notifier: Notifier,
        tick: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._heartbeats = heartbeats
        self._notifier = notifier
        self._tick = tick
        self._monotonic = monotonic
        self._stopped = threading.Event()
        self._looked = monotonic()
        self._hung: dict[int, Hang] = {}
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._looked = self._monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_LEAVE)

    def _run(self) -> None:
        while not self._stopped.wait(self._tick):
            self.look()

    def look(self) -> None:
        """Feed the watchdog, or log what hangs."""
        now = self._monotonic()
        late = now - self._looked - self._tick
        self._looked = now
        if late > self._tick:
            # The process was stopped, or the host is overloaded: the other threads waited as well.
            self._heartbeats.forgive(late)
        hung = {hang.thread: hang for hang in self._heartbeats.hung()}
        for thread, hang in hung.items():
            if thread not in self._hung:
                # Before the watchdog goes hungry: systemd kills the process without a reason.
                _LOG.error("%s. The watchdog restarts the service.", hang, extra={"at": hang.calls})
        for thread, hang in self._hung.items():
            if thread not in hung:
                _LOG.warning("thread %s makes progress again", hang.name)
        self._hung = hung
        if not hung:
            self._notifier.alive()
