# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a service: start, ready, watchdog, reload, stop."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ..common import heartbeats
from ..common.heartbeats import Heartbeats
from ..errors import QumuloError
from .sd_notify import Notifier
from .watchdog import Watchdog

_LOG = logging.getLogger(__name__)
#: Seconds between looks at the service.
TICK = 1.0
#: Seconds in which a service must have stopped.
STOP_WITHIN = 4.5


class Service(Protocol):
    """What is run. All methods are called from the main thread."""

    #: Of all threads of the service: the watchdog is fed while they move.
    heartbeats: Heartbeats

    def start(self) -> None:
        """Begin; return when the work has begun."""

    def reload(self) -> None:
        """Read the configuration again and go on with it.

        :raises QumuloError: it makes no sense; the old one stays.
        """

    def tend(self) -> None:
        """Do what is due from time to time; called every second."""

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
    notifier: Notifier,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Run a service until it is told to stop; the caller holds the lock of the host.

    :raises Exception: what the service failed with.
    """
    signals = _Signals()
    tick = TICK if notifier.watchdog is None else min(TICK, notifier.watchdog / 3)
    watchdog = Watchdog(service.heartbeats, notifier, tick)
    with service.heartbeats.thread("main"):
        _run(service, notifier, signals, watchdog, monotonic)


def _run(
    service: Service,
    notifier: Notifier,
    signals: _Signals,
    watchdog: Watchdog,
    monotonic: Callable[[], float],
) -> None:
    try:
        service.start()
        try:
            notifier.status(service.status())
            notifier.ready()
            watchdog.start()
            _watch(service, signals, notifier)
        finally:
            heartbeats.working("stopping")
            notifier.stopping()
            _LOG.info("stopping")
            service.stop(monotonic() + STOP_WITHIN)
            watchdog.stop()
    finally:
        signals.restore()
        notifier.close()


def _watch(service: Service, signals: _Signals, notifier: Notifier) -> None:
    while not signals.stop:
        heartbeats.waiting("waiting for signals", TICK)
        signals.wake.wait(TICK)
        signals.wake.clear()
        if signals.reload:
            signals.reload = False
            heartbeats.working("reading the configuration")
            _reload(service, notifier)
        failure = service.failure()
        if failure is not None:
            raise failure
        heartbeats.working("telling the status")
        service.tend()
        notifier.status("; ".join(filter(None, (service.status(), service.heartbeats.reason()))))


def _reload(service: Service, notifier: Notifier) -> None:
    notifier.reloading()
    try:
        service.reload()
        _LOG.info("configuration read again")
    except QumuloError as exc:
        _LOG.error("the configuration is left as it was: %s", exc)
    notifier.ready()
