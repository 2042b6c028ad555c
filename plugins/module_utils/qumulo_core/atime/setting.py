# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets the times that are due, and writes back what became of each file."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..common import heartbeats as beats
from ..common.heartbeats import Heartbeats
from ..errors import QumuloError
from ..service.retries import retry_after
from ..service.spool import Item, Spool, SpoolError
from ..service.threads import Threads
from .beneath import Outcome

_LOG = logging.getLogger("lockstep.atime")
#: Seconds between looks for what is due.
LOOK = 0.1
#: Seconds between looks at the host's clock, and how far back it must be set to be noticed before.
LOOK_AT_CLOCK, _STEP = 60.0, 1.0
#: Files that are taken from the spool at once.
_BATCH = 2000
#: Seconds until the work is tried again that was stopped.
AGAIN = 3.0
#: Seconds without anything to do between looks at whether something could be done. After each the
#: mount is let go, so that it can be unmounted.
IDLE = 5.0
#: Seconds after which a single file means that the server hangs.
HUNG = 60.0

IDLING, WORKING, STOPPED, HANGING = "idle", "working", "stopped", "hanging"
STATES = (IDLING, WORKING, STOPPED, HANGING)


@dataclass(frozen=True)
class Result:
    """What became of a file.

    :param outcome: None if it failed in a way that is worth another try.
    :param error: why it failed.
    """

    item: Item
    outcome: Outcome | None
    error: str = ""


class Backend(Protocol):
    """A way to set times; all methods are called from one thread."""

    #: Seconds that one file may take; None for the usual time.
    allowance: float | None

    def apply(self, items: Sequence[Item], stopped: threading.Event) -> Iterator[Result]:
        """Set the times of some files, in any order; those that are left out are tried again.

        :raises QumuloError: no file can be set at present; nothing is known about the rest.
        """

    def look(self) -> None:
        """See whether files could be set.

        :raises QumuloError: they could not.
        """

    def rest(self) -> None:
        """Let go of what would be in somebody's way while there is nothing to do."""


class Setter:
    """The thread that takes what is due from the spool.

    :param done: is told of results that have been written back, and how many entries are gone.
    :param max_attempts: failures of a file after which it is left to an operator.
    :param longest: gives the most seconds that an entry can have to wait.
    :param hung: seconds, as :data:`HUNG`.
    """

    def __init__(
        self,
        spool: Spool,
        backend: Backend,
        done: Callable[[list[Result], int], None],
        *,
        max_attempts: int,
        longest: Callable[[], float],
        hung: float = HUNG,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self._spool = spool
        self._backend = backend
        self._done = done
        self._max_attempts = max_attempts
        self._longest = longest
        self._hung = hung
        #: Of the last look at the clock: the host's time, and that of a clock that nobody sets.
        self._clock: tuple[float, float] | None = None
        self._stopped = threading.Event()
        self._state = IDLING
        self._beat = time.monotonic()
        #: Why the work is stopped; empty if it is not.
        self.message = ""
        self._threads = Threads(heartbeats)
        self._threads.add("set", self._run)

    def start(self) -> None:
        """Begin."""
        self._threads.start()

    def stop(self, deadline: float) -> None:
        """Take nothing more; what was set is written back until ``deadline``."""
        self._stopped.set()
        self._threads.join(deadline)

    def failure(self) -> BaseException | None:
        """Return what ended the thread, or None."""
        return self._threads.failure

    @property
    def state(self) -> str:
        """One of :data:`STATES`."""
        return HANGING if time.monotonic() - self._beat > self._hung else self._state

    def _run(self) -> None:
        looked = float("-inf")
        while not self._stopped.is_set():
            now = self._beat = time.monotonic()
            beats.working("looking for times that are due")
            try:
                self._look_at_clock()
                if self._work():
                    looked = time.monotonic()
                    continue
                if now - looked >= IDLE:
                    beats.working("looking at the mount", self._backend.allowance)
                    self._backend.look()
                    self._backend.rest()
                    looked = time.monotonic()
            except QumuloError as exc:
                self._stop_work(exc)
                beats.working("leaving the mount", self._backend.allowance)
                self._backend.rest()
                beats.waiting("waiting to try again", AGAIN)
                self._stopped.wait(AGAIN)
                continue
            self._go_on(IDLING)
            self._stopped.wait(LOOK)
        self._backend.rest()

    def _look_at_clock(self) -> None:
        """Let entries be due that would wait too long because the host's clock was set back.

        :raises SpoolError: the spool cannot be used; the next look does it.
        """
        now, steady = time.time(), time.monotonic()
        if self._clock is not None:
            passed, really = now - self._clock[0], steady - self._clock[1]
            if passed > really - _STEP and really < LOOK_AT_CLOCK:
                return
        count = self._spool.bring_forward(now + self._longest(), now)
        self._clock = now, steady
        if count:
            _LOG.warning("this host's clock was set back: %d waiting files are due now", count)

    def _stop_work(self, error: QumuloError) -> None:
        if self.message != error.message:
            _LOG.error("%s", error)
        self._state, self.message = STOPPED, error.message

    def _go_on(self, state: str) -> None:
        if self.message:
            _LOG.info("access times are set again")
        self._state, self.message = state, ""

    def _work(self) -> bool:
        """Set what is due; False if nothing is."""
        items = self._spool.due(time.time(), _BATCH)
        if not items:
            return False
        results: list[Result] = []
        beats.working("setting access times", self._backend.allowance)
        try:
            for result in self._backend.apply(items, self._stopped):
                self._beat = time.monotonic()
                beats.moved()
                results.append(result)
        finally:
            self._beat = time.monotonic()
            if results:
                self._write_back(results)
        if results:
            self._go_on(WORKING)
        return True

    def _write_back(self, results: list[Result]) -> None:
        """Write results back, however often that has to be tried."""
        while True:
            beats.working("writing the spool")
            try:
                gone = self._settle(results)
            except SpoolError as exc:
                self._stop_work(exc)
                self._beat = time.monotonic()
                if self._stopped.wait(AGAIN):
                    return  # what was set is found set after the next start
            else:
                self._done(results, gone)
                return

    def _settle(self, results: list[Result]) -> int:
        gone = self._spool.done([result.item for result in results if result.outcome is not None])
        failed = [result for result in results if result.outcome is None]
        if failed:
            now, most = time.time(), self._max_attempts
            given_up = [r for r in failed if r.item.attempts + 1 >= most]
            if given_up:
                self._spool.give_up([(r.item, r.error) for r in given_up])
            later = [r for r in failed if r.item.attempts + 1 < most]
            if later:
                self._spool.later(
                    [(r.item, now + retry_after(r.item.attempts), r.error) for r in later]
                )
        return gone
