# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The threads that take what is due from the spool, and write back what became of it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..client import Client
from ..common import heartbeats as beats
from ..common.heartbeats import Heartbeats
from ..service.spool import Item, Key, Spool, SpoolError
from ..service.threads import Threads
from .evidence import EvidenceError, EvidenceGoneError
from .locking import Context, handle
from .outcomes import Outcome, What

_LOG = logging.getLogger("lockstep.watcher")
#: Seconds between looks for what is due, and most seconds that results are gathered.
LOOK, GATHER = 0.1, 0.05
#: Items that wait for a worker, for each worker.
AHEAD = 8
#: Seconds to wait when results can not be written back.
_AGAIN = 1.0
#: Results that are written back at once.
_BATCH = 2000


#: Outcomes that remove an item from the spool.
_ENDED = (What.LOCKED, What.ALREADY, What.DONE, What.GONE, What.SKIPPED)


class Workers:
    """Takes items that are due, hands them to threads, and writes back the outcomes.

    :param record: writes records of locks, durably; returns notes to store in the spool.
    :param done: is told of each outcome that has been written back.
    """

    def __init__(
        self,
        client: Client,
        spool: Spool,
        record: Callable[[list[dict[str, Any]]], dict[str, str]],
        context: Context,
        count: int,
        done: Callable[[Outcome], None],
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self._client = client
        self._spool = spool
        self._record = record
        self._context = context
        self._done = done
        self._stopped = threading.Event()
        self._in_flight: set[Key] = set()
        self._queue: queue.Queue[Item | None] = queue.Queue(count * AHEAD)
        self._results: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._lockers = Threads(heartbeats)
        self._lockers.add("take", self._take)
        for number in range(count):
            self._lockers.add(f"lock-{number}", self._work)
        self._writer = Threads(heartbeats)
        self._writer.add("write-back", self._write_back)

    def start(self) -> None:
        """Begin."""
        self._writer.start()
        self._lockers.start()

    def stop(self, deadline: float) -> None:
        """Take nothing more; what is under way is written back until ``deadline``.

        What is not stays in the spool, and is looked at again after the next start.
        """
        self._stopped.set()
        self._lockers.join(deadline)
        self._results.put(None)  # there is no more
        self._writer.join(deadline)

    def failure(self) -> BaseException | None:
        """Return what ended a thread, or None."""
        return self._lockers.failure or self._writer.failure

    # -- taking ---------------------------------------------------------------------------------

    def _take(self) -> None:
        limit = self._queue.maxsize
        while not self._stopped.is_set():
            beats.working("looking for files that are due")
            if self._context.wrong_clock():
                self._stopped.wait(_AGAIN)
                continue
            taken = 0
            # As it was before the look: what is done meanwhile is no longer as it was seen.
            before = self._in_flight.copy()
            for item in self._due(limit + len(before)):
                if item.key in before:
                    continue
                self._in_flight.add(item.key)
                taken += 1
                if not self._hand_over(item):
                    return
            if not taken:
                self._stopped.wait(LOOK)

    def _due(self, limit: int) -> Sequence[Item]:
        try:
            return self._spool.due(self._context.surely().timestamp(), limit)
        except SpoolError as exc:
            _LOG.error("%s", exc)
            self._stopped.wait(_AGAIN)
            return ()

    def _hand_over(self, item: Item) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=LOOK)
                return True
            except queue.Full:
                beats.working("waiting for a thread that locks files")
        return False

    # -- working --------------------------------------------------------------------------------

    def _work(self) -> None:
        with self._client.clone() as client:
            while not self._stopped.is_set():
                beats.working("waiting for a file to lock")
                try:
                    item = self._queue.get(timeout=LOOK * 5)
                except queue.Empty:
                    continue
                if item is not None:
                    beats.working(f"locking file {item.key!s}")
                    self._results.put(self._handle(client, item))

    def _handle(self, client: Client, item: Item) -> Outcome:
        try:
            return handle(client, item, self._context)
        except SpoolError as exc:  # a directory whose files find no room
            due = self._context.now().timestamp() + _AGAIN
            return Outcome(item, What.LATER, exc.message, due=due)

    # -- writing back ---------------------------------------------------------------------------

    def _write_back(self) -> None:
        ended = False
        while not ended:
            beats.working("waiting for locked files")
            batch, ended = self._gather()
            beats.working("writing the evidence and the spool")
            if batch and not self._write(batch):
                return  # it stays in the spool
            for outcome in batch:
                self._in_flight.discard(outcome.item.key)
                self._done(outcome)

    def _gather(self) -> tuple[list[Outcome], bool]:
        """Return outcomes of a short while, and whether these were the last."""
        batch: list[Outcome] = []
        deadline = None
        while len(batch) < _BATCH:
            wait = LOOK if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                outcome = self._results.get(timeout=wait)
            except queue.Empty:
                break
            if outcome is None:
                return batch, True
            batch.append(outcome)
            if deadline is None:
                deadline = time.monotonic() + GATHER
        return batch, False

    def _write(self, batch: list[Outcome]) -> bool:
        """Write a batch back, however often that has to be tried; False if told to stop."""
        notes: dict[str, str] | None = None
        while True:
            try:
                if notes is None:
                    # First the record: what is not recorded is looked at again.
                    notes = self._record([o.record for o in batch if o.record])
                self._remember(batch, notes)
                self._settle(batch)
                return True
            except EvidenceGoneError:
                return False  # the main thread ends the service, and logs why
            except (EvidenceError, SpoolError) as exc:
                _LOG.error("%s", exc)
                beats.working("writing the evidence and the spool again")
                if self._stopped.wait(_AGAIN):
                    return False

    def _remember(self, batch: list[Outcome], notes: dict[str, str]) -> None:
        """Remember the locked versions, so that locks that ended are not set again."""
        versions = self._context.versions
        versions.remember(
            ((str(o.item.key), o.version) for o in batch if o.version is not None), notes
        )
        versions.forget([str(o.item.key) for o in batch if o.what is What.GONE])

    def _settle(self, batch: list[Outcome]) -> None:
        """Let go of what is done, and put off what is not."""
        done = [o.item for o in batch if o.what in _ENDED]
        later = [(o.item, o.due, o.reason) for o in batch if o.what is What.LATER]
        given_up = [(o.item, o.reason) for o in batch if o.what is What.GIVE_UP]
        if done:
            self._spool.done(done)
        if later:
            self._spool.later(later)
        if given_up:
            self._spool.give_up(given_up)
        self._spool.set_aside((o.item, o.reason) for o in batch if o.what is What.UNREADABLE)
        self._context.names.forget([str(item.key) for item in done])
