# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on many items with a bounded pool of threads, each with a client of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Callable, Generic, TypeVar

from .client import Client
from .common import heartbeats
from .errors import InputError, QumuloError

Item = TypeVar("Item")
Value = TypeVar("Value")

DEFAULT_WORKERS = 16
#: Items that a thread takes at a time once all threads have some: each hand-over between threads
#: costs as much as a small request does.
CHUNK = 8
#: Chunks for each worker that are under way or wait for the consumer.
LOOK_AHEAD = 2
_POLL = 0.5  # seconds between looks at whether the consumer has gone


def check_workers(workers: int) -> None:
    """Refuse to work with nobody who does, which would wait for ever.

    :raises InputError: there is not at least one.
    """
    if workers < 1:
        raise InputError(f"workers is 1 or more, not {workers}: requests at a time.")


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """What became of one item: a value, or the error that the work ended with."""

    item: Item
    value: Value | None = None
    error: QumuloError | None = None


class _Pool(Generic[Item, Value]):
    """Threads that take items by themselves; made for one run and closed after it."""

    def __init__(
        self,
        client: Client,
        work: Callable[[Client, Item], Value],
        items: Iterable[Item],
        workers: int,
    ) -> None:
        check_workers(workers)
        self._client = client
        self._work = work
        self._items = iter(items)
        self._workers = workers
        self._beat = heartbeats.current()
        self._taking = threading.Lock()
        self._taken = 0
        self._stopped = threading.Event()
        self._room = threading.Semaphore(workers * LOOK_AHEAD)
        self._alive = workers
        #: (number of the chunk, its outcomes); a defect; or None when all threads have ended
        self._ready: queue.SimpleQueue[
            tuple[int, list[Outcome[Item, Value]]] | BaseException | None
        ] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"qumulo-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        heartbeats.help_thread(self._beat)
        client = self._client.clone()
        try:
            while (chunk := self._take()) is not None:
                number, items = chunk
                self._ready.put((number, [self._outcome(client, item) for item in items]))
        except BaseException as exc:  # pylint: disable=broad-exception-caught
            self._ready.put(exc)  # raised again where the outcomes are consumed
        finally:
            client.close()
            with self._taking:
                self._alive -= 1
                last = not self._alive
            if last:
                self._ready.put(None)

    def _take(self) -> tuple[int, list[Item]] | None:
        """Return the next few items with their number, or None if there are no more."""
        while not self._room.acquire(timeout=_POLL):
            if self._stopped.is_set():
                return None
        with self._taking:
            if self._stopped.is_set():
                return None
            # One by one at first, so that a short list is spread over all threads.
            size = 1 if self._taken < 2 * self._workers else CHUNK
            items = list(islice(self._items, size))
            if not items:
                return None
            number = self._taken
            self._taken += 1
            return number, items

    def _outcome(self, client: Client, item: Item) -> Outcome[Item, Value]:
        try:
            return Outcome(item, value=self._work(client, item))
        except QumuloError as exc:
            return Outcome(item, error=exc)

    def chunks(self) -> Iterator[tuple[int, list[Outcome[Item, Value]]]]:
        """Yield chunks with their numbers as they get ready.

        The consumer calls :meth:`consumed` for each when it is done with it.
        """
        while (ready := self._ready.get()) is not None:
            if isinstance(ready, BaseException):
                raise ready
            yield ready

    def consumed(self) -> None:
        """Make room for another chunk."""
        self._room.release()

    def close(self) -> None:
        """Take no more items and wait for what is under way."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        close = getattr(self._items, "close", None)
        if close is not None:  # a generator that may hold threads and connections of its own
            close()


def map_unordered(
    client: Client,
    work: Callable[[Client, Item], Value],
    items: Iterable[Item],
    *,
    workers: int = DEFAULT_WORKERS,
) -> Iterator[Outcome[Item, Value]]:
    """Yield the outcome of ``work(client_of_thread, item)`` for each item, as they get ready.

    ``items`` is read, by the threads, no further ahead than some chunks for each, so it may be
    endless. A :class:`QumuloError` becomes the outcome of its item; any other exception, of the
    work or of ``items``, ends the run and comes out here.

    :param workers: threads, each with its own connection (a node takes 1,000).
    """
    pool: _Pool[Item, Value] = _Pool(client, work, items, workers)
    try:
        for _number, outcomes in pool.chunks():
            yield from outcomes
            pool.consumed()
    finally:
        pool.close()


def map_ordered(
    client: Client,
    work: Callable[[Client, Item], Value],
    items: Iterable[Item],
    *,
    workers: int = DEFAULT_WORKERS,
) -> Iterator[Outcome[Item, Value]]:
    """Like :func:`map_unordered`, with the outcomes in the order of the items.

    Chunks are taken in order, and the one that is due always has its room, so that waiting for
    it never waits for ever.
    """
    pool: _Pool[Item, Value] = _Pool(client, work, items, workers)
    early: dict[int, list[Outcome[Item, Value]]] = {}
    due = 0
    try:
        for number, outcomes in pool.chunks():
            early[number] = outcomes
            while due in early:
                yield from early.pop(due)
                pool.consumed()
                due += 1
    finally:
        pool.close()
