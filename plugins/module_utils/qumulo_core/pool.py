# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on many items with a bounded pool of threads, each with a client of its own."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable, Generic, TypeVar

from .client import Client
from .errors import QumuloError

Item = TypeVar("Item")
Value = TypeVar("Value")

DEFAULT_WORKERS = 16
#: Items under way or waiting for each worker: enough that none idles, few enough to stay small.
LOOK_AHEAD = 4


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """What became of one item: a value, or the error that the work ended with."""

    item: Item
    value: Value | None = None
    error: QumuloError | None = None


class _Pool(Generic[Item, Value]):
    """Threads with clients; made for one run and closed after it."""

    def __init__(self, client: Client, work: Callable[[Client, Item], Value], workers: int) -> None:
        if workers < 1:
            raise ValueError("a pool has at least one worker")
        self._client = client
        self._work = work
        self._local = threading.local()
        self._lock = threading.Lock()
        self._clones: list[Client] = []
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="qumulo")
        self.window = workers * LOOK_AHEAD

    def submit(self, item: Item) -> Future[Outcome[Item, Value]]:
        return self._executor.submit(self._run, item)

    def _run(self, item: Item) -> Outcome[Item, Value]:
        client: Any = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._client.clone()
            with self._lock:
                self._clones.append(client)
        try:
            return Outcome(item, value=self._work(client, item))
        except QumuloError as exc:
            return Outcome(item, error=exc)

    def close(self) -> None:
        """Drop what has not begun, wait for what has, close the connections."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        for clone in self._clones:
            clone.close()


def map_unordered(
    client: Client,
    work: Callable[[Client, Item], Value],
    items: Iterable[Item],
    *,
    workers: int = DEFAULT_WORKERS,
) -> Iterator[Outcome[Item, Value]]:
    """Yield the outcome of ``work(client_of_thread, item)`` for each item, as they get ready.

    ``items`` is read no further ahead than a small window, so it may be endless. A
    :class:`QumuloError` becomes the outcome of its item; any other exception is a defect and
    ends the run.

    :param workers: threads, each with its own connection (a node takes 1,000).
    """
    pool: _Pool[Item, Value] = _Pool(client, work, workers)
    ready: queue.SimpleQueue[Future[Outcome[Item, Value]]] = queue.SimpleQueue()
    pending = 0
    try:
        for item in items:
            pool.submit(item).add_done_callback(ready.put)
            pending += 1
            while pending >= pool.window or not ready.empty():
                pending -= 1
                yield ready.get().result()
        while pending:
            pending -= 1
            yield ready.get().result()
    finally:
        pool.close()


def map_ordered(
    client: Client,
    work: Callable[[Client, Item], Value],
    items: Iterable[Item],
    *,
    workers: int = DEFAULT_WORKERS,
) -> Iterator[Outcome[Item, Value]]:
    """Like :func:`map_unordered`, with the outcomes in the order of the items."""
    pool: _Pool[Item, Value] = _Pool(client, work, workers)
    waiting: deque[Future[Outcome[Item, Value]]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(item))
            while len(waiting) >= pool.window or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.close()
