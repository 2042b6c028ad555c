# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Privileges of logged-in accounts, read again from the cluster while they use the page."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from ..common import heartbeats as beats
from ..common.heartbeats import Heartbeats
from ..errors import AuthenticationError, MissingPrivilegeError, QumuloError
from .accounts import read_account
from .sessions import Session, Sessions
from .watch import Watches

log = logging.getLogger(__name__)

#: Seconds for which the privileges of a session are known.
EVERY = 60.0
#: Seconds until the cluster is asked again after it has not answered.
_REST = 10.0
#: Seconds that an answer of the page waits for the cluster's.
_LONGEST_WAIT = 2.0
_WORKERS = 4
#: Seconds that a thread waits for a session until it says that it is there.
_IDLE = 10.0
#: When a check is due while it runs: not before it ends.
_READING = float("inf")


class PrivilegeChecks:
    """Reads a session's privileges before a request if they were read too long ago; thread-safe.

    A session that nobody uses costs nothing. While the cluster does not answer, the privileges
    that are known apply, so that the page can still say why there is no newer list.
    """

    def __init__(
        self, sessions: Sessions, watches: Watches, heartbeats: Heartbeats | None = None
    ) -> None:
        self.every = EVERY
        self._sessions = sessions
        self._watches = watches
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._running: dict[str, tuple[Future[None], float]] = {}
        self._resting_until = 0.0
        # Each session waits in it once at most.
        self._waiting: SimpleQueue[tuple[Session, Future[None]] | None] = SimpleQueue()
        run = (Heartbeats() if heartbeats is None else heartbeats).run
        for number in range(_WORKERS):
            name = f"privileges-{number}"
            # Daemons: a cluster that does not answer must not hold up the end of the service.
            threading.Thread(target=run, args=(name, self._work), name=name, daemon=True).start()

    async def refresh(self, session: Session) -> None:
        """Read the privileges of a session again if that is due; it may have ended afterwards."""
        check, until = self._begin(session)
        if check is not None:
            wait = max(0.0, until - time.monotonic())
            await asyncio.wait([asyncio.wrap_future(check)], timeout=wait)
            if check.done():
                check.result()

    def refused(self, session_id: str, error: QumuloError) -> None:
        """Note that the cluster has refused a request of a session (403)."""
        session = self._sessions.find_by_id(session_id)
        if session is None:
            return
        if isinstance(error, MissingPrivilegeError):
            session.account = session.account.without(error.privilege)
        with self._lock:
            self._due[session_id] = 0.0
            self._resting_until = 0.0

    def forget(self, session_id: str) -> None:
        """Forget a session that has ended."""
        with self._lock:
            self._due.pop(session_id, None)

    def watch(self, session: Session) -> None:
        """Use the session's token for the list, or not, as its account is allowed."""
        account = session.account
        if not account.may_see:
            self._watches.detach(account.id, session.id)
        elif not self._watches.uses(account.id, session.id):
            self._watches.attach(account.id, session.id, session.client)
            # It may have ended before its token was there to be forgotten.
            if self._sessions.find_by_id(session.id) is None:
                self._watches.detach(account.id, session.id)

    def stop(self) -> None:
        """End; nobody waits for requests that are under way."""
        for _worker in range(_WORKERS):
            self._waiting.put(None)

    def _begin(self, session: Session) -> tuple[Future[None] | None, float]:
        """Return the check of a session, if one is due, and until when to wait for it."""
        now = time.monotonic()
        with self._lock:
            running = self._running.get(session.id)
            if running is not None:
                return running
            due = self._due.get(session.id, session.opened + self.every)
            if now < max(due, self._resting_until):
                return None, now
            running = self._running[session.id] = (Future(), now + _LONGEST_WAIT)
            self._waiting.put((session, running[0]))
            return running

    def _work(self) -> None:
        while True:
            beats.working("waiting for a session to check")
            try:
                due = self._waiting.get(timeout=_IDLE)
            except Empty:
                continue
            if due is None:
                return
            session, done = due
            beats.working("reading the privileges of an account")
            try:
                self._check(session)
            except Exception as exc:  # pylint: disable=broad-exception-caught
                done.set_exception(exc)  # a defect: raised where it is waited for
            else:
                done.set_result(None)
            finally:
                del due, session  # its token goes with it when it ends

    def _check(self, session: Session) -> None:
        try:
            with self._lock:
                if time.monotonic() < self._resting_until:
                    return
                self._due[session.id] = _READING
            with session.client.clone() as client:
                account = read_account(client)
            if self._note(session, self.every):
                session.account = account
                self.watch(session)
        except AuthenticationError as exc:
            log.info("the cluster does not accept the token of a session any more: %s", exc)
            self._sessions.close(session.id)
        except QumuloError as exc:
            log.warning("cannot read the privileges of %s: %s", session.account.name, exc)
            self._note(session, _REST)
            with self._lock:
                self._resting_until = time.monotonic() + _REST
        finally:
            with self._lock:
                self._running.pop(session.id, None)
                if self._due.get(session.id) == _READING:  # a defect ended it
                    self._due[session.id] = time.monotonic() + _REST

    def _note(self, session: Session, seconds: float) -> bool:
        """Note when the next check is due; False if the answer is older than a refusal."""
        with self._lock:
            if self._due.get(session.id) != _READING:  # or it has ended
                return False
            self._due[session.id] = time.monotonic() + seconds
        if self._sessions.find_by_id(session.id) is None:
            self.forget(session.id)
        return True
