# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the cause of an error of SQLite, which does not name it."""

from __future__ import annotations

import errno
import os
import sqlite3

from ..common import os_reasons
from .spool import SpoolError, SpoolFullError

#: What SQLite says when not the file itself is at fault. Everything else is damage: a database with
#: a damaged header or schema fails in many ways. (Numbers of errors exist since Python 3.11 only.)
_NOT_DAMAGE = (
    "unable to open",
    "disk I/O error",
    "is full",
    "locked",
    "locking protocol",
    "out of memory",
    "interrupted",
    "has changed",
    "transaction",
    "Could not decode to UTF-8",
)
#: Misuse by this library.
_DEFECTS = (sqlite3.InterfaceError, sqlite3.NotSupportedError, sqlite3.ProgrammingError)
#: A damaged header can say so, too.
_READ_ONLY = "readonly"
_UNREADABLE = "Could not decode to UTF-8"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def is_damage(path: str, error: sqlite3.Error) -> bool:
    """Tell whether the file itself is damaged."""
    if isinstance(error, _DEFECTS) or any(text in str(error) for text in _NOT_DAMAGE):
        return False
    if _READ_ONLY in str(error):
        try:
            _probe(path)
        except OSError:
            return False
    return True


def is_unreadable(error: sqlite3.Error) -> bool:
    """Tell whether only a value cannot be read."""
    return _UNREADABLE in str(error)


def explain(path: str, error: sqlite3.Error) -> SpoolError:
    """Return the error with its cause and what to do."""
    text = str(error)
    failed = f"Cannot use the spool {path}"
    if "is full" in text:
        return _explained(failed, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    if "locked" in text:
        return SpoolError(
            f"{failed}: another process has been writing to it for too long. Find and end that "
            f"process (fuser -v {path})."
        )
    try:
        _probe(path)
    except FileNotFoundError as exc:
        return SpoolError(f"{failed}: {exc.filename} does not exist. Create that directory.")
    except OSError as exc:
        return _explained(failed, exc)
    return SpoolError(f"{failed}: {text}. Check the disk and the permissions of its directory.")


def _explained(failed: str, exc: OSError) -> SpoolError:
    kind = SpoolFullError if exc.errno in _NO_ROOM else SpoolError
    return kind(os_reasons.explain(failed, exc, "Check its directory and the disk."))


def _probe(path: str) -> None:
    """Do what a database needs, one by one.

    The database itself is not opened: closing it would release the locks of SQLite.

    :raises OSError: it cannot be done.
    """
    directory = os.path.dirname(os.path.abspath(path))
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = os.fstatvfs(fd)
    finally:
        os.close(fd)
    if found.f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not found.f_bavail or (found.f_files and not found.f_favail):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    there = not os.path.lexists(path) or os.access(path, os.R_OK | os.W_OK, effective_ids=True)
    if not (there and os.access(directory, os.W_OK | os.X_OK, effective_ids=True)):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
