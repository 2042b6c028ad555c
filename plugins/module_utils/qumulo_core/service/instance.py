# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One instance per host, by ``fcntl.flock`` on a file that is never unlinked.

A lock file that is removed on release lets two holders in: one that locked the old inode and one
that created a new file. So the file stays, and what is written in it is only for people.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone

from ..common import os_reasons
from ..errors import InputError, QumuloError
from ..times import format_rfc3339

DIRECTORY = "/run/lockstep"
#: Looks at the lock that a service waits for, and seconds that one takes at the most.
_LOOKS, _A_LOOK = 10, 0.05


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, as far as the file tells."""

    pid: int | None
    since: str | None

    def describe(self) -> str:
        """Return the holder in words."""
        if self.pid is None:
            return "by another process"
        return f"by process {self.pid}" + (f" since {self.since}" if self.since else "")


class AlreadyRunningError(QumuloError):
    """Another instance of the service runs on this host."""

    def __init__(self, path: str, holder: Holder) -> None:
        super().__init__(
            f"The service is already running: {path} is held {holder.describe()}. Stop that "
            "instance first."
        )
        self.holder = holder


class SingleInstance:
    """The lock of a service, held from :meth:`acquire` until the process ends.

    :param path: lock file; it is made if it is not there.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._number: int | None = None

    def __enter__(self) -> SingleInstance:
        self.acquire()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock.

        :raises AlreadyRunningError: somebody has it.
        :raises InputError: the file cannot be opened or locked.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            try:
                number = os.open(self.path, flags, 0o640)
            except OSError as exc:
                failed = f"Cannot open the lock file {self.path}"
                step = "Create the directory that holds it."
                raise InputError(os_reasons.explain(failed, exc, step)) from exc
            try:
                _lock(number)
            except BlockingIOError as exc:
                holder = _read_holder(number)
                os.close(number)
                raise AlreadyRunningError(self.path, holder) from exc
            except OSError as exc:
                os.close(number)
                failed = f"Cannot lock the lock file {self.path}"
                step = "Put it on a local file system."
                raise InputError(os_reasons.explain(failed, exc, step)) from exc
            if _is_still(self.path, number):
                break
            os.close(number)  # a person has removed or replaced the file meanwhile
        self._number = number
        note = {"pid": os.getpid(), "since": format_rfc3339(datetime.now(timezone.utc))}
        os.ftruncate(number, 0)  # not before the lock is won
        os.pwrite(number, (json.dumps(note) + "\n").encode(), 0)

    def release(self) -> None:
        """Let the lock go; the file stays."""
        if self._number is not None:
            os.close(self._number)
            self._number = None


def holder_of(path: str) -> Holder | None:
    """Return who holds a lock, or None if nobody does.

    :raises InputError: the file cannot be read or locked.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as exc:
        failed = f"Cannot read the lock file {path}"
        raise InputError(os_reasons.explain(failed, exc, "Check the path.")) from exc
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(number)
    except OSError as exc:
        failed = f"Cannot look at the lock of {path}"
        step = "Put it on a local file system."
        raise InputError(os_reasons.explain(failed, exc, step)) from exc
    finally:
        os.close(number)
    return None


def _lock(number: int) -> None:
    """Lock a file; somebody who only looks (:func:`holder_of`) does not keep a service from it.

    :raises OSError: it is locked for longer than a look takes.
    """
    for _again in range(_LOOKS):
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_A_LOOK)
    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_still(path: str, number: int) -> bool:
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(number))


def _read_holder(number: int) -> Holder:
    try:
        note = json.loads(os.pread(number, 4096, 0))
        return Holder(int(note["pid"]), str(note["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder(None, None)  # it has not written yet
