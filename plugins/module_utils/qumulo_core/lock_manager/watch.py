# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of open files, kept fresh in the background: once for each account, not each visitor."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ..client import Client
from ..common import heartbeats as beats
from ..common.heartbeats import Heartbeats
from ..errors import FORBIDDEN, AuthenticationError, QumuloError
from ..smb_locks.filters import HandleFilter
from ..smb_locks.listing import list_handles
from ..smb_locks.names import Names
from .board import Board, Entry
from .collector import Collector
from .counters import Counters
from .search import Query
from .sightings import Sightings

log = logging.getLogger(__name__)

#: A listing that takes long is not begun again at once: the cluster has other work.
_PAUSE_FACTOR = 3.0
#: Seconds that a thread waits until it says that it is there.
_IDLE = 10.0
#: Seconds after the last look at the list after which it is not refreshed any more.
QUIET = 120.0
_EVERYTHING = HandleFilter.make()


@dataclass(frozen=True)
class View:
    """What a watch knows at a moment.

    :param board: the last list that could be had.
    :param error: why there is no newer one.
    """

    board: Board | None = None
    error: QumuloError | None = None

    @property
    def generation(self) -> int:
        """Number of the board; 0 before the first."""
        return 0 if self.board is None else self.board.generation


class Watch:
    """Lists one account's view again and again while somebody looks at it.

    :param interval: seconds between two listings at least.
    :param rejected: is told the ID of a session whose token the cluster does not accept any more.
    :param refused: is told the ID of a session whose account may not see the list any more.
    """

    def __init__(
        self,
        *,
        interval: float,
        sightings: Sightings,
        collector: Collector,
        counters: Counters,
        rejected: Callable[[str], None],
        refused: Callable[[str, QumuloError], None],
        name: str,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self.names = Names()
        self._interval = interval
        self._sightings = sightings
        self._collector = collector
        self._counters = counters
        self._rejected = rejected
        self._refused = refused
        self._changed = threading.Condition()
        self._clients: dict[str, Client] = {}
        self._view = View()
        self._generation = 0
        self._looked = time.monotonic()
        self._asked = True
        self._stopped = False
        #: locations that were closed here, with the time: a listing under way still has them
        self._closed: dict[str, float] = {}
        self._thread = threading.Thread(
            target=(Heartbeats() if heartbeats is None else heartbeats).run,
            args=(f"watch-{name}", self._run),
            name=f"watch-{name}",
            daemon=True,
        )
        self._thread.start()

    # -- from the page -------------------------------------------------------------------------

    def add(self, session_id: str, client: Client) -> None:
        """Let a session's token be used for the listings."""
        with self._changed:
            self._clients[session_id] = client
            self._asked = True
            self._looked = time.monotonic()
            self._changed.notify_all()

    def remove(self, session_id: str) -> bool:
        """Use a session's token no more; returns False if no other is left."""
        with self._changed:
            self._clients.pop(session_id, None)
            return bool(self._clients)

    def uses(self, session_id: str) -> bool:
        """Tell whether a session's token is used for the listings."""
        with self._changed:
            return session_id in self._clients

    def look(self) -> View:
        """Return what is known, and go on refreshing it."""
        with self._changed:
            self._note_look()
            return self._view

    def wait(self, generation: int, timeout: float) -> View:
        """Return what is known as soon as it is newer than a generation, or an error came.

        :param timeout: seconds after which what there is will do.
        """
        with self._changed:
            self._note_look()
            self._changed.wait_for(
                lambda: (
                    self._stopped
                    or self._view.generation > generation
                    or self._view.error is not None
                ),
                timeout,
            )
            return self._view

    def refresh(self) -> None:
        """Ask for a new listing now."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()

    def forget(self, locations: Collection[str]) -> None:
        """Take closed handles off the list at once, and list again."""
        now = time.monotonic()
        with self._changed:
            self._closed.update(dict.fromkeys(locations, now))
            board = self._view.board
        if board is not None and any(board.at(location) for location in locations):
            trimmed = board.without(locations)
            with self._changed:
                # If a new board has come meanwhile, it leaves them out by itself.
                if self._view.board is board:
                    self._publish(View(trimmed, self._view.error))
        self.refresh()

    def stop(self) -> None:
        """End; a listing that is under way ends with its requests."""
        with self._changed:
            self._stopped = True
            self._clients.clear()
            self._changed.notify_all()

    def _note_look(self) -> None:
        now = time.monotonic()
        if now - self._looked > QUIET:
            self._asked = True  # it has been asleep, so what there is is old
            self._changed.notify_all()
        self._looked = now

    # -- in the background ---------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                self._wait_for(lambda: self._stopped or bool(self._asked and self._clients))
                if self._stopped:
                    return
                self._asked = False
                session_id, client = next(reversed(self._clients.items()))
            began = time.monotonic()
            beats.working("listing open files")
            with self._collector.resting():
                self._refresh(session_id, client)
            del client  # its session can end while this thread waits, and with it the token
            pause = max(self._interval, _PAUSE_FACTOR * (time.monotonic() - began))
            self._rest(pause)

    def _rest(self, pause: float) -> None:
        """Wait until the next listing is due and somebody looks, or one is asked for."""
        with self._changed:
            beats.waiting("waiting for the next listing", pause)
            if not self._changed.wait_for(lambda: self._stopped or self._asked, pause):
                self._wait_for(
                    lambda: self._stopped or self._asked or time.monotonic() - self._looked <= QUIET
                )
            self._asked = True

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition is met; the lock is held."""
        while not self._changed.wait_for(condition, _IDLE):
            beats.working("waiting for somebody who looks at the list")

    def _refresh(self, session_id: str, client: Client) -> None:
        began, started = datetime.now(timezone.utc), time.monotonic()
        try:
            with client.clone() as own:
                handles = list_handles(own, _EVERYTHING, names=self.names)
        except AuthenticationError as exc:
            log.info("the cluster does not accept the token of a session any more: %s", exc)
            self.remove(session_id)
            self._fail(exc if not self._clients else None)
            self._rejected(session_id)
            return
        except QumuloError as exc:
            log.warning("the list of open files can not be had: %s", exc)
            if exc.status == FORBIDDEN:
                self._withdraw(session_id, exc)
            else:
                self._fail(exc)
            return
        except Exception:
            # A defect must not end the thread unseen: the page would show an old list for ever.
            log.exception("the list of open files can not be had")
            self._fail(QumuloError("The list can not be read: the log of the service says why."))
            return
        with self._changed:
            self._closed = {place: at for place, at in self._closed.items() if at >= started}
            closed = set(self._closed)
            before = self._view.board
        handles = [handle for handle in handles if handle.location not in closed]
        seen = self._sightings.note(
            [handle.location for handle in handles], began, datetime.now(timezone.utc)
        )
        entries = [Entry(handle, sighting) for handle, sighting in zip(handles, seen)]
        board = Board(entries, taken=began)
        for query in [Query()] if before is None else before.recent:
            board.find(query)  # here rather than while somebody waits
        self._counters.add("refreshes")
        self._counters.add("refresh_seconds", time.monotonic() - started)
        with self._changed:
            late = set(self._closed) - closed
        if late:
            board = board.without(late)
        with self._changed:
            self._publish(View(board))

    def _fail(self, error: QumuloError | None) -> None:
        self._counters.add("refreshes_failed")
        with self._changed:
            if error is not None:
                self._view = View(self._view.board, error)
            self._asked = error is None  # at once with another session's token
            self._changed.notify_all()

    def _withdraw(self, session_id: str, error: QumuloError) -> None:
        """Show no list any more, because the account may not see it."""
        self._counters.add("refreshes_failed")
        with self._changed:
            self._clients.pop(session_id, None)
            self._view = View(None, error)
            self._asked = bool(self._clients)  # another session may have other privileges
            self._changed.notify_all()
        self._refused(session_id, error)

    def _publish(self, view: View) -> None:
        """Make a view the present one; the lock is held."""
        self._generation += 1
        if view.board is not None:
            view.board.generation = self._generation
        self._view = view
        self._changed.notify_all()


class Watches:
    """One watch for each account that is logged in; thread-safe."""

    def __init__(
        self,
        *,
        interval: timedelta,
        counters: Counters,
        rejected: Callable[[str], None],
        refused: Callable[[str, QumuloError], None],
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self._heartbeats = heartbeats
        self._interval = interval.total_seconds()
        # A listing itself takes its time; only a real break is a gap.
        self._sightings = Sightings(max(4 * interval, timedelta(minutes=1)))
        self._collector = Collector()
        self._counters = counters
        self._rejected = rejected
        self._refused = refused
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}

    def attach(self, account_id: str, session_id: str, client: Client) -> Watch:
        """Begin, or join, the watch of an account."""
        with self._lock:
            watch = self._watches.get(account_id)
            if watch is None:
                watch = Watch(
                    interval=self._interval,
                    sightings=self._sightings,
                    collector=self._collector,
                    counters=self._counters,
                    rejected=self._rejected,
                    refused=self._refused,
                    name=account_id,
                    heartbeats=self._heartbeats,
                )
                self._watches[account_id] = watch
            watch.add(session_id, client)
            return watch

    def detach(self, account_id: str, session_id: str) -> None:
        """Leave the watch of an account; the last one stops it."""
        with self._lock:
            watch = self._watches.get(account_id)
            if watch is not None and not watch.remove(session_id):
                del self._watches[account_id]
                watch.stop()

    def uses(self, account_id: str, session_id: str) -> bool:
        """Tell whether a session's token is used for the watch of an account."""
        with self._lock:
            watch = self._watches.get(account_id)
            return watch is not None and watch.uses(session_id)

    def of(self, account_id: str) -> Watch | None:
        """Return the watch of an account."""
        with self._lock:
            return self._watches.get(account_id)

    def stop(self) -> None:
        """Stop all."""
        with self._lock:
            watches = list(self._watches.values())
            self._watches.clear()
        for watch in watches:
            watch.stop()
