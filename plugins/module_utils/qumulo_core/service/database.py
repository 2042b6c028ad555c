# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database of SQLite whose file can be deleted, replaced or damaged while it is open.

The service that owns the database notices each of these before it accepts anything more. A damaged
database is moved aside, so that the next start does not fail for the same reason.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from . import damage
from .instance import SingleInstance
from .spool import SpoolDamagedError, SpoolError, SpoolGoneError, SpoolUnreadableError
from .sqlite_errors import explain, is_damage, is_unreadable

_LOG = logging.getLogger(__name__)
#: Seconds to wait for another process, such as an operator's command, that writes.
_BUSY = 30.0
#: Pages that go to the log before it is written back: about 16 MiB.
_CHECKPOINT_PAGES = 4000
MEMORY = ":memory:"


class Database:
    """A database in a file, used by any thread.

    :param path: of the database; :data:`MEMORY` for one that lasts as long as the process.
    :param own: this process is the service that the database belongs to. It keeps other instances
        out by a lock beside the file, and moves a damaged file aside.
    :param create: create the file if it does not exist.
    :raises SpoolError: the file cannot be used.
    :raises AlreadyRunningError: another service owns it.
    """

    def __init__(self, path: str, *, own: bool = False, create: bool = True) -> None:
        self.path = path
        self._own = own and path != MEMORY
        self._create = create
        self._lock = threading.Lock()
        #: Why the database is lost: the service must end.
        self.failure: SpoolError | None = None
        self._instance: SingleInstance | None = None
        self._is_open = False
        #: The files as they were opened.
        self._files: dict[str, os.stat_result] = {}
        if self._own:
            self._instance = SingleInstance(f"{path}.lock")
            self._instance.acquire()
        try:
            try:
                self._open()
            except SpoolDamagedError as exc:
                if not exc.moved:
                    raise
                _LOG.error("%s", exc)
                self.failure = None
                self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        try:
            self._connect()
        except SpoolUnreadableError as exc:  # its schema
            raise self._damaged(exc.message) from exc
        if self._own:
            self._remember_files()
        self._look()

    def _connect(self) -> None:
        with self._errors():
            mode = "rwc" if self._create else "rw"
            file = quote(os.fsencode(self.path))
            uri = self.path if self.path == MEMORY else f"file:{file}?mode={mode}"
            self._connection = sqlite3.connect(
                uri, timeout=_BUSY, isolation_level=None, check_same_thread=False, uri=True
            )
            self._is_open = True
            self._connection.execute("PRAGMA journal_mode = WAL")
            # An entry that was taken must survive a loss of power, too.
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self._set_up(self._connection)

    def _set_up(self, connection: sqlite3.Connection) -> None:
        """Create the tables."""

    def _look(self) -> None:
        """Read what is there."""

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._is_open and not isinstance(self.failure, SpoolGoneError):
                self._connection.close()
        self._release()

    def _release(self) -> None:
        if self._instance is not None:
            self._instance.release()

    # -- using it -------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the database to one reader; services keep tables of their own in it."""
        with self._lock, self._errors():
            self._check_files()
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the database to one writer; what it does is durable, all or none."""
        with self._lock, self._errors():
            self._check_files()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._roll_back()
                raise
            # Deleted meanwhile: what was written is lost, so it must not count as written.
            self._check_files()

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error as exc:
            _LOG.debug("cannot roll back: %s", exc)  # the first error says more

    @contextmanager
    def _errors(self) -> Iterator[None]:
        if self.failure is not None:
            raise self.failure
        try:
            yield
        except sqlite3.Error as exc:
            if is_damage(self.path, exc):
                raise self._damaged(str(exc)) from exc
            if is_unreadable(exc):
                raise SpoolUnreadableError(f"A row of {self.path} cannot be read: {exc}.") from exc
            raise explain(self.path, exc) from exc
        except UnicodeDecodeError as exc:  # SQLite quotes what is damaged
            raise self._damaged(str(exc)) from exc

    # -- deleted or replaced --------------------------------------------------------------------

    def _remember_files(self) -> None:
        # The log and its index lie beside the file itself, wherever a symlink leads.
        real = os.path.realpath(self.path)
        paths = [self.path, f"{real}-wal", f"{real}-shm", f"{self.path}.lock"]
        try:
            self._files = {path: os.stat(path) for path in paths}
        except OSError as exc:
            self.failure = self._gone(exc.filename)
            raise self.failure from exc

    def _check_files(self) -> None:
        """Make sure that the paths still name the open files.

        :raises SpoolGoneError: one of them was deleted or replaced.
        """
        for path, opened in self._files.items():
            try:
                same = os.path.samestat(os.stat(path), opened)
            except OSError:
                same = False
            if not same:
                self.failure = self._gone(path)
                raise self.failure

    def _gone(self, path: str) -> SpoolGoneError:
        # Closing it would delete the log that the path names now: of a backup that was restored,
        # or of another instance. So the connection outlives even the end of the interpreter.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))
        return SpoolGoneError(
            f"{path} was deleted or replaced while the service was running. Nothing more is "
            "accepted, and the service ends. Find out who did that: the next start uses what is "
            "there then."
        )

    # -- damaged --------------------------------------------------------------------------------

    def _damaged(self, reason: str) -> SpoolError:
        """Return the error about a damaged file; the owner moves it aside.

        :raises SpoolError: it cannot be moved.
        """
        if not self._own:
            damage.refuse_text(self.path)
            return SpoolDamagedError(
                f"The spool {self.path} is damaged ({reason}). The service moves it aside when it "
                "finds the damage: see its journal."
            )
        self._connection.close()
        self._files = {}
        try:
            aside = damage.move_aside(self.path)
        except SpoolError as exc:
            self.failure = exc
            raise
        self.failure = SpoolDamagedError(
            f"The spool {self.path} was damaged ({reason}) and is now {aside}. The service starts "
            "over with an empty one. Check the disk; see 'The spool is damaged' in the guide "
            "'What happens when'.",
            moved=True,
        )
        return self.failure
