# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a service: lock, start, ready, watchdog, reload, stop."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ..errors import QumuloError
from .instance import SingleInstance
from .sd_notify import Notifier

_LOG = logging.getLogger(__name__)
#: Seconds between looks at the service.
TICK = 1.0
#: Seconds in which a service must have stopped.
STOP_WITHIN = 5.0


class Service(Protocol):
    """What is run. All methods are called from the main thread."""

    def start(self) -> None:
        """Begin; return when the work has begun."""

    def reload(self) -> None:
        """Read the configuration again and go on with it.

        :raises QumuloError: it makes no sense; the old one stays.
        """

    def healthy(self) -> bool:
        """Tell whether all parts have moved lately: what the watchdog is fed for."""

    def failure(self) -> BaseException | None:
        """Return what ended the work for good, or None."""

    def status(self) -> str:
        """Return one line about what it does."""

    def stop(self, deadline: float) -> None:
        """End all threads by ``deadline`` (``time.monotonic()``)."""


class _Signals:
    """SIGTERM and SIGINT stop, SIGHUP reloads; handlers only note it."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.stop = False
        self.reload = False
        self._before = {
            number: signal.signal(number, self._note)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }

    def _note(self, number: int, frame: object) -> None:
        if number == signal.SIGHUP:
            self.reload = True
        else:
            self.stop = True
        self.wake.set()

    def restore(self) -> None:
        """Put the handlers back that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


def run(
    service: Service,
    instance: SingleInstance,
    notifier: Notifier,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Run a service until it is told to stop.

    :raises AlreadyRunningError: another instance has the lock of this host.
    :raises Exception: what the service failed with.
    """
    signals = _Signals()
    try:
        with instance:
            service.start()
            try:
                notifier.status(service.status())
                notifier.ready()
                _watch(service, signals, notifier)
            finally:
                notifier.stopping()
                _LOG.info("stopping")
                service.stop(monotonic() + STOP_WITHIN)
    finally:
        signals.restore()
        notifier.close()


def _watch(service: Service, signals: _Signals, notifier: Notifier) -> None:
    tick = TICK
    if notifier.watchdog is not None:
        tick = min(TICK, notifier.watchdog / 3)
    while not signals.stop:
        signals.wake.wait(tick)
        signals.wake.clear()
        if signals.reload:
            signals.reload = False
            _reload(service, notifier)
        failure = service.failure()
        if failure is not None:
            raise failure
        if service.healthy():
            notifier.alive()
        notifier.status(service.status())


def _reload(service: Service, notifier: Notifier) -> None:
    notifier.reloading()
    try:
        service.reload()
        _LOG.info("configuration read again")
    except QumuloError as exc:
        _LOG.error("the configuration is left as it was: %s", exc)
    notifier.ready()
