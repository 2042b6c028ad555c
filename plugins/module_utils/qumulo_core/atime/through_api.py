# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets access times through the REST API, by file ID, with several threads."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence

from .. import files
from ..client import Client
from ..common import heartbeats as beats
from ..common.heartbeats import Heartbeats
from ..domain.file_refs import by_id
from ..errors import (
    MissingPrivilegeError,
    NotFoundError,
    PermissionDeniedError,
    QumuloError,
)
from ..service.retries import FOR_NOW
from ..service.spool import Item
from ..times import format_rfc3339_ns, parse_rfc3339_ns
from .beneath import Outcome
from .setting import Result

#: No file can be set at present.
_STOP = (*FOR_NOW, MissingPrivilegeError)
#: Seconds between looks at whether to stop, and how many of them what is under way gets then.
_POLL, _PATIENCE = 0.2, 10
#: Seconds that a thread waits for a file until it says that it is there.
_IDLE = 5.0


def set_access_time(client: Client, file_id: str, time_ns: int, least_ns: int) -> Outcome:
    """Set the access time of a file, if it is newer than the one that the file has.

    :param least_ns: a time that is newer by less is not worth a write; 1 at least.
    :raises QumuloError: it could not be set, for another reason than those of :class:`Outcome`.
    """
    try:
        present = parse_rfc3339_ns(files.get(client, by_id(file_id)).access_time)
        if time_ns - present < least_ns:
            return Outcome.FRESH
        client.rest.fs.set_file_attr(id_=file_id, access_time=format_rfc3339_ns(time_ns))
    except NotFoundError:
        return Outcome.GONE
    except PermissionDeniedError:
        return Outcome.DENIED  # as of a file that is locked
    return Outcome.SET


class ThroughApi:
    """A :class:`.setting.Backend`; keys of items are file IDs.

    :param client: is cloned for each worker.
    :param least_ns: gives the granularity of the moment.
    """

    allowance: float | None = None

    def __init__(
        self,
        client: Client,
        workers: int,
        least_ns: Callable[[], int],
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self._client = client
        self._least_ns = least_ns
        self._asked: queue.SimpleQueue[Item] = queue.SimpleQueue()
        #: None for what was left alone.
        self._answers: queue.SimpleQueue[Result | BaseException | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        #: What ended the batch that is under way; what is still asked for is left alone.
        self._end: QumuloError | None = None
        run = (Heartbeats() if heartbeats is None else heartbeats).run
        for number in range(workers):
            name = f"set-{number}"
            threading.Thread(target=run, args=(name, self._work), name=name, daemon=True).start()

    def apply(self, items: Sequence[Item], stopped: threading.Event) -> Iterator[Result]:
        """Set the times of some files."""
        self._end, self._stopped = None, stopped
        for item in items:
            self._asked.put(item)
        left, patience = len(items), _PATIENCE
        while left:
            try:
                answer = self._answers.get(timeout=_POLL)
            except queue.Empty:
                beats.working("waiting for the threads that set access times")
                patience -= 1 if stopped.is_set() else 0
                if not patience:
                    return  # the process ends, and with it the workers
                continue
            left -= 1
            if isinstance(answer, Result):
                yield answer
            elif answer is not None:
                raise answer
        if self._end is not None:
            raise self._end

    def look(self) -> None:
        """Nothing to do: the next file tells."""

    def rest(self) -> None:
        """Nothing is in anybody's way."""

    def _work(self) -> None:
        with self._client.clone() as client:
            while True:
                beats.working("waiting for a time to set")
                try:
                    item = self._asked.get(timeout=_IDLE)
                except queue.Empty:
                    continue
                beats.working(f"setting the access time of file {item.key!s}")
                self._answers.put(self._handle(client, item))

    def _handle(self, client: Client, item: Item) -> Result | BaseException | None:
        if self._end is not None or self._stopped.is_set():
            return None
        try:
            key = str(item.key)  # a file ID
            return Result(item, set_access_time(client, key, item.stamp, self._least_ns()))
        except _STOP as exc:
            self._end = exc
            return None
        except QumuloError as exc:
            return Result(item, None, exc.message)
        except BaseException as exc:  # pylint: disable=broad-exception-caught
            return exc  # raised again by the thread that asked
